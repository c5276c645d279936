"""How long importing gmflow takes, and starting each of its scripts, as whole processes.

    python benchmarks/starting.py

`import gmflow` alone brings nothing until it is used: here its `connect` is asked for, and
compared with what it can't do without, and with psi-mflow. A script shows its help and ends.
"""

import subprocess
import sys
import time

from compare import HERE, Plan, Row, Taken, contender, program, take_turns

RUNS = 2
"""How often each process is run in a turn, after a first time that may read from disk."""

IMPORTS = {
    "gmflow": "import gmflow; gmflow.connect",
    "what it needs": "import zmq.green, gevent, numpy",
    "psi-mflow": "import mflow; mflow.connect",
    "Python alone": "pass",
}

SCRIPTS = ("stats", "generate", "dump", "replay", "split")


def time_of(*arguments):
    """Return the mean time of a whole process."""
    command = [sys.executable, *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    began = time.perf_counter()
    for _ in range(RUNS):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return {"wall": (time.perf_counter() - began) / RUNS}


def importing(name):
    return time_of("-c", IMPORTS[name])


def gmflow_script(name):
    return time_of(str(HERE.parent / "bin" / f"m_{name}"), "--help")


def psi_mflow_script(name):
    return time_of("-m", f"mflow.cli.{name}", "--help")


CONTENDERS = {"import": importing, "gmflow": gmflow_script, "psi-mflow": psi_mflow_script}


def rows(plan: Plan) -> list[Row]:
    commands = {name: contender(__file__, "import", name) for name in IMPORTS}
    yield from compared("import gmflow", take_turns(plan.runs, commands), list(IMPORTS)[1:])
    for script in SCRIPTS:
        names = ("gmflow", "psi-mflow")
        commands = {name: contender(__file__, name, script) for name in names}
        yield from compared(f"m_{script} --help", take_turns(plan.runs, commands), ["psi-mflow"])


def compared(case: str, taken: Taken, peers: list[str]) -> list[Row]:
    return [taken.row(case, "wall", peer, "ms", scale=1e3) for peer in peers]


if __name__ == "__main__":
    program(CONTENDERS, rows)
