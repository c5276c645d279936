"""Messages that are a header and one buffer: mflow's raw stream, and arrays.

`whole_number` and `optional_count` read the numbers among the arguments of all streams.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count as count_up
from itertools import islice
from operator import index
from typing import Any

from ..errors import ConfigError
from ..jsonwire import dumps
from ..message import Part

WINDOWS = 1021
"""How many different contents `array` has."""


def raw(size: int, count: int | None = None) -> Iterator[list[Part]]:
    """Return mflow's m_generate stream: raw-1.0 messages of zeros.

    Parameters
    ----------
    size : int
        Bytes of the second part, which is one buffer for all messages.
    count : int, optional
        How many messages; endless by default.
    """
    return islice(_raw(whole_number("size", size, 0)), optional_count(count))


def _raw(size: int) -> Iterator[list[Part]]:
    header: dict[str, Any] = {"htype": "raw-1.0", "type": "int32", "shape": [1, size / 4]}
    data = bytes(size)
    for first in _numbered(header):
        yield [first, data]


def array(size: int, count: int | None = None, seed: int = 0) -> Iterator[list[Part]]:
    """Return array-1.0 messages of random int32, each other than those before it.

    The contents are windows on one buffer of random numbers that move on by a number a
    message, and are back after `WINDOWS` messages: nothing is drawn or copied.

    Parameters
    ----------
    size : int
        Bytes of the second part; what is left over of a whole int32 is dropped.
    count : int, optional
        How many messages; endless by default.
    seed : int, optional
        Of the random numbers.
    """
    length = whole_number("size", size, 0) // 4
    return islice(_array(length, whole_number("seed", seed, 0)), optional_count(count))


def _array(length: int, seed: int) -> Iterator[list[Part]]:
    import numpy as np  # late: `raw` starts without it

    header: dict[str, Any] = {"htype": "array-1.0", "type": "int32", "shape": [1, length]}
    rng = np.random.default_rng(seed)
    numbers = rng.integers(-(2**31), 2**31, length + WINDOWS, "int32").astype("<i4", copy=False)
    data = numbers.view(np.uint8).data.toreadonly()
    for frame, first in enumerate(_numbered(header)):
        start = 4 * (frame % WINDOWS)
        yield [first, data[start : start + 4 * length]]


def _numbered(header: dict[str, Any]) -> Iterator[bytes]:
    """Return a header again and again, with the number of each as its ``frame``."""
    begun = dumps(header).removesuffix(b"}")  # written once: JSON would be half of the work
    for frame in count_up():
        yield b'%s, "frame": %d}' % (begun, frame)


def whole_number(name: str, value: Any, least: int) -> int:
    """Return a setting as an int, also one of NumPy's; ConfigError if it is less than `least`."""
    try:
        number = index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise ConfigError(f"{name} is {value!r}; it must be a whole number from {least} up")
    return number


def optional_count(count: Any) -> int | None:
    """Return how many are wanted, None for without end; ConfigError if it is neither."""
    return None if count is None else whole_number("count", count, 0)
