"""What messages are matched by, and the keys that wait for their messages or have gone by.

A key is a number in the header, as `gmflow.formats` names it, or what a function makes of it.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from heapq import heapify, heappop, heappush
from logging import getLogger
from numbers import Integral, Real
from typing import Any, TypeAlias

from ..formats import MAX_COUNT, edge_of, series_of, value_at
from ..message import Message

logger = getLogger(__name__)

MatchKey: TypeAlias = Any
"""What can be compared with the other keys of its merge: numbers, texts, or tuples of them."""

KeyReader: TypeAlias = Callable[[Message], MatchKey]
"""Returns a message's key, None where it has none."""

IMAGE_NUMBERS = ("frame", "image_id")
"""The names of keys that count within a series."""

FIRST, LAST = -1, math.inf
"""Where the start and the end of a series stand among its frames."""


def reader_of(key: Any) -> tuple[str, KeyReader]:
    """Return the name of a key and what reads it.

    It is the name of a number in the header, or ``key(header)``. "frame" and "image_id" name the
    number of an image in both of DECTRIS's streams, and count within its series; the start and end
    of a series have keys of their own.
    """
    if callable(key):
        return getattr(key, "__name__", "key"), _Function(key)
    if key in IMAGE_NUMBERS:
        return key, partial(_image_number, key)
    return key, lambda message: _number(value_at(message, key))


def value_of(name: str, key: MatchKey) -> Any:
    """Return what stands for a key on the wire: a frame without its series, None for its ends."""
    if name not in IMAGE_NUMBERS:
        return key
    return None if key[1] in (FIRST, LAST) else key[1]


def _image_number(name: str, message: Message) -> MatchKey:
    series = _number(series_of(message))
    number = _number(value_at(message, name))
    if number is not None:
        return (0 if series is None else series, number)
    edge = edge_of(message)
    if series is None or not edge:
        return None
    return (series, FIRST if edge == "start" else LAST)


def _number(value: Any) -> MatchKey:
    """Return what is a number, and can be told from others."""
    if type(value) is int:
        return value if abs(value) < MAX_COUNT else None
    return value if type(value) is float and math.isfinite(value) else None


class _Function:
    """Reads keys by a program's function; all are of the kind of the first."""

    def __init__(self, function: Callable[[dict[str, Any]], Any]) -> None:
        self._function = function
        self._kind: Any = None
        self._warned = False

    def __call__(self, message: Message) -> MatchKey:
        try:
            key = _plain(self._function(message.header))
        except Exception as error:
            self._warn(error)
            return None
        kind = _kind_of(key)
        if kind is None:
            return None
        self._kind = self._kind or kind
        return key if kind == self._kind else None

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            what = f"{type(error).__name__}: {error}"
            logger.warning("the key function %r failed, no_key: %s", self._function, what)


def _plain(key: Any) -> Any:
    """Return a key whose numbers are Python's own, as JSON has them."""
    if isinstance(key, tuple):
        return tuple(map(_plain, key))
    if isinstance(key, bool) or not isinstance(key, Real):
        return key
    return int(key) if isinstance(key, Integral) else float(key)


def _kind_of(key: Any) -> Any:
    """Return what keys must have in common to be compared; None for what is no key."""
    if isinstance(key, str):
        return "text"
    if isinstance(key, tuple):
        kinds = tuple(map(_kind_of, key))
        return None if None in kinds else kinds
    return None if _number(key) is None else "number"


class Waiting(dict[int, Message]):
    """The messages of one key by stream, and since when it waits."""

    __slots__ = ("since",)

    def __init__(self, since: float) -> None:
        super().__init__()
        self.since = since


class PendingKeys:
    """Keys and their messages."""

    def __init__(self, memory: int) -> None:
        # Of how many keys that have gone by it is known which streams brought them.
        self._memory = memory
        self._waiting: dict[MatchKey, Waiting] = {}  # in the order in which they came
        self._lowest_first: list[MatchKey] = []
        self._front: MatchKey = None  # the last that has gone by
        self._passed: OrderedDict[MatchKey, frozenset[int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, key: MatchKey) -> bool:
        return key in self._waiting

    def lowest(self) -> tuple[MatchKey, Waiting]:
        """Return the lowest key, and what there is of it."""
        key = self._lowest_first[0]
        return key, self._waiting[key]

    def oldest(self) -> tuple[MatchKey, Waiting] | None:
        """Return the key that came first and what there is of it, None if none waits."""
        return next(iter(self._waiting.items())) if self._waiting else None

    def add(self, key: MatchKey, stream: int, message: Message, now: float) -> Waiting:
        """Put a message to its key, which has none of this stream; return all there is of it."""
        waiting = self._waiting.get(key)
        if waiting is None:
            waiting = self._waiting[key] = Waiting(now)
            heappush(self._lowest_first, key)
        assert stream not in waiting, key
        waiting[stream] = message
        return waiting

    def pop(self) -> tuple[MatchKey, Waiting]:
        """Let the lowest key go by, and all below it; return it with what there is of it."""
        key = self._front = heappop(self._lowest_first)
        return key, self._take(key)

    def remove(self, key: MatchKey) -> Waiting:
        """Let one key go by, wherever it stands, and none below it; return what there is of it."""
        self._lowest_first.remove(key)
        heapify(self._lowest_first)
        return self._take(key)

    def has_gone_by(self, key: MatchKey) -> bool:
        """Return True if a key, or one above it, has gone by."""
        below = self._front is not None and not key > self._front
        return below or key in self._passed

    def has_of(self, stream: int, key: MatchKey) -> bool:
        """Return True if a stream has brought its message of a key, as far as is known."""
        return stream in self._waiting.get(key, ()) or stream in self._passed.get(key, ())

    def forget(self) -> None:
        """Forget which keys have gone by."""
        self._front = None
        self._passed.clear()

    def _take(self, key: MatchKey) -> Waiting:
        waiting = self._waiting.pop(key)
        self._passed[key] = frozenset(waiting)
        if len(self._passed) > self._memory:
            self._passed.popitem(last=False)
        return waiting
