"""The lines for a bsread message: its pulse and time, then a line for each channel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from ..handlers.bsread.bsread_message import BsreadMessage, Value
from ..message import Part, size_of
from .figures import figures, kind
from .words import MAX_LINES, cut, many, named, number, size, time_of, word

MAX_WIDTH = 40
"""Columns for the names of channels, at most."""


def lines(parts: Sequence[Part], message: BsreadMessage) -> Iterator[str]:
    """Return the lines: channels without a value are counted, and shown with a dash."""
    values: dict[str, Value] = message.data
    time = time_of(message.global_timestamp, message.global_timestamp_offset)
    count = many(len(values), "channel")
    lacking = sum(value.value is None for value in values.values())
    if lacking:
        count += f" ({lacking} without a value)"
    words = [f"pulse {word(message.pulse_id)}", time, f"{size(size_of(parts)):>8}", count]
    if message.format_changed:
        words.append("new data header")
    yield named(message.header.get("htype"), "  ".join(words))
    yield from _channels(message, values)


def _channels(message: BsreadMessage, values: dict[str, Value]) -> Iterator[str]:
    layout = message.layout()
    described = {} if layout is None else {channel.name: channel for channel in layout.channels}
    shown = list(islice(values.items(), MAX_LINES))
    width = min(MAX_WIDTH, max((len(name) for name, _ in shown), default=0))
    for name, value in shown:
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
