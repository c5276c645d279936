"""libzmq's own proxy, PULL to PUSH, until it is ended: what forwarding costs without Python.

python benchmarks/proxy.py SOURCE STREAM
"""

import sys

import zmq


def main(source: str, stream: str) -> None:
    context = zmq.Context()
    pull, push = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    for socket in (pull, push):
        socket.set_hwm(100)
    pull.connect(source)
    push.bind(stream)
    zmq.proxy(pull, push)


main(*sys.argv[1:])
