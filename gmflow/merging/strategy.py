"""What every strategy of merging does, and the strategies that pass messages on untouched.

A strategy is given what comes, `put(stream, messages, now)`, and asked for what goes out,
`take(most, now)`; nothing else goes in or out of it. Time is a number of seconds from outside; it
passes only while there is nothing to take, as a `Clock` counts it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import chain
from time import monotonic
from typing import Any

from ..errors import ConfigError
from ..message import Message
from ..statistics import NodeStatistics

INSTANT = 0.01
"""Seconds that pass at most between two looks: the process may have stood still."""


class Clock:
    """Counts seconds, but not those in which whoever merges did something else."""

    def __init__(self, time: Callable[[], float] = monotonic) -> None:
        self._time = time
        self._seconds = 0.0
        self._looked = time()

    def now(self) -> float:
        """Return the time; it has gone on by `INSTANT` at most since the last look."""
        time = self._time()
        self._seconds += min(INSTANT, time - self._looked)
        self._looked = time
        return self._seconds

    def until(self, deadline: float | None) -> float | None:
        """Return for how long to wait before the next look; None where there is no deadline."""
        return None if deadline is None else min(INSTANT, max(0.0, deadline - self.now()))

    def skip(self) -> None:
        """Let the time since the last look not pass."""
        self._looked = self._time()


class Strategy:
    """A strategy; subclasses say what `take` returns.

    Only of the streams that are `wanted` may more be put. One that `joins` takes out messages made
    of several each, with ``message.data`` by stream.
    """

    joins = False

    def __init__(self) -> None:
        self.wanted: set[int] = set()
        self._queues: list[deque[Message]] | None = None

    def start(self, names: Sequence[str], statistics: NodeStatistics) -> None:
        """Begin with streams of these names, or raise ConfigError if it has before.

        From now on a stream is its place in here; `statistics` counts what does not go out.
        """
        if self._queues is not None:
            raise ConfigError("a strategy is for one merge: make one for each")
        self._queues = [deque() for _ in names]
        self.wanted = set(range(len(names)))

    @property
    def queues(self) -> list[deque[Message]]:
        """What was put of each stream and not dealt with yet."""
        assert self._queues is not None, "start comes first"
        return self._queues

    def put(self, stream: int, messages: Sequence[Message], now: float) -> None:
        """Bring messages of a stream that is wanted."""
        self.queues[stream].extend(messages)
        self.wanted.discard(stream)

    def end(self, stream: int, now: float) -> None:
        """Say that no more will come of a stream; what was put still goes out."""
        self.wanted.discard(stream)

    def take(self, most: int, now: float) -> list[Message]:
        """Return the messages that go out now, about `most` at once; an empty list if none does."""
        raise NotImplementedError

    def deadline(self) -> float | None:
        """Return the time at which `take` is due even if nothing comes; None if it never is."""
        return None

    def held(self) -> int:
        """Return the number of messages that were put, and neither taken nor counted as lost."""
        return sum(map(len, self.queues))


class Turns(Strategy):
    """Asks an object before each message whose turn it is, as mflow's strategies are asked.

    Its ``next(streams)`` returns the index of the stream to take from next; its ``leave(index)``,
    if it has one, is told which stream has ended.
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

    Raise ConfigError if it is none of those.
    """
    if strategy is None:
        return RoundRobin()
    strategy = strategy() if isinstance(strategy, type) else strategy
    if isinstance(strategy, Strategy):
        return strategy
    if callable(getattr(strategy, "next", None)):
        return Turns(strategy)
    raise ConfigError(f"strategy is {strategy!r:.80}; it can be RoundRobin(), Arrival() or ByKey()")
