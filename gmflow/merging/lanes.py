"""One stream of a merge by key: what it holds, how far it is, and whether it can be counted on."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from ..message import Message
from .keys import Key

RUN = 2
"""Messages in a row, each key above the last and all gone by, that tell a stream that began anew
from one that repeats a message."""


class Late(NamedTuple):
    """A message whose key has gone by, kept to see whether its stream has begun anew."""

    since: float
    key: Key
    message: Message


class Lane:
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
        Its messages that wait for others of their key, or are late.
    last, highest : Key
        That of its last message, and the highest since it began (anew).
    heard : float
        When its last messages were put.
    late : deque of Late
        What came too late, up to the patience.
    run : int
        How many of the newest of these are in order, up to `RUN`.
    absent : bool
        Whether it let a key's patience pass without a word: nobody waits for it until it is back.
    ended : bool
        Whether no more will be put.
    """

    __slots__ = (
        "absent",
        "ended",
        "heard",
        "held",
        "highest",
        "index",
        "last",
        "late",
        "name",
        "queue",
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
        self.late: deque[Late] = deque()
        self.run = 0
        self.absent = False
        self.ended = False

    def keep_late(self, late: Late) -> None:
        """Keep a late message."""
        if not self.has_fallen_back:
            in_order = self.late and late.key > self.late[-1].key
            self.run = self.run + 1 if in_order else 1
        self.late.append(late)
        self.held += 1

    def release_late(self) -> Late:
        """Give the oldest late message, which is kept no more."""
        self.held -= 1
        late = self.late.popleft()
        if not self.late:
            self.run = 0
        return late

    @property
    def has_fallen_back(self) -> bool:
        """Whether it seems to have begun anew."""
        return self.run >= RUN

    @property
    def may_begin_anew(self) -> bool:
        """Whether it is no reason against a new beginning of all streams."""
        out = self.absent or (self.ended and not self.queue and not self.late)
        return out or self.has_fallen_back

    def has_gone_on_to(self, key: Key) -> bool:
        """Tell whether a key is among those that it brought after it fell back and caught up."""
        return self.has_fallen_back and key > self.highest and self.has_late(key)

    def has_late(self, key: Key) -> bool:
        """Tell whether its message of a key is kept as late."""
        return any(late.key == key for late in self.late)
