"""The rows of a recording's table, each with what it counts; what they take is bounded."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Generic, Literal, TypeVar

from ..sequence.tally import Tally, Track

MOST_ROWS = 50
"""Rows of a table; what belongs to others is counted together."""

MOST_COUNTED = 10_000
"""Other rows that are told apart, to say how many there are."""

BATCH = 256
"""Numbers of messages that are looked at together."""

Key = TypeVar("Key", bound=Hashable)
Row = TypeVar("Row")


class Rows(Generic[Key, Row]):
    """The first rows of a table, by their keys.

    Attributes
    ----------
    by_key : dict
        The rows, in the order in which they came.
    """

    __slots__ = ("_left_out", "_others", "by_key")

    def __init__(self) -> None:
        self._others: set[int] = set()
        self.by_key: dict[Key, Row] = {}
        self._left_out = 0  # how often one of these was asked for

    @property
    def more(self) -> dict[str, int]:
        """How many more ``rows`` there would be, up to `MOST_COUNTED`, and their ``messages``."""
        return {"rows": len(self._others), "messages": self._left_out}

    def of(self, key: Key, make: Callable[[], Row]) -> Row | None:
        """Give the row of a key, a new one if it has none; None if there are too many."""
        row = self.by_key.get(key)
        if row is None:
            if len(self.by_key) < MOST_ROWS:
                self.by_key[key] = row = make()
                return row
            self._left_out += 1
            if len(self._others) < MOST_COUNTED:
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
        self.least_parts = min(self.least_parts, parts) if self.messages else parts
        if parts > self.most_parts:
            self.most_parts = parts
        self.messages += 1
        self.parts += parts
        self.bytes += size

    def as_dict(self) -> dict[str, Any]:
        """Give all counts by their names."""
        names = ("messages", "bytes", "parts", "least_parts", "most_parts")
        return {name: getattr(self, name) for name in names}


class Numbered:
    """Messages with numbers that should rise evenly: the images of a series, or pulses.

    Parameters
    ----------
    counter : str
        What counts them: a ``frame`` by 1, a ``pulse_id`` by a step that is learnt.

    Attributes
    ----------
    count : int
        Messages with a number.
    first, last : int or None
        The least and the largest number.
    expected : int or None
        How many the start of the series announces.
    ended : bool
        Whether the end of the series came.
    """

    __slots__ = (
        "_numbers",
        "_tally",
        "_track",
        "count",
        "counter",
        "ended",
        "expected",
        "first",
        "last",
    )

    def __init__(self, counter: Literal["frame", "pulse_id"]) -> None:
        self.counter = counter
        self.count = 0
        self.first: int | None = None
        self.last: int | None = None
        self.expected: int | None = None
        self.ended = False
        self._tally = Tally(1 if counter == "frame" else 0)
        self._track: Track | None = None
        self._numbers: list[int] = []

    def begin(self, expected: int | None) -> None:
        """Note the start of the series: images that are missing before the first are, too."""
        if self._track is None and not self._numbers:
            self._track = Track(self._tally, 0)
        if expected is not None:
            self.expected = expected

    def add(self, number: int) -> None:
        """Note a message's number."""
        self._numbers.append(number)
        if len(self._numbers) == BATCH:
            self.settle()

    def end(self) -> None:
        """Note the end of the series: what was announced and has not come is missing."""
        self.settle()
        self.ended = True
        if self.expected is not None and self._track is not None:
            self._track.end(self.expected)

    def settle(self) -> None:
        """Look at the numbers that were noted."""
        numbers = self._numbers
        if not numbers:
            return
        if self._track is None:
            self._track = Track(self._tally)
        self._track.follow(numbers)
        self.count += len(numbers)
        self.first = min(numbers) if self.first is None else min(self.first, *numbers)
        self.last = max(numbers) if self.last is None else max(self.last, *numbers)
        self._numbers = []

    def as_dict(self) -> dict[str, Any]:
        """Give all counts by their names."""
        self.settle()
        names = ("counter", "count", "first", "last", "expected", "ended")
        found = ("missing", "duplicates", "out_of_order", "restarts")
        return {
            **{name: getattr(self, name) for name in names},
            **{name: getattr(self._tally, name) for name in found},
        }
