"""What every strategy of merging does: messages in, messages out, and nothing else.

Time is a number of seconds that is given in; it passes only while there is nothing to take.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from ..errors import ConfigError
from ..message import Message
from ..statistics import NodeStatistics


class Strategy:
    """A strategy; subclasses say what `take` gives.

    Attributes
    ----------
    wanted : set of int
        The streams that it would take more of: only of these may more be put.
    joins : bool
        Whether what it gives is made of several messages each, ``message.data`` by stream.
    """

    joins = False

    def __init__(self) -> None:
        self.wanted: set[int] = set()
        self._queues: list[deque[Message]] | None = None

    def start(self, names: Sequence[str], statistics: NodeStatistics) -> None:
        """Begin with streams of these names.

        Parameters
        ----------
        names : sequence of str
            Of each stream; from now on a stream is its place in here.
        statistics : NodeStatistics
            Where to count what does not go out.

        Raises
        ------
        ConfigError
            If it has begun before.
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
        """Return the number of messages that were put and neither given nor counted as lost."""
        return sum(map(len, self.queues))
