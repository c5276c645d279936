"""How many images a second one consumer gets and misses none, against PvaPy's monitor.

    python benchmarks/images.py

Sender and consumer are processes of their own; an image is had when it is a NumPy array. With
gmflow a sender waits for its consumer. PVA drops what a consumer has no room for, so for PvaPy
two figures are taken: the highest rate by the clock at which not one image was missed, and the
rate of a server that its consumer tells of every image, which PVA itself has no means for.
Everything is confined to this machine's loopback; Unix sockets, which ZeroMQ has and PVA has
not, get rows of their own, and so does a consumer that has not called `tune_process`.
"""

import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from compare import HERE, Plan, Row, beside, contender, measure, program, take_turns

COUNTS = {512: 5_000, 4_096: 100}
"""Images of each width; they are square."""

QUEUES = {512: 64, 4_096: 16}
"""Images that PVA's server and client may each queue, of each width."""

WINDOW = 8
"""Images under way at most where the consumer tells of each."""

STEP = 0.95
"""The share of a rate at which images were missed that is tried next."""

CONFINED = {
    "EPICS_PVA_ADDR_LIST": "127.0.0.1",
    "EPICS_PVA_AUTO_ADDR_LIST": "NO",
    "EPICS_PVAS_INTF_ADDR_LIST": "127.0.0.1",
    "EPICS_PVAS_BEACON_ADDR_LIST": "127.0.0.1",
    "EPICS_PVAS_AUTO_BEACON_ADDR_LIST": "NO",
}


def gmflow(address, count):
    from gmflow import tune_process

    tune_process()
    return gmflow_untuned(address, count)


def gmflow_untuned(address, count):
    import gmflow as mflow

    stream, frames = mflow.connect(address), []

    def loop(count):
        for _ in range(count):
            data = stream.receive().data
            assert data["data"][0].ndim == 2
            frames.append(data["header"]["frame"])

    taken = measure(loop, int(count))
    assert frames == list(range(frames[0], frames[-1] + 1)), "images were missed"
    return {"rate": 1 / taken["wall"], "process": taken["process"]}


def pvapy_told(width, count):
    """Have the server told of every image: it never sends more than there is room for."""
    with consumer(int(width)) as images:
        images.take(max(1, int(count) // 10), 0)  # a shorter one first, as gmflow has
        figures = images.take(int(count), 0)
        assert not figures["missed"], "images were missed"
        return figures


def pvapy(width, count):
    """Find the highest rate by the clock: down from what is possible where images are told of."""
    with consumer(int(width)) as images:
        figures = images.take(int(count), 0)
        rate = figures["rate"]
        while figures["missed"] or not figures["clocked"]:
            figures = images.take(int(count), int(rate))
            rate *= STEP
        return figures


@contextmanager
def consumer(width):
    """Have a server run beside, confined; gives its consumer."""
    os.environ.update(CONFINED)  # before pvaccess is imported, here and there
    name = f"benchmark:{os.getpid()}"
    command = [sys.executable, str(HERE / "image_server.py"), name, str(width)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as server:
        try:
            server.stdout.readline()
            yield Consumer(server, name, width)
        finally:
            server.kill()


class Consumer:
    """A monitor of the server's images."""

    def __init__(self, server, name, width):
        import pvaccess

        self._server, self._width = server, width
        self._numbers, self._expected, self._clocked = set(), 0, False
        self._connected, self._complete = threading.Event(), threading.Event()
        self._channel = pvaccess.Channel(name)
        self._channel.monitor(self._on_image, f"record[queueSize={QUEUES[width]}]field()")
        assert self._connected.wait(10), "the server's channel was not found"

    def take(self, count, rate):
        """Have the server publish, and say what came; with a rate of 0 it is told of each."""
        self._numbers, self._clocked = set(), bool(rate)
        self._expected += count
        self._complete.clear()
        began = time.process_time()
        os.write(self._server.stdin.fileno(), f"{count} {rate} {WINDOW}\n".encode())
        published = float(self._server.stdout.readline())
        self._complete.wait(0.5)
        had = sum(number > self._expected - count for number in self._numbers)
        return {
            "rate": published,
            "process": (time.process_time() - began) / count,
            "missed": count - had,
            "clocked": rate,
        }

    def _on_image(self, pv):
        number = pv["uniqueId"]
        if number:  # 0 is the empty one that the channel begins with
            pv["value"][0]["ubyteValue"].reshape(self._width, self._width)
            self._numbers.add(number)
            if not self._clocked:
                os.write(self._server.stdin.fileno(), b".")
            if number == self._expected:
                self._complete.set()
        self._connected.set()


CONTENDERS = {
    "gmflow": gmflow,
    "gmflow, untuned": gmflow_untuned,
    "gmflow, ipc": gmflow,
    "PvaPy": pvapy,
    "PvaPy, told": pvapy_told,
}


@contextmanager
def stream(width, *address):
    """Have gmflow send images beside; gives the address."""
    with beside([sys.executable, str(HERE / "image_stream.py"), str(width), *address]) as bound:
        yield bound


def rows(plan: Plan) -> list[Row]:
    for width, count in COUNTS.items():
        with (
            TemporaryDirectory() as folder,
            stream(width) as tcp,
            stream(width, f"ipc://{folder}/images") as ipc,
        ):
            begin = {name: width if "PvaPy" in name else tcp for name in CONTENDERS}
            begin["gmflow, ipc"] = ipc
            count = plan.count(count)
            commands = {name: contender(__file__, name, begin[name], count) for name in begin}
            taken = take_turns(plan.runs, commands)
        yield from rows_of(width, taken)


def rows_of(width, taken):
    case = f"images of {width}² uint8"
    scale, unit = (1, "1/s") if width == 512 else (width * width / 1e9, "GB/s")
    rate = {"more": True, "scale": scale, "unit": unit}
    yield taken.row(case, "rate", "PvaPy", wanted=1.5, **rate)
    yield taken.row(case, "rate", "PvaPy, told", **rate)
    yield taken.row(case + ", untuned", "rate", "PvaPy", ours="gmflow, untuned", **rate)
    yield taken.row(case + ", ipc", "rate", "PvaPy", ours="gmflow, ipc", **rate)
    yield taken.row(case, "process", "PvaPy, told", scale=1e6, unit="µs")


if __name__ == "__main__":
    program(CONTENDERS, rows)
