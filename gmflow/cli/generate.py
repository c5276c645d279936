"""Send a stream of made-up messages.

Usage:
  m_generate [options]
  m_generate -h | --help
  m_generate --version

Options:
  -a ADDRESS, --address ADDRESS
                        Where to send from [default: tcp://*:9999].
  -s SIZE, --size SIZE  Size of a message's data in MB, for raw-1.0 and array-1.0; 1 by default.
  -m MODE, --mode MODE  How to send, push or pub [default: push]; pub waits for its
                        slowest subscriber.
  -n COUNT              End after COUNT messages.
  --rate HZ             Send so many messages a second; as many as go by default.
  --htype HTYPE         What to send: raw-1.0; array-1.0; eiger or stream2 for series of images
                        of a DECTRIS detector, in stream v1 (dheader, dimage, dseries_end) or
                        v2 (CBOR); bsr_m-1.1 for bsread [default: raw-1.0].
  --seed SEED           The same seed makes the same messages [default: 0].
  -h, --help            Show this text.
  --version             Show the version.

eiger and stream2 options:
  --images IMAGES       Images in a series; by default one series of COUNT messages, or series
                        of 100 images where there is no COUNT.
  --shape SHAPE         Rows and columns of an image; 1065x1030 by default.
  --dtype DTYPE         Of a pixel: uint8, uint16 or uint32; by default as wide as what the
                        encoding shuffles, or uint16.
  --encoding ENCODING   How pixels are sent. For eiger: < (the default), lz4<, bs8-lz4<,
                        bs16-lz4<, bs32-lz4<, and each with > for big-endian. For stream2:
                        bslz4 (the default), lz4 or none.

stream2 and bsr_m-1.1 options:
  --channels CHANNELS   With commas between. For stream2 the names of the thresholds. For
                        bsr_m-1.1 NAME:TYPE[SHAPE]:OPTION... for each, of which all but the
                        name can be left out: TYPE is bool, string, float64 or another name
                        of NumPy's, SHAPE rows x columns, an OPTION is lz4, bitshuffle_lz4,
                        big, modulo=N or offset=N, as in
                        intensity,image:uint16[512x1024]:bitshuffle_lz4,name:string
                        @FILE takes the same from a file, or a data header's JSON.
  --compression NAME    For bsr_m-1.1: of the data header, and of channels that name none:
                        none (the default), lz4 or bitshuffle_lz4.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Any

import gevent

from ..green.topology import Node, Topology
from ..message import Part
from ..statistics import Statistics
from ..throughput import ThroughputStatisticsPrinter
from .arguments import choice_of, number_of
from .console import Console, File, printed
from .generating import messages_of
from .program import run_program, run_topology
from .report import table

INTERVAL = 0.2
"""Seconds between two lines."""


def main(early: Sequence[int] = ()) -> None:
    """Run the script."""
    run_program(__doc__ or "", generate, early)


def generate(arguments: dict[str, Any], console: Console) -> None:
    """Send made-up messages until told to stop or enough are sent."""
    mode = choice_of(arguments, "--mode", ("push", "pub"))
    rate = number_of(arguments, "--rate", float, 1e-6)
    messages, what = messages_of(arguments)
    topology = Topology()
    feed = topology.feed(_paced(messages, rate), name="generator")
    output = topology.output(
        feed, arguments["--address"], mode, when_full="block", conn_type="bind"
    )
    meter = _Meter(output, console.out)
    run_topology(
        topology,
        console,
        INTERVAL,
        meter.show,
        first=lambda: console.out.write(f"Sending {what}\n"),
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
