"""How well m_replay keeps the gaps of a recording, beside a plain loop that sleeps and sends.

    python benchmarks/pace.py [quick]

10 s of messages at irregular gaps, from 0.2 to 200 ms, some at the same time, are replayed with
`--pace` to a plain receiver in another process. What counts is when they are received: `total`
is the error of the whole time, `gap` the median error of a gap that is not 0, `gap p99` what 99 %
of these stay below. The wanted figures are 1 % and 1 ms.
"""

import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import median

import zmq
from compare import HERE, PATIENCE, Plan, Row, contender, program, take_turns

SECONDS = 10.0
WANTED = {"total": (0.01, 100, "%"), "gap": (1e-3, 1e3, "ms")}
"""What an error may be at most; what it is shown in."""


def times_of(seconds):
    """Return when messages came, in nanoseconds: gaps between 0.2 and 200 ms, some none."""
    random = Random(1)
    now, times = 1_700_000_000_000_000_000, []
    end = now + seconds * 1e9
    while now < end:
        times += [now] * random.choice([1, 1, 1, 1, 8])
        now += int(0.2e6 * 1000 ** random.random())
    return times


def gmflow(seconds):
    from gmflow.message import Message
    from gmflow.recording import open_writer

    times = times_of(float(seconds))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.mcap"
        with open_writer(path) as writer:
            writer.write([Message(parts=[b"%d" % n], received_ns=t) for n, t in enumerate(times)])
        script = str(HERE.parent / "bin" / "m_replay")
        return errors(times, [sys.executable, script, "-q", "--pace", "-a", "{address}", str(path)])


def plain(seconds):
    times = times_of(float(seconds))
    return errors(times, contender(__file__, "send", seconds, "{address}"))


def send(seconds, address):
    """Send as the plain loop of `plain` does, and end the process."""
    times = times_of(float(seconds))
    with zmq.Context() as context, context.socket(zmq.PUSH) as socket:
        socket.bind(address)
        socket.send(b"0")
        start = time.monotonic_ns() - times[0]
        for number, due in enumerate(times[1:], 1):
            time.sleep(max(0, start + due - time.monotonic_ns()) / 1e9)
            socket.send(b"%d" % number)
    sys.exit()


def errors(times, command):
    """Have a program send; give by how much the gaps between messages were wrong."""
    with zmq.Context() as context, context.socket(zmq.PULL) as socket:
        port = socket.bind_to_random_port("tcp://127.0.0.1")
        socket.unbind(f"tcp://127.0.0.1:{port}")
        address = f"tcp://127.0.0.1:{port}"
        socket.connect(address)
        socket.set(zmq.RCVTIMEO, PATIENCE * 1000)
        words = [word.replace("{address}", address) for word in command]
        with subprocess.Popen(words) as process:
            got = [received(socket) for _ in times]
            process.wait(PATIENCE)
    whole = times[-1] - times[0]
    pairs = zip(gaps(got), gaps(times), strict=True)
    wrong = sorted(abs(mine - wanted) / 1e9 for mine, wanted in pairs if wanted)
    return {
        "total": abs(got[-1] - got[0] - whole) / whole,
        "gap": median(wrong),
        "gap p99": wrong[int(0.99 * len(wrong))],
    }


def received(socket):
    socket.recv()
    return time.monotonic_ns()


def gaps(times):
    return [after - before for before, after in pairwise(times)]


CONTENDERS = {"gmflow": gmflow, "plain": plain, "send": send}


def rows(plan: Plan) -> list[Row]:
    seconds = SECONDS * max(plan.share, 0.3)
    commands = {name: contender(__file__, name, seconds) for name in ("gmflow", "plain")}
    taken = take_turns(plan.runs, commands)
    for figure, (most, scale, unit) in WANTED.items():
        error = taken.middle("gmflow", figure)
        ours, limit = error * scale, most * scale
        yield Row("m_replay --pace", figure, "the limit", error / most, ours, limit, unit, 1, True)
    for figure in ("gap", "gap p99"):
        yield taken.row("m_replay --pace", figure, "plain", "ms", scale=1e3)


if __name__ == "__main__":
    program(CONTENDERS, rows)
