"""The keys of a merge that wait for their messages, lowest first, and those that have gone by."""

from __future__ import annotations

from collections import OrderedDict
from heapq import heappop, heappush

from ..message import Message
from .keys import Key


class Waiting(dict[int, Message]):
    """The messages of one key by stream, and since when it waits."""

    __slots__ = ("since",)

    def __init__(self, since: float) -> None:
        super().__init__()
        self.since = since


class Shelf:
    """Keys and their messages.

    Parameters
    ----------
    memory : int
        Of how many keys that have gone by it knows which streams brought them.
    """

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._waiting: dict[Key, Waiting] = {}  # in the order in which they came
        self._lowest_first: list[Key] = []
        self._front: Key = None  # the last that has gone by
        self._passed: OrderedDict[Key, frozenset[int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, key: Key) -> bool:
        return key in self._waiting

    def lowest(self) -> tuple[Key, Waiting]:
        """Give the lowest key, and what there is of it."""
        key = self._lowest_first[0]
        return key, self._waiting[key]

    def oldest(self) -> Waiting | None:
        """Give what there is of the key that came first, None if none waits."""
        return next(iter(self._waiting.values())) if self._waiting else None

    def add(self, key: Key, stream: int, message: Message, now: float) -> None:
        """Put a message to its key."""
        waiting = self._waiting.get(key)
        if waiting is None:
            waiting = self._waiting[key] = Waiting(now)
            heappush(self._lowest_first, key)
        waiting[stream] = message

    def pop(self) -> tuple[Key, Waiting]:
        """Let the lowest key go by, and give it with what there is of it."""
        key = self._front = heappop(self._lowest_first)
        waiting = self._waiting.pop(key)
        self._passed[key] = frozenset(waiting)
        if len(self._passed) > self._memory:
            self._passed.popitem(last=False)
        return key, waiting

    def has_gone_by(self, key: Key) -> bool:
        """Tell whether a key is not above all that have gone by."""
        return self._front is not None and not key > self._front

    def has_of(self, stream: int, key: Key) -> bool:
        """Tell whether a stream has brought its message of a key, as far as is known."""
        return stream in self._waiting.get(key, ()) or stream in self._passed.get(key, ())

    def forget(self) -> None:
        """Forget which keys have gone by."""
        self._front = None
        self._passed.clear()
