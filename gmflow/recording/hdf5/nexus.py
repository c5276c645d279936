"""What an HDF5 file of a detector holds, after NeXus: a series' start, and its images row by row.

`SeriesStart` items become groups, a configuration, masks and flatfields (`write_series`);
a `Picture` becomes a row of `ImageDatasets`: its images as chunks, and beside
them its number, times and headers. Which file that is, `series_files` knows.

Everything that writes raises RecordingError where the file can't be written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from logging import getLogger
from typing import Any, TypeAlias

import numpy as np

from ...errors import DecodeError
from ...handlers.dectris import TIMES
from ...handlers.series import SeriesStart
from ...validation import shown
from .columns import UNKNOWN_TIME, RowBuffer, attribute_text, link_name
from .growing import GrowingFile
from .stored import Stored

logger = getLogger(__name__)

DATA = "/entry/data"
DETECTOR = "/entry/instrument/detector"
RECORDING = "/entry/recording"

HASH_BYTES = 32
"""Bytes of a hash for which there is room at least."""

SPECIFIC = f"{DETECTOR}/detectorSpecific"

MAX_KEYS = 512
"""Keys of a configuration that become datasets; all are in its text."""

GROUPS = {
    "/entry": {"NX_class": "NXentry", "default": "data"},
    "/entry/instrument": {"NX_class": "NXinstrument"},
    DETECTOR: {"NX_class": "NXdetector"},
    SPECIFIC: {"NX_class": "NXcollection"},
    RECORDING: {"NX_class": "NXcollection"},
}


PictureLayout: TypeAlias = tuple[tuple[str, str, tuple[int, ...]], ...]


@dataclass(slots=True, eq=False)
class Start:
    """The start of a series, and what of it is stored as it came."""

    item: SeriesStart
    appendix: Any = b""  # the user's own
    left: Mapping[str, Any] = field(default_factory=dict)  # tables that don't fit their declaration

    @property
    def size(self) -> int:
        """Bytes of its tables, or some less."""
        tables = (*self.item.flatfields.values(), *self.item.masks.values())
        return sum(table.nbytes for table in tables) + sum(map(len, self.left.values()))

    def equals(self, other: Start) -> bool:
        """Return True if another one says the same, in all that is stored of it."""
        mine, its = self.item, other.item
        return (
            (mine.header, mine.config) == (its.header, its.config)
            and bytes(self.appendix) == bytes(other.appendix)
            and self.left.keys() == other.left.keys()
            and all(bytes(part) == bytes(other.left[name]) for name, part in self.left.items())
            and _same({"": mine.countrate_table}, {"": its.countrate_table})
            and _same(mine.masks, its.masks)
            and _same(mine.flatfields, its.flatfields)
        )


def _same(tables: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    return tables.keys() == others.keys() and all(
        _same_table(table, others[name]) for name, table in tables.items()
    )


def _same_table(table: Any, other: Any) -> bool:
    if table is None or other is None:
        return table is other
    return table.dtype == other.dtype and np.array_equal(table, other, equal_nan=True)


@dataclass(slots=True, eq=False)
class Picture:
    """An image as it is stored."""

    series: int
    frame: int
    images: dict[str, Stored]  # by channel
    times: tuple[int | None, ...]  # real, start and stop time in nanoseconds
    header: Any  # JSON, as bytes; empty where there is none
    appendix: Any  # the user's own, as bytes; empty where there is none
    hash: bytes | None  # None with a stream that sends none
    received_ns: int

    @property
    def layout(self) -> PictureLayout:
        """What all images of a file have in common: channels, types and shapes."""
        return tuple((name, *stored.layout) for name, stored in self.images.items())


class ImageDatasets:
    """The datasets of a file that grow with each image.

    The `first` image decides about channels, shapes, types and filters.
    """

    def __init__(self, file: GrowingFile, first: Picture) -> None:
        self.file = file
        channels = first.images
        names = ["data"] if len(channels) == 1 else [link_name(name) for name in channels]
        signal, *others = names
        about = {"auxiliary_signals": others} if others else {}
        file.group(DATA, NX_class="NXdata", signal=signal, **about)
        self._filters = [stored.filters for stored in channels.values()]
        self._images = [
            file.chunks(
                f"{DATA}/{name}",
                stored.dtype,
                stored.shape,
                stored.filters,
                channel=attribute_text(channel),
            )
            for name, (channel, stored) in zip(names, channels.items(), strict=True)
        ]
        self._rows = rows = file.rows()
        rows.column(f"{DETECTOR}/sequence_number", "u8")
        for name in TIMES:
            rows.column(f"{DETECTOR}/{name}", "i8", units="ns")
        rows.column(f"{RECORDING}/arrived", "i8", units="ns", since="1970-01-01Z")
        rows.texts(f"{RECORDING}/image_header")
        rows.texts(f"{RECORDING}/image_appendix")
        self._room = 0 if first.hash is None else max(len(first.hash), HASH_BYTES)
        if self._room:
            rows.column(f"{RECORDING}/hash", f"S{self._room}")
        self._ends = ends_rows(file)

    def add(self, picture: Picture) -> None:
        """Write an image of the file's layout, or nothing if it has to be decoded and can't be."""
        chunks = [
            (stored.data, 0)
            if stored.filters == filters
            else (stored.decode().tobytes(), (1 << len(filters)) - 1)
            for stored, filters in zip(picture.images.values(), self._filters, strict=True)
        ]
        for images, (data, left_out) in zip(self._images, chunks, strict=True):
            images.append(data, left_out)
        times = [UNKNOWN_TIME if time is None else time for time in picture.times]
        header, appendix = picture.header, picture.appendix
        row = [picture.frame, *times, picture.received_ns, header, appendix]
        if self._room:
            known = picture.hash or b""
            row.append(known if len(known) <= self._room else b"")
        self._rows.append(row, len(header) + len(appendix))

    def end(self, received_ns: int) -> None:
        """Note that the series ended."""
        self._ends.append((received_ns,))


def write_series(file: GrowingFile, number: int, start: Start | None) -> None:
    """Make the groups of a file that is being built; write what its series' start says."""
    file.group("/", default="entry")
    for path, attributes in GROUPS.items():
        file.group(path, **attributes)
    file.value("/entry/series", np.uint64(number))
    if start is not None:
        _write_start(file, start)


