"""Words for an operator: sizes, numbers, shapes, and texts that came over the network.

What came over the network may hold control characters, which would steer a terminal: every line
of a summary or a listing goes through `printable`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from ..message import Part

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

LAST_SECOND = 253_402_300_799
"""The last of the year 9999, since 1970."""

FIRST_MILLISECOND = 100_000_000_000
"""Larger global timestamps are milliseconds, as senders before 2015-08-24 wrote them."""

WIDTH = 120
"""Characters of a text that are shown, of one that may be long."""

MAX_LINES = 32
"""Channels, arrays or sources of a message that are shown, each on a line."""

MAX_BITS = 128
"""Longer whole numbers are not written out."""


def printable(text: str) -> str:
    """Escape what is no printable character: controls, line ends, what turns text around."""
    if text.isprintable():
        return text
    return "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")


def cut(text: str, width: int) -> str:
    """Return a text, or its beginning if it is longer than `width`."""
    return text if len(text) <= width else f"{text[: width - 3]}..."


def word(value: Any, width: int = 40) -> str:
    """Return a text or a number of a header, whatever stands there."""
    if isinstance(value, str):
        return cut(value, width)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return number(value)
    return "?" if value is None else f"({type(value).__name__})"


def named(htype: Any, rest: str) -> str:
    """Return a first line, with the htype in a column of its own."""
    if isinstance(htype, list) and len(htype) == 1:
        htype = htype[0]  # as old PSI senders write it
    return f"{word(htype, 24):<16}  {rest}"


def shortened(lines: Sequence[str]) -> list[str]:
    """Return the first lines of many, and how many more there are."""
    if len(lines) <= MAX_LINES:
        return list(lines)
    return [*lines[:MAX_LINES], f"... and {len(lines) - MAX_LINES} more"]


def number(value: int | float) -> str:
    """Return a whole number in full, another with six digits."""
    if isinstance(value, float):
        return f"{value:.6g}"
    bits = value.bit_length()
    return str(value) if bits <= MAX_BITS else f"(a number of {bits} bits)"


def many(count: int, what: str) -> str:
    """Return ``1 channel``, ``2 channels``."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def size(count: int) -> str:
    """Return a number of bytes, in decimal units."""
    if count < 1000:
        return f"{count} B"
    if count < 999_950:
        return f"{count / 1e3:.1f} kB"
    if count < 999_950_000:
        return f"{count / 1e6:.1f} MB"
    return f"{count / 1e9:.1f} GB"


def sizes(parts: Sequence[Part], most: int = 6) -> str:
    """Return the number of parts and their sizes, those past `most` as a count."""
    if not parts:
        return "0 parts"
    shown = " + ".join(size(len(part)) for part in parts[:most])
    if len(parts) > most:
        shown += f" + {len(parts) - most} more"
    return f"{many(len(parts), 'part')}: {shown}"


def by(shape: Sequence[int]) -> str:
    """Return a shape in NumPy's order: rows x columns."""
    return cut(" x ".join(map(str, shape)), 60)


def text_of(part: Part, width: int) -> str:
    """Return the beginning of a part as text on one line, what is no text as escapes."""
    begun = bytes(memoryview(part)[: 4 * width])
    try:
        text = begun.decode("utf-8")
    except UnicodeDecodeError as error:
        cut_in_two = len(part) > len(begun) and error.reason == "unexpected end of data"
        if not cut_in_two:
            return cut(repr(begun), width)
        text = begun[: error.start].decode("utf-8")
    return cut(" ".join(text.split(" ")), width)


def time_of(seconds: int | None, nanoseconds: int | None) -> str:
    """Return a global timestamp as a time in UTC, or as it is where it is none."""
    if seconds is None:
        return "no timestamp"
    rest = nanoseconds or 0
    if seconds >= FIRST_MILLISECOND:
        seconds, milliseconds = divmod(seconds, 1000)
        rest += milliseconds * 1_000_000
    if not 0 <= seconds <= LAST_SECOND or not 0 <= rest < 1_000_000_000:
        return f"{number(seconds)} s {number(rest)} ns"
    return f"{EPOCH + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}.{rest:09d} UTC"
