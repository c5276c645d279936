"""What an HDF5 file says of its series: NeXus's groups, configuration, masks and flatfields."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from logging import getLogger
from typing import Any

import numpy as np

from ...errors import DecodeError
from ...handlers.series import SeriesStart
from .files import Files
from .frames import DETECTOR, RECORDING, Frames, Layout, Picture, by_name, ends_column
from .growing import GrowingFile
from .rows import link_name

logger = getLogger(__name__)

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


def write_series(file: GrowingFile, series: int) -> None:
    """Make the groups, and note the number of the series."""
    file.group("/", default="entry")
    for path, attributes in GROUPS.items():
        file.group(path, **attributes)
    file.value("/entry/series", np.uint64(series))


def write_start(
    file: GrowingFile, start: SeriesStart, appendix: Any, left: Mapping[str, Any]
) -> None:
    """Write what the start of a series says.

    Parameters
    ----------
    file : GrowingFile
        One that is being built, with its groups.
    start : SeriesStart
    appendix : bytes-like
        The user's own; empty without.
    left : mapping of str to bytes-like
        Tables that don't fit what is declared, by name.
    """
    file.value(f"{RECORDING}/header", text_of(start.header))
    if len(appendix):
        file.value(f"{RECORDING}/header_appendix", _readable(appendix))
    if start.config:
        file.value(f"{SPECIFIC}/config", text_of(start.config))
    for path, value in _simple(start.config):
        with suppress(DecodeError):  # it is in the text, too
            file.value(path, value)
    for path, array in _tables(start):
        try:
            file.value(path, array)
        except DecodeError as error:
            logger.warning("a table is not in the HDF5 file: %s", error)
    for name, part in left.items():
        file.value(f"{DETECTOR}/{name}_bytes", part)


def text_of(value: Any) -> str:
    """Return the JSON of a value: as it came, where that is known; what JSON has not as objects."""
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
    paths = {f"{SPECIFIC}/config"}
    for key, value in list(config.items())[:MAX_KEYS]:
        path = f"{SPECIFIC}/{link_name(key)}"
        if path not in paths and (isinstance(value, str) or _is_numeric(value)):
            paths.add(path)
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
    yield from by_name(f"{DETECTOR}/flatfield", start.flatfields).items()
    yield from by_name(f"{DETECTOR}/pixel_mask", start.masks).items()
    if start.countrate_table is not None:
        yield f"{DETECTOR}/countrate_correction_table", start.countrate_table


@dataclass(slots=True, eq=False)
class Start:
    """The start of a series, and what of it is stored as it came; see `write_start`."""

    item: SeriesStart
    appendix: Any = b""
    left: Mapping[str, Any] = field(default_factory=dict)

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


class Series:
    """One series: a file for each layout, or one without images.

    Parameters
    ----------
    files : Files
        Where its files come from.
    source : str
        Of whom its start came, or its first image.
    number : int
    start : Start or None
        None if it was not seen.

    Attributes
    ----------
    source : str
    started, ended : bool
        Whether its start and its end came.
    """

    def __init__(self, files: Files, source: str, number: int, start: Start | None) -> None:
        self.source = source
        self.started = start is not None
        self.ended = False
        self._files = files
        self._number = number
        self._start = start
        self._layouts: dict[Layout, Frames] = {}
        self._last: Frames | None = None
        self._published: GrowingFile | None = None
        self._ends: list[int] = []  # before the first image
        self._pending = start is not None

    @property
    def size(self) -> int:
        """Bytes that its start takes, while it is kept."""
        return 0 if self._start is None else self._start.size

    def begins_again(self, source: str, start: Start) -> bool:
        """Return True if a start is the one that the series has.

        That of another source has to say more than its number.
        """
        if self.ended or self._start is None or (source != self.source and not start.item.config):
            return False
        return self._start.equals(start)

    def add(self, picture: Picture) -> None:
        """Write an image.

        Raises
        ------
        DecodeError
            If it can't be stored.
        RecordingError
            If its file can't be written.
        """
        layout = picture.layout
        frames = self._layouts.get(layout)
        if frames is not None and frames.file.closed:
            self._files.warn()
            frames = None
        if frames is None:
            frames = self._layouts[layout] = self._begin(picture)
        frames.add(picture)
        self._last = frames

    def end(self, received_ns: int) -> bool:
        """Note the end; return True if that could be done."""
        self.ended = True
        if self._last is not None:
            if not self._last.file.closed:
                self._last.end(received_ns)
                self._start = None
            return not self._last.file.closed
        if self._start is not None:
            self._ends.append(received_ns)
            self._pending = True
        return self._pending

    def publish(self) -> None:
        """Write a file without images, if there is anything to be written."""
        if not self._pending:
            return
        file = self._build()
        self._write_ends(ends_column(file))
        file.start()
        file.close()
        self._published, self._pending = file, False

    def forget(self) -> None:
        """Let go of the start: a file that is begun later is without it."""
        self.publish()
        self._start = self._published = None

    def finish(self) -> None:
        """Write what is left, and close the files."""
        self.publish()
        for frames in self._layouts.values():
            frames.file.close()

    def _begin(self, picture: Picture) -> Frames:
        """Make a file for an image that is known to be storable."""
        self._layouts = {key: one for key, one in self._layouts.items() if not one.file.closed}
        file = self._build()
        frames = Frames(file, picture)
        file.start()
        for received_ns in self._ends:
            frames.end(received_ns)
        self._ends, self._published, self._pending = [], None, False
        return frames

    def _build(self) -> GrowingFile:
        file = self._files.create(self._published)
        write_series(file, self._number)
        if self._start is not None:
            write_start(file, self._start.item, self._start.appendix, self._start.left)
        return file

    def _write_ends(self, column: Any) -> None:
        for received_ns in self._ends:
            column.append(received_ns)


MAX_SERIES = 64
"""Series that go on at once."""

MAX_ENDED = 8
"""Series that have ended, to which images may still come."""

MAX_START_BYTES = 1 << 30
"""Bytes of masks and flatfields that are kept for the files that a series may still begin."""


class SeriesFiles:
    """The files of the series that are in use.

    A start begins a file, unless it comes again before its series ended, as it does where streams
    of several receivers are merged. So does an image that has other channels, shapes or types
    than those before it, or whose series' start was not seen. A file is made with the first image
    that goes into it, as only that one tells what it is made of; without one it is made by
    `commit`, and the image's file takes its place.

    Series of several detectors are told apart by their sources. A source that sent no start of a
    series shares the one of another source: they are several receivers of one detector.

    Parameters
    ----------
    files : Files
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._series: dict[tuple[str, int], Series] = {}  # the one that was used last stands last

    def begin(self, source: str, number: int, start: Start) -> None:
        """Take the start of a series.

        Raises
        ------
        RecordingError
            If a file can't be written.
        """
        before = self._series.get((source, number))
        alike = [one for (_, other), one in self._series.items() if other == number]
        for series in ([before] if before else []) + alike:
            if series.begins_again(source, start):
                self._keep(source, number, series)
                return
        for series in dict.fromkeys(alike):
            is_over = series is before and (series.source == source or series.ended)
            if is_over or not series.started:
                self._drop(series)
        self._keep(source, number, Series(self._files, source, number, start))

    def add(self, source: str, picture: Picture) -> None:
        """Write an image, whether its series' start was seen or not.

        Raises
        ------
        DecodeError
            If it can't be stored.
        RecordingError
            If its file can't be written.
        """
        number = picture.series
        series = self._find(source, number) or Series(self._files, source, number, None)
        self._keep(source, number, series)
        series.add(picture)

    def end(self, source: str, number: int, received_ns: int) -> None:
        """Note the end of a series; images may still come.

        Raises
        ------
        DecodeError
            If nothing of the series was recorded.
        """
        series = self._find(source, number)
        if series is None or not series.end(received_ns):
            raise DecodeError(f"series {number} ends, and no file of it is open")

    def commit(self) -> None:
        """Write starts and ends that no image followed yet.

        Raises
        ------
        RecordingError
            If a file can't be written.
        """
        for series in self._series.values():
            series.publish()

    def _find(self, source: str, number: int) -> Series | None:
        """Return the series of a source, or else the latest of that number that has a start."""
        found = self._series.get((source, number))
        if found is None:
            for (_, other), series in reversed(self._series.items()):
                if other == number and series.started:
                    return series
        return found

    def _keep(self, source: str, number: int, series: Series) -> None:
        before = self._series.pop((source, number), None)
        self._series[source, number] = series
        if before is not series:
            self._make_room()

    def _make_room(self) -> None:
        latest = list(dict.fromkeys(reversed(self._series.values())))
        for series in [one for one in latest if one.ended][MAX_ENDED:]:
            self._drop(series)
        for series in [one for one in latest if not one.ended][MAX_SERIES:]:
            self._files.warn()
            self._drop(series)
        size = 0
        for series in latest:
            size += series.size
            if size > MAX_START_BYTES and series is not latest[0]:
                series.forget()

    def _drop(self, series: Series) -> None:
        self._series = {key: one for key, one in self._series.items() if one is not series}
        series.finish()