def _write_start(file: GrowingFile, start: Start) -> None:
    item = start.item
    file.value(f"{RECORDING}/header", text_of(item.header))
    if len(start.appendix):
        file.value(f"{RECORDING}/header_appendix", _readable(start.appendix))
    if item.config:
        file.value(f"{SPECIFIC}/config", text_of(item.config))
    for path, value in _simple(item.config):
        with suppress(DecodeError):  # it is in the text, too
            file.value(path, value)
    for path, array in _tables(item):
        try:
            file.value(path, array)
        except DecodeError as error:
            logger.warning("a table is not in the HDF5 file: %s", error)
    for name, part in start.left.items():
        file.value(f"{DETECTOR}/{name}_bytes", part)


def text_of(value: Any) -> str:
    """Return a value as JSON: as it came, where that is known; what JSON hasn't as objects."""
    text = getattr(value, "text", None)
    return json.dumps(_plain(value)) if text is None else bytes(text).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key if type(key) is str else str(key): _plain(value[key]) for key in value}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"bytes": bytes(value).hex()}
    if hasattr(value, "tag"):
        return {"tag": value.tag, "value": _plain(value.value)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


def _readable(part: Any) -> str | bytes:
    data = bytes(part)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _simple(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Return numbers, texts and lists of numbers, each with its path."""
    for key, value in list(config.items())[:MAX_KEYS]:
        path = f"{SPECIFIC}/{link_name(key)}"
        if key != "config" and (isinstance(value, str) or _is_numeric(value)):
            yield path, value


def _is_numeric(value: Any) -> bool:
    if not isinstance(value, (bool, int, float, list)):
        return False
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError):
        return False
    return array.dtype.kind in "biuf" and array.size > 0


def _tables(start: SeriesStart) -> Iterator[tuple[str, Any]]:
    for name, arrays in (("flatfield", start.flatfields), ("pixel_mask", start.masks)):
        path = f"{DETECTOR}/{name}"
        for channel, array in arrays.items():  # the only one has the path itself
            yield path if len(arrays) == 1 else f"{path}/{link_name(channel)}", array
    if start.countrate_table is not None:
        yield f"{DETECTOR}/countrate_correction_table", start.countrate_table


def ends_rows(file: GrowingFile) -> RowBuffer:
    """Make the dataset with a row for each message that said that the series ended."""
    rows = file.rows()
    rows.column(f"{RECORDING}/series_end", "i8", units="ns", since="1970-01-01Z")
    return rows


def check_range(name: str, number: int | None, dtype: str) -> None:
    """Validate that a number has a place in a column, else raise DecodeError."""
    limits = np.iinfo(dtype)
    if number is not None and not limits.min <= number <= limits.max:
        raise DecodeError(f"{name} is {shown(number)}; {dtype} can be stored")
