"""Several streams become one, in the order of a strategy.

The merger's greenlet brings the strategy what has come, gives on what the strategy gives, and
else waits. For a strategy time passes only while its streams can bring something: not while the
merger waits for room itself, nor while the process stands still.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...merging import Clock, Strategy
from ...message import Message, size_of_all
from ..channel import CAPACITY
from .gathering import Gathering
from .links import Inlet
from .node import Giver


class Merger(Giver):
    """Merges the messages of its nodes as the strategy says; it ends with the last of them.

    Parameters
    ----------
    name : str
        What it is called in reports.
    nodes : sequence of Giver
        The streams to merge.
    strategy : Strategy
        Says what goes out when; for this merger alone.

    Raises
    ------
    ConfigError
        If the strategy is another merger's already.
    """

    kind = "merger"

    def __init__(self, name: str, nodes: Sequence[Giver], strategy: Strategy) -> None:
        super().__init__(name)
        self._strategy = strategy
        strategy.start([node.name for node in nodes], self.statistics)
        self._gathering = Gathering(len(nodes))
        self._open = set(range(len(nodes)))
        self._sets = 0
        self._clock = Clock()
        inlets = [Inlet(self.statistics, channel=one) for one in self._gathering.channels]
        self.inputs = tuple(zip(nodes, inlets, strict=True))

    def want_data(self) -> None:
        for node, _ in self.inputs:
            node.want_data()

    def run(self) -> None:
        strategy = self._strategy
        while True:
            brought = self._bring()
            messages = strategy.take(CAPACITY, self._clock.now())
            if messages:
                self._give_on(messages)
            elif not brought and not self._open:
                return
            elif not brought and strategy.wanted.isdisjoint(self._gathering.ready):
                self._gathering.wait(self._clock.until(strategy.deadline()))

    def _bring(self) -> int:
        """Bring the strategy of what it wants and has come; tell of how many streams.

        It is not all at once: what waits in a channel keeps its source from taking more.
        """
        ready, wanted, now = self._gathering.ready, self._strategy.wanted, self._clock.now()
        fewer, others = (ready, wanted) if len(ready) < len(wanted) else (wanted, ready)
        places, room = [place for place in fewer if place in others], CAPACITY
        for number, place in enumerate(places):
            if room <= 0:
                return number
            del ready[place]
            channel = self._gathering.channels[place]
            messages = channel.get() if len(channel) else []
            if messages:
                self._strategy.put(place, messages, now)
                room -= len(messages)
            if channel.closed:
                self._strategy.end(place, now)
                self._open.discard(place)
        return len(places)

    def _give_on(self, messages: Sequence[Message]) -> None:
        count = None
        if self._strategy.joins:
            self._sets += len(messages)
            count = sum([len(message.data) for message in messages])
        try:
            self.give(messages, size_of_all(messages), count)
        finally:
            self._clock.skip()

    def close(self) -> None:
        for channel in self._gathering.channels:
            channel.break_off()
            self.statistics.left_over += len(channel)
        self.statistics.left_over += self._strategy.held()
        super().close()

    def snapshot(self) -> dict[str, Any]:
        """Give the counters; ``sets`` counts the messages that are made of several."""
        sets = {"sets": self._sets} if self._strategy.joins else {}
        return {**super().snapshot(), **sets}
