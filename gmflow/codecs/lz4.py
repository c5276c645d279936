"""LZ4 as it stands on the wire: one raw block, or blocks in HDF5's framing (filter 32004)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DecodeError, EncodeError
from .blocks import HEADER, MAX_BLOCK, Blocks, block_bytes_of
from .limits import MAX_BYTES, REFUSALS, check_most, check_size, flat, library

HDF5_BLOCK = 1 << 30
"""Bytes in a block of HDF5's LZ4 filter by default: a whole image is one."""


def decode_block(blob: Any, size: int, most: int = MAX_BYTES) -> memoryview:
    """Decode one raw LZ4 block, which says nothing of its size.

    Parameters
    ----------
    blob : bytes-like
    size, most : int
        Bytes that it must decode to, and may at most.

    Raises
    ------
    DecodeError
        If it is not the LZ4 of exactly `size` bytes, or they are too many.
    """
    blob = flat(blob)
    check_size(size, len(blob), most)
    if not size and blob in (b"", b"\0"):
        return memoryview(b"")
    decode = library().lz4_decode
    out = np.empty(size, np.uint8).data
    try:
        decoded = len(decode(blob, out=out))
    except REFUSALS as error:
        raise DecodeError(f"{len(blob)} bytes are not the LZ4 of {size}: {error}") from None
    if decoded != size:
        raise DecodeError(f"{len(blob)} bytes of LZ4 decode to {decoded}, {size} are expected")
    return out.toreadonly()


def encode_block(data: Any) -> bytes:
    """Encode bytes as one raw LZ4 block.

    Raises
    ------
    EncodeError
        If they are more than a block can hold, or if imagecodecs is not installed.
    """
    data = flat(data)
    if not len(data):
        return b"\0"
    encode = library(EncodeError).lz4_encode  # outside: its EncodeError is a ValueError, too
    try:
        return bytes(encode(data))
    except REFUSALS as error:
        raise EncodeError(f"{len(data)} bytes can't be one LZ4 block: {error}") from None


def decode_hdf5(blob: Any, size: int, most: int = MAX_BYTES) -> memoryview:
    """Decode LZ4 blocks in HDF5's framing, with which DECTRIS's stream v2 sends "lz4".

    Parameters
    ----------
    blob : bytes-like
    size, most : int
        Bytes that it must decode to, and may at most.

    Raises
    ------
    DecodeError
        If its header declares another size, a block is cut or not LZ4, or bytes are left over.
    """
    blob = flat(blob)
    check_most(size, most)
    block_bytes = block_bytes_of(blob, size)
    blocks = Blocks(blob, HEADER.size, size, block_bytes, stored=True)
    runs = blocks.runs(most=most)
    out = np.empty(size, np.uint8).data
    for run in runs:
        blocks.decode(run, out[run.place : run.place + run.size])
    return out.toreadonly()


def encode_hdf5(data: Any, block_bytes: int = HDF5_BLOCK) -> bytes:
    """Encode bytes as LZ4 blocks in HDF5's framing, each of `block_bytes` bytes of data.

    Raise EncodeError if no block can have that size.
    """
    data = flat(data)
    if not 0 < block_bytes <= MAX_BLOCK:
        raise EncodeError(f"blocks of {block_bytes} bytes; 1 to {MAX_BLOCK} are possible")
    if not len(data):
        return HEADER.pack(0, block_bytes)
    return bytes(library(EncodeError).lz4h5_encode(data, blocksize=min(block_bytes, len(data))))
