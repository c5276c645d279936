"""What is in a recording: counts by htype, by source and by series, and when it was recorded.

``listing.add_all(reader.messages())``, then ``listing.text()`` for a person or
``listing.as_dict()`` for a program. What is kept is bounded, whatever the messages say.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, TypeAlias

from ..filters import htype_of
from ..message import Message
from ..sequence import stream2
from ..sequence.tracker import images_announced
from .listing_rows import Numbered, Rows, Totals
from .select import Numbers, numbers_of

MOST_LETTERS = 60
"""Of an htype or of a source's name; what follows is cut off."""

Row: TypeAlias = tuple[str, "int | None", bool, int]
"""What numbers belong to: a source, a series, whether they are pulses, and how often the series
had begun and ended before."""

IMAGES = partial(Numbered, "frame")
PULSES = partial(Numbered, "pulse_id")


class Listing:
    """Sums up the messages of a recording.

    Attributes
    ----------
    problem : str
        What is wrong with the recording, as of `gmflow.recording.Reader`; else empty.
    damages : list of str
        What is wrong with messages of it that can't be read.
    """

    def __init__(self) -> None:
        self.problem = ""
        self.damages: list[str] = []
        self._all = Totals()
        self._htypes: Rows[str, Totals] = Rows()
        self._sources: Rows[str, Totals] = Rows()
        self._numbered: Rows[Row, Numbered] = Rows()
        self._runs: dict[tuple[str, int], int] = {}  # of a series' number that began anew
        self._timed = 0  # messages whose time is known,
        self._first, self._last = 0, 0  # and the least and the largest of these times

    def add_all(self, messages: Iterable[Message]) -> None:
        """Count messages, in the order in which they were recorded."""
        for message in messages:
            self.add(message)

    def add(self, message: Message) -> None:
        """Count the next message."""
        parts, size, arrived = len(message.parts), message.size, message.arrived
        source = message.source[:MOST_LETTERS]
        numbers = numbers_of(message)
        self._all.add(parts, size)
        for rows, key in ((self._htypes, _name_of(message, numbers)), (self._sources, source)):
            row = rows.of(key, Totals)
            if row is not None:
                row.add(parts, size)
        if numbers.frame is not None or numbers.series is not None:
            self._follow(message, source, numbers)
        if arrived > 0:
            self._note_time(arrived)

    def text(self) -> str:
        """Give the table, a few lines that each have their end."""
        from ..render.listing_table import text_of  # late: it brings NumPy

        return text_of(self.as_dict())

    def as_dict(self) -> dict[str, Any]:
        """Give all that is known.

        Returns
        -------
        dict
            ``messages``, ``bytes``, ``parts``, ``least_parts`` and ``most_parts`` (of one
            message); ``timed`` (messages whose time is known), ``first`` and ``last`` (the least
            and the largest time in nanoseconds since 1970, UTC, or None), ``seconds`` in between
            and ``rate`` (messages a second, or None); ``problem``, ``damages``; and the lists
            ``htypes``, ``sources`` and ``numbered``. Each of their rows has its own ``htype``,
            ``source``, or ``source``, ``series`` (or None) and ``counter``; what a row of
            `numbered` counts is as of `Continuity.snapshot`. For each of these
            lists, ``more`` says how many ``rows`` there would be above the first 50, and how many
            ``messages`` they have.
        """
        seconds = (self._last - self._first) / 1e9
        return {
            **self._all.as_dict(),
            "timed": self._timed,
            "first": self._first or None,
            "last": self._last or None,
            "seconds": seconds,
            "rate": (self._timed - 1) / seconds if seconds else None,
            "problem": self.problem,
            "damages": list(self.damages),
            "htypes": _rows("htype", self._htypes),
            "sources": _rows("source", self._sources),
            "numbered": [
                {"source": source, "series": series, **row.as_dict()}
                for (source, series, _, _), row in self._numbered.by_key.items()
            ],
            "more": {
                "htypes": self._htypes.more,
                "sources": self._sources.more,
                "numbered": self._numbered.more,
            },
        }

    def _follow(self, message: Message, source: str, numbers: Numbers) -> None:
        """Count a message of a series, or one that has a number without."""
        kind, series, number = numbers
        row = self._row_of(source, series, kind)
        if row is None:
            return
        if number is not None:
            row.add(number)
        elif kind == "start":
            row.begin(_expected(message))
        elif kind == "end":
            row.end()

    def _row_of(self, source: str, series: int | None, kind: str) -> Numbered | None:
        """Give the row of a series; a start after an end begins another one."""
        is_pulse = kind == "pulse"
        make = PULSES if is_pulse else IMAGES
        if series is None or is_pulse:
            return self._numbered.of((source, series, is_pulse, 0), make)
        run = self._runs.get((source, series), 0)
        row = self._numbered.of((source, series, is_pulse, run), make)
        if kind == "start" and row is not None and row.ended:
            self._runs[source, series] = run + 1
            row = self._numbered.of((source, series, is_pulse, run + 1), make)
        return row

    def _note_time(self, arrived: int) -> None:
        if not self._timed or arrived < self._first:
            self._first = arrived
        if arrived > self._last:
            self._last = arrived
        self._timed += 1


def _name_of(message: Message, numbers: Numbers) -> str:
    """Give what a message is listed as: its htype, or what it is instead."""
    htype = htype_of(message)
    if htype:
        return htype[:MOST_LETTERS]
    if message.header:
        return "no htype"
    if numbers.kind:
        return f"stream2 {numbers.kind}"
    return "not JSON" if message.parts else "no parts"


def _expected(start: Message) -> int | None:
    """Give the number of images that the start of a series announces, if it does."""
    if not start.header:
        return stream2.images(start.parts[0])
    return images_announced(start)


def _rows(name: str, rows: Rows[str, Totals]) -> list[dict[str, Any]]:
    return [{name: key, **row.as_dict()} for key, row in rows.by_key.items()]
