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
from ...codecs.blocks import HEADER, LENGTH, MAX_BLOCK, Blocks, block_bytes_of, read_header
from ...codecs.limits import check_size, flat
from ...errors import DecodeError
from ...handlers.dimage_1_0 import TYPES, check_image
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
    """An image as a chunk."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]  # slowest first: (rows, columns)
    filters: Filters  # what reads it
    data: Part  # the chunk
    decode: Callable[[], np.ndarray[Any, Any]]  # may raise DecodeError

    @property
    def layout(self) -> tuple[str, tuple[int, ...]]:
        """What all images of a dataset have in common."""
        return self.dtype.str, self.shape


def of_blob(blob: Part, encoding: Any, shape: Any, name: Any) -> Stored:
    """Return the chunk of an image of stream v1, by part 1's encoding, shape ([x, y]) and type.

    Raise DecodeError if they are not those of an image, or the blob is damaged, as far as that
    shows without decoding it.
    """
    how = pixels.check(encoding)
    check_image(shape, name)
    dtype = TYPES[name].newbyteorder(how.order)  # type: ignore[arg-type]
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
    """Return the chunk of an array of stream v2; raise as `of_blob` if it is damaged."""
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
    Blocks(data, HEADER.size, size, block_bytes, stored=True).runs()
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
    _check_shuffled(data, HEADER.size, size, itemsize, block_bytes_of(data, size))
    return data


def _check_shuffled(
    data: memoryview, start: int, size: int, itemsize: int, block_bytes: int
) -> None:
    group = bslz4.GROUP * itemsize
    if block_bytes % group:
        raise DecodeError(f"blocks of {block_bytes} bytes: a multiple of {group} is needed")
    left_over = size % group
    Blocks(data, start, size - left_over, block_bytes, stored=False).runs(left_over)


def _one_block(data: memoryview, size: int) -> bytes:
    """Frame one raw block; one that is as long as its content would be taken for stored."""
    check_size(size, len(data))
    if size > MAX_BLOCK:
        raise DecodeError(f"{size} bytes can't be one LZ4 block; up to {MAX_BLOCK} can")
    block = lz4.decode_block(data, size) if len(data) == size else data
    return b"".join((HEADER.pack(size, size), LENGTH.pack(len(block)), block))
