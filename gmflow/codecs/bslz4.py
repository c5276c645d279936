"""Bitshuffle with LZ4 as HDF5's filter 32008 frames it, which most detectors send.

The bits of each block of elements are transposed, so that those of equal weight follow one another,
and the block is compressed with LZ4. Blocks hold a multiple of 8 elements, the last may hold
fewer than the others, and up to 7 elements that are left over follow it as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np

from ..deferred import step_aside
from ..errors import DecodeError, EncodeError
from ..message import Part
from .blocks import HEADER, LENGTH, MAX_BLOCK, BlockRun, Blocks, block_bytes_of
from .limits import MAX_BYTES, MAX_EXPANSION, check_most, flat, library
from .lz4 import encode_block

BLOCK_BYTES = 8192
"""Bytes in a block by default, whatever its elements (bshuf_default_block_size)."""

GROUP = 8
"""Elements of which a block holds a multiple."""

ITEM_SIZES = (1, 2, 4, 8)

MAX_FAST_BLOCK = 1 << 20
"""Bytes of a block up to which dectris-compression is asked: its buffers hold two of them."""


def decode(blob: Any, size: int, itemsize: int, most: int = MAX_BYTES) -> memoryview:
    """Decode a blob with its header of 12 bytes.

    Parameters
    ----------
    blob : bytes-like
    size, most : int
        Bytes that it must decode to, and may at most.
    itemsize : int
        Bytes of an element: 1, 2, 4 or 8.

    Raises
    ------
    DecodeError
        If the header declares another size, a block is cut or is not LZ4, or bytes are left over.
    """
    blob = flat(blob)
    check_most(size, most)
    block_bytes = block_bytes_of(blob, size)
    if block_bytes <= MAX_FAST_BLOCK and (content := _decode_fast(blob, size, itemsize)):
        return content
    return _decode(blob, HEADER.size, size, itemsize, block_bytes, most)


def decode_blocks(
    blocks: Any, size: int, itemsize: int, block_bytes: int = BLOCK_BYTES, most: int = MAX_BYTES
) -> memoryview:
    """Decode blocks that have no header before them; all else is as of `decode`.

    Parameters
    ----------
    block_bytes : int, optional
        Bytes that each block decodes to, but the last.
    """
    return _decode(flat(blocks), 0, size, itemsize, block_bytes, most)


def _decode(
    blob: memoryview, start: int, size: int, itemsize: int, block_bytes: int, most: int
) -> memoryview:
    check_most(size, most)
    _check_elements(size, itemsize, DecodeError)
    if size:
        _check_block(block_bytes, itemsize, DecodeError)
    left_over = size % (GROUP * itemsize)
    whole = size - left_over
    blocks = Blocks(blob, start, whole, block_bytes, stored=False)
    runs = blocks.runs(left_over, most)
    out = np.empty(size, np.uint8).data
    if runs:
        _decode_runs(blocks, runs, itemsize, out)
    out[whole:] = blob[len(blob) - left_over :]
    return out.toreadonly()


def _decode_fast(blob: memoryview, size: int, itemsize: int) -> memoryview | None:
    """Return what a blob decodes to in a single call; None if that can't be."""
    decompress = fast_library()
    if decompress is None or itemsize not in ITEM_SIZES or size > MAX_EXPANSION * len(blob):
        return None
    try:
        return memoryview(decompress(blob, "bslz4", elem_size=itemsize))
    except (RuntimeError, ValueError):
        return None  # decoded block by block it shows what is wrong


@cache
def fast_library() -> Callable[..., bytes] | None:
    """Return dectris-compression's function, which checks every length; None without it."""
    try:
        from dectris.compression import decompress
    except ImportError:
        return None
    function: Callable[..., bytes] = decompress
    return function


def _decode_runs(blocks: Blocks, runs: list[BlockRun], itemsize: int, out: memoryview) -> None:
    """Decode and unshuffle run by run, all in the same few pages of memory."""
    unshuffle = library().bitshuffle_decode
    elements = blocks.block_bytes // itemsize
    shuffled = np.empty(runs[0].size, np.uint8).data
    for run in runs:
        step_aside()
        content = shuffled[: run.size]
        blocks.decode(run, content)
        place = out[run.place : run.place + run.size]
        unshuffle(content, itemsize=itemsize, blocksize=elements, out=place)


def encode(data: Any, itemsize: int, block_bytes: int = BLOCK_BYTES) -> bytes:
    """Encode bytes as a blob with its header.

    Parameters
    ----------
    data : bytes-like
    itemsize : int
        Bytes of an element: 1, 2, 4 or 8.
    block_bytes : int, optional
        Bytes of data in each block but the last.

    Raises
    ------
    EncodeError
        If the data is not made of such elements, or a block not of a multiple of 8.
    """
    data = flat(data)
    _check_elements(len(data), itemsize, EncodeError)
    _check_block(block_bytes, itemsize, EncodeError)
    header = HEADER.pack(len(data), block_bytes)
    whole = len(data) - len(data) % (GROUP * itemsize)
    if not whole:
        return header + bytes(data)
    work = library(EncodeError)
    shuffled = memoryview(
        work.bitshuffle_encode(data[:whole], itemsize=itemsize, blocksize=block_bytes // itemsize)
    )
    framed = memoryview(work.lz4h5_encode(shuffled, blocksize=block_bytes))
    return b"".join((header, *_all_compressed(framed, shuffled, block_bytes), data[whole:]))


def _all_compressed(framed: memoryview, shuffled: memoryview, block_bytes: int) -> Iterator[Part]:
    """Return the blocks in HDF5's LZ4, and those that it stored as LZ4 too."""
    kept = position = HEADER.size
    for place in range(0, len(shuffled), block_bytes):
        content = shuffled[place : place + block_bytes]
        (length,) = LENGTH.unpack_from(framed, position)
        end = position + LENGTH.size + length
        if length == len(content):
            block = encode_block(content)
            yield from (framed[kept:position], LENGTH.pack(len(block)), block)
            kept = end
        position = end
    yield framed[kept:position]


def _check_elements(size: int, itemsize: int, error: type[DecodeError | EncodeError]) -> None:
    if itemsize not in ITEM_SIZES:
        raise error(f"elements of {itemsize} bytes can't be shuffled; 1, 2, 4 or 8 can")
    if size % itemsize:
        raise error(f"{size} bytes are no whole number of elements of {itemsize}")


def _check_block(block_bytes: int, itemsize: int, error: type[DecodeError | EncodeError]) -> None:
    if not 0 < block_bytes <= MAX_BLOCK or block_bytes % (GROUP * itemsize):
        raise error(
            f"blocks of {block_bytes} bytes: a multiple of {GROUP * itemsize} is needed,"
            f" up to {MAX_BLOCK}"
        )
