"""A plain sender with many sockets, each as fast as it is taken from, until it is ended.

    python benchmarks/flood_many.py SIZE SOCKETS [FOLDER [HERTZ]]

Prints its addresses, with commas between: of TCP, or of IPC in a folder. The sockets take turns
of a few messages of array-1.0 each, SIZE bytes of data; with HERTZ each sends one message so
many times a second instead.
"""

import json
import sys
import time

import zmq
from compare import allow_files

TURN = 16
"""Messages in a turn: one alone would cost ZeroMQ a system call a message, and it would be slow."""


def main(size: int, number: int, folder: str = "", hertz: str = "") -> None:
    allow_files()
    context = zmq.Context()
    context.set(zmq.MAX_SOCKETS, 2 * number + 10)
    sockets = [context.socket(zmq.PUSH) for _ in range(number)]
    for socket in sockets:
        socket.set_hwm(100)
    for place, socket in enumerate(sockets):
        socket.bind(f"ipc://{folder}/{place}" if folder else "tcp://127.0.0.1:*")
    print(",".join(socket.get(zmq.LAST_ENDPOINT).decode() for socket in sockets), flush=True)
    flood(size, [socket.send for socket in sockets], float(hertz or 0))


def flood(size, sends, hertz):
    header = {"htype": "array-1.0", "type": "uint8", "shape": [size], "frame": 0, "source": "flood"}
    first, data, more = json.dumps(header).encode(), bytes(size), int(zmq.SNDMORE)
    turn, pause = (1, 1 / hertz) if hertz else (TURN, 0)
    while True:
        for send in sends:
            for _ in range(turn):
                send(first, more)
                send(data)
        if pause:
            time.sleep(pause)


main(*map(int, sys.argv[1:3]), *sys.argv[3:])
