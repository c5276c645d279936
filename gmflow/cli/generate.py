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
from itertools import islice
from time import monotonic
from typing import Any, TypeAlias

import gevent

from ..green.threads import in_worker_thread
from ..green.topology import Topology
from ..message import Part
from ..statistics import Statistics
from ..throughput import ThroughputStatisticsPrinter
from .console import Console, printed
from .program import UsageError, choice_of, number_of, run_program, run_topology
from .report import table

INTERVAL = 0.2
"""Seconds between two lines."""

KINDS = ("raw-1.0", "array-1.0", "eiger", "stream2", "bsr_m-1.1")

FOR = {
    "--size": ("raw-1.0", "array-1.0"),
    "--images": ("eiger", "stream2"),
    "--shape": ("eiger", "stream2"),
    "--encoding": ("eiger", "stream2"),
    "--dtype": ("eiger", "stream2"),
    "--channels": ("stream2", "bsr_m-1.1"),
    "--compression": ("bsr_m-1.1",),
}
"""The options that mean something for some kinds alone."""

DTYPES = ("uint8", "uint16", "uint32")

SHAPE = "1065x1030"

ENCODINGS = {
    "eiger": tuple(
        how + order
        for order in "<>"
        for how in ("", "lz4", "bs8-lz4", "bs16-lz4", "bs32-lz4", "bs64-lz4")
    ),
    "stream2": ("bslz4", "lz4", "none"),
}
"""How pixels can be sent, what is sent by default first."""

COMPRESSIONS = ("none", "lz4", "bitshuffle_lz4")

MAX_MEGABYTES = 1_000_000
MAX_PIXELS = 1_000_000_000
MAX_TEXT = 1 << 24
"""Bytes that a file of channels may have."""

MAKING_SECONDS = 0.001
"""Seconds that messages are made before they are handed over to be sent."""

Messages: TypeAlias = Iterator[list[Part]]


def main(early: Sequence[int] = ()) -> None:
    """Run the script."""
    run_program(__doc__ or "", generate, early)


def generate(arguments: dict[str, Any], console: Console) -> None:
    """Send made-up messages until told to stop or enough are sent."""
    mode = choice_of(arguments, "--mode", ("push", "pub"))
    rate = number_of(arguments, "--rate", float, 1e-6)
    messages, what = _messages_of(arguments)
    topology = Topology()
    feed = topology.feed(_paced(messages, rate), name="generator")
    output = topology.output(
        feed, arguments["--address"], mode, when_full="block", conn_type="bind"
    )
    sent, counted, printer = output.statistics, Statistics(), ThroughputStatisticsPrinter(INTERVAL)

    def save() -> None:
        if sent.sent != counted.messages_received:
            counted.messages_received = sent.sent
            counted.total_bytes_received = sent.bytes_sent
            printer.save_statistics(counted)

    run_topology(
        topology,
        console,
        INTERVAL,
        lambda: console.out.write(printed(save)),
        first=lambda: console.out.write(f"Sending {what}\n"),
    )
    console.finish(printed(save) + printed(printer.close) + table(topology.statistics()))


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


def _messages_of(arguments: dict[str, Any]) -> tuple[Messages, str]:
    """Return the messages that the options ask for, and what they are in a few words."""
    kind = choice_of(arguments, "--htype", KINDS)
    for option, kinds in FOR.items():
        if arguments[option] is not None and kind not in kinds:
            raise UsageError(f"{option} is for --htype {' and '.join(kinds)}, not {kind}")
    if kind in ("eiger", "stream2"):
        return _series(arguments, kind), f"series of images of {arguments['--shape'] or SHAPE}"
    if kind == "bsr_m-1.1":
        return _pulses(arguments)
    return _buffers(arguments, kind)


def _buffers(arguments: dict[str, Any], kind: str) -> tuple[Messages, str]:
    from ..simulate import array, raw  # late: NumPy only where it is needed

    count, seed = _count_and_seed(arguments)
    size = number_of(arguments, "--size", float, 0, 1.0, most=MAX_MEGABYTES)
    number = int(size * 1024 * 1024)
    messages = raw(number, count) if kind == "raw-1.0" else array(number, count, seed)
    return messages, f"messages of size {size:f} MB"


def _series(arguments: dict[str, Any], kind: str) -> Messages:
    from ..simulate import eiger_series, stream2_series

    count, seed = _count_and_seed(arguments)
    how = choice_of(arguments, "--encoding", ENCODINGS[kind])
    images = number_of(arguments, "--images", int, 0, 100 if count is None else max(count - 2, 0))
    shape, dtype = _shape(arguments["--shape"] or SHAPE), None
    if arguments["--dtype"] is not None:
        dtype = choice_of(arguments, "--dtype", DTYPES)
    if kind == "eiger":
        series = eiger_series(images, shape, dtype, seed=seed, encoding=how)
    else:
        names = arguments["--channels"]
        channels = ["threshold_1"] if names is None else names.split(",")
        series = stream2_series(
            images, shape, dtype or "uint16", seed=seed, compression=how, channels=channels
        )
    return _in_batches(islice(series, count))


def _pulses(arguments: dict[str, Any]) -> tuple[Messages, str]:
    from ..simulate import bsread
    from ..simulate.pulses import DEFAULT, read_channels

    text = _text(arguments["--channels"])
    channels = read_channels(DEFAULT if text is None else text)
    compression = choice_of(arguments, "--compression", COMPRESSIONS)
    count, seed = _count_and_seed(arguments)
    messages = bsread(channels, count, seed, compression=compression)
    return _in_batches(messages), f"messages of {len(channels)} channels"


def _text(channels: str | None) -> str | None:
    """Return the text of channels, which may stand in a file."""
    if channels is None or not channels.startswith("@"):
        return channels
    try:
        with open(channels[1:], encoding="utf-8") as file:
            return file.read(MAX_TEXT)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"--channels names {channels[1:]!r:.80}: {reason}") from None


def _count_and_seed(arguments: dict[str, Any]) -> tuple[int | None, int]:
    return number_of(arguments, "-n", int, 1), number_of(arguments, "--seed", int, 0)


def _shape(text: str) -> tuple[int, int]:
    try:
        rows, columns = (int(word) for word in text.lower().split("x"))
    except ValueError:
        raise UsageError(f"--shape is {text!r}; it looks like 1065x1030") from None
    if rows * columns > MAX_PIXELS:
        raise UsageError(f"--shape is {text!r:.80}; it can have up to {MAX_PIXELS} pixels")
    return rows, columns


def _in_batches(messages: Messages) -> Messages:
    """Make the messages in worker threads, small ones several at a time."""
    while batch := in_worker_thread(_some, messages):
        yield from batch


def _some(messages: Messages) -> list[list[Part]]:
    end = monotonic() + MAKING_SECONDS
    batch = []
    for message in messages:
        batch.append(message)
        if monotonic() > end:
            break
    return batch
