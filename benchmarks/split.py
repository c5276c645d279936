"""How fast m_split mirrors a stream, against psi-mflow's m_split and libzmq's own proxy.

    python benchmarks/split.py

Sender, splitter and receiver are a process each, and every queue is of 100 messages. `rate`
is messages/s of one output at the far end: all three processes count in it, where they
outnumber the cores. `cpu` is the CPU time of the splitter's process a message, all its threads.
"""

import subprocess
import sys
import time
from collections import deque
from contextlib import contextmanager
from itertools import repeat
from socket import create_server

import zmq
from compare import HERE, Plan, Row, contender, cpu_of, flood, program, take_turns

from gmflow import tune_process

COUNTS = {(40, 1): 150_000, (40, 3): 60_000, (1 << 20, 1): 1_500, (1 << 20, 3): 800}
"""Messages for each size in bytes and number of outputs."""

SPLITTERS = {
    "gmflow": [str(HERE.parent / "bin" / "m_split")],
    "psi-mflow": ["-m", "mflow.cli.split"],
    "zmq.proxy": [str(HERE / "proxy.py")],
}
"""What Python runs as a splitter; its arguments are the source and the streams."""


@contextmanager
def splitter(name, source, outputs):
    """Have a splitter run; gives its process id and the addresses of its outputs."""
    streams = [f"tcp://127.0.0.1:{port}" for port in free_ports(outputs)]
    command = [sys.executable, *SPLITTERS[name], source, *streams]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            yield process.pid, streams
        finally:
            process.kill()


def free_ports(count):
    servers = [create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in servers]
    for server in servers:
        server.close()
    return ports


def receiver(streams):
    """Return a plain socket that takes from each of the streams in turn."""
    socket = zmq.Context.instance().socket(zmq.PULL)
    socket.set_hwm(100)
    for stream in streams:
        socket.connect(stream)
    return socket


def take(socket, count, copy):
    """Receive messages of two parts; all in C, so that it takes little of the cores."""
    deque(map(socket.recv, repeat(0, 2 * count), repeat(copy)), 0)


def split(name, source, size, outputs, count):
    size, outputs, count = int(size), int(outputs), int(count)
    tune_process()  # here, so that the receiver's own page faults don't limit the splitters
    with splitter(name, source, outputs) as (process, streams):
        socket, copy = receiver(streams), size < 65_536
        take(socket, outputs * count // 5, copy)
        began, cpu = time.perf_counter(), cpu_of(process)
        take(socket, outputs * count, copy)
        wall, cpu = time.perf_counter() - began, cpu_of(process) - cpu
    return {"rate": count / wall, "cpu": cpu / count}


CONTENDERS = {
    "gmflow": lambda *arguments: split("gmflow", *arguments),
    "psi-mflow": lambda *arguments: split("psi-mflow", *arguments),
    "zmq.proxy": lambda *arguments: split("zmq.proxy", *arguments),
}


def rows(plan: Plan) -> list[Row]:
    for (size, outputs), count in COUNTS.items():
        large = size >= 1 << 20
        names = [name for name in CONTENDERS if name != "zmq.proxy" or outputs == 1]
        with flood(size) as source:
            arguments = source, size, outputs, plan.count(count)
            commands = {name: contender(__file__, name, *arguments) for name in names}
            taken = take_turns(plan.runs, commands)
        case = f"m_split 1 -> {outputs}, {'1 MB' if large else f'{size} B'}"
        for peer in names[1:]:
            wanted = {"psi-mflow": 1.2 if large else 2.0, "zmq.proxy": 0.8 if large else None}
            yield taken.row(case, "rate", peer, "1/s", wanted=wanted[peer], more=True)
            yield taken.row(case, "cpu", peer, "µs", scale=1e6)


if __name__ == "__main__":
    program(CONTENDERS, rows)
