"""The keys of a merge that wait for their messages, lowest first, and those that have gone by."""

from __future__ import annotations

from collections import OrderedDict
from heapq import heapify, heappop, heappush

from ..message import Message
from .keys import Key


class Waiting(dict[int, Message]):
    """The messages of one key by stream, and since when it waits."""

    __slots__ = ("since",)

    def __init__(self, since: float) -> None:
        super().__init__()
        self.since = since


class PendingKeys:
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
        """Return the lowest key, and what there is of it."""
        key = self._lowest_first[0]
        return key, self._waiting[key]

    def oldest(self) -> tuple[Key, Waiting] | None:
        """Return the key that came first and what there is of it, None if none waits."""
        return next(iter(self._waiting.items())) if self._waiting else None

    def add(self, key: Key, stream: int, message: Message, now: float) -> Waiting:
        """Put a message to its key, which has none of this stream; give all there is of it."""
        waiting = self._waiting.get(key)
        if waiting is None:
            waiting = self._waiting[key] = Waiting(now)
            heappush(self._lowest_first, key)
        assert stream not in waiting, key
        waiting[stream] = message
        return waiting

    def pop(self) -> tuple[Key, Waiting]:
        """Let the lowest key go by, and all below it; give it with what there is of it."""
        key = self._front = heappop(self._lowest_first)
        return key, self._take(key)

    def remove(self, key: Key) -> Waiting:
        """Let one key go by, wherever it stands, and none below it; give what there is of it."""
        self._lowest_first.remove(key)
        heapify(self._lowest_first)
        return self._take(key)

    def has_gone_by(self, key: Key) -> bool:
        """Return True if a key, or one above it, has gone by."""
        below = self._front is not None and not key > self._front
        return below or key in self._passed

    def has_of(self, stream: int, key: Key) -> bool:
        """Return True if a stream has brought its message of a key, as far as is known."""
        return stream in self._waiting.get(key, ()) or stream in self._passed.get(key, ())

    def forget(self) -> None:
        """Forget which keys have gone by."""
        self._front = None
        self._passed.clear()

    def _take(self, key: Key) -> Waiting:
        waiting = self._waiting.pop(key)
        self._passed[key] = frozenset(waiting)
        if len(self._passed) > self._memory:
            self._passed.popitem(last=False)
        return waiting
