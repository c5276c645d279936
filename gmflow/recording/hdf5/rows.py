"""What a row of bsread or array-1.0 is made of: numbers, arrays and texts of one size each.

Small rows are gathered in columns, large ones are written a chunk each, without being copied.
What HDF5 can't hold is refused before anything is allocated for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import prod
from typing import Any, TypeAlias

import numpy as np

from ...codecs.limits import flat
from ...errors import DecodeError
from .columns import CHUNK_BYTES
from .growing import GrowingFile

Append: TypeAlias = Callable[[Any], None]
"""Adds a row to a dataset."""

MAX_BYTES = (1 << 32) - 1
"""Bytes that a chunk of HDF5 can have."""

MAX_DIMENSIONS = 31
"""Dimensions of a row: HDF5 has 32, and one counts the rows."""

MAX_TEXT = 1 << 20
"""Bytes of a string: every row of its dataset takes as many as the longest."""

LEAST_WIDTH = 64
"""Bytes of a row of strings, at least."""

UNKNOWN_TIME = -(1 << 63)
"""What stands for a time that was not sent: as a datetime64 NumPy shows it as NaT."""

_not_held = re.compile("[\x00\ud800-\udfff]")
_escaped = re.compile("[%/\x00\ud800-\udfff]|^[.]$")


def check_row(dtype: np.dtype[Any], shape: Sequence[int]) -> None:
    """Refuse rows that no dataset of HDF5 can have.

    Raises
    ------
    DecodeError
        If there is no such type in HDF5, or the row has too many dimensions or bytes.
    """
    from h5py.h5t import py_create

    try:
        py_create(dtype, logical=True)
    except (TypeError, ValueError):
        raise DecodeError(f"HDF5 has no type for {dtype!s:.80}") from None
    if len(shape) > MAX_DIMENSIONS:
        raise DecodeError(f"it has {len(shape)} dimensions; HDF5 holds {MAX_DIMENSIONS} a row")
    size = prod(shape) * dtype.itemsize
    if size > MAX_BYTES:
        raise DecodeError(f"shape {list(shape)!r:.80} of {dtype!s:.40} is too large for a chunk")


def make_rows(
    file: GrowingFile, path: str, dtype: np.dtype[Any], shape: Sequence[int], **attributes: Any
) -> Append:
    """Make a dataset for numbers or arrays that passed `check_row`, and give what adds a row.

    Parameters
    ----------
    file : GrowingFile
        The file, not started yet.
    path : str
        Of the dataset.
    dtype, shape
        Of a row.
    **attributes
        Of the dataset.
    """
    if prod(shape) * dtype.itemsize < CHUNK_BYTES:
        return file.column(path, dtype, tuple(shape), **attributes).append
    append = file.chunks(path, dtype, tuple(shape), (), **attributes).append
    return lambda array: append(flat(array))


def make_strings(file: GrowingFile, path: str, width: int, **attributes: Any) -> Append:
    """Make a dataset of byte strings of a fixed width, and give what adds a row.

    Parameters
    ----------
    file, path, **attributes
        As in `make_rows`.
    width : int
        Bytes of the longest: a longer one is cut.
    """
    dtype = np.dtype(f"S{width}")
    if width < CHUNK_BYTES:
        return file.column(path, dtype, encoding="utf-8", **attributes).append
    append = file.chunks(path, dtype, (), (), encoding="utf-8", **attributes).append
    return lambda text: append(text.ljust(width, b"\0"))


def width_for(size: int) -> int:
    """Return the width of a dataset that holds a string of `size` bytes, and somewhat longer ones.

    Raises
    ------
    DecodeError
        If it is too long.
    """
    if size > MAX_TEXT:
        raise DecodeError(f"it has {size} bytes; strings of up to {MAX_TEXT} go into HDF5")
    return max(LEAST_WIDTH, 1 << (size + size // 4).bit_length())


def whole(number: int, what: str) -> int:
    """Return a number that fits 64 bits, with its sign.

    Raises
    ------
    DecodeError
        If it doesn't.
    """
    if -(1 << 63) <= number < 1 << 63:
        return number
    raise DecodeError(f"{what} does not fit 64 bits: it has {number.bit_length()}")


def time_or_unknown(number: int | None, what: str) -> int:
    """Return a number as `whole` does; `UNKNOWN_TIME` for None."""
    return UNKNOWN_TIME if number is None else whole(number, what)


def link_name(name: str) -> str:
    """Return the name of a link for any text: percent-encoded as in URLs where HDF5 forbids it.

    That is ``/``, ``%`` itself, NUL, half of a surrogate pair, and the name ``.``; the empty
    name is a single ``%``. `urllib.parse.unquote` gives the text again.
    """
    return _escaped.sub(_percent, name) or "%"


def attribute_text(text: str) -> str:
    """Return a text as an attribute can hold it: as it is, or else as `link_name` writes it."""
    return link_name(text) if _not_held.search(text) else text


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))
