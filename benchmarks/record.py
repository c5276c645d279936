"""How fast a stream is recorded, beside a plain loop of write() and psi-mflow's m_dump.

    python benchmarks/record.py

The loop writes the same bytes into a file in the same folder: `rate` is MB/s until the last
write() has returned, which the kernel's cache can make faster than the disk; `disk` is MB/s
until fsync() has. For small messages whole programs are compared, from their start to the last
message on the disk: `rate` is messages/s, of a sender that never waits for anything else.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from compare import HERE, Plan, Row, contender, flood, program, take_turns

LARGE, SMALL = 1 << 20, 1000
COUNT_LARGE = 2_000
DUMP = str(HERE.parent / "bin" / "m_dump")
HEADER = b'{"htype": "raw-1.0", "frame": 1}'


def bodies():
    """Return 8 bodies, so that it isn't the processor's cache that is read."""
    return [os.urandom(LARGE) for _ in range(8)]


def timed(write, count, path):
    """Time what writes a file, and the disk, after a file as large; give MB/s of each."""
    fill(path, count, bodies())  # pages of the cache cost the more the longer nobody used them
    os.unlink(path)
    began = time.perf_counter()
    write(path)
    written = time.perf_counter() - began
    with open(path, "rb") as file:
        os.fsync(file.fileno())
    synced = time.perf_counter() - began
    megabytes = count * LARGE / 1e6
    assert os.path.getsize(path) >= count * LARGE
    return {"rate": megabytes / written, "disk": megabytes / synced}


def fill(path, count, blocks):
    """Write a file, a block at a time."""
    with open(path, "wb", buffering=0) as file:
        for number in range(count):
            file.write(blocks[number % 8])


def loop(folder, count):
    blocks, count = bodies(), int(count)
    return timed(lambda path: fill(path, count, blocks), count, os.path.join(folder, "loop"))


def writer(folder, count):
    """Return the messages to the recording, a few at a time, as a recorder does."""
    from gmflow.green.threads import SecondThread
    from gmflow.message import Message
    from gmflow.recording import open_writer

    messages, count = [Message(parts=[HEADER, body]) for body in bodies()], int(count)

    def write(path):
        with open_writer(path, aside=SecondThread()) as recording:
            for _ in range(count // 8):
                recording.write(messages[:4])
                recording.write(messages[4:])

    return timed(write, count, os.path.join(folder, "run.mcap"))


def topology(folder, count):
    """Have a topology record them: the hub gives, a thread writes."""
    from gmflow import Topology, tune_process

    tune_process()
    blocks, count = bodies(), int(count)

    def write(path):
        topology = Topology()
        feed = topology.feed([HEADER, blocks[number % 8]] for number in range(count))
        topology.recorder(feed, path)
        topology.run()

    return timed(write, count, os.path.join(folder, "run.mcap"))


def from_socket(folder, count, source):
    """Have m_dump record a stream from a socket."""

    def write(path):
        subprocess.run([sys.executable, DUMP, "-q", "-n", count, source, path], check=True)

    return timed(write, int(count), os.path.join(folder, "run.mcap"))


def dump(path, count, source):
    """Have m_dump record small messages; gives messages/s of the whole program."""
    began = time.perf_counter()
    subprocess.run([sys.executable, DUMP, "-q", "-n", count, source, path], check=True)
    return {"rate": int(count) / (time.perf_counter() - began)}


def psi_mflow(path, count, source):
    """The same with psi-mflow's, which doesn't end by itself."""
    last = Path(path) / f"{int(count) - 1:06d}_001.raw"
    began = time.perf_counter()
    command = [sys.executable, "-m", "mflow.cli.dump", source, path]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            while not last.exists():
                assert process.poll() is None
                time.sleep(0.002)
            taken = time.perf_counter() - began
        finally:
            process.kill()
    return {"rate": int(count) / taken}


CONTENDERS = {
    "write()": loop,
    "gmflow": writer,
    "topology": topology,
    "m_dump": from_socket,
    "m_dump small": lambda folder, *more: dump(os.path.join(folder, "run.mcap"), *more),
    "m_dump folder": lambda folder, *more: dump(os.path.join(folder, "run"), *more),
    "psi-mflow": lambda folder, *more: psi_mflow(os.path.join(folder, "run"), *more),
}


def in_folder(name, *arguments):
    """Run a contender in a folder of its own, which is removed, and the disk left at rest."""
    with TemporaryDirectory() as folder:
        figures = CONTENDERS[name](folder, *arguments)
    os.sync()
    return figures


def rows(plan: Plan) -> list[Row]:
    count = plan.count(COUNT_LARGE) // 8 * 8
    with flood(LARGE) as source:
        commands = {
            name: contender(__file__, name, count, *([source] if name == "m_dump" else []))
            for name in ("gmflow", "topology", "m_dump", "write()")
        }
        taken = take_turns(plan.runs, commands)
    for name, what in (("gmflow", "to .mcap"), ("topology", "a topology"), ("m_dump", "m_dump")):
        for figure in ("disk", "rate"):
            wanted = 0.8 if (name, figure) == ("gmflow", "disk") else None
            case = f"record 1 MB, {what}"
            yield taken.row(case, figure, "write()", "MB/s", ours=name, wanted=wanted, more=True)
    with flood(SMALL) as source:
        counts = {"m_dump small": 300_000, "m_dump folder": 30_000, "psi-mflow": 30_000}
        commands = {
            name: contender(__file__, name, plan.count(count), source)
            for name, count in counts.items()
        }
        taken = take_turns(plan.runs, commands)
    yield taken.row(
        "record 1 kB, m_dump to .mcap", "rate", "psi-mflow", "1/s", "m_dump small", 10.0, True
    )
    yield taken.row(
        "record 1 kB, m_dump to a folder", "rate", "psi-mflow", "1/s", "m_dump folder", None, True
    )


if __name__ == "__main__":
    program({name: lambda *a, name=name: in_folder(name, *a) for name in CONTENDERS}, rows)
