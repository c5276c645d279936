"""What an array holds in a few words: its shape and type, least, mean and largest value."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from .words import by, number

Array: TypeAlias = np.ndarray[Any, Any]

BLOCK = 1 << 17
"""Values that are looked at together: what is made of them takes 2 MB, however large an array."""


def kind(array: Array) -> str:
    """Return shape and type: ``1065 x 1030 uint16``."""
    order = " big-endian" if array.dtype.byteorder == ">" else ""
    return f"{by(array.shape)} {array.dtype.name}{order}".lstrip()


def figures(array: Array, marks_masked: bool = False) -> str:
    """Return ``min 0 mean 0.31 max 17``, and what was left out.

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
        return _numbers(array, np.isfinite, "not finite")
    if marks_masked and array.dtype.kind == "u":
        return _numbers(array, partial(np.not_equal, np.iinfo(array.dtype).max), "masked")
    return _numbers(array)


def _numbers(array: Array, is_valid: Callable[[Array], Array] | None = None, what: str = "") -> str:
    """Sum up the valid values, and count the others."""
    exact: Callable[[Any], float] = float if array.dtype.kind == "f" else int
    count, total = 0, 0.0
    least, largest = math.inf, -math.inf
    for block in _blocks(array):
        kept = block if is_valid is None else _valid(block, is_valid(block))
        if kept.size:
            count += kept.size
            total += _sum(kept)
            least, largest = min(least, exact(kept.min())), max(largest, exact(kept.max()))
    left_out = array.size - count
    if not count:
        return f"all {left_out} {what}"
    shown = f"min {number(least):<5} mean {number(total / count):<8} max {number(largest)}"
    return f"{shown} ({left_out} {what})" if left_out else shown


def _blocks(array: Array) -> Iterator[Array]:
    """Return all values, some at a time, without a copy where they lie side by side."""
    flags = ["external_loop", "buffered"]
    with np.nditer(array, flags, buffersize=BLOCK) as blocks:  # type: ignore[arg-type]
        yield from blocks


def _valid(block: Array, valid: Array) -> Array:
    return block if valid.all() else block[valid]


def _sum(block: Array) -> float:
    with np.errstate(over="ignore", invalid="ignore"):  # large floats: it is said to be infinite
        return float(block.sum(dtype=np.float64))
