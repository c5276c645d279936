"""The encodings of DECTRIS's stream v1: ``[bs<BIT>][[-]lz4][<|>]``, to arrays and back.

``lz4`` is one raw LZ4 block; ``bs<BIT>-lz4`` is bitshuffle with LZ4 over elements of BIT bits,
which need not be the pixels; ``<`` and ``>`` is the byte order of the pixels, little-endian where
it is missing.
"""

from __future__ import annotations

import re
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..errors import DecodeError, EncodeError
from . import bslz4, lz4
from .blocks import HEADER
from .limits import MAX_BYTES, figure, flat

GRAMMAR = re.compile(r"(?:bs(8|16|32|64)-?(?=lz4))?(lz4)?([<>]?)")
"""What is read."""

WRITTEN = re.compile(r"(?:(?:bs(?:8|16|32|64)-)?lz4)?[<>]")
"""What is written: what every receiver reads."""

NAMES = "<, lz4<, bs8-lz4<, bs16-lz4<, bs32-lz4<, bs64-lz4<, and each with > for big-endian pixels"


class Encoding(NamedTuple):
    """What an encoding says."""

    itemsize: int  # bytes of the elements that are bitshuffled, 0 if none are
    compressed: bool
    order: str  # the byte order of the pixels, "<" or ">"


def check(encoding: Any) -> Encoding:
    """Return what an encoding says; DecodeError if it is none."""
    match = GRAMMAR.fullmatch(encoding) if isinstance(encoding, str) else None
    if match is None:
        raise DecodeError(f"encoding {encoding!r:.40} is unknown: there are {NAMES}")
    bits, compression, order = match.groups()
    return Encoding(int(bits or 0) // 8, compression is not None, order or "<")


def decode(
    blob: Any, encoding: str, shape: tuple[int, ...], dtype: Any, most: int = MAX_BYTES
) -> np.ndarray[Any, Any]:
    """Decode the blob of an image.

    Parameters
    ----------
    blob : bytes-like
    encoding : str
    shape : tuple of int
        Of the array, slowest first: (rows, columns).
    dtype : dtype-like
        Of a pixel; its byte order is that of the encoding.
    most : int, optional
        Bytes that it may decode to.

    Returns
    -------
    numpy.ndarray
        In the byte order of the encoding; read-only if the pixels stand in the blob as they are.

    Raises
    ------
    DecodeError
        If the encoding or the type is unknown, or the blob does not decode to exactly such an
        array.
    """
    how = check(encoding)
    dtype = _number_type(dtype).newbyteorder(how.order)  # type: ignore[arg-type]
    if any(type(n) is not int or n < 0 for n in shape):
        raise DecodeError(f"shape {shape!r:.80} is not of whole numbers from 0 up")
    size = prod(shape) * dtype.itemsize
    content = _content(flat(blob), how, size, most)
    try:
        return np.ndarray(shape, dtype, content)
    except (ValueError, OverflowError) as error:
        raise DecodeError(f"shape {shape!r:.80}: {error}") from None


def _number_type(dtype: Any) -> np.dtype[Any]:
    try:
        known: np.dtype[Any] = np.dtype(dtype)
    except (TypeError, ValueError):
        known = np.dtype(object)
    if known.hasobject or not known.itemsize:
        raise DecodeError(f"type {dtype!r:.40} is not a number type of NumPy")
    return known


def _content(blob: memoryview, how: Encoding, size: int, most: int) -> memoryview:
    if how.itemsize:
        return _shuffled(blob, size, how.itemsize, most)
    if how.compressed:
        return lz4.decode_block(blob, size, most)
    if len(blob) != size:
        raise DecodeError(f"the blob has {len(blob)} bytes of pixels, {figure(size)} are expected")
    return blob.toreadonly()


def _shuffled(blob: memoryview, size: int, itemsize: int, most: int) -> memoryview:
    """Decode blocks behind a header, behind one of zeros (libertem's simulator), or alone (ALBA).

    They can't be mistaken: the header starts with 4 bytes of zero, as no size has so many digits,
    and the length of a block is never zero.
    """
    if not blob or any(blob[:4]):
        return bslz4.decode_blocks(blob, size, itemsize, most=most)
    if size and blob[: HEADER.size] == bytes(HEADER.size):
        return bslz4.decode_blocks(blob[HEADER.size :], size, itemsize, most=most)
    return bslz4.decode(blob, size, itemsize, most)


def encode(array: np.ndarray[Any, Any], encoding: str) -> bytes | memoryview:
    """Encode an image, as a detector does.

    Parameters
    ----------
    array : numpy.ndarray
        Its byte order becomes that of the encoding.
    encoding : str
        With its byte order: "<", ">", "lz4<", "bs16-lz4<" and so on.

    Raises
    ------
    EncodeError
        If the encoding is none of these, or its elements don't divide the array's bytes.
    """
    if not isinstance(encoding, str) or WRITTEN.fullmatch(encoding) is None:
        raise EncodeError(f"encoding {encoding!r:.40} can't be written; it can be {NAMES}")
    how = check(encoding)
    data = flat(np.ascontiguousarray(array, array.dtype.newbyteorder(how.order)))
    if how.itemsize:
        return bslz4.encode(data, how.itemsize)
    return lz4.encode_block(data) if how.compressed else data
