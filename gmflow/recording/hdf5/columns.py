"""Datasets that grow by rows, what HDF5 can hold in them, and h5py's errors in words.

`RowBuffer` gathers the small values of a message and writes its columns in blocks: numbers, arrays
and fixed strings in a `Column` each, byte strings of any length in a `TextColumn`. `Chunks` writes
a row at once, as the bytes of one chunk, and copies nothing.

What HDF5 can't hold is a DecodeError before anything is allocated for it; what the system refuses
is a RecordingError, after which the file stays as its last flush left it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from math import prod
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from ...errors import DecodeError, RecordingError
from ...message import Part

MAX_ROWS = 1024
"""Rows of a column that are kept back at most, and that are a chunk."""

MAX_KEPT = 1 << 18
"""Bytes of a column that are kept back at most."""

CHUNK_BYTES = 1 << 16
"""Bytes of a column's chunk at most, where a row is not larger."""

MAX_CHUNK_BYTES = (1 << 32) - 1
"""Bytes that a chunk of HDF5 can have."""

MAX_DIMENSIONS = 31
"""Dimensions of a row: HDF5 has 32, and one counts the rows."""

MAX_TEXT = 1 << 20
"""Bytes of a fixed string: every row of its dataset takes as many as the longest."""

LEAST_WIDTH = 64
"""Bytes of a row of fixed strings, at least."""

UNKNOWN_TIME = -(1 << 63)
"""What stands for a time that was not sent: as a datetime64 NumPy shows it as NaT."""

FAILURES = (OSError, RuntimeError)
"""What h5py raises where the operating system refuses."""

REFUSALS = (TypeError, ValueError)
"""What h5py and NumPy raise where HDF5 can't hold something."""

ERRNO = re.compile(r"errno = (\d+)")
"""Where HDF5 says why, in an error that has no number."""

NOT_HELD = re.compile("[\x00\ud800-\udfff]")
ESCAPED = re.compile("[%/\x00\ud800-\udfff]|^[.]$")


class Owner(Protocol):
    """What rows know of their file."""

    dirty: bool

    def grow(self, path: str, dtype: Any, shape: Sequence[int], attributes: dict[str, Any]) -> Any:
        """Return a new dataset without rows."""

    def failed(self, error: BaseException) -> RecordingError:
        """Return what to raise."""


class RowBuffer:
    """Columns that get a row at a time; the rows are kept back until there are enough of them."""

    __slots__ = ("_columns", "_kept", "_most", "_owner", "_text_bytes")

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._columns: list[Column | TextColumn] = []
        self._most = MAX_ROWS
        self._kept: list[Sequence[Any]] = []
        self._text_bytes = 0

    def column(self, path: str, dtype: Any, shape: Sequence[int] = (), **attributes: Any) -> None:
        """Make a column whose rows have a type and a shape."""
        self._add(self._column(path, dtype, shape, attributes))

    def texts(self, path: str, **attributes: Any) -> None:
        """Make a column of byte strings of any length; ``<path>_end`` says where each ends."""
        data = self._column(path, np.uint8, (), attributes)
        self._add(TextColumn(data, self._column(f"{path}_end", np.uint64, (), {})))

    def append(self, row: Sequence[Any], text_bytes: int = 0) -> None:
        """Add a row: a value for each column, in the order in which they were made.

        One that can't be made a value of the column's type fails when it is written. `text_bytes`
        are those of strings of any length.
        """
        kept = self._kept
        kept.append(row)
        self._text_bytes += text_bytes
        self._owner.dirty = True
        if len(kept) >= self._most or self._text_bytes >= MAX_KEPT:
            self.write()

    def write(self) -> None:
        """Write the rows that were kept back."""
        kept, self._kept, self._text_bytes = self._kept, [], 0
        if kept:
            for column, values in zip(self._columns, zip(*kept, strict=True), strict=True):
                column.add(list(values))  # NumPy would take a tuple for a row of several fields

    def _column(
        self, path: str, dtype: Any, shape: Sequence[int], attributes: dict[str, Any]
    ) -> Column:
        return Column(self._owner, self._owner.grow(path, dtype, shape, attributes))

    def _add(self, column: Column | TextColumn) -> None:
        self._columns.append(column)
        self._most = min(self._most, column.most)


class Column:
    """A dataset to which blocks of rows are added; `most` rows may be kept back."""

    __slots__ = ("_create", "_dtype", "_identifier", "_length", "_owner", "_rest", "_type", "most")

    def __init__(self, owner: Owner, dataset: Any) -> None:
        from h5py.h5s import create_simple
        from h5py.h5t import py_create

        self._length = 0
        self._owner = owner
        self._identifier = dataset.id
        self._dtype = dataset.dtype
        self._rest = dataset.shape[1:]
        self._type = py_create(self._dtype)
        self._create = create_simple
        self.most = rows_in(MAX_KEPT, self._dtype, self._rest)

    def add(self, rows: Any) -> None:
        """Write rows, of the dataset's type and shape, behind those that are there."""
        block = np.ascontiguousarray(rows, self._dtype).reshape(-1, *self._rest)
        begin, end = self._length, self._length + len(block)
        try:
            self._identifier.set_extent((end, *self._rest))
            space = self._identifier.get_space()
            space.select_hyperslab((begin, *[0] * len(self._rest)), block.shape)
            self._identifier.write(self._create(block.shape), space, block, self._type)
        except FAILURES as error:
            raise self._owner.failed(error) from error
        self._length = end


