"""Between two nodes: a splitter mirrors what a node gives, an inlet admits it to the next.

Both work in the greenlet of the node that gives; the channel in the inlet is where the next
greenlet takes over. Everything that came, went in or was dropped is counted here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..channel import Channel
from ..errors import ConfigError
from ..message import Message, size_of_all
from ..splitting import Choice
from ..statistics import NodeStatistics


class Inlet:
    """What stands before a node: its choice of messages, its channel, its policy.

    Parameters
    ----------
    statistics : NodeStatistics
        The node's counters.
    choices : sequence of Choice, optional
        Which messages the node takes; all by default. Each chooses of what the last one left.
    when_full : {"block", "drop_newest", "drop_oldest"}, optional
        What to do with a message for which the channel has no room.
    channel : Channel, optional
        The channel; one of the usual capacity by default.

    Raises
    ------
    ConfigError
        If `when_full` is none of those.
    """

    def __init__(
        self,
        statistics: NodeStatistics,
        choices: Sequence[Choice] = (),
        when_full: str = "block",
        channel: Channel | None = None,
    ) -> None:
        policies: dict[str, Callable[[Sequence[Message]], None]] = {
            "block": self._block,
            "drop_newest": self._drop_newest,
            "drop_oldest": self._drop_oldest,
        }
        if when_full not in policies:
            raise ConfigError(f"when_full is {when_full!r}; it can be {', '.join(policies)}")
        self.channel = Channel() if channel is None else channel
        self._cope = policies[when_full]
        self._choices = choices
        self._statistics = statistics

    def accept(self, messages: Sequence[Message], size: int | None = None) -> None:
        """Count messages and put those that are chosen into the channel.

        Parameters
        ----------
        messages : sequence of Message
            What comes in.
        size : int, optional
            The bytes of all of them together, if they are counted already.
        """
        size = size_of_all(messages) if size is None else size
        statistics = self._statistics
        statistics.received += len(messages)
        statistics.bytes_received += size
        chosen = messages
        for choice in self._choices:
            before, chosen = len(chosen), choice.choose(chosen)
            statistics.drop(choice.cause, before - len(chosen))
        if len(chosen) < len(messages):
            size = size_of_all(chosen)
        went_in = self.channel.offer_all(chosen, size)
        if went_in < len(chosen):
            self._cope(chosen[went_in:])

    def _block(self, messages: Sequence[Message]) -> None:
        went_in = 0
        try:
            while went_in < len(messages) and self.channel.wait_for_room():
                rest = messages[went_in:]
                went_in += self.channel.offer_all(rest, size_of_all(rest))
        finally:
            self._statistics.left_over += len(messages) - went_in

    def _drop_newest(self, messages: Sequence[Message]) -> None:
        if self.channel.broken:
            self._statistics.left_over += len(messages)
        else:
            self._statistics.drop("full", len(messages))

    def _drop_oldest(self, messages: Sequence[Message]) -> None:
        if self.channel.broken:
            self._statistics.left_over += len(messages)
            return
        for message in messages:
            while not self.channel.offer(message):
                self.channel.displace()
                self._statistics.drop("full")


class Splitter:
    """Gives every message to each of its inlets."""

    def __init__(self) -> None:
        self.inlets: list[Inlet] = []

    @property
    def capacity_bytes(self) -> int:
        """How many bytes every inlet has room for when it is empty.

        It is less than a channel's usual room where the messages are of one of many streams.
        """
        return min(inlet.channel.capacity_bytes for inlet in self.inlets)

    def send(self, messages: Sequence[Message], size: int) -> None:
        """Give messages, `size` bytes in all, to every inlet; wait where one is full and blocks."""
        for inlet in self.inlets:
            inlet.accept(messages, size)

    def close(self) -> None:
        """Say that nothing more will come."""
        for inlet in self.inlets:
            inlet.channel.close()
