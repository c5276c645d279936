"""What grows in an HDF5 file: columns of rows, columns of texts, and rows that are a chunk each."""

from __future__ import annotations

from math import prod
from typing import Any, Protocol

import numpy as np

from ...errors import RecordingError
from ...message import Part
from .library import FAILURES

MOST_ROWS = 1024
"""Rows of a column that are kept back at most, and that are a chunk."""

MOST_KEPT = 1 << 18
"""Bytes of a column that are kept back at most."""

CHUNK_BYTES = 1 << 16
"""Bytes of a column's chunk at most, where a row is not larger."""


class Owner(Protocol):
    """What a column knows of its file."""

    dirty: bool

    def failed(self, error: BaseException) -> RecordingError:
        """Give what to raise."""


def rows_a_chunk(dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    """Give how many rows of a column stand in one chunk."""
    return _rows(CHUNK_BYTES, dtype, shape)


def _rows(size: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    return min(MOST_ROWS, max(size // max(dtype.itemsize * prod(shape), 1), 1))


class Column:
    """Rows of one type and shape; written in blocks.

    Parameters
    ----------
    owner : Owner
        Its file.
    dataset : h5py.Dataset
        (rows, ...), empty.
    """

    __slots__ = ("_dataset", "_kept", "_length", "_most", "_owner")

    def __init__(self, owner: Owner, dataset: Any) -> None:
        self._owner = owner
        self._dataset = dataset
        self._most = _rows(MOST_KEPT, dataset.dtype, dataset.shape[1:])
        self._kept: list[Any] = []
        self._length = 0

    def __len__(self) -> int:
        return self._length + len(self._kept)

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
        if not self._kept:
            return
        dataset = self._dataset
        block = np.asarray(self._kept, dataset.dtype).reshape(-1, *dataset.shape[1:])
        self._kept = []
        grow(self._owner, dataset, self._length, block)
        self._length += len(block)


class Texts:
    """Byte strings of any length: one after the other, and where each ends.

    Parameters
    ----------
    owner : Owner
    dataset, ends : h5py.Dataset
        Of bytes, and of the position behind each string's last one.
    """

    __slots__ = ("_dataset", "_end", "_ends", "_kept", "_length", "_owner", "_size")

    def __init__(self, owner: Owner, dataset: Any, ends: Any) -> None:
        self._owner = owner
        self._dataset = dataset
        self._ends = Column(owner, ends)
        self._kept: list[Part] = []
        self._size = 0
        self._length = 0
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
        if self._size >= MOST_KEPT:
            self.write()

    def write(self) -> None:
        """Write the strings that were kept back.

        Raises
        ------
        RecordingError
            If the file can't be written.
        """
        block = np.frombuffer(b"".join(self._kept), np.uint8)
        self._kept, self._size = [], 0
        if len(block):
            grow(self._owner, self._dataset, self._length, block)
            self._length += len(block)
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


def grow(owner: Owner, dataset: Any, length: int, block: np.ndarray[Any, Any]) -> None:
    """Write rows behind those that are there.

    Raises
    ------
    RecordingError
        If the file can't be written.
    """
    try:
        dataset.resize(length + len(block), 0)
        dataset[length:] = block
    except FAILURES as error:
        raise owner.failed(error) from error
