"""Series of detectors in HDF5 files: which image goes into which file."""

from __future__ import annotations

from ...errors import DecodeError
from .files import Files
from .frames import Picture
from .series import Series, Start

MOST_SERIES = 64
"""Series that go on at once."""

MOST_ENDED = 8
"""Series that have ended, to which images may still come."""

MOST_START_BYTES = 1 << 30
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

    def end(self, source: str, number: int, arrived: int) -> None:
        """Note the end of a series; images may still come.

        Raises
        ------
        DecodeError
            If nothing of the series was recorded.
        """
        series = self._find(source, number)
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

    def _find(self, source: str, number: int) -> Series | None:
        """Give the series of a source, or else the latest of that number that has a start."""
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
        for series in [one for one in latest if one.ended][MOST_ENDED:]:
            self._drop(series)
        for series in [one for one in latest if not one.ended][MOST_SERIES:]:
            self._files.warn()
            self._drop(series)
        size = 0
        for series in latest:
            size += series.size
            if size > MOST_START_BYTES and series is not latest[0]:
                series.forget()

    def _drop(self, series: Series) -> None:
        self._series = {key: one for key, one in self._series.items() if one is not series}
        series.finish()
