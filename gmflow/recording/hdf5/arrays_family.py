"""array-1.0 in HDF5: the arrays of one type and shape stacked, with their headers.

A file holds messages of one layout: the shape, the types of the segments that are there, and
which counters the header has. Layouts that alternate keep their files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ...codecs.limits import flat
from ...decoder import Decoder
from ...errors import DecodeError
from ...message import Message
from .columns import check_row, is_large
from .files import Files, Recent
from .growing import GrowingFile

COUNTERS = ("frame", "pulse_id")
"""Keys of the header that get a column where they are whole numbers of 64 bits."""

MAX_SEGMENTS = 1 << 10
"""Segments of a message: each has a dataset, and all of them are open."""

Arrays: TypeAlias = Sequence["np.ndarray[Any, Any] | None"]


class ArrayLayout(NamedTuple):
    """What all messages of a file have in common."""

    dtypes: tuple[np.dtype[Any] | None, ...]  # of each segment, None for an empty one
    shape: tuple[int, ...]
    counters: tuple[str, ...]


class ArraysFamily:
    """Stores messages of array-1.0."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._decoder = Decoder()
        self._tables = Recent()

    def add(self, message: Message) -> None:
        """Store a message, or nothing of it and raise DecodeError if that can't be done."""
        value = self._decoder.read(message)
        header, arrays = value["header"], value["data"]
        layout = _layout_of(header, arrays)
        table = self._tables.recall(layout, lambda: self._begin(layout))
        if table.file.closed:
            self._files.warn()
            table = self._tables[layout] = self._begin(layout)
        table.append(message, header, arrays)

    def _begin(self, layout: ArrayLayout) -> _ArrayTable:
        _check(layout)
        return _ArrayTable(self._files.create(), layout)


class _ArrayTable:
    """A file, with the datasets of one layout."""

    def __init__(self, file: GrowingFile, layout: ArrayLayout) -> None:
        self.file = file
        file.group("/entry", NX_class="NXentry", default="data")
        file.group("/entry/data", NX_class="NXdata", signal="data")
        self._rows = file.rows()
        self._rows.texts("/entry/data/header")
        self._rows.column("/entry/data/arrived", np.int64, units="ns")
        for key in layout.counters:
            self._rows.column(f"/entry/data/{key}", np.int64)
        self._counters = layout.counters
        self._gathered: list[int] = []
        self._chunks: list[tuple[int, Callable[[Any], None]]] = []
        if 0 not in layout.shape:
            self._make_segments(layout)
        file.start()

    def _make_segments(self, layout: ArrayLayout) -> None:
        """Make a dataset for each segment that has elements: data, data_2, data_3 and so on."""
        for index, dtype in enumerate(layout.dtypes):
            path = f"/entry/data/data_{index + 1}" if index else "/entry/data/data"
            if dtype is None:
                continue
            if is_large(dtype, layout.shape):
                chunks = self.file.chunks(path, dtype, layout.shape)
                self._chunks.append((index, chunks.append))
            else:
                self._rows.column(path, dtype, layout.shape)
                self._gathered.append(index)

    def append(self, message: Message, header: Mapping[str, Any], arrays: Arrays) -> None:
        text = bytes(message.parts[0])
        counters = map(header.__getitem__, self._counters)
        gathered = map(arrays.__getitem__, self._gathered)
        self._rows.append((text, message.received_ns, *counters, *gathered), len(text))
        for index, append in self._chunks:
            append(flat(arrays[index]))


def _layout_of(header: Mapping[str, Any], arrays: Arrays) -> ArrayLayout:
    dtypes: list[np.dtype[Any] | None] = []
    shape: tuple[int, ...] = ()
    for array in arrays:
        dtypes.append(None if array is None else array.dtype)
        shape = shape if array is None else array.shape
    counters = []
    for key in COUNTERS:
        value = header.get(key)
        if type(value) is int and -(1 << 63) <= value < 1 << 63:
            counters.append(key)
    return ArrayLayout(tuple(dtypes), shape, tuple(counters))


def _check(layout: ArrayLayout) -> None:
    """Validate that HDF5 can hold a layout."""
    count = len(layout.dtypes)
    if count > MAX_SEGMENTS:
        raise DecodeError(f"it has {count} segments; up to {MAX_SEGMENTS} go into HDF5")
    for dtype in set(layout.dtypes):
        if dtype is not None:
            check_row(dtype, layout.shape)
