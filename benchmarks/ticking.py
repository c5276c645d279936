"""Plain senders that tick: each sends its array-1.0 messages by the clock, until it is ended.

    python benchmarks/ticking.py RATE [SENDERS]

Prints their addresses. RATE is messages a second of each; they take turns in even steps. The
array is the time of `time.monotonic` at sending, which all processes of a machine share.
"""

import json
import struct
import sys
import time

import zmq

HEADER = {"htype": "array-1.0", "type": "float64", "shape": [1], "frame": 0, "source": "ticking"}


def main(rate: int, senders: int = 1) -> None:
    sockets = [bound() for _ in range(senders)]
    print(*(socket.get_string(zmq.LAST_ENDPOINT) for socket in sockets), flush=True)
    header, due = json.dumps(HEADER).encode(), time.monotonic()
    while True:
        for socket in sockets:
            due += 1 / (rate * senders)
            time.sleep(max(0, due - time.monotonic()))
            tick(socket, header)


def bound():
    socket = zmq.Context.instance().socket(zmq.PUSH)
    socket.set_hwm(0)  # a clock does not wait: what nobody takes grows old in the queue
    socket.bind("tcp://127.0.0.1:*")
    return socket


def tick(socket, header):
    try:
        parts = [header, struct.pack("d", time.monotonic())]
        socket.send_multipart(parts, zmq.NOBLOCK)
    except zmq.Again:
        pass  # nobody is connected


main(*map(int, sys.argv[1:]))
