"""What every codec needs first: the bytes of a buffer, the library, and a check of the size.

No codec allocates for a size that did not pass `check_size`.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from ..errors import DecodeError, EncodeError

MAX_BYTES = 1 << 30
"""Bytes that one blob may decode to."""

MAX_EXPANSION = 255
"""Bytes that LZ4 makes of one at most: a byte of a match's length stands for no more."""

REFUSALS = (RuntimeError, ValueError)
"""What the library raises for data that it can't decode or encode."""


def library(error: type[DecodeError | EncodeError] = DecodeError) -> ModuleType:
    """Return the library that does the work; raise the error with the extra where it is missing."""
    try:
        import imagecodecs
    except ImportError as missing:
        raise error(
            f"this needs imagecodecs ({missing}): pip install imagecodecs, or gmflow with an extra"
            " that brings it, 'gmflow[eiger]' or 'gmflow[bsread]'"
        ) from None
    module: ModuleType = imagecodecs
    return module


def check_size(size: int, compressed: int, most: int = MAX_BYTES) -> None:
    """Validate that a blob can decode to a size: it is allowed, and LZ4 can make so much of it.

    Sizes are in bytes; raise DecodeError if `size` is too large.
    """
    check_most(size, most)
    if size > MAX_EXPANSION * compressed:
        raise DecodeError(
            f"{compressed} bytes can't decode to {size}: LZ4 makes at most {MAX_EXPANSION} of each"
        )


def check_most(size: int, most: int = MAX_BYTES) -> None:
    """Validate that a size is allowed: as the first part of `check_size`."""
    if not 0 <= size <= most:
        raise DecodeError(f"it would decode to {figure(size)} bytes; up to {most} are allowed")


def figure(size: int) -> str:
    """Return a size that anyone may have written into a header, as text of bearable length."""
    return str(size) if size < 1 << 63 else "more than 2**63"


def flat(data: Any) -> memoryview:
    """Return the bytes of a buffer in C order; they are copied only where they don't lie so."""
    if isinstance(data, (bytes, bytearray)):
        return memoryview(data)
    array = np.ascontiguousarray(data) if isinstance(data, np.ndarray) else data
    return np.frombuffer(array, np.uint8).data
