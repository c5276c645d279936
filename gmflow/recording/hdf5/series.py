"""One series of a detector in HDF5: a file for each layout of its images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...handlers.series import SeriesStart
from .files import Files
from .frames import Frames, Layout, Picture, ends_column
from .growing import GrowingFile
from .starts import write_series, write_start


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
        """Tell whether another one says the same, in all that is stored of it."""
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
        """Tell whether a start is the one that the series has.

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

    def end(self, arrived: int) -> bool:
        """Note the end; tell whether that could be done."""
        self.ended = True
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
