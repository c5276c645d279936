"""The files of the series that are in use: which one a start, an image or an end goes to.

`RecordedSeries` is one of them, with a file for each layout of its images; `SeriesFiles` knows
them all, and lets go of the oldest. Everything that writes raises RecordingError where a file
can't be written.
"""

from __future__ import annotations

from ...errors import DecodeError
from .files import Files
from .growing import GrowingFile
from .nexus import (
    ImageDatasets,
    Picture,
    PictureLayout,
    Start,
    ends_rows,
    write_series,
)

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
    that goes into it, as only that one says what it is made of; without one it is made by
    `commit`, and the image's file takes its place.

    Series of several detectors are told apart by their sources. A source that sent no start of a
    series shares the one of another source: they are several receivers of one detector.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        # by source and number; the one that was used last stands last
        self._series: dict[tuple[str, int], RecordedSeries] = {}

    def begin(self, source: str, number: int, start: Start) -> None:
        """Take the start of a series."""
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
        self._keep(source, number, RecordedSeries(self._files, source, number, start))

    def add(self, source: str, picture: Picture) -> None:
        """Write an image, also one whose series' start was not seen; DecodeError if it can't be."""
        number = picture.series
        series = self._find(source, number) or RecordedSeries(self._files, source, number, None)
        self._keep(source, number, series)
        series.add(picture)

    def end(self, source: str, number: int, received_ns: int) -> None:
        """Note the end of a series; images may still come. DecodeError if no file of it is open."""
        series = self._find(source, number)
        if series is None or not series.end(received_ns):
            raise DecodeError(f"series {number} ends, and no file of it is open")

    def commit(self) -> None:
        """Write starts and ends that no image followed yet."""
        for series in self._series.values():
            series.publish()

    def _find(self, source: str, number: int) -> RecordedSeries | None:
        """Return the series of a source, or else the latest of that number that has a start."""
        found = self._series.get((source, number))
        if found is None:
            for (_, other), series in reversed(self._series.items()):
                if other == number and series.started:
                    return series
        return found

    def _keep(self, source: str, number: int, series: RecordedSeries) -> None:
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

    def _drop(self, series: RecordedSeries) -> None:
        self._series = {key: one for key, one in self._series.items() if one is not series}
        series.finish()


class RecordedSeries:
    """One series, and the files for its layouts, or one without images.

    `source` is the one that its start came from, or its first image.
    """

    def __init__(self, files: Files, source: str, number: int, start: Start | None) -> None:
        self.source = source
        self.started = start is not None
        self.ended = False
        self._files = files
        self._number = number
        self._start = start
        self._layouts: dict[PictureLayout, ImageDatasets] = {}
        self._last: ImageDatasets | None = None
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
        """Write an image; DecodeError if it can't be stored."""
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
        ends = ends_rows(file)
        for received_ns in self._ends:
            ends.append((received_ns,))
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

    def _begin(self, picture: Picture) -> ImageDatasets:
        """Make a file for an image that is known to be storable."""
        self._layouts = {key: one for key, one in self._layouts.items() if not one.file.closed}
        file = self._build()
        frames = ImageDatasets(file, picture)
        file.start()
        for received_ns in self._ends:
            frames.end(received_ns)
        self._ends, self._published, self._pending = [], None, False
        return frames

    def _build(self) -> GrowingFile:
        file = self._files.create(self._published)
        write_series(file, self._number, self._start)
        return file
