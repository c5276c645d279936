"""How long each script takes from a signal to its exit: with nobody there, and in full flow.

    python benchmarks/ending.py [quick]

In full flow a plain sender is as fast as it can, and whoever takes from an output takes nothing,
so that what is under way can't be delivered: the longest that a stop may take. The limit is 2 s.
"""

import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import zmq
from compare import HERE, PATIENCE, Plan, Row, contender, program, take_turns

LIMIT = 2.0
RUNNING = 1.5
"""Seconds that a script runs before the signal."""

BODY = bytes(200_000)
SCRIPTS = ("stats", "generate", "dump", "replay", "split", "merge")


def arguments_of(name, source, output, folder):
    recording = Path(folder) / "recording"
    recording.mkdir()
    for number in range(200):
        (recording / f"{number:06d}_000.raw").write_bytes(BODY)
    return {
        "stats": [source],
        "generate": ["-a", output, "-s", "0.2"],
        "dump": [source, f"{folder}/dump"],
        "replay": ["-a", output, str(recording)],
        "split": [source, output],
        "merge": ["--strategy", "arrival", "-o", output, source, f"{source}-other"],
    }[name]


def flood(context, address, ending):
    with context.socket(zmq.PUSH) as socket:
        socket.set(zmq.LINGER, 0)
        socket.set(zmq.SNDTIMEO, 50)
        socket.bind(address)
        while not ending.is_set():
            try:
                socket.send(BODY)
            except zmq.Again:
                continue


def took(name, sends):
    """Return the seconds from SIGTERM to the exit of a script."""
    with tempfile.TemporaryDirectory() as folder, zmq.Context() as context:
        source, output = f"ipc://{folder}/source", f"ipc://{folder}/output"
        ending = threading.Event()
        sender = threading.Thread(target=flood, args=(context, source, ending))
        receiver = context.socket(zmq.PULL)
        receiver.set(zmq.RCVHWM, 1)
        if sends:
            sender.start()
            receiver.connect(output)
        command = [str(HERE.parent / "bin" / f"m_{name}")]
        command += arguments_of(name, source, output, folder)
        files = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen([sys.executable, *command], **files) as process:
            time.sleep(RUNNING)
            began = time.perf_counter()
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)
            seconds = time.perf_counter() - began
        ending.set()
        if sends:
            sender.join()
        receiver.close(0)
    if process.returncode:
        sys.exit(f"m_{name} ended with {process.returncode}")
    return {"wall": seconds}


CONTENDERS = {
    "nobody there": lambda name: took(name, sends=False),
    "in full flow": lambda name: took(name, sends=True),
}


def rows(plan: Plan) -> list[Row]:
    for script in SCRIPTS:
        commands = {name: contender(__file__, name, script) for name in CONTENDERS}
        taken = take_turns(min(plan.runs, 3), commands)
        for name in CONTENDERS:
            seconds = taken.middle(name, "wall")
            ratio = seconds / LIMIT
            yield Row(f"m_{script}", name, "the limit", ratio, seconds, LIMIT, "s", 1, True)


if __name__ == "__main__":
    program(CONTENDERS, rows)
