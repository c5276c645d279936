"""One stream of a merge by key: what it holds, how far it is, and whether it can be counted on."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from ..message import Message
from .keys import Key

RUN = 3
"""Messages in a row, each key above the last and none of them new, that tell a stream that began
anew from one that repeats a message."""


class Doubtful(NamedTuple):
    """A message that is late or comes twice, unless its stream has begun anew."""

    since: float
    key: Key
    message: Message


class Input:
    """One stream of a merge by key.

    Parameters
    ----------
    index : int
        Its place among the streams.
    name : str
        Its name.
    queue : deque of Message
        What was put of it and not looked at yet.

    Attributes
    ----------
    held : int
        Its messages that wait for others of their key, or are doubtful.
    last, highest : Key
        That of its last message, and the highest since it began (anew).
    heard : float
        When its last messages were put.
    doubtful : deque of Doubtful
        What is kept to see whether it has begun anew, up to the patience.
    run : int
        How many of the newest of these are in order, up to `RUN`.
    repeats : bool
        Whether it has fallen back alone, and not come to new keys since.
    absent : bool
        Whether it did not bring a key in time that others brought, and none since.
    ended : bool
        Whether no more will be put.
    """

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
        self.queue = queue
        self.held = 0
        self.last: Key = None
        self.highest: Key = None
        self.heard = 0.0
        self.doubtful: deque[Doubtful] = deque()
        self.run = 0
        self.repeats = False
        self.absent = False
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
        """Whether it seems to have begun anew."""
        return self.run >= RUN

    @property
    def may_begin_anew(self) -> bool:
        """Whether it is no reason against a new beginning of all streams."""
        over = self.ended and not self.queue and not self.doubtful
        return over or self.absent or self.repeats or self.has_fallen_back

    def is_below(self, key: Key) -> bool:
        """Return True if it has not come as far as a key."""
        return self.last is None or self.last < key

    def has_gone_on_to(self, key: Key) -> bool:
        """Return True if a key is among those that it brought after it fell back and caught up."""
        caught_up = self.has_fallen_back and self.highest is not None and key > self.highest
        return caught_up and self.doubts(key)

    def doubts(self, key: Key) -> bool:
        """Return True if its message of a key is doubtful."""
        return any(one.key == key for one in self.doubtful)
