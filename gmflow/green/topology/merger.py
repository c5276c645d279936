"""The channels of several streams that one greenlet reads: it learns which of them have something.

Each has a writer of its own, and is bounded as any channel; many share the room of a few.
"""

from __future__ import annotations

from collections.abc import Sequence
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
"""Messages, and bytes, that wait in all channels together, where there are many."""


class InputChannel(Channel):
    """A channel that tells a gathering when it has something, or is at its end.

    Parameters
    ----------
    place : int
        Which of the gathering's channels it is.
    gathering : InputChannels
        Whom it tells.
    capacity, capacity_bytes : int
        As of `Channel`.
    """

    def __init__(
        self, place: int, gathering: InputChannels, capacity: int, capacity_bytes: int
    ) -> None:
        super().__init__(capacity, capacity_bytes)
        self._place = place
        self._gathering = gathering

    def _wake(self) -> None:
        super()._wake()
        if self._messages or self._closed:
            self._gathering.ring(self._place)


class InputChannels:
    """Several channels with one reader.

    Parameters
    ----------
    count : int
        How many channels.

    Attributes
    ----------
    channels : list of Channel
        The channels.
    ready : dict of int to None
        The places of those that may have something or be at their end, in the order in which
        they came to it; the reader takes them out.
    """

    def __init__(self, count: int) -> None:
        room = (
            max(1, min(CAPACITY, MAX_WAITING // count)),
            min(CAPACITY_BYTES, MAX_WAITING_BYTES // count),
        )
        self.channels = [InputChannel(place, self, *room) for place in range(count)]
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
        """Wait until a channel rings, or for `timeout` seconds and for what came meanwhile.

        Parameters
        ----------
        timeout : float or None
            None waits for as long as it takes.
        """
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

    Parameters
    ----------
    name : str
        What it is called in reports.
    nodes : sequence of Producer
        The streams to merge.
    strategy : Strategy
        Says what goes out when; for this merger alone.

    Raises
    ------
    ConfigError
        If the strategy is another merger's already.
    """

    kind = "merger"

    def __init__(self, name: str, nodes: Sequence[Producer], strategy: Strategy) -> None:
        super().__init__(name)
        self._strategy = strategy
        strategy.start([node.name for node in nodes], self.statistics)
        self._gathering = InputChannels(len(nodes))
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
        """Return the counters; ``sets`` counts the messages that are made of several."""
        sets = {"sets": self._sets} if self._strategy.joins else {}
        return {**super().snapshot(), **sets}
