"""Arrays out of bytes: element types and shapes. What doesn't fit is a DecodeError."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..errors import DecodeError
from ..message import Part
from ..validation import shown

MAX_DIMENSIONS = 64
"""Dimensions that an array of NumPy's can have."""


def item_count(shape: Any) -> int:
    """Return the number of elements of a shape; DecodeError if it is none, or too long."""
    if not isinstance(shape, list) or any(type(n) is not int or n < 0 for n in shape):
        raise DecodeError(f"shape {shown(shape)} is not a list of whole numbers from 0 up")
    if len(shape) > MAX_DIMENSIONS:  # a million of them would take minutes to multiply
        raise DecodeError(f"the shape has {len(shape)} dimensions; {MAX_DIMENSIONS} are the most")
    return prod(shape)


def layout(name: Any, shape: Any, size: int) -> np.dtype[Any] | None:
    """Return the dtype of an array in a part of `size` bytes, from a header's ``type`` and shape.

    None for an empty part where the shape is not empty. ``float`` is 4 bytes with some senders
    (UFO) and NumPy's 8 with others: the one that fits is taken.
    """
    count = item_count(shape)
    dtype = number_type("float32" if name == "float" and size == 4 * count else name)
    if size == 0 and count:
        return None
    check_size(size, dtype, shape)
    return dtype


def number_type(name: Any) -> np.dtype[Any]:
    """Return the dtype of a name; DecodeError if it is no fixed-size type of NumPy's."""
    try:
        dtype: np.dtype[Any] = np.dtype(name if isinstance(name, str) else object)
    except (TypeError, ValueError):
        dtype = np.dtype(object)
    if dtype.hasobject or dtype.itemsize == 0:
        raise DecodeError(f"type {shown(name)} is not a number type of NumPy")
    return dtype


def check_size(size: int, dtype: np.dtype[Any], shape: list[int]) -> None:
    """Raise DecodeError if a part has more or fewer bytes than `dtype` and `shape` ask for."""
    expected = prod(shape) * dtype.itemsize
    if size != expected:
        needs = expected if expected < 1 << 63 else "more than there can be"
        raise DecodeError(
            f"the part has {size} bytes; shape {shape!r:.80} of {dtype} needs {needs}"
        )


def view_array(part: Part, dtype: np.dtype[Any], shape: list[int]) -> np.ndarray[Any, Any]:
    """Return the array in a part whose size was checked, without a copy, read-only."""
    try:
        array: np.ndarray[Any, Any] = np.ndarray(shape, dtype, part)
    except (ValueError, TypeError) as error:
        raise DecodeError(f"shape {shape!r:.80}: {error}") from None
    array.setflags(False)  # type: ignore[call-arg]  # by position, in half the time
    return array
