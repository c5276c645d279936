"""Arrays out of bytes: element types, shapes, and the check that they fit."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..errors import DecodeError
from ..message import Part


def item_count(shape: Any) -> int:
    """Give the number of elements of a shape.

    Raises
    ------
    DecodeError
        If the shape is no list of whole numbers from 0 up.
    """
    if not isinstance(shape, list) or any(type(n) is not int or n < 0 for n in shape):
        raise DecodeError(f"shape {shape!r:.80} is not a list of whole numbers from 0 up")
    return prod(shape)


def dtype_of(name: Any, size: int, count: int) -> np.dtype[Any]:
    """Give the dtype that a header's ``type`` names.

    ``float`` is 4 bytes with some senders (UFO) and NumPy's 8 with others: the one that
    fits `size` bytes for `count` elements is taken.

    Raises
    ------
    DecodeError
        If the name is no fixed-size type of NumPy's.
    """
    if name == "float" and size == 4 * count:
        name = "float32"
    try:
        dtype: np.dtype[Any] = np.dtype(name)
    except (TypeError, ValueError):
        dtype = np.dtype(object)
    if not isinstance(name, str) or dtype.hasobject or dtype.itemsize == 0:
        raise DecodeError(f"type {name!r:.80} is not a number type of NumPy")
    return dtype


def read_array(part: Part, dtype: np.dtype[Any], shape: list[int]) -> np.ndarray[Any, Any]:
    """Give the array in a part, without a copy, read-only.

    Raises
    ------
    DecodeError
        If the part has more or fewer bytes than `dtype` and `shape` ask for.
    """
    expected = prod(shape) * dtype.itemsize
    if len(part) != expected:
        raise DecodeError(
            f"the part has {len(part)} bytes; shape {shape} of {dtype} needs {expected}"
        )
    try:
        flat = np.frombuffer(part, dtype) if expected else np.empty(0, dtype)
        return flat.reshape(shape)
    except ValueError as error:  # more or larger dimensions than NumPy has
        raise DecodeError(f"shape {shape!r:.80}: {error}") from None
