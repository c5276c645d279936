"""The newest message at a rate: what an output with a ``rate`` has for an inlet and a channel.

The inlet keeps one message waiting, replaced by each newer one; the channel hands it to its
reader when its turn has come, at most so many a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import Any

from gevent import getcurrent
from gevent.hub import get_hub

from ...filters import Filter
from ...formats import is_series_edge
from ...message import Message, size_of_all
from ...statistics import NodeStatistics
from ..channel import Channel
from .links import Inlet


class PacedChannel(Channel):
    """A channel that hands out messages at a rate; nothing waits for its turn once it is closed.

    With `series`, messages that open or end one need no turn: they wait only for an image before
    them.
    """

    def __init__(self, rate: float, series: bool = False) -> None:
        super().__init__()
        self._interval = 1 / rate
        self._series = series
        self._turn = 0.0  # when the next may go, as of `time.monotonic`
        self._sleeper: Any = None  # the greenlet that waits for that

    def get(self) -> list[Message]:
        """Return the messages whose turn it is, waiting for it; an empty list at the end."""
        self._wait_for_messages()
        turn = max(self._turn, monotonic())
        while not self.closed and not self._free() and (left := turn - monotonic()) > 0:
            self._sleep(left)
        free = self._free()
        count = len(self) if self.closed or monotonic() >= turn else free
        if count > free:
            self._turn = turn + self._interval  # not from now: a late wake-up costs no turn
        messages = [self.displace() for _ in range(count)]
        self._wake()
        return messages

    def replace(self) -> int:
        """Take out the message that waits for its turn, if there is one; return how many."""
        if self._series:
            return int(self.displace_image())
        replaced = len(self)
        if replaced:
            self.displace()
        return replaced

    def _free(self) -> int:
        """Return how many messages there are before the first that has to wait for its turn."""
        if not self._series:
            return 0
        places = enumerate(self._messages)
        return next((n for n, message in places if not is_series_edge(message)), len(self))

    def _sleep(self, seconds: float) -> None:
        hub, self._sleeper = get_hub(), getcurrent()
        timer = hub.loop.timer(seconds)
        try:
            timer.start(self._switch, self._sleeper, update=True)
            hub.switch()
        finally:
            self._sleeper = None
            timer.stop()
            timer.close()

    def _wake(self) -> None:
        super()._wake()
        if self._sleeper is not None and (self.closed or self._free()):
            get_hub().loop.run_callback(self._switch, self._sleeper)

    def _switch(self, greenlet: Any) -> None:
        if greenlet is self._sleeper:
            greenlet.switch()
        else:
            super()._switch(greenlet)


class PacedInlet(Inlet):
    """An inlet of which the newest message counts; what is replaced is dropped as ``rate``.

    Without `series`, there is always room.
    """

    channel: PacedChannel

    def __init__(
        self,
        statistics: NodeStatistics,
        filters: Sequence[Filter],
        when_full: str,
        rate: float,
        series: bool = False,
    ) -> None:
        super().__init__(statistics, filters, when_full, PacedChannel(rate, series), series)

    def put(self, messages: Sequence[Message], size: int) -> None:
        if self.channel.broken:
            super().put(messages, size)
            return
        newest: Message | None = messages[-1] if messages else None
        kept = messages[-1:]
        if self._series:
            newest = next((each for each in reversed(messages) if not is_series_edge(each)), None)
            kept = [each for each in messages if each is newest or is_series_edge(each)]
        replaced = 0 if newest is None else self.channel.replace()
        self._statistics.drop("rate", len(messages) - len(kept) + replaced)
        super().put(kept, size_of_all(kept))


def inlet_of(
    statistics: NodeStatistics,
    filters: Sequence[Filter] = (),
    when_full: str = "block",
    rate: float | None = None,
    series: bool = False,
    channel: Channel | None = None,
) -> Inlet:
    """Return the inlet of a node: a `PacedInlet` where there is a rate."""
    if rate is None:
        return Inlet(statistics, filters, when_full, channel, series)
    return PacedInlet(statistics, filters, when_full, rate, series)
