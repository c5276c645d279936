"""Messages with a key to be merged by, and how a plain socket sends them."""

import json

import gevent
import numpy as np
import zmq


def numbered(name, key, **more):
    header = {"htype": "array-1.0", "type": "int64", "shape": [1], "pulse_id": key, **more}
    return [json.dumps(header).encode(), np.array([key]).tobytes()]


def push(socket, keys):
    for key in keys:
        while True:
            try:
                socket.send_multipart(numbered("", key), zmq.NOBLOCK)
                break
            except zmq.Again:
                gevent.sleep(0.001)
