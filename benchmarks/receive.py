"""How fast array-1.0 is received and decoded, against psi-mflow and a loop written by hand.

A sender floods a receiver of one kind after the other, each in a process of its own; the kinds
take turns, and a ratio is taken round by round. Above 1 gmflow is faster.

    python benchmarks/receive.py [ROUNDS]
"""

import json
import subprocess
import sys
import time
from importlib.util import find_spec
from statistics import median

CASES = {40: 60_000, 4_096: 60_000, 262_144: 4_000, 1_048_576: 1_500, 8_388_608: 250}
"""Messages of each size in bytes."""

KINDS = ["gmflow", "mflow", "plain", "plain without a copy"]

SENDER = """
import json, sys, zmq
size, count = map(int, sys.argv[1:])
header = json.dumps({"htype": "array-1.0", "type": "uint8", "shape": [size], "frame": 0}).encode()
data = bytes(size)
context = zmq.Context()
socket = context.socket(zmq.PUSH)
socket.set_hwm(100)
print(socket.bind_to_random_port("tcp://127.0.0.1"), flush=True)
for _ in range(count):
    socket.send(header, zmq.SNDMORE)
    socket.send(data, copy=size < 65_536)
socket.close()
context.term()
"""


def by_library(name, address):
    library = __import__(name)
    return library.connect(address).receive


def by_hand(address, copy):
    import numpy as np
    import zmq

    socket = zmq.Context.instance().socket(zmq.PULL)
    socket.set_hwm(100)
    socket.connect(address)

    def receive():
        header, data = socket.recv_multipart(copy=copy)
        header = json.loads(header if copy else header.bytes)
        return np.frombuffer(data, header["type"]).reshape(header["shape"])

    return receive


def measure(kind, address, count):
    """Print seconds a message: wall time, CPU of this thread, CPU of the process."""
    if kind.startswith("plain"):
        receive = by_hand(address, copy=kind == "plain")
    else:
        receive = by_library(kind, address)
    receive()
    clocks = (time.perf_counter, time.thread_time, time.process_time)
    start = [clock() for clock in clocks]
    for _ in range(count):
        receive()
    print(*((clock() - began) / count for clock, began in zip(clocks, start, strict=True)))


def run(kind, size, count):
    sender = subprocess.Popen(
        [sys.executable, "-c", SENDER, str(size), str(count + 1)], stdout=subprocess.PIPE, text=True
    )
    address = f"tcp://127.0.0.1:{int(sender.stdout.readline())}"
    receiver = [sys.executable, __file__, "measure", kind, address, str(count)]
    figures = subprocess.run(receiver, check=True, capture_output=True, text=True, timeout=120)
    sender.wait(30)
    return [float(word) for word in figures.stdout.split()]


def main(rounds=5):
    kinds = [kind for kind in KINDS if kind.startswith("plain") or find_spec(kind)]
    print("gmflow's speed as a multiple of: wall time, CPU of the thread, CPU of the process")
    for size, count in CASES.items():
        taken = {kind: [] for kind in kinds}
        for number in range(rounds):
            for kind in kinds if number % 2 else reversed(kinds):
                taken[kind].append(run(kind, size, count))
        for kind in kinds[1:]:
            pairs = zip(taken[kind], taken["gmflow"], strict=True)
            rows = [[a / b for a, b in zip(other, ours, strict=True)] for other, ours in pairs]
            ratios = " ".join(f"{median(column):6.2f}" for column in zip(*rows, strict=True))
            print(f"{size:>9} bytes, {kind:<20} {ratios}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        measure(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main(*map(int, sys.argv[1:]))
