"""The streams of a merge by key: what each holds, how far it is, and if it can be counted on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from logging import getLogger
from typing import NamedTuple

from ..message import Message
from .keys import MatchKey, Waiting

logger = getLogger(__name__)

RUN = 3
"""Messages in a row, each key above the last and none of them new, by which a stream that has
restarted differs from one that repeats a message."""


class Doubtful(NamedTuple):
    """A message that is late or comes twice, unless its stream has restarted."""

    since: float
    key: MatchKey
    message: Message


class Input:
    """One stream of a merge by key, at a place among them."""

    __slots__ = (
        "absent",
        "doubtful",
        "ended",
        "heard",
        "held",
        "highest",
        "index",
        "last",
        "name",
        "queue",
        "repeats",
        "run",
    )

    def __init__(self, index: int, name: str, queue: deque[Message]) -> None:
        self.index = index
        self.name = name
        self.queue = queue  # what was put of it and not looked at yet
        self.held = 0  # messages that wait for others of their key, or are doubtful
        self.last: MatchKey = None  # of its last message,
        self.highest: MatchKey = None  # and since it began or restarted
        self.heard = 0.0  # when its last messages were put
        # What is kept until it is clear whether it has restarted, up to the patience,
        self.doubtful: deque[Doubtful] = deque()
        self.run = 0  # and how many of the newest of these are in order, up to `RUN`.
        self.repeats = False  # it has fallen back alone, and not come to new keys since
        self.absent = False  # it did not bring a key in time that others brought, and none since
        self.ended = False

    def doubt(self, one: Doubtful) -> None:
        """Keep a doubtful message."""
        if not self.has_fallen_back:
            in_order = self.doubtful and one.key > self.doubtful[-1].key
            self.run = self.run + 1 if in_order else 1
        self.doubtful.append(one)
        self.held += 1

    def release(self) -> Doubtful:
        """Return the oldest doubtful message, which is kept no more."""
        self.held -= 1
        one = self.doubtful.popleft()
        if not self.doubtful:
            self.run = 0
        return one

    @property
    def has_fallen_back(self) -> bool:
        """Whether it seems to have restarted."""
        return self.run >= RUN

    @property
    def allows_restart(self) -> bool:
        """Whether it is no reason against a restart of all streams."""
        over = self.ended and not self.queue and not self.doubtful
        return over or self.absent or self.repeats or self.has_fallen_back

    def is_below(self, key: MatchKey) -> bool:
        """Return True if it has not come as far as a key."""
        return self.last is None or self.last < key

    def has_gone_on_to(self, key: MatchKey) -> bool:
        """Return True if a key is among those that it brought after it fell back and caught up."""
        caught_up = self.has_fallen_back and self.highest is not None and key > self.highest
        return caught_up and self.doubts(key)

    def doubts(self, key: MatchKey) -> bool:
        """Return True if its message of a key is doubtful."""
        return any(one.key == key for one in self.doubtful)


class Liveness:
    """Which streams can still be expected to bring a key that others have brought.

    A stream is full while it holds as many messages as it may, its window: what it has not brought
    by then, it passed over. It is absent from when it let a key's patience pass, silent or with
    keys of its own, until it has a key in common with another.
    """

    def __init__(self, inputs: Sequence[Input], window: int) -> None:
        self._inputs = inputs
        self._window = window
        self._full: set[int] = set()
        self._ended: set[int] = set()
        self._absent: set[int] = set()

    def judge(self, source: Input) -> None:
        """Look at a stream again that has got, or holds, more or fewer messages."""
        _mark(self._full, source.index, source.held >= self._window)
        _mark(self._ended, source.index, source.ended and not source.queue)

    def gone(self) -> set[int]:
        """Return the streams that the lowest key doesn't wait for.

        Those that are full must not wait for the absent.
        """
        return self._ended | self._full | self._absent if self._full else self._ended

    def meet(self, waiting: Waiting) -> None:
        """Note that streams have a key in common."""
        if self._absent and len(waiting) > 1:
            for index in self._absent & waiting.keys():
                self._inputs[index].absent = False
                self._absent.discard(index)
                logger.info("%s keeps up with the others again", self._inputs[index].name)

    def is_ahead(self, key: MatchKey, waiting: Waiting) -> bool:
        """Judge the streams by a key that has waited for too long.

        Return True if those that brought it are ahead: more of the others are on their way to it.
        They are the absent ones then. Otherwise those are that have not come to it, or are silent.
        """
        others = [source for source in self._inputs if source.index not in waiting]
        others = [one for one in others if not (one.absent or one.index in self._ended)]
        silent = [one for one in others if one.heard <= waiting.since]
        below = [one for one in others if one.heard > waiting.since and one.is_below(key)]
        ahead = len(below) > len(waiting)
        self._miss(silent)
        self._miss((self._inputs[index] for index in waiting) if ahead else below)
        return ahead

    def _miss(self, inputs: Iterable[Input]) -> None:
        for source in inputs:
            if not source.absent:
                source.absent = True
                self._absent.add(source.index)
                logger.warning(
                    "%s is silent or out of step: the others wait for its messages for their"
                    " patience, and only while their windows have room",
                    source.name,
                )


def _mark(marked: set[int], index: int, mark: bool) -> None:
    if mark:
        marked.add(index)
    else:
        marked.discard(index)
