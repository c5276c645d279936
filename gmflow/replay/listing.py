"""The rows of a recording's table, each with what it counts; what they take is bounded."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

from ..formats import Edge, images_announced, title_of
from ..message import Message
from ..sequence import SequenceTracker
from .select import Numbers, first_in, numbers_of

MAX_ROWS = 50
"""Rows of a table; what belongs to others is counted together."""

MAX_COUNTED = 10_000
"""Other rows that are told apart, to say how many there are."""

Key = TypeVar("Key", bound=Hashable)
Row = TypeVar("Row")


class Rows(Generic[Key, Row]):
    """The first rows of a table, by their keys, in the order in which they came."""

    __slots__ = ("_left_out", "_others", "by_key")

    def __init__(self) -> None:
        self._others: set[int] = set()
        self.by_key: dict[Key, Row] = {}
        self._left_out = 0  # how often one of these was asked for

    @property
    def more(self) -> dict[str, int]:
        """How many more ``rows`` there would be, up to `MAX_COUNTED`, and their ``messages``."""
        return {"rows": len(self._others), "messages": self._left_out}

    def of(self, key: Key, make: Callable[[], Row]) -> Row | None:
        """Return the row of a key, a new one if it has none; None if there are too many."""
        row = self.by_key.get(key)
        if row is None:
            if len(self.by_key) < MAX_ROWS:
                self.by_key[key] = row = make()
                return row
            self._left_out += 1
            if len(self._others) < MAX_COUNTED:
                self._others.add(hash(key))
        return row


class Totals:
    """Messages, their bytes, and the least and the most parts that one has."""

    __slots__ = ("bytes", "least_parts", "messages", "most_parts", "parts")

    def __init__(self) -> None:
        self.messages = 0
        self.bytes = 0
        self.parts = 0
        self.least_parts = 0
        self.most_parts = 0

    def add(self, parts: int, size: int) -> None:
        """Count a message."""
        if parts < self.least_parts or not self.messages:
            self.least_parts = parts
        if parts > self.most_parts:
            self.most_parts = parts
        self.messages += 1
        self.parts += parts
        self.bytes += size

    def as_dict(self) -> dict[str, Any]:
        """Return all counts by their names."""
        names = ("messages", "bytes", "parts", "least_parts", "most_parts")
        return {name: getattr(self, name) for name in names}


class Numbered:
    """Messages with numbers that should rise evenly: the images of a series, or pulses.

    `counter` is the key that counts them; `expected` is how many the start of the series announces.
    """

    __slots__ = ("_tracker", "count", "counter", "ended", "expected", "first", "last")

    def __init__(self, counter: str) -> None:
        self.counter = counter
        self.count = 0
        self.first: int | None = None
        self.last: int | None = None
        self.expected: int | None = None
        self.ended = False
        self._tracker = SequenceTracker()

    def add(self, message: Message, edge: Edge, number: int | None) -> None:
        """Count a message: one with a number, or the start or the end of the series."""
        self._tracker.follow((message,), 0.0)
        if edge == "start":
            announced = images_announced(message)
            self.expected = self.expected if announced is None else announced
        elif edge == "end":
            self.ended = True
        elif number is not None:
            self.count += 1
            if self.first is None or number < self.first:
                self.first = number
            if self.last is None or number > self.last:
                self.last = number

    def as_dict(self) -> dict[str, Any]:
        """Return all counts by their names."""
        names = ("counter", "count", "first", "last", "expected", "ended")
        found = self._tracker.snapshot(0.0) or {}
        lost = ("missing", "duplicates", "out_of_order", "restarts")
        return {
            **{name: getattr(self, name) for name in names},
            **{name: found.get(name, 0) for name in lost},
        }


MAX_LETTERS = 60
"""Of an htype or of a source's name; what follows is cut off."""

RowKey: TypeAlias = tuple[str, "int | None", str, int]
"""What numbers belong to: a source, a series, a counter, and how often the series had begun and
ended before."""


class Listing:
    """Sums up the messages of a recording.

    `problem` is what is wrong with it, as of `gmflow.recording.Reader`, or empty; `damages` is what
    is wrong with messages of it that can't be read.
    """

    def __init__(self) -> None:
        self.problem = ""
        self.damages: list[str] = []
        self._all = Totals()
        self._htypes: Rows[str, Totals] = Rows()
        self._sources: Rows[str, Totals] = Rows()
        self._numbered: Rows[RowKey, Numbered] = Rows()
        self._runs: dict[tuple[str, int | None, str], int] = {}  # of a series that began again
        self._timed = 0  # messages whose time is known,
        self._first, self._last = 0, 0  # and the least and the largest of these times

    def add_all(self, messages: Iterable[Message]) -> None:
        """Count messages, in the order in which they were recorded."""
        for message in messages:
            self.add(message)

    def add(self, message: Message) -> None:
        """Count the next message."""
        parts, size, received_ns = len(message.parts), message.size, message.received_ns
        source = message.source[:MAX_LETTERS]
        self._all.add(parts, size)
        for rows, key in ((self._htypes, title_of(message)[:MAX_LETTERS]), (self._sources, source)):
            row = rows.of(key, Totals)
            if row is not None:
                row.add(parts, size)
        self._follow(first_in(message), source)
        if received_ns > 0:
            self._note_time(received_ns)

    def as_dict(self) -> dict[str, Any]:
        """Return all that is known.

        Returns
        -------
        dict
            ``messages``, ``bytes``, ``parts``, ``least_parts`` and ``most_parts`` (of one
            message); ``timed`` (messages whose time is known), ``first`` and ``last`` (the least
            and the largest time in nanoseconds since 1970, UTC, or None), ``seconds`` in between
            and ``rate`` (messages a second, or None); ``problem``, ``damages``; and the lists
            ``htypes``, ``sources`` and ``numbered``. Each of their rows has its own ``htype``,
            ``source``, or ``source``, ``series`` (or None) and ``counter``; what a row of
            `numbered` counts is as of `SequenceTracker.snapshot`. For each of these
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

    def _follow(self, message: Message, source: str) -> None:
        """Count a message of a series, or one that has a number without."""
        numbers = numbers_of(message)
        if numbers.frame is not None or numbers.series is not None:
            row = self._row_of(source, numbers)
            if row is not None:
                row.add(message, numbers.edge, numbers.frame)

    def _row_of(self, source: str, numbers: Numbers) -> Numbered | None:
        """Return the row of a series; a start after an end begins another one."""
        edge, series, counter, _ = numbers
        make = partial(Numbered, counter)
        run = self._runs.get((source, series, counter), 0)
        row = self._numbered.of((source, series, counter, run), make)
        if edge == "start" and row is not None and row.ended:
            self._runs[source, series, counter] = run + 1
            row = self._numbered.of((source, series, counter, run + 1), make)
        return row

    def _note_time(self, received_ns: int) -> None:
        if not self._timed or received_ns < self._first:
            self._first = received_ns
        if received_ns > self._last:
            self._last = received_ns
        self._timed += 1


def _rows(name: str, rows: Rows[str, Totals]) -> list[dict[str, Any]]:
    return [{name: key, **row.as_dict()} for key, row in rows.by_key.items()]
