"""What a message costs where each comes alone, 1000 a second, and how late it is received.

    python benchmarks/slow.py

Every message wakes the process up. CPU time is the whole process's, ZeroMQ's own thread
included; a process that waits for messages in vain uses none that could be measured.
"""

import sys
import time
from contextlib import contextmanager
from statistics import median

from compare import HERE, Plan, Row, beside, contender, measure, program, take_turns

RATE = 1_000

SECONDS = 1.6


@contextmanager
def ticking():
    """Have a sender of `RATE` messages a second run beside; gives its address."""
    with beside([sys.executable, str(HERE / "ticking.py"), str(RATE)]) as address:
        yield address


def figures(stamp, count):
    """Measure a function that receives a message and gives the time it was sent."""
    late = []

    def loop(count):
        late.clear()
        for _ in range(count):
            sent = stamp()
            late.append(time.monotonic() - sent)

    return {**measure(loop, int(count)), "p50": median(late)}


def gmflow(address, count):
    sys.modules["orjson"] = None
    return gmflow_fast(address, count)


def gmflow_fast(address, count):
    import gmflow as mflow

    return by_library(mflow, address, count)


def psi_mflow(address, count):
    import mflow

    return by_library(mflow, address, count)


def by_library(library, address, count):
    stream = library.connect(address)
    return figures(lambda: stream.receive().data["data"][0][0], count)


def by_hand(address, count):
    import zmq

    return by_socket(zmq.Context.instance(), address, count)


def zmq_green(address, count):
    import zmq.green

    return by_socket(zmq.green.Context.instance(), address, count)


def by_socket(context, address, count):
    import json

    import numpy as np
    import zmq

    socket = context.socket(zmq.PULL)
    socket.set_hwm(100)
    socket.connect(address)

    def stamp():
        first, data = socket.recv_multipart()
        header = json.loads(first)
        return np.frombuffer(data, header["type"]).reshape(header["shape"])[0]

    return figures(stamp, count)


CONTENDERS = {
    "gmflow": gmflow,
    "gmflow[fast]": gmflow_fast,
    "psi-mflow": psi_mflow,
    "plain": by_hand,
    "zmq.green": zmq_green,
}


def rows(plan: Plan) -> list[Row]:
    count = plan.count(RATE * SECONDS)
    with ticking() as address:
        commands = {name: contender(__file__, name, address, count) for name in CONTENDERS}
        taken = take_turns(plan.runs, commands)
    case, us = f"one stream of {RATE} Hz", {"scale": 1e6, "unit": "µs"}
    yield taken.row(case, "process", "zmq.green", wanted=1.6, **us)
    yield taken.row(case + ", orjson", "process", "zmq.green", ours="gmflow[fast]", **us)
    for peer in ("psi-mflow", "plain"):
        yield taken.row(case, "process", peer, **us)
    for peer in ("zmq.green", "psi-mflow", "plain"):
        yield taken.row(case, "p50", peer, **us)


if __name__ == "__main__":
    program(CONTENDERS, rows)
