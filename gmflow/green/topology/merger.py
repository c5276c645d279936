"""A node that merges the messages of several, in the order that a strategy says.

Each input has a channel with a writer of its own, bounded as any; many share the room of a few.
One greenlet reads them all: a channel rings where it has something, and only that is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gevent import getcurrent, sleep
from gevent.hub import get_hub

from ...merging import Clock, Strategy
from ...message import Message, size_of_all
from ..channel import CAPACITY, CAPACITY_BYTES, Channel
from ..yielding import MOMENT
from .links import Inlet
from .node import Producer

MAX_WAITING = 16_384
MAX_WAITING_BYTES = 256 << 20
"""Messages, and bytes, that wait in all channels of a merger, where there are many."""


class InputChannel(Channel):
    """The channel at a place of several: it rings when it has something, or is at its end."""

    def __init__(self, place: int, ring: Callable[[int], None], *capacity: int) -> None:
        super().__init__(*capacity)
        self._place = place
        self._ring = ring

    def _wake(self) -> None:
        super()._wake()
        if self._messages or self.closed:
            self._ring(self._place)


class InputChannels:
    """As many channels with one reader."""

    def __init__(self, count: int) -> None:
        room = (
            max(1, min(CAPACITY, MAX_WAITING // count)),
            min(CAPACITY_BYTES, MAX_WAITING_BYTES // count),
        )
        self.channels = [InputChannel(place, self.ring, *room) for place in range(count)]
        # The places of those that rang, in that order; the reader takes them out.
        self.ready: dict[int, None] = {}
        self._reader: Any = None
        self._called = False

    def ring(self, place: int) -> None:
        """Note that a channel has something; wake the reader."""
        self.ready[place] = None
        if self._reader is not None and not self._called:
            self._called = True
            get_hub().loop.run_callback(self._switch, False)

    def wait(self, timeout: float | None) -> None:
        """Wait until a channel rings, or for `timeout` seconds and for what came meanwhile."""
        timer = None if timeout is None else get_hub().loop.timer(max(timeout, 0))
        self._reader = getcurrent()
        try:
            if timer is not None:
                timer.start(self._switch, True, update=True)
            late = get_hub().switch()
        finally:
            self._reader = None
            if timer is not None:
                timer.stop()
                timer.close()
        if late:
            sleep(MOMENT)  # after a freeze of the hub the timer may come before the messages

    def _switch(self, late: bool) -> None:
        if not late:
            self._called = False
        if self._reader is not None:
            self._reader.switch(late)


class Merger(Producer):
    """Merges the messages of its nodes as the strategy says; it ends with the last of them.

    The strategy is for this merger alone: raise ConfigError if it has started.
    """

    kind = "merger"

    def __init__(self, name: str, nodes: Sequence[Producer], strategy: Strategy) -> None:
        super().__init__(name)
        self._strategy = strategy
        strategy.start([node.name for node in nodes], self.statistics)
        self._channels = InputChannels(len(nodes))
        self._open = set(range(len(nodes)))
        self._sets = 0
        self._clock = Clock()
        inlets = [Inlet(self.statistics, channel=one) for one in self._channels.channels]
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
                self._pass_on(messages)
            elif not brought and not self._open:
                return
            elif not brought and strategy.wanted.isdisjoint(self._channels.ready):
                self._channels.wait(self._clock.until(strategy.deadline()))

    def _bring(self) -> int:
        """Put what the strategy wants and has come, and return of how many streams."""
        # not all at once: what waits in a channel keeps its source from taking more
        ready, wanted, now = self._channels.ready, self._strategy.wanted, self._clock.now()
        fewer, others = (ready, wanted) if len(ready) < len(wanted) else (wanted, ready)
        places, room = [place for place in fewer if place in others], CAPACITY
        for number, place in enumerate(places):
            if room <= 0:
                return number
            del ready[place]
            channel = self._channels.channels[place]
            messages = channel.get() if len(channel) else []
            if messages:
                self._strategy.put(place, messages, now)
                room -= len(messages)
            if channel.closed:
                self._strategy.end(place, now)
                self._open.discard(place)
        return len(places)

    def _pass_on(self, messages: Sequence[Message]) -> None:
        count = None
        if self._strategy.joins:
            self._sets += len(messages)
            count = sum([len(message.data) for message in messages])
        try:
            self.give(messages, size_of_all(messages), count)
        finally:
            self._clock.skip()

    def close(self) -> None:
        for channel in self._channels.channels:
            channel.break_off()
            self.statistics.left_over += len(channel)
        self.statistics.left_over += self._strategy.held()
        super().close()

    def snapshot(self) -> dict[str, Any]:
        """Return the counters; ``sets`` counts the messages that are made of several."""
        sets = {"sets": self._sets} if self._strategy.joins else {}
        return {**super().snapshot(), **sets}
