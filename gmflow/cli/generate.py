"""Send a stream of made-up messages.

Usage:
  m_generate [options]
  m_generate -h | --help
  m_generate --version

Options:
  -a ADDRESS, --address ADDRESS
                        Where to send from [default: tcp://*:9999].
  -s SIZE, --size SIZE  Size of a message's data in MB, for raw-1.0 and array-1.0 [default: 1].
  -m MODE, --mode MODE  How to send, push or pub [default: push]; pub waits for its
                        slowest subscriber.
  -n COUNT              End after COUNT messages.
  --rate HZ             Send so many messages a second; as many as go by default.
  --htype HTYPE         What to send: raw-1.0, array-1.0, or eiger for series of DECTRIS
                        dheader, dimage and dseries_end messages [default: raw-1.0].
  --images IMAGES       Images in a series of eiger; by default one series of COUNT messages,
                        or series of 100 images where there is no COUNT.
  --shape SHAPE         Rows and columns of an image of eiger [default: 1065x1030].
  --seed SEED           The same seed makes the same messages [default: 0].
  -h, --help            Show this text.
  --version             Show the version.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from time import monotonic
from typing import Any

import gevent

from ..message import Part
from ..offhub import off_hub
from ..simulate import array, eiger_series, raw
from ..statistics import Statistics
from ..throughput import ThroughputStatisticsPrinter
from ..topology import Node, Topology
from .console import Console, File, printed
from .program import UsageError, choice_of, number_of, run_program, run_topology
from .report import table

INTERVAL = 0.2
"""Seconds between two lines."""

MOST_MEGABYTES = 1_000_000
MOST_PIXELS = 1_000_000_000


def main(early: Sequence[int] = ()) -> None:
    """Run the script."""
    run_program(__doc__ or "", generate, early)


def generate(arguments: dict[str, Any], console: Console) -> None:
    """Send made-up messages until told to stop or enough are sent."""
    mode = choice_of(arguments, "--mode", ("push", "pub"))
    messages = _paced(_messages(arguments), number_of(arguments, "--rate", float, 1e-6))
    topology = Topology()
    feed = topology.feed(messages, name="generator")
    output = topology.output(
        feed, arguments["--address"], mode, when_full="block", conn_type="bind"
    )
    meter = _Meter(output, console.out)
    banner = f"Sending messages of size {float(arguments['--size']):f} MB"
    if arguments["--htype"].lower() == "eiger":
        banner = f"Sending series of images of {arguments['--shape']}"
    run_topology(
        topology,
        console,
        INTERVAL,
        meter.show,
        first=lambda: console.out.write(f"{banner}\n"),
    )
    console.finish(printed(meter.close) + table(topology.statistics()))


class _Meter:
    """Prints what a node has sent, in mflow's lines."""

    def __init__(self, node: Node, out: File) -> None:
        self._out = out
        self._sent = node.statistics
        self._counted = Statistics()
        self._printer = ThroughputStatisticsPrinter(INTERVAL)

    def show(self) -> None:
        self._out.write(printed(self._save))

    def close(self) -> None:
        self._save()
        self._printer.close()

    def _save(self) -> None:
        if self._sent.sent != self._counted.messages_received:
            self._counted.messages_received = self._sent.sent
            self._counted.total_bytes_received = self._sent.bytes_sent
            self._printer.save_statistics(self._counted)


def _messages(arguments: dict[str, Any]) -> Iterator[list[Part]]:
    count = number_of(arguments, "-n", int, 1)
    seed = number_of(arguments, "--seed", int, 0)
    kind = choice_of(arguments, "--htype", ("raw-1.0", "array-1.0", "eiger"))
    if kind == "eiger":
        images = number_of(arguments, "--images", int, 0, _images(count))
        series = eiger_series(images, _shape(arguments["--shape"]), seed=seed)
        return _off_hub(islice(series, count))
    size = number_of(arguments, "--size", float, 0, most=MOST_MEGABYTES)
    number = int(size * 1024 * 1024)
    return raw(number, count) if kind == "raw-1.0" else array(number, count, seed)


def _images(count: int | None) -> int:
    return 100 if count is None else max(count - 2, 0)


def _shape(text: str) -> tuple[int, int]:
    try:
        rows, columns = (int(word) for word in text.lower().split("x"))
    except ValueError:
        raise UsageError(f"--shape is {text!r}; it looks like 1065x1030") from None
    if rows * columns > MOST_PIXELS:
        raise UsageError(f"--shape is {text!r:.80}; it can have up to {MOST_PIXELS} pixels")
    return rows, columns


def _off_hub(messages: Iterator[list[Part]]) -> Iterator[list[Part]]:
    """Make each message in a native thread."""
    while (message := off_hub(next, messages, None)) is not None:
        yield message


def _paced(messages: Iterator[list[Part]], hertz: float | None) -> Iterator[list[Part]]:
    if hertz is None:
        yield from messages
        return
    start = monotonic()
    for number, message in enumerate(messages):
        wait = start + number / hertz - monotonic()
        if wait > 0:
            gevent.sleep(wait)
        yield message
