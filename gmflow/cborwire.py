"""CBOR (RFC 8949) as it stands on the wire: the heads of its items, and what a map says on top.

The one reader of heads: `head` reads one, `skip` steps over an item without decoding or copying
it, and `read_header` returns the numbers and short texts of a message's map, wherever among its
keys they stand. Whatever the bytes are, nothing but ValueError is raised, after bounded work.
"""

from __future__ import annotations

import struct
from typing import Any

from .jsonwire import Part

UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE = range(8)
"""Major types."""

SELF_DESCRIBED = b"\xd9\xd9\xf7"
"""Tag 55799, with which CBOR says what it is; it may stand before a message."""

BREAK = 0xFF
"""The byte that ends what began without a size."""

MAX_DEPTH = 64
"""Containers and tags within one another, at most."""

MAX_KEYS = 4096
"""Keys of a message's map, at most; detectors send 30."""

MAX_ITEMS = 1 << 16
"""Items that are stepped over in one message, at most, on its way: 10 ms of the hub's time."""

MAX_TEXT = 1024
"""Bytes of the longest text that is a value in a header."""

_NO_VALUE: Any = object()

_SIMPLE_VALUES = {20: False, 21: True, 22: None}

_FLOATS = {25: ">e", 26: ">f", 27: ">d"}


def _step_of(first: int) -> int:
    """Return the bytes of the items that begin so, if that says it; else 0."""
    major, size = divmod(first, 32)
    if major in (BYTES, TEXT) and size < 24:
        return 1 + size
    if major in (UNSIGNED, NEGATIVE, SIMPLE) and size < 28:
        return 1 if size < 24 else 1 + (1 << size - 24)
    return int(first in (0x80, 0xA0))


_STEPS = tuple(map(_step_of, range(256)))

_INSIDE = (*[0] * 0x80, *range(24), *[0] * 8, *range(0, 48, 2), *[0] * 8, *[1] * 24, *[0] * 40)
"""Items in the containers that begin so, if that says it."""


class CborHeader(dict[str, Any]):
    """The header of a message whose part 0 is a map in CBOR; one of JSON is a plain dict."""

    __slots__ = ()


def is_map(part: Part) -> bool:
    """Return True if a part can be a map in CBOR by how it begins."""
    begin = bytes(memoryview(part)[:4]).removeprefix(SELF_DESCRIBED)
    return b"\xa0" <= begin[:1] <= b"\xbf"


def read_header(part: Part) -> CborHeader:
    """Return the whole numbers, floats, truth values, nulls and short texts of a map.

    Keys may come in any order; the map, its keys and texts may be of indefinite length, and tag
    55799 may stand before it. A key is left out if its value is a container, a string of bytes, a
    tag or a text of more than `MAX_TEXT` bytes, or if it is no text itself. Of a key that comes
    twice the first one counts. What follows the map is not looked at, and nothing large is copied.

    Raise ValueError if it is no map, is cut, is nested too deep, or has more than `MAX_KEYS` keys
    or more than `MAX_ITEMS` items in their values.
    """
    view = part if type(part) is bytes else memoryview(part)
    try:
        major, count, at = head(view, len(SELF_DESCRIBED) if view[:3] == SELF_DESCRIBED else 0)
        if major != MAP:
            raise ValueError("part 0 is no map in CBOR")
        header, at = _read_map(view, at, count)
    except (IndexError, struct.error):
        raise ValueError("the CBOR is cut") from None
    if at > len(view):
        raise ValueError("the CBOR is cut")
    return header


def _read_map(view: Part, at: int, count: int) -> tuple[CborHeader, int]:
    """Return what a map of `count` keys says, and where it ends; -1 keys end with a break."""
    header = CborHeader()
    budget = MAX_ITEMS
    while count:
        first = view[at]
        if first == BREAK and count < 0:
            return header, at + 1
        count -= 1
        if not -MAX_KEYS - 2 < count < MAX_KEYS:
            raise ValueError(f"the map has more than {MAX_KEYS} keys")
        # Short keys, small numbers and short texts are most of a header: read here they take a
        # third of the time.
        if 0x60 <= first < 0x78:
            at += 1
            key = str(view[at : (at := at + first - 0x60)], "utf-8")
        else:
            key, at, budget = _value(view, at, budget)
        first = view[at]
        if first < 0x18:
            value, at = first, at + 1
        elif first < 0x1C:
            at += 1
            value = int.from_bytes(view[at : (at := at + (1 << first - 0x18))], "big")
        elif 0x60 <= first < 0x78:
            at += 1
            value = str(view[at : (at := at + first - 0x60)], "utf-8")
        elif first == 0x78:
            start = at + 2
            at = start + view[at + 1]
            value = str(view[start:at], "utf-8")
        else:
            value, at, budget = _value(view, at, budget)
        if value is not _NO_VALUE and type(key) is str and key not in header:
            header[key] = value
    return header, at


