"""Which messages of a stream go to an output: filters, applied one after the other.

A filter sees every message that comes to its output, in order, and remembers what it must: how a
stream is cut into bursts makes no difference. `filters_of` makes those that an output needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Protocol

from .formats import edge_of, htype_of, series_of
from .message import Message

MAX_SERIES = 64
"""Series that are counted at the same time; of more, the one without images for longest goes."""


class Filter(Protocol):
    """What chooses messages; those that it leaves out are counted as its `cause`."""

    cause: str

    def choose(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Return those of the next messages that are chosen; the same object if all are."""


class Htypes:
    """Chooses messages by the htype in their header.

    The names are those of the wire, as ``dimage-1.0`` or, of DECTRIS's stream v2, ``image``. In a
    JSON header the htype may be a list of one name, as old senders write it; a message without one
    is not chosen.
    """

    cause = "htype"

    def __init__(self, htypes: Sequence[str]) -> None:
        self._htypes = frozenset(htypes)

    def choose(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Return those of the next messages that are chosen."""
        chosen = [message for message in messages if htype_of(message) in self._htypes]
        return messages if len(chosen) == len(messages) else chosen


class _EqualParts:
    """Chooses by number: of each `period` of messages, `length` of them from the `first` on."""

    def __init__(self, first: int, length: int, period: int) -> None:
        self._first = first
        self._length = length
        self._period = period
        self._seen = 0  # of the current period

    def choose(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Return those of the next messages that are chosen."""
        start = self._first - self._seen
        self._seen = (self._seen + len(messages)) % self._period
        if self._length == self._period:
            return messages
        if self._length == 1:
            return messages[start % self._period :: self._period]
        chosen: list[Message] = []
        for begin in range(start, len(messages), self._period):
            chosen += messages[max(begin, 0) : max(begin + self._length, 0)]
        return chosen


class Modulo(_EqualParts):
    """Chooses every n-th message: counted from 1, those whose number modulo n is the offset.

    The offset is from 0 to n - 1. 0 is mflow's: the n-th, the 2n-th and so on.
    """

    cause = "modulo"

    def __init__(self, modulo: int = 1, offset: int = 0) -> None:
        super().__init__((offset - 1) % modulo, 1, modulo)


class Share(_EqualParts):
    """Chooses one of several equal shares, which add up to every message once.

    Message number k, counted from 0, goes to share ``(k // block) % of``.
    """

    cause = "share"

    def __init__(self, index: int, of: int, block: int = 1) -> None:
        super().__init__(index * block, block, of * block)


class BySeries:
    """Applies a filter, copied for each series, to the images of each series from its start on.

    Messages that open or end a series, in whichever of the `gmflow.formats`, are always chosen
    and not counted, so every output sees whole series with its part of the images. A series
    begins with its start or, where that was missed, with the first image of another series.

    Series may come interleaved, as a merger of several detectors passes them on: each has a count
    of its own, up to `MAX_SERIES`. An image that names no series is of the latest.
    """

    def __init__(self, counting: Modulo | Share) -> None:
        self.cause = counting.cause
        self._counting = counting
        self._series: int | str | None = None  # the latest,
        self._turns = copy(counting)  # and what counts it
        self._known: dict[int | str | None, Modulo | Share] = {}  # by series, the latest last

    def choose(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Return those of the next messages that are chosen."""
        chosen: list[Message] = []
        images: list[Message] = []
        for message in messages:
            edge = edge_of(message)
            turns = self._turns_of(message, edge)
            if edge or turns is not self._turns:
                chosen += self._turns.choose(images)
                images = []
                self._turns = turns
            (chosen if edge else images).append(message)
        chosen += self._turns.choose(images)
        return messages if len(chosen) == len(messages) else chosen

    def _turns_of(self, message: Message, edge: str) -> Modulo | Share:
        """Return what counts the images of a message's series, from its start on."""
        series = series_of(message)
        if edge == "end" or (not edge and (series is None or series == self._series)):
            return self._turns
        turns = self._known.pop(series, None)
        if edge or turns is None:
            turns = copy(self._counting)
        self._series = series
        self._known[series] = turns
        if len(self._known) > MAX_SERIES:
            del self._known[next(iter(self._known))]
        return turns


def filters_of(
    modulo: int = 1,
    offset: int = 0,
    htypes: Sequence[str] | None = None,
    share: Sequence[int] | None = None,
    block: int = 1,
    series: bool = False,
) -> tuple[Filter, ...]:
    """Return the filters that leave something out, in order: by htype, by share, by modulo.

    With `series`, share and modulo are `BySeries`.
    """
    by_htype = [] if htypes is None else [Htypes(htypes)]
    counting: list[Modulo | Share] = []
    if share is not None and share[1] > 1:
        counting.append(Share(share[0], share[1], block))
    if modulo > 1:
        counting.append(Modulo(modulo, offset))
    return (*by_htype, *(map(BySeries, counting) if series else counting))
