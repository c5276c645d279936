"""What an array holds in a few words: its shape and type, least, mean and largest value."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from .words import by, number

Array: TypeAlias = np.ndarray[Any, Any]


def kind(array: Array) -> str:
    """Give shape and type: ``1065 x 1030 uint16``."""
    order = " big-endian" if array.dtype.byteorder == ">" else ""
    return f"{by(array.shape)} {array.dtype.name}{order}".lstrip()


def figures(array: Array, marks_masked: bool = False) -> str:
    """Give ``min 0 mean 0.31 max 17``, and what was left out.

    Parameters
    ----------
    array : numpy.ndarray
        Of any type; what has no order is not summed up.
    marks_masked : bool, optional
        Whether the largest value of an unsigned type marks a pixel without data, as DECTRIS
        detectors have it for gaps, masked and overflown pixels. They are left out and counted.

    Returns
    -------
    str
        Of bool, how many are true. Of floats that are not finite, how many there are.
    """
    if array.dtype.kind == "b":
        return f"{int(np.count_nonzero(array))} of {array.size} true"
    if array.dtype.kind not in "iuf" or not array.size:
        return "empty" if not array.size else ""
    if array.dtype.kind == "f":
        return _counted(array, np.isfinite(array), "not finite")
    if marks_masked and array.dtype.kind == "u":
        return _counted(array, array != np.iinfo(array.dtype).max, "masked")
    return _numbers(array)


def _counted(array: Array, valid: Array, what: str) -> str:
    """Sum up the valid values, and count the others."""
    count = array.size - int(np.count_nonzero(valid))
    if not count:
        return _numbers(array)
    if count == array.size:
        return f"all {count} {what}"
    return f"{_numbers(array[valid])} ({count} {what})"


def _numbers(array: Array) -> str:
    with np.errstate(over="ignore"):  # the sum of large floats is infinite, and is said to be
        mean = float(array.mean(dtype=np.float64))
    exact = float if array.dtype.kind == "f" else int
    least, largest = exact(array.min()), exact(array.max())
    return f"min {number(least):<5} mean {number(mean):<8} max {number(largest)}"
