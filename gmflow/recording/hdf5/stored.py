"""Images in the bytes in which HDF5 keeps a chunk, made of a detector's without decoding them.

Two of HDF5's filters frame LZ4 blocks as detectors do: 32008 (bitshuffle with LZ4) and 32004
(LZ4), see https://github.com/HDFGroup/hdf5_plugins. What no filter could read is decoded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ...codecs import MAX_BYTES, bslz4, lz4, pixels
from ...codecs.blocks import HEADER, LENGTH, MAX_BLOCK, Blocks, read_header
from ...codecs.limits import check_size, flat
from ...errors import DecodeError
from ...handlers.dimage_1_0 import TYPES
from ...handlers.shapes import item_count
from ...handlers.stream2.cbor_arrays import COLUMN_MAJOR, PackedArray
from ...message import Part
from ...validation import shown
from .columns import MAX_DIMENSIONS
from .growing import Filters

PLAIN: Filters = ()

BITSHUFFLE: Filters = ((32008, (0, 2)),)
"""Blocks of the size that the chunk says; 2 is LZ4."""

LZ4: Filters = ((32004, (0,)),)
"""Blocks of the size that the chunk says."""


@dataclass(slots=True, eq=False)
class Stored:
    """An image as a chunk.

    Attributes
    ----------
    dtype : numpy.dtype
    shape : tuple of int
        Slowest first: (rows, columns).
    filters : Filters
        What reads it.
    data : bytes-like
        The chunk.
    decode : callable
        Returns the array, or raises DecodeError.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    filters: Filters
    data: Part
    decode: Callable[[], np.ndarray[Any, Any]]

    @property
    def layout(self) -> tuple[str, tuple[int, ...]]:
        """What all images of a dataset have in common."""
        return self.dtype.str, self.shape

    def plain(self) -> bytes:
        """Return the pixels as they stand in a chunk without filters; raise as `decode`."""
        return self.decode().tobytes()


def of_blob(blob: Part, encoding: Any, shape: Any, name: Any) -> Stored:
    """Return the chunk of an image of stream v1.

    Parameters
    ----------
    blob : bytes-like
    encoding, shape, name : object
        What part 1 says: the shape fastest first, and the type.

    Raises
    ------
    DecodeError
        If they are not those of an image, or the blob is damaged, as far as that shows without
        decoding it.
    """
    how = pixels.check(encoding)
    if not isinstance(name, str) or name not in TYPES:
        raise DecodeError(f"type is {shown(name)}; it can be {', '.join(TYPES)}")
    dtype = TYPES[name].newbyteorder(how.order)  # type: ignore[arg-type]
    item_count(shape)
    if len(shape) not in (2, 3):
        raise DecodeError(f"shape {shown(shape)} has {len(shape)} dimensions; an image has 2 or 3")
    size = _size(shape, dtype)
    rows = tuple(shape[::-1])

    def decode() -> np.ndarray[Any, Any]:
        return pixels.decode(blob, encoding, rows, dtype)

    if not how.compressed:
        return Stored(dtype, rows, PLAIN, blob, decode)
    data = flat(blob)
    if not how.itemsize:
        return Stored(dtype, rows, LZ4, _one_block(data, size), decode)
    if how.itemsize != dtype.itemsize:
        return _decoded(decode)
    return Stored(dtype, rows, BITSHUFFLE, _framed(data, size, dtype.itemsize), decode)


def of_packed(packed: PackedArray) -> Stored:
    """Return the chunk of an array of stream v2.

    Raises
    ------
    DecodeError
        If it is damaged, as far as that shows without decoding it.
    """
    dtype, shape, decode = packed.dtype, tuple(packed.shape), packed.unpack
    size = _size(packed.shape, dtype)
    if len(shape) > MAX_DIMENSIONS:
        raise DecodeError(f"{len(shape)} dimensions; {MAX_DIMENSIONS} are possible")
    shuffled = packed.compression == "bslz4"
    if packed.order == COLUMN_MAJOR or (shuffled and packed.itemsize != dtype.itemsize):
        return _decoded(decode)
    if packed.compression == "none":
        return Stored(dtype, shape, PLAIN, packed.data, decode)
    data = flat(packed.data)
    if shuffled:
        return Stored(dtype, shape, BITSHUFFLE, _framed(data, size, dtype.itemsize), decode)
    _, block_bytes = read_header(data)
    _check_blocks(data, HEADER.size, size, block_bytes)
    return Stored(dtype, shape, LZ4, data, decode)


def _size(shape: list[int], dtype: np.dtype[Any]) -> int:
    size = prod(shape) * dtype.itemsize
    if not shape or not 0 < size <= MAX_BYTES:
        raise DecodeError(
            f"shape {shown(shape)} of {dtype}: an image of 1 to {MAX_BYTES} bytes can be stored"
        )
    return size


def _decoded(decode: Callable[[], np.ndarray[Any, Any]]) -> Stored:
    array = decode()
    return Stored(array.dtype, array.shape, PLAIN, array.tobytes(), lambda: array)


def _framed(data: memoryview, size: int, itemsize: int) -> Part:
    """Return shuffled blocks behind the right header; `pixels.decode` says what senders write."""
    head = bytes(data[: HEADER.size])
    if head == bytes(HEADER.size) or any(head[:4]):
        start = 0 if any(head) else HEADER.size
        _check_shuffled(data, start, size, itemsize, bslz4.BLOCK_BYTES)
        return b"".join((HEADER.pack(size, bslz4.BLOCK_BYTES), data[start:]))
    declared, block_bytes = read_header(data)
    if declared != size:
        raise DecodeError(f"the blob declares {declared} bytes, {size} are expected")
    _check_shuffled(data, HEADER.size, size, itemsize, block_bytes)
    return data


def _check_shuffled(
    data: memoryview, start: int, size: int, itemsize: int, block_bytes: int
) -> None:
    group = bslz4.GROUP * itemsize
    if block_bytes % group:
        raise DecodeError(f"blocks of {block_bytes} bytes: a multiple of {group} is needed")
    _check_blocks(data, start, size - size % group, block_bytes, size % group)


def _check_blocks(
    data: memoryview, start: int, size: int, block_bytes: int, left_over: int = 0
) -> None:
    """Validate that a blob is neither cut nor too long: its blocks' lengths lead to its end."""
    runs = Blocks(data, start, size, block_bytes, stored=False).runs()
    end = runs[-1].end if runs else start
    if len(data) - end != left_over:
        raise DecodeError(
            f"{len(data) - end} bytes follow the last block, {left_over} are expected"
        )
    check_size(size + left_over, len(data))


def _one_block(data: memoryview, size: int) -> bytes:
    """Frame one raw block; one that is as long as its content would be taken for stored."""
    check_size(size, len(data))
    if size > MAX_BLOCK:
        raise DecodeError(f"{size} bytes can't be one LZ4 block; up to {MAX_BLOCK} can")
    block = lz4.decode_block(data, size) if len(data) == size else data
    return b"".join((HEADER.pack(size, size), LENGTH.pack(len(block)), block))
