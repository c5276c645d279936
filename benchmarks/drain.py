"""A receiver that throws messages away as fast as ZeroMQ itself can, until it is ended.

    python benchmarks/drain.py

Prints its address. ZeroMQ's own proxy hands the messages to a publisher without subscribers:
no Python runs, so that the sender is what is measured.
"""

import zmq


def main() -> None:
    context = zmq.Context()
    taking, dropping = context.socket(zmq.PULL), context.socket(zmq.PUB)
    taking.set_hwm(100)
    port = taking.bind_to_random_port("tcp://127.0.0.1")
    dropping.bind("inproc://nobody")
    print(f"tcp://127.0.0.1:{port}", flush=True)
    zmq.proxy(taking, dropping)


main()
