"""One message as one CBOR item: an array of byte strings, one for each part (RFC 8949).

Written with the shortest heads, as section 4.2.1 of the RFC asks for, so that equal messages
are equal bytes. Large parts are neither copied when they are written nor when they are read.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...cborwire import ARRAY, BREAK, BYTES, encode_head, head
from ...message import Part
from ..base import kept_of

LARGE = 16 << 10
"""Bytes from which on a part is worth not being copied."""

HEADS = tuple(encode_head(BYTES, size) for size in range(4096))
"""The heads of small parts, by their sizes: to look one up takes a third of the time."""

COUNTS = tuple(encode_head(ARRAY, count) for count in range(24))
"""The heads of messages of few parts, by their number."""


class NoMessage(ValueError):
    """Something else was written in the place of a message."""


def add_message(
    parts: Sequence[Part], pieces: list[Part], large: list[int], flat: set[type]
) -> tuple[int, int]:
    """Add a message to buffers (`pieces`) that will be written one after the other, with its heads.

    The places in them of parts of `LARGE` bytes and more are added to `large`; `flat` is as of
    `gmflow.recording.base.view_of`. Return the bytes of the parts, and of the heads. Raise Unfit
    if a part is no flat buffer of bytes; those before it were added.
    """
    count = len(parts)
    first = COUNTS[count] if count < 24 else encode_head(ARRAY, count)
    pieces.append(first)
    total, heads = 0, len(first)
    for part in parts:
        if type(part) not in flat:
            part = kept_of(part, flat)
        size = len(part)
        if size < 4096:
            first = HEADS[size]
        else:
            first = encode_head(BYTES, size)
            if size >= LARGE:
                large.append(len(pieces) + 1)
        pieces.append(first)
        pieces.append(part)
        total += size
        heads += len(first)
    return total, heads


def read_message(data: bytes, start: int, end: int) -> list[Part]:
    """Read the message between two places of `data`, by whatever CBOR writer; return its parts.

    Parts of `LARGE` bytes and more are views that keep `data` in memory. Raise NoMessage if it is
    anything but an array of byte strings of known lengths.
    """
    parts: list[Part] = []
    try:
        # Most heads, those of less than 24 parts or bytes and of 256 bytes to 64 KiB, are read
        # here: that takes half the time.
        first, at = data[start], start + 1
        if 0x80 <= first < 0x98:
            left = first - 0x80
        else:
            kind, left, at = head(data, start)
            if kind != ARRAY:
                at = end + 1
        while left and at < end:
            first = data[at]
            if first == 0x59:
                stop = at + 3 + (data[at + 1] << 8 | data[at + 2])
                at += 3
            elif 0x40 <= first < 0x58:
                at += 1
                stop = at + first - 0x40
            elif first == BREAK and left < 0:
                left, at = 0, at + 1
                break
            else:
                kind, size, at = head(data, at)
                stop = at + size if kind == BYTES and size >= 0 else end + 1
            if stop > end:
                break
            parts.append(data[at:stop] if stop - at < LARGE else memoryview(data)[at:stop])
            left, at = left - 1, stop
    except (ValueError, IndexError):
        left = 1
    if left or at != end:
        raise NoMessage("it is no CBOR array of byte strings")
    return parts
