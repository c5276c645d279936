"""Strategies that pass messages on untouched: in turn, or as they come."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import chain
from typing import Any

from ..errors import ConfigError
from ..message import Message
from ..statistics import NodeStatistics
from .strategy import Strategy


class Turns(Strategy):
    """Asks before each message whose turn it is.

    Parameters
    ----------
    order : object
        Its ``next(streams)`` gives the index of the stream to take from next, as mflow's
        strategies do; its ``leave(index)``, if it has one, is told which stream has ended.
    """

    def __init__(self, order: Any) -> None:
        super().__init__()
        self._order = order
        self._open: list[int] = []
        self._ended: set[int] = set()
        self._turn: int | None = None

    def start(self, names: Sequence[str], statistics: NodeStatistics) -> None:
        super().start(names, statistics)
        self._open = list(range(len(names)))

    def end(self, stream: int, now: float) -> None:
        super().end(stream, now)
        self._ended.add(stream)

    def take(self, most: int, now: float) -> list[Message]:
        taken: list[Message] = []
        while self._open and len(taken) < most:
            try:
                if self._turn is None:
                    self._turn = self._order.next(self._open)
                stream = self._open[self._turn]
            except Exception:
                if taken:  # they go out first; the next call fails again
                    self._turn = None
                    break
                raise
            queue = self.queues[stream]
            if queue:
                taken.append(queue.popleft())
            elif stream in self._ended:
                self._leave(self._turn)
            else:
                break
            self._turn = None
            if not queue and stream not in self._ended:
                self.wanted.add(stream)
        return taken

    def _leave(self, turn: int) -> None:
        self._open.pop(turn)
        leave = getattr(self._order, "leave", None)
        if leave is not None:
            leave(turn)


class RoundRobinStrategy(Turns):
    """Takes from each stream in turn: message 1 of stream 1, message 1 of stream 2, message 2
    of stream 1, and so on. It waits for the stream whose turn it is; one that ends leaves the
    order.

    Attributes
    ----------
    last_stream_read : int or None
        The index that `next` gave last.
    """

    def __init__(self) -> None:
        super().__init__(self)
        self.last_stream_read: int | None = None

    def next(self, streams: Sequence[Any]) -> int:
        """Return the index of the stream to take from next.

        Parameters
        ----------
        streams : sequence
            The streams that are open.
        """
        last = -1 if self.last_stream_read is None else self.last_stream_read
        self.last_stream_read = (last + 1) % len(streams)
        return self.last_stream_read

    def leave(self, index: int) -> None:
        """Note that the stream at `index` has ended and leaves the list."""
        if self.last_stream_read is not None and index <= self.last_stream_read:
            self.last_stream_read -= 1

    def take(self, most: int, now: float) -> list[Message]:
        taken: list[Message] = []
        while len(taken) < most:
            given = self._whole_rounds(most - len(taken)) or super().take(self._to_go(), now)
            if not given:
                break
            taken += given
        return taken

    def _to_go(self) -> int:
        """Return how many messages are left of this round."""
        done = self._turn if self._turn is not None else (self.last_stream_read or 0) + 1
        return len(self._open) - done or len(self._open)

    def _whole_rounds(self, most: int) -> list[Message]:
        """Return whole rounds at once, where one begins now, at least one if all have a message."""
        streams = self._open
        begins = (
            self.last_stream_read in (None, len(streams) - 1)
            if self._turn is None
            else (self._turn == 0)
        )
        if not streams or not begins or type(self).next is not RoundRobinStrategy.next:
            return []
        queues = [self.queues[stream] for stream in streams]
        count = min(min(map(len, queues)), max(1, most // len(queues)))
        if not count:
            return []
        rounds = [[queue.popleft() for _ in range(count)] for queue in queues]
        self._turn, self.last_stream_read = None, len(streams) - 1
        emptied = [stream for stream, queue in zip(streams, queues, strict=True) if not queue]
        self.wanted.update(stream for stream in emptied if stream not in self._ended)
        return list(chain.from_iterable(zip(*rounds, strict=True)))


RoundRobin = RoundRobinStrategy


class Arrival(Strategy):
    """Takes messages as they come, whichever stream they are of; none waits for another."""

    def __init__(self) -> None:
        super().__init__()
        self._ended: set[int] = set()
        self._filled: deque[int] = deque()

    def put(self, stream: int, messages: Sequence[Message], now: float) -> None:
        super().put(stream, messages, now)
        self._filled.append(stream)

    def end(self, stream: int, now: float) -> None:
        super().end(stream, now)
        self._ended.add(stream)

    def take(self, most: int, now: float) -> list[Message]:
        taken: list[Message] = []
        while self._filled and len(taken) < most:
            stream = self._filled.popleft()
            taken += self.queues[stream]
            self.queues[stream].clear()
            if stream not in self._ended:
                self.wanted.add(stream)
        return taken


def strategy_of(strategy: Any = None) -> Strategy:
    """Return the strategy that is meant: itself, one of a class, one that asks mflow's; RoundRobin.

    Raises
    ------
    ConfigError
        If it is none of those.
    """
    if strategy is None:
        return RoundRobin()
    strategy = strategy() if isinstance(strategy, type) else strategy
    if isinstance(strategy, Strategy):
        return strategy
    if callable(getattr(strategy, "next", None)):
        return Turns(strategy)
    raise ConfigError(f"strategy is {strategy!r:.80}; it can be RoundRobin(), Arrival() or ByKey()")
