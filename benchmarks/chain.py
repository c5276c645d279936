"""How much goes from m_generate to m_stats, two processes, against psi-mflow's two scripts.

    python benchmarks/chain.py

Both pairs are read alike: each m_stats prints a line of rates every 0.2 s, the middle one of
which counts, after a few that belong to the start. `process` is the CPU time that the
two processes of a pair use for a message, taken from outside.
"""

import os
import re
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from statistics import mean, median
from threading import Timer

from compare import HERE, Plan, Row, contender, cpu_of, program, take_turns

SIZES = {"100 B": 100 / (1 << 20), "1 MB": 1.0}
"""What the scripts take as size, in MB."""

INTERVAL = "0.2"
"""Seconds from line to line."""

LINES = 10
"""Lines of rates that count."""

FIRST = 2
"""Lines before those."""

SECONDS = 30
"""Within which all the lines must have come."""

RATE = re.compile(r"Message rate:\s*([0-9.]+) Hz")


def gmflow(size, lines):
    scripts = HERE.parent / "bin"
    return pair([str(scripts / "m_generate")], [str(scripts / "m_stats")], size, int(lines))


def psi_mflow(size, lines):
    module = "mflow.cli."
    return pair(["-m", module + "generate"], ["-m", module + "stats"], size, int(lines))


def pair(generate, stats, size, lines):
    address = free_address()
    with (
        script([*generate, "-a", address, "-s", size], subprocess.DEVNULL) as generating,
        script([*stats, "-i", INTERVAL, address], subprocess.PIPE) as watching,
    ):
        rates_of(watching, FIRST)
        began, used = time.monotonic(), cpu_of(generating.pid, watching.pid)
        rates = rates_of(watching, lines)
        used, took = cpu_of(generating.pid, watching.pid) - used, time.monotonic() - began
    return {"rate": median(rates), "process": used / (mean(rates) * took)}


def free_address():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{taken.getsockname()[1]}"


@contextmanager
def script(arguments, output):
    """Have a script run, not for longer than `SECONDS`; psi-mflow's would keep its lines back."""
    unbuffered = {**os.environ, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, *arguments]
    with subprocess.Popen(command, stdout=output, text=True, env=unbuffered) as process:
        watchdog = Timer(SECONDS, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()


def rates_of(watching, number):
    """Return the rates of the next lines that m_stats prints."""
    rates = []
    while len(rates) < number:
        text = watching.stdout.readline()
        if not text:
            raise RuntimeError(f"m_stats ended after {len(rates)} of {number} lines of rates")
        rates += map(float, RATE.findall(text))
    return rates


CONTENDERS = {"gmflow": gmflow, "psi-mflow": psi_mflow}


def rows(plan: Plan) -> list[Row]:
    for name, size in SIZES.items():
        lines = plan.count(LINES)
        commands = {n: contender(__file__, n, f"{size:.9f}", lines) for n in CONTENDERS}
        taken = take_turns(plan.runs, commands)
        case = f"m_generate to m_stats {name}"
        yield taken.row(case, "rate", "psi-mflow", "1/s", more=True)
        yield taken.row(case, "process", "psi-mflow", scale=1e6)


if __name__ == "__main__":
    program(CONTENDERS, rows)
