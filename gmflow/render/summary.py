"""One message as a few lines of text, for a person who watches a stream.

``Summaries().text(parts)`` decodes a message, by the handlers that remember a series, and says
what is in it: number, htype, and what one looks for in such a message; of an array its shape and
type, least, mean and largest value. What is on the wire can't make it fail, and can't reach a
terminal unescaped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, TypeAlias

import numpy as np

from ..decoder import Decoder, Handler
from ..errors import DecodeError, UnknownHtype
from ..formats import htype_of, title_of
from ..handlers import DEFAULT, eiger
from ..handlers.bsread.bsread_message import BsreadMessage
from ..handlers.series import CHANNEL, Image, SeriesEnd, SeriesStart
from ..jsonwire import JsonText, loads
from ..merging.merged import Merged
from ..message import Message, Part, size_of
from .words import (
    MAX_LINES,
    WIDTH,
    by,
    cut,
    many,
    named,
    number,
    printable,
    shortened,
    size,
    sizes,
    text_of,
    time_of,
    word,
)

INDENT = " " * 8

MAX_NAME = 40
"""Columns for the names of channels, at most."""

BLOCK = 1 << 17
"""Values that are looked at at once: what is made of them takes 2 MB, however large an array."""

# What both versions of DECTRIS's stream say under different names: v1's first.
IMAGES = "nimages", "number_of_images"
COLUMNS = "x_pixels_in_detector", "image_size_x"
ROWS = "y_pixels_in_detector", "image_size_y"
DESCRIPTION = "description", "detector_description"
SERIAL = "detector_number", "detector_serial_number"
ENERGY = "photon_energy", "incident_energy"

Array: TypeAlias = np.ndarray[Any, Any]


class Summaries:
    """Sums up the messages of one stream, one after the other.

    Without `handlers` the built-in ones read them, and for DECTRIS detectors those that return
    arrays.
    """

    def __init__(self, handlers: Mapping[str, Handler] | None = None) -> None:
        table = {**DEFAULT, **eiger.HANDLERS} if handlers is None else handlers
        self._decoder = Decoder(table, copy=False)
        self._number = 0

    def text(self, parts: Sequence[Part]) -> str:
        """Return the lines for the next message, each with its line end.

        The first begins with the number of the message, from 0, and its htype. Further ones are
        indented; one that begins with ``!`` says why the message can't be decoded.
        """
        value, error = None, None
        try:
            value = self._decoder.decode(parts)
        except DecodeError as raised:
            error = raised
        first, *more = _lines_of(parts, value, error)
        lines = [f"{self._number:>6}  {first}", *(f"{INDENT}{line}" for line in more)]
        self._number += 1
        return "".join([f"{printable(line.rstrip())}\n" for line in lines])

    def close(self) -> None:
        """Close the handlers that are running."""
        self._decoder.close()


def kind(array: Array) -> str:
    """Return shape and type: ``1065 x 1030 uint16``."""
    order = " big-endian" if array.dtype.byteorder == ">" else ""
    return f"{by(array.shape)} {array.dtype.name}{order}".lstrip()


def figures(array: Array, marks_masked: bool = False) -> str:
    """Return ``min 0 mean 0.31 max 17`` of an array, and what was left out.

    Of bool it is how many are true; of floats that are not finite, how many there are is said; what
    has no order is not summed up. With `marks_masked` the largest value of an unsigned type marks
    a pixel without data, as DECTRIS detectors have it for gaps, masked and overflown pixels: they
    are left out and counted.
    """
    if array.dtype.kind == "b":
        return f"{int(np.count_nonzero(array))} of {array.size} true"
    if array.dtype.kind not in "iuf" or not array.size:
        return "empty" if not array.size else ""
    if array.dtype.kind == "f":
        return _numbers(array, np.isfinite, "not finite")
    if marks_masked and array.dtype.kind == "u":
        return _numbers(array, partial(np.not_equal, np.iinfo(array.dtype).max), "masked")
    return _numbers(array)


def _numbers(array: Array, is_valid: Callable[[Array], Array] | None = None, what: str = "") -> str:
    """Sum up the valid values, and count the others."""
    exact: Callable[[Any], float] = float if array.dtype.kind == "f" else int
    count, total = 0, 0.0
    least, largest = math.inf, -math.inf
    for block in _blocks(array):
        valid = None if is_valid is None else is_valid(block)
        kept = block if valid is None or valid.all() else block[valid]
        if kept.size:
            count += kept.size
            total += _sum(kept)
            least, largest = min(least, exact(kept.min())), max(largest, exact(kept.max()))
    left_out = array.size - count
    if not count:
        return f"all {left_out} {what}"
    shown = f"min {number(least):<5} mean {number(total / count):<8} max {number(largest)}"
    return f"{shown} ({left_out} {what})" if left_out else shown


def _blocks(array: Array) -> Iterator[Array]:
    """Return all values, some at a time, without a copy where they lie side by side."""
    flags = ["external_loop", "buffered"]
    with np.nditer(array, flags, buffersize=BLOCK) as blocks:  # type: ignore[arg-type]
        yield from blocks


def _sum(block: Array) -> float:
    with np.errstate(over="ignore", invalid="ignore"):  # large floats: it is said to be infinite
        return float(block.sum(dtype=np.float64))


def _lines_of(parts: Sequence[Part], value: Any, error: DecodeError | None) -> list[str]:
    """Return the lines for a message, at least one."""
    message = Message(parts=parts)
    if error is not None or value is None:
        return [*_unread(message), *_reasons(error)]
    if isinstance(value, Merged):
        return list(_merged(parts, value))
    if isinstance(value, BsreadMessage):
        return list(_bsread(parts, value))
    if isinstance(value, SeriesStart | Image | SeriesEnd):
        return list(_series(parts, value))
    if htype_of(message) == "array-1.0":
        return list(_array(parts, message.header, value["data"]))
    return _unread(message)


def _unread(message: Message) -> list[str]:
    """Say what is known of a message without its handler: its header, and its parts."""
    parts = message.parts
    if not parts:
        return [named("empty", "0 parts")]
    lines = [named(title_of(message), f"{text_of(parts[0], WIDTH)}  {sizes(parts)}")]
    about = bytes(memoryview(parts[1])[:1]) if message.header and len(parts) > 1 else b""
    return [*lines, text_of(parts[1], WIDTH)] if about == b"{" else lines


def _reasons(error: DecodeError | None) -> list[str]:
    if error is None or isinstance(error, UnknownHtype):
        return []
    return [f"! {cut(str(error), 300)}"]


def _array(parts: Sequence[Part], header: Mapping[str, Any], data: list[Any]) -> Iterator[str]:
    counters = [f"{key} {word(header[key])}" for key in ("frame", "pulse_id") if key in header]
    segments = [_segment(array) for array in data]
    total = f"{size(size_of(parts)):>8}"
    if len(segments) == 1:
        yield named("array-1.0", "  ".join([*counters, total, *segments]))
        return
    yield named("array-1.0", "  ".join([*counters, total, many(len(segments), "array")]))
    yield from shortened(segments)


def _segment(array: Any) -> str:
    return "an empty part" if array is None else f"{kind(array)}  {figures(array)}"


def _merged(parts: Sequence[Part], value: Merged) -> Iterator[str]:
    key = f"{word(value.header.get('key'))} {word(value.header.get('value'))}"
    yield named("merged-1.0", f"{key}  {size(size_of(parts)):>8}  {many(len(value), 'source')}")
    for name, message in islice(value.items(), MAX_LINES):
        first, *more = _lines_of(message.parts, message.data, message.error)
        yield f"{word(name)}: {first}"
        yield from (f"    {line}" for line in more)
    if len(value) > MAX_LINES:
        yield f"... and {len(value) - MAX_LINES} more"


def _bsread(parts: Sequence[Part], message: BsreadMessage) -> Iterator[str]:
    """Return pulse and time, then a line for each channel; a dash for one without a value."""
    values = message.data
    time = time_of(message.global_timestamp, message.global_timestamp_offset)
    count = many(len(values), "channel")
    lacking = sum(value.value is None for value in values.values())
    if lacking:
        count += f" ({lacking} without a value)"
    words = [f"pulse {word(message.pulse_id)}", time, f"{size(size_of(parts)):>8}", count]
    if message.format_changed:
        words.append("new data header")
    yield named(message.header.get("htype"), "  ".join(words))
    layout = message.layout()
    described = {} if layout is None else {channel.name: channel for channel in layout.channels}
    width = min(MAX_NAME, max(map(len, islice(values, MAX_LINES)), default=0))
    for name, value in islice(values.items(), MAX_LINES):
        compression = getattr(described.get(name), "compression", None) or ""
        how = f"  {compression}" if compression not in ("", "none") else ""
        yield f"{cut(name, width):<{width}}  {_value(value.value)}{how}"
    if len(values) > MAX_LINES:
        yield f"... and {len(values) - MAX_LINES} more"


def _value(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return f"string  {cut(value, 60)!r}"
    if isinstance(value, np.ndarray):
        return f"{kind(value)}  {figures(value)}"
    return f"{value.dtype.name}  {number(value.item())}"


def _series(parts: Sequence[Part], item: SeriesStart | Image | SeriesEnd) -> Iterator[str]:
    """Return the lines for a series' start, an image or its end, of DECTRIS's stream v1 or v2."""
    first, *more = _OF_SERIES[type(item)](parts, item)
    yield named(title_of(Message(parts=parts)), f"series {number(item.series)}{first}")
    yield from more


def _start(parts: Sequence[Part], start: SeriesStart) -> Iterator[str]:
    detail = start.header.get("header_detail")
    words = ["" if detail is None else f" header_detail {word(detail)}", *_detector(start.config)]
    yield "  ".join([*words, size(size_of(parts))])
    yield from shortened(list(_tables(start)))
    yield from _appendix(start.appendix)


def _detector(config: Mapping[str, Any]) -> Iterator[str]:
    if not config:
        return
    yield f"{word(_of(config, DESCRIPTION))} {word(_of(config, SERIAL))}"
    yield f"{word(_of(config, ROWS))} x {word(_of(config, COLUMNS))}"
    if "bit_depth_image" in config:
        yield f"{word(config['bit_depth_image'])} bit {word(config.get('compression'))}"
    elif "image_dtype" in config:
        yield word(config["image_dtype"])
    triggers = config.get("ntrigger")
    times = "" if triggers in (None, 1) else f" x {word(triggers)} triggers"
    yield f"{word(_of(config, IMAGES))} images{times} of {word(config.get('frame_time'))} s"
    yield f"{word(_of(config, ENERGY))} eV"


def _tables(start: SeriesStart) -> Iterator[str]:
    """Return a line for the tables of each channel, and one for the count-rate table."""
    for channel in dict.fromkeys([*start.flatfields, *start.masks]):
        flatfield, mask = start.flatfields.get(channel), start.masks.get(channel)
        words = [] if channel == CHANNEL else [word(channel)]
        if flatfield is not None:
            words.append(f"flatfield {by(flatfield.shape)}")
        if mask is not None:
            words.append(f"mask {by(mask.shape)}, {np.count_nonzero(mask)} masked")
        yield "  ".join(words)
    if start.countrate_table is not None:
        yield f"count-rate table {by(start.countrate_table.shape)}"


def _image(parts: Sequence[Part], image: Image) -> Iterator[str]:
    first = f" frame {number(image.frame):>6}  {size(size_of(parts)):>8}"
    # v1 says in JSON how the pixels were sent
    encoding = f"{word(loads(parts[1]).get('encoding')):<9}" if len(parts) > 1 else ""
    channels = [_pixels(name, array, encoding) for name, array in image.arrays.items()]
    if len(channels) == 1:
        yield f"{first}  {channels[0]}"
    else:
        yield f"{first}  {many(len(channels), 'channel')}"
        yield from shortened(channels)
    yield from _appendix(image.appendix)


def _pixels(channel: str, array: Array, encoding: str) -> str:
    words = [f"{by(array.shape)} {array.dtype.name}", encoding, figures(array, marks_masked=True)]
    if channel != CHANNEL:
        words.insert(0, word(channel))
    return "  ".join(filter(None, words))


def _end(parts: Sequence[Part], end: SeriesEnd) -> Iterator[str]:
    if end.expected is None:
        yield f"  {many(end.seen, 'image')} seen, nobody knows of how many"
        return
    lost = f", {number(end.missing)} missing" if end.missing else ""
    yield f"  {end.seen} of {many(end.expected, 'image')}{lost}"


def _of(config: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((config[name] for name in names if name in config), None)


def _appendix(appendix: Any) -> Iterator[str]:
    if isinstance(appendix, JsonText):
        appendix = appendix.text
    if isinstance(appendix, bytes | memoryview):
        yield f"appendix {text_of(appendix, WIDTH)}"
    elif appendix is not None:
        yield f"appendix {word(appendix, WIDTH)}"


_OF_SERIES: Mapping[type[Any], Any] = {SeriesStart: _start, Image: _image, SeriesEnd: _end}
