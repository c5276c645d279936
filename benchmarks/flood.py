"""A plain sender of array-1.0 messages, as fast as they are taken, until it is ended.

    python benchmarks/flood.py SIZE [WIDTH]

Prints its address. SIZE is bytes; with WIDTH the arrays are images so wide.
"""

import json
import sys
from collections import deque
from itertools import cycle, repeat

import zmq


def main(size: int, width: int = 0) -> None:
    shape = [size // width, width] if width else [size]
    header = {"htype": "array-1.0", "type": "uint8", "shape": shape, "frame": 0, "source": "flood"}
    first, data, copy = json.dumps(header).encode(), bytes(size), size < 65_536
    more = int(zmq.SNDMORE)
    socket = zmq.Context().socket(zmq.PUSH)
    socket.set_hwm(100)
    print(f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}", flush=True)
    # no Python between the parts: the sender leaves its core to ZeroMQ, and the other to the peer
    deque(map(socket.send, cycle((first, data)), cycle((more, 0)), repeat(copy)), 0)


main(*map(int, sys.argv[1:]))