def _value(view: Part, at: int, budget: int) -> tuple[Any, int, int]:
    """Return a scalar or text, where it ends, and what is left of the items to step over."""
    major, size, after = head(view, at)
    if major == TEXT and size <= MAX_TEXT:
        if size < 0:
            return _joined(view, after, budget)
        return str(view[after : after + size], "utf-8"), after + size, budget - 1
    if major == UNSIGNED:
        return size, after, budget - 1
    if major == NEGATIVE:
        return -1 - size, after, budget - 1
    if major == SIMPLE:
        kind = view[at] & 31
        if kind in _FLOATS:
            return *struct.unpack_from(_FLOATS[kind], view, at + 1), after, budget - 1
        return _SIMPLE_VALUES.get(kind, _NO_VALUE), after, budget - 1
    return _NO_VALUE, *_skip(view, at, budget)


def _joined(view: Part, at: int, budget: int) -> tuple[Any, int, int]:
    """Return the text whose pieces begin at `at`, as `_value` does."""
    pieces, length = [], 0
    while view[at] != BREAK:
        major, size, at = head(view, at)
        budget -= 1
        if major != TEXT or size < 0 or budget < 0:
            raise ValueError("a piece of a text is no text, or there are too many")
        length += size
        if length <= MAX_TEXT:
            pieces.append(str(view[at : at + size], "utf-8"))
        at += size
    return "".join(pieces) if length <= MAX_TEXT else _NO_VALUE, at + 1, budget


def head(view: Part, at: int) -> tuple[int, int, int]:
    """Return the major type of the item at `at`, its number, and where its head ends.

    The number is the value, the count of bytes, items or pairs, or the tag; -1 where an indefinite
    length ends with a break. Raise ValueError if no item begins there, or its head is cut.
    """
    if at >= len(view):
        raise ValueError("the CBOR is cut")
    major, value = divmod(view[at], 32)
    at += 1
    if value < 24:
        return major, value, at
    if value == 31 and BYTES <= major <= MAP:
        return major, -1, at
    after = at + (1 << value - 24 if value < 28 else 0)
    if value > 27 or after > len(view):
        raise ValueError("the CBOR is cut, or this is none")
    return major, int.from_bytes(view[at:after], "big"), after


def skip(view: Part, at: int, max_items: int | None = None) -> int:
    """Return where the item at `at` ends.

    Raise ValueError if it is cut, no CBOR, nested deeper than `MAX_DEPTH`, or has more items than
    `max_items`, by default than there are bytes.
    """
    try:
        end, _ = _skip(view, at, len(view) if max_items is None else max_items)
    except IndexError:
        raise ValueError("the CBOR is cut") from None
    return end


def _skip(view: Part, at: int, budget: int) -> tuple[int, int]:
    """Return where an item ends, and how many of `budget` items it leaves."""
    left = 1  # items to come in this container; below 0 until a break
    outer: list[int] = []  # the same of those that it is in
    for rest in range(budget - 1, -1, -1):
        first = view[at]
        step = _STEPS[first]
        if step:
            at += step
            left -= 1
        elif first == BREAK and left < 0:
            at, left = at + 1, 0
        else:
            inside = _INSIDE[first]
            if inside:
                at += 1
            else:
                inside, at = _content(view, at)
            if len(outer) == MAX_DEPTH:
                raise ValueError("the CBOR is nested too deep")
            outer.append(left - 1)
            left = inside
        while not left:
            if not outer:
                if at > len(view):
                    raise ValueError("the CBOR is cut")
                return at, rest
            left = outer.pop()
    raise ValueError("the CBOR has too many items")


def _content(view: Part, at: int) -> tuple[int, int]:
    """Return how many items are in the item at `at`, below 0 until a break, and where they are."""
    major, size, at = head(view, at)
    if major == TAG:
        return 1, at
    if major in (BYTES, TEXT) and size >= 0:
        return 0, at + size
    return 2 * size if major == MAP else size, at


def encode_head(major: int, value: int) -> bytes:
    """Return the shortest head of an item: its major type, and a number, size, count or tag."""
    first = major << 5
    if value < 24:
        return bytes((first | value,))
    width = next(width for width in range(4) if value < 1 << (8 << width))
    return bytes((first | 24 + width,)) + value.to_bytes(1 << width, "big")
