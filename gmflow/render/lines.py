"""The lines of a summary, by what a message was decoded to.

The first line stands for the message; further ones are shown indented below it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from ..cborwire import CborHeader
from ..errors import DecodeError, UnknownHtype
from ..handlers.bsread.bsread_message import BsreadMessage
from ..handlers.series import Image, SeriesEnd, SeriesStart
from ..merging.merged import Merged
from ..message import Message, Part, size_of
from . import bsread_lines as bsread
from . import series_lines as dectris
from .figures import figures, kind
from .words import MAX_LINES, WIDTH, cut, many, named, shortened, size, sizes, text_of, word


def lines_of(parts: Sequence[Part], value: Any, error: DecodeError | None) -> list[str]:
    """Return the lines for a message, at least one."""
    header = Message(parts=parts).header
    if error is not None or value is None:
        return [*_unread(parts, header), *_reasons(error)]
    if isinstance(value, Merged):
        return list(_merged(parts, value))
    if isinstance(value, BsreadMessage):
        return list(bsread.lines(parts, value))
    if isinstance(value, SeriesStart | Image | SeriesEnd):
        return list(dectris.lines(parts, value))
    if header.get("htype") in ("array-1.0", ["array-1.0"]):
        return list(_array(parts, header, value["data"]))
    return _unread(parts, header)


def _unread(parts: Sequence[Part], header: Mapping[str, Any]) -> list[str]:
    """Say what is known of a message without its handler: its header, and its parts."""
    if not parts:
        return [named("empty", "0 parts")]
    is_json = header and type(header) is not CborHeader
    htype = header.get("htype", "no htype") if is_json else "not JSON"
    lines = [named(htype, f"{text_of(parts[0], WIDTH)}  {sizes(parts)}")]
    about = bytes(memoryview(parts[1])[:1]) if header and len(parts) > 1 else b""
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
        first, *more = lines_of(message.parts, message.data, message.error)
        yield f"{word(name)}: {first}"
        yield from (f"    {line}" for line in more)
    if len(value) > MAX_LINES:
        yield f"... and {len(value) - MAX_LINES} more"
