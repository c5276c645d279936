"""One message as one CBOR item: an array of byte strings, one for each part (RFC 8949).

Written with the shortest heads, as section 4.2.1 of the RFC asks for, so that equal messages
are equal bytes. Large parts are neither copied when they are written nor when they are read.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...message import Part
from ..base import kept_of

LARGE = 16 << 10
"""Bytes from which on a part is worth not being copied."""

BYTES, ARRAY = 0x40, 0x80  # the first byte of a head, without its number: major types 2 and 4
BREAK = 0xFF


class NoMessage(ValueError):
    """Something else was written in the place of a message."""


def head(kind: int, number: int) -> bytes:
    """Return the shortest head of a CBOR item: its kind, and a size or count (RFC 8949, 3)."""
    if number < 24:
        return bytes((kind | number,))
    width = next(width for width in (0, 1, 2, 3) if number < 1 << (8 << width))
    return bytes((kind | 24 + width,)) + number.to_bytes(1 << width, "big")


HEADS = tuple(head(BYTES, size) for size in range(4096))
"""The heads of small parts, by their sizes: to look one up takes a third of the time."""

COUNTS = tuple(head(ARRAY, count) for count in range(24))
"""The heads of messages of few parts, by their number."""


def add_message(
    parts: Sequence[Part], pieces: list[Part], large: list[int], flat: set[type]
) -> tuple[int, int]:
    """Add a message to a list of buffers that will be written one after the other.

    Parameters
    ----------
    parts : sequence of bytes-like
        The parts of the message.
    pieces : list of bytes-like
        The buffers; the parts and the heads between them are appended.
    large : list of int
        The places, in `pieces`, of the parts of `LARGE` bytes and more are appended.
    flat : set of type
        As of `gmflow.recording.base.view_of`.

    Returns
    -------
    size, heads : int
        Bytes of the parts, and of the heads.

    Raises
    ------
    Unfit
        If a part is no flat buffer of bytes; those before it were appended.
    """
    count = len(parts)
    first = COUNTS[count] if count < 24 else head(ARRAY, count)
    pieces.append(first)
    total, heads = 0, len(first)
    for part in parts:
        if type(part) not in flat:
            part = kept_of(part, flat)
        size = len(part)
        if size < 4096:
            first = HEADS[size]
        else:
            first = head(BYTES, size)
            if size >= LARGE:
                large.append(len(pieces) + 1)
        pieces.append(first)
        pieces.append(part)
        total += size
        heads += len(first)
    return total, heads


def read_message(data: bytes, start: int, end: int) -> list[Part]:
    """Read a message; any CBOR writer may have written it.

    Parameters
    ----------
    data : bytes
        It is somewhere in these,
    start, end : int
        from here to there.

    Returns
    -------
    list of bytes or memoryview
        Its parts; those of `LARGE` bytes and more are views that keep `data` in memory.

    Raises
    ------
    NoMessage
        If it is anything but an array of byte strings of known lengths.
    """
    parts: list[Part] = []
    try:
        left, at = _count(data, start)
        while left and at < end:
            first = data[at]
            if first == 0x59:  # most parts have 256 bytes to 64 KiB: two bytes of size
                stop = at + 3 + (data[at + 1] << 8 | data[at + 2])
                at += 3
            elif 0x40 <= first < 0x58:
                at += 1
                stop = at + first - 0x40
            elif first == BREAK and left < 0:
                left, at = 0, at + 1
                break
            else:
                size, at = _number(data, at, BYTES)
                stop = at + size
            if stop > end:
                break
            parts.append(data[at:stop] if stop - at < LARGE else memoryview(data)[at:stop])
            left, at = left - 1, stop
    except IndexError:
        left = 1
    if left or at != end:
        raise NoMessage("it is no CBOR array of byte strings")
    return parts


def _count(data: bytes, at: int) -> tuple[int, int]:
    """Return the number of parts, -1 if a `BREAK` ends them, and where the first one begins."""
    return (-1, at + 1) if data[at] == ARRAY | 31 else _number(data, at, ARRAY)


def _number(data: bytes, at: int, kind: int) -> tuple[int, int]:
    """Return the number in a head of this kind, and where the head ends."""
    number = data[at] - kind
    if 0 <= number < 24:
        return number, at + 1
    if not 24 <= number < 28:
        raise IndexError
    end = at + 1 + (1 << number - 24)
    return int.from_bytes(data[at + 1 : end], "big"), end
