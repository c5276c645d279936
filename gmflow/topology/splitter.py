"""Between two nodes: a splitter mirrors what a node gives, an inlet admits it to the next.

Both work in the greenlet of the node that gives; the channel in the inlet is where the next
greenlet takes over. Everything that came, went in or was dropped is counted here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..channel import Channel
from ..errors import ConfigError
from ..message import Message
from ..splitting import Modulo
from ..statistics import NodeStatistics


class Inlet:
    """What stands before a node: its choice of messages, its channel, its policy.

    Parameters
    ----------
    statistics : NodeStatistics
        The node's counters.
    choice : Modulo, optional
        Which messages the node takes; all by default.
    when_full : {"block", "drop_newest", "drop_oldest"}, optional
        What to do with a message for which the channel has no room.

    Raises
    ------
    ConfigError
        If `when_full` is none of those.
    """

    def __init__(
        self,
        statistics: NodeStatistics,
        choice: Modulo | None = None,
        when_full: str = "block",
    ) -> None:
        policies: dict[str, Callable[[Message], bool]] = {
            "block": self._block,
            "drop_newest": self._drop_newest,
            "drop_oldest": self._drop_oldest,
        }
        if when_full not in policies:
            raise ConfigError(f"when_full is {when_full!r}; it can be {', '.join(policies)}")
        self.channel = Channel()
        self._admit = policies[when_full]
        self._choice = choice or Modulo()
        self._statistics = statistics

    def accept(self, messages: Sequence[Message]) -> None:
        """Count messages and put those that are chosen into the channel."""
        statistics = self._statistics
        statistics.received += len(messages)
        statistics.bytes_received += sum(message.size for message in messages)
        chosen = self._choice.choose(messages)
        statistics.drop("modulo", len(messages) - len(chosen))
        done = 0
        try:
            for message in chosen:
                if not self._admit(message):
                    break
                done += 1
        finally:
            statistics.left_over += len(chosen) - done

    def _block(self, message: Message) -> bool:
        return self.channel.put(message)

    def _drop_newest(self, message: Message) -> bool:
        if self.channel.offer(message):
            return True
        if self.channel.broken:
            return False
        self._statistics.drop("full")
        return True

    def _drop_oldest(self, message: Message) -> bool:
        while not self.channel.offer(message):
            if self.channel.broken:
                return False
            self.channel.displace()
            self._statistics.drop("full")
        return True


class Splitter:
    """Gives every message to each of its inlets."""

    def __init__(self) -> None:
        self.inlets: list[Inlet] = []

    def send(self, messages: Sequence[Message]) -> None:
        """Give messages to every inlet, waiting where one has no room and blocks."""
        for inlet in self.inlets:
            inlet.accept(messages)

    def close(self) -> None:
        """Say that nothing more will come."""
        for inlet in self.inlets:
            inlet.channel.close()
