"""What a tap takes from the main path: a source and a PUSH output, flooded, with viewers beside.

    python benchmarks/tap.py

Sender, topology, receiver and each viewer are a process of their own. `rate` is messages/s on the
main path; the peer is the same topology without a tap. Of 5 subscribers one is stopped by SIGSTOP.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager

import gevent
from compare import HERE, Plan, Row, beside, contender, flood, program, take_turns

import gmflow

COUNTS = {40: 200_000, 4096: 120_000, 1 << 20: 2_000}
"""Messages for each size in bytes."""

VIEW = """
import sys, zmq
socket = zmq.Context().socket(zmq.SUB)
socket.set_hwm(10)
socket.subscribe(b"")
socket.connect(sys.argv[1])
while True:
    socket.recv_multipart(copy=False)
"""
"""A plain viewer."""


@contextmanager
def viewer(address):
    """Have a viewer run beside; gives its process id."""
    with subprocess.Popen([sys.executable, "-c", VIEW, address]) as process:
        try:
            yield process.pid
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()


def watch(tap, count, stack):
    """Have so many viewers subscribe to a tap, and stop the fifth."""
    viewers = [stack.enter_context(viewer(tap.address)) for _ in range(count)]
    while tap.snapshot()["connection"]["peers"] < count:
        gevent.sleep(0.01)
    while count and not tap.snapshot()["subscriptions"]:
        gevent.sleep(0.01)
    for process in viewers[4:]:
        os.kill(process, signal.SIGSTOP)


def main_path(subscribers, source, count):
    """Measure the main path beside a tap with so many subscribers, None for no tap."""
    gmflow.tune_process()
    count, topology = int(count), gmflow.Topology()
    with ExitStack() as stack:
        drain = stack.enter_context(beside([sys.executable, str(HERE / "drain.py")]))
        stack.callback(topology.stop)
        stream = topology.source(source)
        output = topology.output(stream, drain)
        tap = None if subscribers is None else topology.tap(stream, "tcp://127.0.0.1:*")
        topology.start()
        if tap is not None:
            watch(tap, subscribers, stack)
        rate_of(topology, output, count // 5)
        return {"rate": rate_of(topology, output, count)}


def rate_of(topology, output, count):
    """Return the messages a second that an output of a topology sends."""
    began, before = time.perf_counter(), output.statistics.sent
    while (sent := output.statistics.sent - before) < count:
        assert not topology.join(0.005), "the topology has ended"
    return sent / (time.perf_counter() - began)


CONTENDERS = {
    "no tap": lambda *arguments: main_path(None, *arguments),
    "0 subscribers": lambda *arguments: main_path(0, *arguments),
    "1 subscriber": lambda *arguments: main_path(1, *arguments),
    "5 subscribers": lambda *arguments: main_path(5, *arguments),
}


def rows(plan: Plan) -> list[Row]:
    for size, count in COUNTS.items():
        with flood(size) as source:
            arguments = source, plan.count(count)
            commands = {name: contender(__file__, name, *arguments) for name in CONTENDERS}
            taken = take_turns(plan.runs, commands)
        written = "1 MB" if size == 1 << 20 else f"{size} B"
        for name in list(CONTENDERS)[1:]:
            case = f"tap with {name}, {written}"
            yield taken.row(case, "rate", "no tap", "1/s", ours=name, wanted=0.9, more=True)


if __name__ == "__main__":
    program(CONTENDERS, rows)
