"""What an output that nobody reads costs the others: three outputs alone, and beside a fourth.

    python benchmarks/outputs.py

Sender, m_split and the receiver of the three outputs are a process each; a socket that never
takes anything stands at the fourth, whose policy drops. `rate` is messages/s of one of the three
at the far end, `cpu` the CPU time of m_split's process a message, all its threads.
"""

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import zmq
from compare import HERE, Plan, Row, contender, cpu_of, flood, program, take_turns
from split import free_ports, receiver, take

from gmflow import tune_process

COUNTS = {40: 60_000, 4096: 40_000, 1 << 20: 800}
"""Messages for each size in bytes."""

NAMES = {40: "40 B", 4096: "4 kB", 1 << 20: "1 MB"}

READ = 3
"""Outputs that are read."""

FILL = 12 << 20
"""Bytes that go by before the clocks start: by then the buffers before the stuck one are full."""

POLICIES = ("drop_oldest", "drop_newest")


@contextmanager
def splitter(source, streams, stuck):
    """Have m_split run with its outputs to streams, and to stuck ones by policy; gives its id."""
    outputs = [{"address": stream, "conn_type": "bind"} for stream in streams]
    outputs += [{"address": stream, "when_full": policy} for stream, policy in stuck]
    with TemporaryDirectory() as folder:
        config = f"{folder}/split.json"
        with open(config, "w") as file:
            json.dump({"source": {"address": source}, "streams": outputs}, file)
        command = [sys.executable, str(HERE.parent / "bin" / "m_split"), "-c", config]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            try:
                yield process.pid
            finally:
                process.kill()


def stuck_receiver():
    """Return a plain socket that never takes anything, and its address."""
    socket = zmq.Context.instance().socket(zmq.PULL)
    socket.set_hwm(1)
    socket.set(zmq.RCVBUF, 4096)
    return socket, f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}"


def split(policy, source, size, count):
    size, count = int(size), int(count)
    tune_process()  # here, so that the receiver's own page faults don't limit m_split
    stuck, address = stuck_receiver()
    streams = [f"tcp://127.0.0.1:{port}" for port in free_ports(READ)]
    with splitter(source, streams, [(address, policy)] if policy else []) as process:
        socket, copy = receiver(streams), size < 65_536
        take(socket, READ * max(count // 3, FILL // (size + 100)), copy)
        began, cpu = time.perf_counter(), cpu_of(process)
        take(socket, READ * count, copy)
        wall, cpu = time.perf_counter() - began, cpu_of(process) - cpu
    stuck.close(0)
    return {"rate": count / wall, "cpu": cpu / count}


CONTENDERS = {
    "3 alone": lambda *arguments: split(None, *arguments),
    "drop_oldest": lambda *arguments: split("drop_oldest", *arguments),
    "drop_newest": lambda *arguments: split("drop_newest", *arguments),
}


def rows(plan: Plan) -> list[Row]:
    for size, count in COUNTS.items():
        with flood(size) as source:
            arguments = source, size, plan.count(count)
            commands = {name: contender(__file__, name, *arguments) for name in CONTENDERS}
            taken = take_turns(plan.runs, commands)
        for policy in POLICIES:
            case = f"3 outputs + 1 stuck, {policy}, {NAMES[size]}"
            yield taken.row(case, "rate", "3 alone", "1/s", policy, 0.8, more=True)
            yield taken.row(case, "cpu", "3 alone", "µs", policy, scale=1e6)


if __name__ == "__main__":
    program(CONTENDERS, rows)
