"""The two compressions of bsr_m-1.1, of values and of data headers.

``bitshuffle_lz4`` is that of `bslz4`. ``lz4`` is the uncompressed size in 4 bytes, then one
raw LZ4 block; senders don't agree on the byte order of the size, so it is taken in the one that
is the size expected.
"""

from __future__ import annotations

from struct import Struct
from types import MappingProxyType
from typing import Any

from ..errors import DecodeError, EncodeError
from . import bslz4, lz4
from .blocks import MAX_BLOCK, read_header
from .limits import MAX_BYTES, figure, flat, library

SIZES = MappingProxyType({"<": Struct("<I"), ">": Struct(">I")})
OTHER = MappingProxyType({"<": ">", ">": "<"})
SIZE_BYTES = 4


def decode(
    part: Any,
    compression: str,
    size: int | None,
    order: str,
    itemsize: int = 1,
    most: int = MAX_BYTES,
) -> memoryview:
    """Decode a value, or a data header.

    Parameters
    ----------
    part : bytes-like
    compression : str
        "lz4" or "bitshuffle_lz4".
    size : int or None
        Bytes that it must decode to; None where only the part itself says it.
    order : str
        The channel's byte order, "<" or ">": with "lz4" it is tried first where `size` is None.
    itemsize : int, optional
        Bytes of an element.
    most : int, optional
        Bytes that it may decode to.

    Raises
    ------
    DecodeError
        If the compression is unknown, or the part does not decode to so many bytes.
    """
    part = flat(part)
    if compression == "bitshuffle_lz4":
        return bslz4.decode(part, read_header(part)[0] if size is None else size, itemsize, most)
    if compression != "lz4":
        raise DecodeError(f"compression {compression!r:.40} is neither lz4 nor bitshuffle_lz4")
    if len(part) < SIZE_BYTES:
        raise DecodeError(f"the part has {len(part)} bytes; its size alone has {SIZE_BYTES}")
    declared = [SIZES[one].unpack_from(part)[0] for one in (order, OTHER[order])]
    if size is None:
        return _decode_either(part[SIZE_BYTES:], declared, most)
    if size not in declared:
        raise DecodeError(
            f"the part declares {declared[0]} bytes, {declared[1]} in the other byte order;"
            f" {figure(size)} are expected"
        )
    return lz4.decode_block(part[SIZE_BYTES:], size, most)


def _decode_either(block: memoryview, declared: list[int], most: int) -> memoryview:
    """Decode a block to the size that it has: at most one of two can be."""
    library()  # without it neither would fit
    reasons = []
    for size in declared:
        try:
            return lz4.decode_block(block, size, most)
        except DecodeError as error:
            reasons.append(str(error))
    raise DecodeError(f"its size fits in neither byte order: {'; '.join(reasons)}")


def encode(data: Any, compression: str, itemsize: int, order: str) -> bytes:
    """Encode a value, or a data header, as psi-bsread reads it.

    Parameters
    ----------
    data : bytes-like
    compression : str
        "lz4" or "bitshuffle_lz4".
    itemsize : int
        Bytes of an element; 1 for strings and the data header.
    order : str
        The channel's byte order, "<" or ">"; "<" for the data header.

    Raises
    ------
    EncodeError
        If the compression is unknown, or the data can't be compressed so.
    """
    data = flat(data)
    if compression == "bitshuffle_lz4":
        return bslz4.encode(data, itemsize)
    if compression != "lz4":
        raise EncodeError(f"compression {compression!r:.40} is neither lz4 nor bitshuffle_lz4")
    if len(data) > MAX_BLOCK:
        raise EncodeError(f"{len(data)} bytes can't be one LZ4 block; {MAX_BLOCK} can")
    return SIZES[order].pack(len(data)) + lz4.encode_block(data)
