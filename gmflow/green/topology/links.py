"""Between two nodes: a splitter mirrors what a node passes on, an inlet admits it to the next.

Both work in the greenlet of the producer; the channel in the inlet is where the next greenlet
takes over. Everything that came, went in or was dropped is counted here.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import ConfigError
from ...filters import Filter
from ...formats import is_series_edge
from ...message import Message, separate_headers, size_of_all
from ...statistics import NodeStatistics
from ..channel import Channel

POLICIES = ("block", "drop_newest", "drop_oldest")
"""What an inlet can do with a message for which its channel has no room."""

SMALL_EDGE = 1 << 16
"""Bytes up to which a message that opens or ends a series needs no more than a place: behind a
header of megabytes there must be one for the end of its series."""


class Inlet:
    """What stands before a node: its filters, its channel, its policy.

    Each filter chooses of what the one before it left. With `series`, messages that open or end
    a series are the last to be dropped. Raise ConfigError if `when_full` is none of `POLICIES`.
    """

    def __init__(
        self,
        statistics: NodeStatistics,
        filters: Sequence[Filter] = (),
        when_full: str = "block",
        channel: Channel | None = None,
        series: bool = False,
    ) -> None:
        if when_full not in POLICIES:
            raise ConfigError(f"when_full is {when_full!r}; it can be {', '.join(POLICIES)}")
        self.channel = Channel() if channel is None else channel
        self._policy = when_full
        self._filters = filters
        self._statistics = statistics
        self._series = series

    def accept(self, messages: Sequence[Message], size: int | None = None) -> None:
        """Count messages, `size` bytes in all if that is known, and put the chosen in."""
        size = size_of_all(messages) if size is None else size
        chosen, left_out = messages, []
        for one in self._filters:
            before, chosen = len(chosen), one.choose(chosen)
            left_out.append((one.cause, before - len(chosen)))
        statistics = self._statistics  # counted now: with a filter that fails, nothing came in
        statistics.received += len(messages)
        statistics.bytes_received += size
        for cause, count in left_out:
            statistics.drop(cause, count)
        if len(chosen) < len(messages):
            size = size_of_all(chosen)
        self.put(chosen, size)

    def put(self, messages: Sequence[Message], size: int) -> None:
        """Put chosen messages, `size` bytes in all, into the channel as far as the policy says."""
        went_in = self.channel.offer_all(messages, size)
        if went_in < len(messages):
            cope = self._block if self._policy == "block" else self._drop
            cope(messages[went_in:])

    def _block(self, messages: Sequence[Message]) -> None:
        went_in = 0
        try:
            while went_in < len(messages) and self.channel.wait_for_room():
                room = self.channel.capacity - len(self.channel)
                some = messages[went_in : went_in + room]
                went_in += self.channel.offer_all(some, size_of_all(some))
        finally:
            self._statistics.left_over += len(messages) - went_in

    def _drop(self, messages: Sequence[Message]) -> None:
        """Put what there is room for, once a reader that waits for the hub alone had its turn."""
        channel = self.channel
        try:
            if channel.reader_is_due and channel.wait_for_room():
                messages = messages[channel.offer_all(messages, size_of_all(messages)) :]
        except BaseException:  # a kill
            self._statistics.left_over += len(messages)
            raise
        if channel.broken:
            self._statistics.left_over += len(messages)
        elif self._series:
            self._drop_images(messages)
        elif self._policy == "drop_newest":
            self._statistics.drop("full", len(messages))
        elif messages:
            self._statistics.drop("full", channel.force(messages, size_of_all(messages)))

    def _drop_images(self, messages: Sequence[Message]) -> None:
        """Drop images; what opens or ends a series goes only where there is nothing else."""
        for message in messages:
            edge = is_series_edge(message)
            small = edge and message.size <= SMALL_EDGE
            while not self.channel.offer(message, small):
                self._statistics.drop("full")
                if not self._make_room(edge):
                    break

    def _make_room(self, edge: bool) -> bool:
        """Take a message out for one that comes; return True if there was one that may go."""
        if self._policy == "drop_newest":
            return edge and self.channel.displace_image(newest=True)
        return self.channel.displace_image() or (edge and self.channel.displace() is not None)


class Splitter:
    """Passes every message to each of its inlets."""

    def __init__(self) -> None:
        self.inlets: list[Inlet] = []

    @property
    def capacity(self) -> tuple[int, int]:
        """How many messages and bytes every inlet has room for when it is empty.

        It is less than a channel's usual room where the messages are of one of many streams.
        """
        channels = [inlet.channel for inlet in self.inlets]
        return min(c.capacity for c in channels), min(c.capacity_bytes for c in channels)

    def send(self, messages: Sequence[Message], size: int) -> None:
        """Pass messages, `size` bytes in all, to every inlet; wait where one is full and blocks."""
        if len(self.inlets) > 1:
            separate_headers(messages)
        for inlet in self.inlets:
            inlet.accept(messages, size)

    def close(self) -> None:
        """Say that nothing more will come."""
        for inlet in self.inlets:
            inlet.channel.close()
