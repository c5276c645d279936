"""Another value in a map in CBOR (RFC 8949), with everything around it left as it is, to the byte.

The map is walked item by item; nothing is decoded, and arrays are stepped over.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..message import Part
from ..sequence.stream2 import begins_map

SELF_DESCRIBED = b"\xd9\xd9\xf7"
"""Tag 55799, with which CBOR says what it is; it may stand before a message."""

MAX_DEPTH = 64
"""Containers and tags within one another, at most."""

BYTES, TEXT, ARRAY, MAP, TAG = 2, 3, 4, 5, 6
"""Major types: a string of bytes, and so on."""

BREAK = b"\xff"
"""Ends what began without a size."""


def is_map(part: Part) -> bool:
    """Tell by its first bytes whether a part can be a map in CBOR."""
    return begins_map(part) is not None


def with_value(part: Part, path: Sequence[str], value: bytes) -> tuple[bytes, bool]:
    """Return a map with another value under a key, and whether the key was there.

    Parameters
    ----------
    part : bytes-like
        The map, with or without the tag that describes itself. Where it has a key twice, the
        first one counts. What follows a value that is replaced is not looked at.
    path : sequence of str
        The key; before it those of the maps that it is in, from the outermost. What is not there
        is added at the end of its map.
    value : bytes
        The value in CBOR.

    Raises
    ------
    ValueError
        If `part` is no map, is cut before what is replaced or added, or is nested too deeply, or
        the path leads into what is no map.
    """
    view = memoryview(part)
    at = len(SELF_DESCRIBED) if view[:3] == SELF_DESCRIBED else 0
    for depth, name in enumerate(path, 1):
        rest = path[depth:]
        found, end = _find(view, at, name.encode())
        if not found:
            if depth == 1 and end != len(view):
                raise ValueError(f"{len(view) - end} bytes follow the map")
            return _with_member(view, at, end, _text(name) + _nested(rest, value)), False
        if not rest:
            return b"".join((view[:found], value, view[_skip(view, found) :])), True
        at = found
    raise ValueError("the path is empty")


def _find(view: memoryview, at: int, name: bytes) -> tuple[int, int]:
    """Return where the value of a key begins in the map at `at`; 0 and its end if nowhere.

    A key that comes in pieces is not compared.
    """
    kind, count, at = _head(view, at)
    if kind != MAP:
        raise ValueError("this is no map")
    while count:
        if count < 0 and view[at : at + 1] == BREAK:
            return 0, at + 1
        kind, size, begin = _head(view, at)
        value = _skip(view, at)
        if kind == TEXT and size == len(name) and view[begin:value] == name:
            return value, 0
        at = _skip(view, value)
        count -= 1
    return 0, at


def _with_member(view: memoryview, start: int, end: int, member: bytes) -> bytes:
    """Add a member to the map from `start` to `end`."""
    _, count, first = _head(view, start)
    if count < 0:
        return b"".join((view[: end - 1], member, view[end - 1 :]))
    head = _head_of(MAP, count + 1)
    return b"".join((view[:start], head, view[first:end], member, view[end:]))


def _skip(view: memoryview, at: int) -> int:
    """Return where the item that begins there ends."""
    left = [1]  # items that are still to come in each container; below 0 until a break
    while left:
        if left[-1] == 0:
            left.pop()
            continue
        if left[-1] < 0 and view[at : at + 1] == BREAK:
            left.pop()
            at += 1
            continue
        left[-1] -= 1
        kind, size, at = _head(view, at)
        inside = size if kind == ARRAY or size < 0 else 2 * size if kind == MAP else kind == TAG
        if kind in (BYTES, TEXT) and size >= 0:
            at += size
        elif inside:
            left.append(inside)
        if at > len(view) or len(left) > MAX_DEPTH:
            raise ValueError("the map is cut, or nested too deeply")
    return at


def _head(view: memoryview, at: int) -> tuple[int, int, int]:
    """Return the major type of the item that begins there, its size, and where its head ends.

    The size is the number, count or tag in the head; -1 where none is given.
    """
    if at >= len(view):
        raise ValueError("the map is cut")
    kind, size = divmod(view[at], 32)
    at += 1
    if size < 24:
        return kind, size, at
    if size == 31 and BYTES <= kind <= MAP:
        return kind, -1, at
    end = at + (1 << (size - 24))
    if size > 27 or end > len(view):
        raise ValueError("the map is cut, or no CBOR")
    return kind, int.from_bytes(view[at:end], "big"), end


def _head_of(kind: int, size: int) -> bytes:
    if size < 24:
        return bytes([kind << 5 | size])
    width = next(width for width in range(4) if size < 1 << (8 << width))
    return bytes([kind << 5 | 24 + width]) + size.to_bytes(1 << width, "big")


def _text(text: str) -> bytes:
    data = text.encode()
    return _head_of(TEXT, len(data)) + data


def _nested(path: Sequence[str], value: bytes) -> bytes:
    """Return maps within one another that hold a value."""
    return b"".join([_head_of(MAP, 1) + _text(name) for name in path]) + value
