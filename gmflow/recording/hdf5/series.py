"""Series of detectors in HDF5 files: which image goes into which file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import DecodeError
from ...handlers.series import SeriesStart
from .files import Files
from .frames import Frames, Layout, Picture, ends_column
from .growing import GrowingFile
from .starts import write_series, write_start

MOST_SERIES = 8
"""Series that are in use at once: masks and flatfields are kept until a series ends."""


@dataclass(slots=True, eq=False)
class Start:
    """The start of a series, and what of it is stored as it came; see `write_start`."""

    item: SeriesStart
    appendix: Any = b""
    left: Mapping[str, Any] = field(default_factory=dict)


class SeriesFiles:
    """The files of the series that are in use.

    A start begins a file, unless it comes again before its series ended, as it does where streams
    of several receivers are merged. So does an image that has other channels, shapes or types
    than those before it, or whose series' start was not seen. A file is made with the first image
    that goes into it, as only that one tells what it is made of; without one it is made by
    `commit`, and the image's file takes its place.

    Parameters
    ----------
    files : Files
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._series: dict[int, _Series] = {}  # the one that was used last stands last

    def begin(self, number: int, start: Start) -> None:
        """Take the start of a series.

        Raises
        ------
        RecordingError
            If a file can't be written.
        """
        before = self._series.pop(number, None)
        if before is not None and before.begins_again(start):
            self._series[number] = before
            return
        if before is not None:
            before.finish()
        self._keep(number, _Series(self._files, number, start))

    def add(self, picture: Picture) -> None:
        """Write an image, whether its series' start was seen or not.

        Raises
        ------
        DecodeError
            If it can't be stored.
        RecordingError
            If its file can't be written.
        """
        number = picture.series
        series = self._series.pop(number, None) or _Series(self._files, number, None)
        self._keep(number, series)
        series.add(picture)

    def end(self, number: int, arrived: int) -> None:
        """Note the end of a series; images may still come.

        Raises
        ------
        DecodeError
            If nothing of the series was recorded.
        """
        series = self._series.get(number)
        if series is None or not series.end(arrived):
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

    def _keep(self, number: int, series: _Series) -> None:
        self._series[number] = series
        if len(self._series) > MOST_SERIES:
            self._series.pop(next(iter(self._series))).finish()


class _Series:
    """One series: a file for each layout, or one without images."""

    def __init__(self, files: Files, number: int, start: Start | None) -> None:
        self._files = files
        self._number = number
        self._start = start
        self._layouts: dict[Layout, Frames] = {}
        self._last: Frames | None = None
        self._published: GrowingFile | None = None
        self._ends: list[int] = []  # before the first image
        self._pending = start is not None
        self._ended = False

    def begins_again(self, start: Start) -> bool:
        """Tell whether a start is the one that the series has."""
        if self._ended or self._start is None:
            return False
        mine, other = self._start.item, start.item
        return (mine.header, mine.config) == (other.header, other.config)

    def add(self, picture: Picture) -> None:
        layout = picture.layout
        frames = self._layouts.get(layout)
        if frames is None or frames.file.closed:
            frames = self._layouts[layout] = self._begin(picture)
        frames.add(picture)
        self._last = frames

    def end(self, arrived: int) -> bool:
        """Note the end; tell whether that could be done."""
        self._ended = True
        if self._last is not None:
            if not self._last.file.closed:
                self._last.end(arrived)
                self._start = None
            return not self._last.file.closed
        if self._start is not None:
            self._ends.append(arrived)
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
        for arrived in self._ends:
            frames.end(arrived)
        self._ends, self._published, self._pending = [], None, False
        return frames

    def _build(self) -> GrowingFile:
        file = self._files.create(self._published)
        write_series(file, self._number)
        if self._start is not None:
            write_start(file, self._start.item, self._start.appendix, self._start.left)
        return file

    def _write_ends(self, column: Any) -> None:
        for arrived in self._ends:
            column.append(arrived)
