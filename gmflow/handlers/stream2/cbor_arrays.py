"""Arrays in DECTRIS's stream v2: from CBOR's tags to NumPy and back.

A typed array (tags 64 to 87, RFC 8746 section 2) is a byte string, or tag 56500 in its place:
the same compressed. Tags 40 (row-major) and 1040 (column-major, section 3.1) give it dimensions.
https://github.com/dectris/documentation/blob/main/cbor/dectris-compression-tag.md
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ...codecs import MAX_BYTES, bslz4, lz4
from ...errors import DecodeError, EncodeError
from ...message import Part
from ...validation import shown
from ..series import Array
from ..shapes import item_count, view_array
from .cbor_map import content_of, library

ROW_MAJOR, COLUMN_MAJOR, COMPRESSED = 40, 1040, 56500

TYPES = {
    tag: np.dtype(name)
    for first, names in (
        (64, "|u1 >u2 >u4 >u8 |u1 <u2 <u4 <u8"),  # 68: uint8 that is clamped in calculations
        (72, "|i1 >i2 >i4 >i8"),  # 76 is reserved
        (77, "<i2 <i4 <i8"),
        (80, ">f2 >f4 >f8"),  # 83 and 87 are quadruple precision, which NumPy has not
        (84, "<f2 <f4 <f8"),
    )
    for tag, name in enumerate(names.split(), first)
}
"""The elements of typed arrays by their tags (RFC 8746, table 3)."""

TAGS = {dtype.str: tag for tag, dtype in TYPES.items() if tag != 68}
"""The tags of typed arrays by the names of their elements."""

COMPRESSIONS = ("bslz4", "lz4", "none")
"""How an array can be written: bitshuffle with LZ4, LZ4, or as it is."""

MAX_DIMENSIONS = 32
"""Dimensions of an array: as many as every version of NumPy has."""


@dataclass(slots=True, eq=False)
class PackedArray:
    """An array as it was sent: checked as far as it can be without decoding it."""

    name: Any  # what errors call it
    dtype: np.dtype[Any]
    shape: list[int]
    order: int  # `ROW_MAJOR` or `COLUMN_MAJOR`
    data: Part
    compression: str  # one of `COMPRESSIONS`
    itemsize: int  # bytes of the elements that were shuffled

    @property
    def work(self) -> int:
        """Bytes that are to be decoded; none where it is not compressed."""
        return 0 if self.compression == "none" else prod(self.shape) * self.dtype.itemsize

    def unpack(self) -> Array:
        """Return the array, read-only; DecodeError if the data doesn't decode to it."""
        try:
            return self._unpack()
        except DecodeError as error:
            raise DecodeError(f"array {shown(self.name)}: {error}") from None

    def _unpack(self) -> Array:
        data: Any = self.data
        if self.compression == "bslz4":
            data = bslz4.decode(data, self.work, self.itemsize)
        elif self.compression == "lz4":
            data = lz4.decode_hdf5(data, self.work)
        if self.order == COLUMN_MAJOR:
            return view_array(data, self.dtype, self.shape[::-1]).T
        return view_array(data, self.dtype, self.shape)


def packed_of(value: Any, name: Any) -> PackedArray:
    """Return the array that a `cbor2.CBORTag` stands for, still packed; errors call it `name`.

    Raise DecodeError if it is no array, or its size, dimensions and type can't all be right.
    """
    try:
        return _packed(value, name)
    except DecodeError as error:
        raise DecodeError(f"array {shown(name)}: {error}") from None


def array_of(value: Any) -> Array:
    """Return the array that a `cbor2.CBORTag` stands for, wherever in a message it was.

    Raises
    ------
    DecodeError
        If it is no array, or does not decode to one.
    """
    return packed_of(value, "of a tag").unpack()


def is_array(value: Any) -> bool:
    """Return True if a value of a message is a tag that stands for an array."""
    number, _ = content_of(value)
    return number in (ROW_MAJOR, COLUMN_MAJOR) or number in TYPES


def tag_of(array: Array, compression: str) -> Any:
    """Return the tag that stands for an array with its dimensions, row-major.

    Raise EncodeError if the format has no such elements, or `compression` is none of
    `COMPRESSIONS`.
    """
    return library(EncodeError).CBORTag(
        ROW_MAJOR, [list(array.shape), typed_tag_of(array, compression)]
    )


def typed_tag_of(array: Array, compression: str) -> Any:
    """Return the tag that stands for an array without its dimensions, as `tag_of`."""
    make = library(EncodeError).CBORTag
    name = array.dtype.str
    if name not in TAGS:
        raise EncodeError(f"an array of {array.dtype} can't be written; of {', '.join(TAGS)}")
    if compression == "none":
        return make(TAGS[name], array.tobytes())
    if compression == "bslz4":
        content = [compression, array.itemsize, bytes(bslz4.encode(array, array.itemsize))]
    elif compression == "lz4":
        content = [compression, 0, bytes(lz4.encode_hdf5(array))]
    else:
        raise EncodeError(f"compression is {compression!r}; it can be {', '.join(COMPRESSIONS)}")
    return make(TAGS[name], make(COMPRESSED, content))


def _packed(value: Any, name: Any) -> PackedArray:
    order, shape, typed = _dimensions(value)
    number, content = content_of(typed)
    if number not in TYPES:
        raise DecodeError(
            f"tag {shown(number)} is no typed array with elements that NumPy has"
            if number is not None
            else f"{shown(typed)} is no typed array"
        )
    dtype = TYPES[number]
    compression, itemsize, data = _bytes(content)
    size = len(data) if compression == "none" else int.from_bytes(data[:8], "big")  # HDF5's framing
    if shape is None:
        shape = [size // dtype.itemsize]
    expected = prod(shape) * dtype.itemsize
    if size != expected:
        raise DecodeError(f"{size} bytes; shape {shown(shape)} of {dtype} needs {shown(expected)}")
    if compression != "none" and size > MAX_BYTES:
        raise DecodeError(f"{size} bytes would be decoded; {MAX_BYTES} are allowed")
    return PackedArray(name, dtype, shape, order, data, compression, itemsize)


def _dimensions(value: Any) -> tuple[int, list[int] | None, Any]:
    """Return order, shape and typed array; no shape where there is nothing but a typed array."""
    number, content = content_of(value)
    if number not in (ROW_MAJOR, COLUMN_MAJOR):
        return ROW_MAJOR, None, value
    if not isinstance(content, list) or len(content) != 2:
        raise DecodeError(f"tag {number} holds {shown(content)}, not dimensions and elements")
    shape, typed = content
    item_count(shape)
    if len(shape) > MAX_DIMENSIONS:
        raise DecodeError(f"{len(shape)} dimensions; {MAX_DIMENSIONS} are possible")
    return number, shape, typed


def _bytes(content: Any) -> tuple[str, int, Part]:
    """Return compression, size of the shuffled elements, and data of a typed array."""
    number, value = content_of(content)
    if number is None and isinstance(value, (bytes, memoryview)):
        return "none", 1, value
    if number != COMPRESSED or not isinstance(value, list) or len(value) != 3:
        raise DecodeError(f"a typed array holds {shown(content)}, neither bytes nor tag 56500")
    compression, itemsize, data = value
    if compression not in ("bslz4", "lz4") or not isinstance(data, (bytes, memoryview)):
        raise DecodeError(f"tag 56500 holds {shown(value)}, not bslz4 or lz4, a size and bytes")
    if compression == "bslz4" and type(itemsize) is not int:
        raise DecodeError(f"elements of {shown(itemsize)} bytes are shuffled")
    return compression, itemsize, data
