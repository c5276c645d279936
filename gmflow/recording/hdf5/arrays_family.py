"""array-1.0 in HDF5: the arrays of one type and shape stacked, with their headers.

A file holds messages of one layout: the shape, the types of the segments that are there, and
which counters the header has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...decoder import Decoder
from ...errors import DecodeError
from ...message import Message
from .family import Family
from .files import Files
from .growing import GrowingFile
from .rows import Append, check_row, make_rows

COUNTERS = ("frame", "pulse_id")
"""Keys of the header that get a column where they are whole numbers of 64 bits."""

MAX_SEGMENTS = 1 << 10
"""Segments of a message: each has a dataset, and all of them are open."""

MAX_REMEMBERED = 64
"""Layouts that are remembered; the least recently used is forgotten."""

Arrays = Sequence["np.ndarray[Any, Any] | None"]


class _Layout(NamedTuple):
    """What all messages of a file have in common."""

    dtypes: tuple[np.dtype[Any] | None, ...]  # of each segment, None for an empty one
    shape: tuple[int, ...]
    counters: tuple[str, ...]


class ArraysFamily(Family):
    """Stores messages of array-1.0.

    Parameters
    ----------
    files : Files
        Where their files come from.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._decoder = Decoder()
        self._tables: dict[_Layout, _Table] = {}  # the one that was used last stands last

    def add(self, message: Message) -> None:
        value = self._decoder.read(message)
        layout = _layout_of(value["header"], value["data"])
        table = self._tables.pop(layout, None)
        if table is not None and table.file.closed:
            self._files.warn()
            table = None
        if table is None:
            _check(layout)
            table = _Table(self._files.create(), layout)
        self._tables[layout] = table
        if len(self._tables) > MAX_REMEMBERED:
            del self._tables[next(iter(self._tables))]
        table.append(message, value["header"], value["data"])


class _Table:
    """A file, with the datasets of one layout."""

    def __init__(self, file: GrowingFile, layout: _Layout) -> None:
        self.file = file
        file.group("/entry", NX_class="NXentry", default="data")
        file.group("/entry/data", NX_class="NXdata", signal="data")
        self._header = file.texts("/entry/data/header").append
        self._arrived = file.column("/entry/data/arrived", np.int64, units="ns").append
        self._counters: list[tuple[str, Append]] = [
            (key, file.column(f"/entry/data/{key}", np.int64).append) for key in layout.counters
        ]
        self._segments = _make_segments(file, layout)
        file.start()

    def append(self, message: Message, header: dict[str, Any], arrays: Arrays) -> None:
        self._header(bytes(message.parts[0]))
        self._arrived(message.received_ns)
        for key, append in self._counters:
            append(header[key])
        for index, append in self._segments:
            append(arrays[index])


def _layout_of(header: dict[str, Any], arrays: Arrays) -> _Layout:
    dtypes = tuple([None if array is None else array.dtype for array in arrays])
    shape = next((array.shape for array in arrays if array is not None), ())
    counters = tuple([key for key in COUNTERS if _is_whole(header.get(key))])
    return _Layout(dtypes, shape, counters)


def _is_whole(value: Any) -> bool:
    return type(value) is int and -(1 << 63) <= value < 1 << 63


def _check(layout: _Layout) -> None:
    """Refuse what HDF5 can't hold."""
    count = len(layout.dtypes)
    if count > MAX_SEGMENTS:
        raise DecodeError(f"it has {count} segments; up to {MAX_SEGMENTS} go into HDF5")
    for dtype in set(layout.dtypes):
        if dtype is not None:
            check_row(dtype, layout.shape)


def _make_segments(file: GrowingFile, layout: _Layout) -> list[tuple[int, Append]]:
    """Make a dataset for each segment that has elements: data, data_2, data_3 and so on."""
    if 0 in layout.shape:
        return []
    return [
        (index, make_rows(file, _path(index), dtype, layout.shape))
        for index, dtype in enumerate(layout.dtypes)
        if dtype is not None
    ]


def _path(index: int) -> str:
    return f"/entry/data/data_{index + 1}" if index else "/entry/data/data"