class TextColumn:
    """Byte strings of any length, one after the other, and the position behind each."""

    __slots__ = ("_data", "_end", "_ends", "most")

    def __init__(self, data: Column, ends: Column) -> None:
        self._data = data
        self._ends = ends
        self._end = 0
        self.most = ends.most

    def add(self, texts: Sequence[Part]) -> None:
        """Write strings behind those that are there; raise as `Column.add`."""
        ends = np.cumsum([self._end, *map(len, texts)])[1:]
        if ends[-1] > self._end:
            self._data.add(np.frombuffer(b"".join(texts), np.uint8))
        self._ends.add(ends)
        self._end = int(ends[-1])


class Chunks:
    """Rows that are a chunk each, in the bytes that the file's filters make of it."""

    __slots__ = ("_identifier", "_length", "_owner", "_rest", "_zeros")

    def __init__(self, owner: Owner, dataset: Any) -> None:
        self._owner = owner
        self._identifier = dataset.id
        self._rest = dataset.shape[1:]
        self._zeros = (0,) * len(self._rest)
        self._length = 0

    def append(self, data: Part, filter_mask: int = 0) -> None:
        """Write a row as the filters make it.

        `filter_mask` has a bit for each filter that was not applied: 1 for the first.
        """
        row = self._length
        self._owner.dirty = True
        try:
            self._identifier.set_extent((row + 1, *self._rest))
            self._identifier.write_direct_chunk((row, *self._zeros), data, filter_mask)
        except FAILURES as error:
            raise self._owner.failed(error) from error
        self._length = row + 1


def rows_in(size: int, dtype: np.dtype[Any], shape: Sequence[int]) -> int:
    """Return how many rows go into so many bytes: 1 at least, and `MAX_ROWS` at most."""
    return min(MAX_ROWS, max(size // max(dtype.itemsize * prod(shape), 1), 1))


def is_large(dtype: np.dtype[Any], shape: Sequence[int]) -> bool:
    """Return True if a row is worth a chunk of its own."""
    return prod(shape) * dtype.itemsize >= CHUNK_BYTES


def check_row(dtype: np.dtype[Any], shape: Sequence[int]) -> None:
    """Validate that HDF5 can have such rows: their type, number of dimensions and bytes."""
    from h5py.h5t import py_create

    try:
        py_create(dtype, logical=True)
    except (TypeError, ValueError):
        raise DecodeError(f"HDF5 has no type for {dtype!s:.80}") from None
    if len(shape) > MAX_DIMENSIONS:
        raise DecodeError(f"it has {len(shape)} dimensions; HDF5 holds {MAX_DIMENSIONS} a row")
    size = prod(shape) * dtype.itemsize
    if size > MAX_CHUNK_BYTES:
        raise DecodeError(f"shape {list(shape)!r:.80} of {dtype!s:.40} is too large for a chunk")


def width_for(size: int) -> int:
    """Return the width of a dataset for a string of `size` bytes, and somewhat longer ones."""
    if size > MAX_TEXT:
        raise DecodeError(f"it has {size} bytes; strings of up to {MAX_TEXT} go into HDF5")
    return max(LEAST_WIDTH, 1 << (size + size // 4).bit_length())


def whole(number: int, what: str) -> int:
    """Return a number if it fits 64 bits, with its sign; else raise DecodeError."""
    if -(1 << 63) <= number < 1 << 63:
        return number
    raise DecodeError(f"{what} does not fit 64 bits: it has {number.bit_length()}")


def link_name(name: str) -> str:
    """Return the name of a link for any text: percent-encoded as in URLs where HDF5 forbids it.

    That is ``/``, ``%`` itself, NUL, half of a surrogate pair, and the name ``.``; the empty
    name is a single ``%``. `urllib.parse.unquote` undoes it.
    """
    return ESCAPED.sub(_percent, name) or "%"


def attribute_text(text: str) -> str:
    """Return a text as an attribute can hold it: as it is, or else as `link_name` writes it."""
    return link_name(text) if NOT_HELD.search(text) else text


def _percent(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))


def library() -> ModuleType:
    """Return h5py, which can write and read the filters of detectors from now on."""
    try:
        import h5py
        import hdf5plugin  # noqa: F401  # registers the filters
    except ImportError as missing:
        raise RecordingError(
            f"HDF5 needs h5py and hdf5plugin ({missing}): pip install 'gmflow[hdf5]'"
        ) from None
    module: ModuleType = h5py
    return module


def failure(path: str, error: BaseException) -> RecordingError:
    """Return the error that says why a file can't be written."""
    number = getattr(error, "errno", None)
    if number is None and (found := ERRNO.search(str(error))):
        number = int(found[1])
    reason = f"{error!s:.120}".replace("\n", " ") if number is None else os.strerror(number)
    return RecordingError(f"{path} can't be written: {reason}; check the disk")
