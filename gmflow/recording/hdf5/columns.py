"""What grows in an HDF5 file: columns of rows, columns of texts, and rows that are a chunk each."""

from __future__ import annotations

from math import prod
from typing import Any, Protocol

import numpy as np

from ...errors import RecordingError
from ...message import Part
from .loading import FAILURES

MAX_ROWS = 1024
"""Rows of a column that are kept back at most, and that are a chunk."""

MAX_KEPT = 1 << 18
"""Bytes of a column that are kept back at most."""

CHUNK_BYTES = 1 << 16
"""Bytes of a column's chunk at most, where a row is not larger."""


class Owner(Protocol):
    """What a column knows of its file."""

    dirty: bool

    def failed(self, error: BaseException) -> RecordingError:
        """Return what to raise."""


def rows_a_chunk(dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    """Return how many rows of a column stand in one chunk."""
    return _rows(CHUNK_BYTES, dtype, shape)


def _rows(size: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    return min(MAX_ROWS, max(size // max(dtype.itemsize * prod(shape), 1), 1))


class Rows:
    """A dataset to which blocks of rows are added, with little more than the writing to it.

    Parameters
    ----------
    owner : Owner
        Its file.
    dataset : h5py.Dataset
        (rows, ...), empty.
    """

    __slots__ = ("_create", "_dtype", "_identifier", "_owner", "_rest", "_type", "length")

    def __init__(self, owner: Owner, dataset: Any) -> None:
        from h5py.h5s import create_simple
        from h5py.h5t import py_create

        self.length = 0
        self._owner = owner
        self._identifier = dataset.id
        self._dtype = dataset.dtype
        self._rest = dataset.shape[1:]
        self._type = py_create(self._dtype)
        self._create = create_simple

    def add(self, rows: Any) -> None:
        """Write rows behind those that are there.

        Parameters
        ----------
        rows : array-like
            What can't be made rows of the dataset's type and shape is the caller's mistake.

        Raises
        ------
        RecordingError
            If the file can't be written.
        """
        block = np.ascontiguousarray(rows, self._dtype).reshape(-1, *self._rest)
        begin, end = self.length, self.length + len(block)
        try:
            self._identifier.set_extent((end, *self._rest))
            space = self._identifier.get_space()
            space.select_hyperslab((begin, *[0] * len(self._rest)), block.shape)
            self._identifier.write(self._create(block.shape), space, block, self._type)
        except FAILURES as error:
            raise self._owner.failed(error) from error
        self.length = end


class Column:
    """Rows of one type and shape; written in blocks.

    Parameters
    ----------
    owner : Owner
        Its file.
    dataset : h5py.Dataset
        (rows, ...), empty.
    """

    __slots__ = ("_kept", "_most", "_owner", "_rows")

    def __init__(self, owner: Owner, dataset: Any) -> None:
        self._owner = owner
        self._rows = Rows(owner, dataset)
        self._most = _rows(MAX_KEPT, dataset.dtype, dataset.shape[1:])
        self._kept: list[Any] = []

    def __len__(self) -> int:
        return self._rows.length + len(self._kept)

    def append(self, row: Any) -> None:
        """Add a row; what can't be made one of the column's type fails when it is written.

        Raises
        ------
        RecordingError
            If the file can't be written.
        """
        kept = self._kept
        kept.append(row)
        self._owner.dirty = True
        if len(kept) >= self._most:
            self.write()

    def write(self) -> None:
        """Write the rows that were kept back.

        Raises
        ------
        RecordingError
            If the file can't be written.
        """
        if self._kept:
            kept, self._kept = self._kept, []
            self._rows.add(kept)


class Texts:
    """Byte strings of any length: one after the other, and where each ends.

    Parameters
    ----------
    owner : Owner
    dataset, ends : h5py.Dataset
        Of bytes, and of the position behind each string's last one.
    """

    __slots__ = ("_end", "_ends", "_kept", "_rows", "_size")

    def __init__(self, owner: Owner, dataset: Any, ends: Any) -> None:
        self._rows = Rows(owner, dataset)
        self._ends = Column(owner, ends)
        self._kept: list[Part] = []
        self._size = 0
        self._end = 0

    def __len__(self) -> int:
        return len(self._ends)

    def append(self, text: Part) -> None:
        """Add a string of bytes.

        Raises
        ------
        RecordingError
            If the file can't be written.
        """
        self._kept.append(text)
        self._size += len(text)
        self._end += len(text)
        self._ends.append(self._end)
        if self._size >= MAX_KEPT:
            self.write()

    def write(self) -> None:
        """Write the strings that were kept back.

        Raises
        ------
        RecordingError
            If the file can't be written.
        """
        if self._size:
            self._rows.add(np.frombuffer(b"".join(self._kept), np.uint8))
        self._kept, self._size = [], 0
        self._ends.write()


class Chunks:
    """Rows that are a chunk each, in the bytes that the file's filters make of it.

    Parameters
    ----------
    owner : Owner
    dataset : h5py.Dataset
        (rows, ...), empty.
    """

    __slots__ = ("_identifier", "_length", "_owner", "_rest", "_zeros")

    def __init__(self, owner: Owner, dataset: Any) -> None:
        self._owner = owner
        self._identifier = dataset.id
        self._rest = dataset.shape[1:]
        self._zeros = (0,) * len(self._rest)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def append(self, data: Part, filter_mask: int = 0) -> None:
        """Write a row.

        Parameters
        ----------
        data : bytes-like
            As the filters give it.
        filter_mask : int, optional
            The filters that were not applied, a bit for each: 1 for the first.

        Raises
        ------
        RecordingError
            If the file can't be written.
        """
        row = self._length
        self._owner.dirty = True
        try:
            self._identifier.set_extent((row + 1, *self._rest))
            self._identifier.write_direct_chunk((row, *self._zeros), data, filter_mask)
        except FAILURES as error:
            raise self._owner.failed(error) from error
        self._length = row + 1
