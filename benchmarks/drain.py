"""A plain receiver of whole messages, as fast as they come, until it is ended.

    python benchmarks/drain.py

Prints its address.
"""

import zmq


def main() -> None:
    socket = zmq.Context().socket(zmq.PULL)
    socket.set_hwm(100)
    print(f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}", flush=True)
    receive = socket.recv_multipart
    while True:
        receive(0, False)


main()
