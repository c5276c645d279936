"""What every node of a topology is. Each runs in one greenlet of its own, from `open` to `close`.

A giver passes messages on through its splitter, a taker gets them from its inlet's channel.
For each at its end: received = sent + dropped + failed + unmatched + left over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from ...filters import Filter
from ...message import Message
from ...statistics import NodeStatistics
from ..channel import Channel
from ..transport.socket import Context
from .links import Inlet, Splitter
from .rate_limit import inlet_of


class Node:
    """A node; subclasses say what `run` does.

    Attributes
    ----------
    name : str
        What it is called in reports.
    address : str
        Its socket's address, or an empty text.
    statistics : NodeStatistics
        Its counters.
    inputs : sequence of (Producer, Inlet)
        Whose messages it takes, and what each of them come in by once it is connected.
    wants_data : bool
        Whether it takes them decoded.
    """

    kind = "node"
    inputs: Sequence[tuple[Producer, Inlet]] = ()
    wants_data = False

    def __init__(self, name: str, address: str = "") -> None:
        self.name = name
        self.address = address
        self.statistics = NodeStatistics()

    def connect(self) -> None:
        """Have its givers give to it from now on: a topology does so where it adds the node."""
        for producer, inlet in self.inputs:
            if self.wants_data:
                producer.want_data()
            producer.splitter.inlets.append(inlet)

    def open(self, context: Context, thread: int = 0) -> None:
        """Get ready to run; what is wrong with an address shows here.

        Parameters
        ----------
        context : Context
            What sockets are opened in.
        thread : int, optional
            Which of its I/O threads serves the node's socket.
        """

    def run(self) -> None:
        """Do the node's work until there is no more of it."""
        raise NotImplementedError

    def stop(self) -> None:
        """Note that the topology is to stop."""

    def close(self) -> None:
        """Return back what `open` took, and tell the neighbours that this node has ended."""

    def snapshot(self) -> dict[str, Any]:
        """Return the node's kind, address and counters as a plain dict."""
        return {"kind": self.kind, "address": self.address, **self.statistics.snapshot()}


class Producer(Node):
    """A node that passes messages on.

    Attributes
    ----------
    splitter : Splitter
        Where its messages go.
    """

    def __init__(self, name: str, address: str = "") -> None:
        super().__init__(name, address)
        self.splitter = Splitter()

    def want_data(self) -> None:
        """Have the messages decoded before they come by."""

    def give(self, messages: Sequence[Message], size: int, count: int | None = None) -> None:
        """Pass messages on, `size` bytes in all, counted; what a kill cuts short is left over.

        They count as `count` of those that the node received, where it joins several to one.
        """
        statistics = self.statistics
        count = len(messages) if count is None else count
        try:
            self.splitter.send(messages, size)
        except BaseException:
            statistics.left_over += count
            raise
        statistics.sent += count
        statistics.bytes_sent += size

    def close(self) -> None:
        self.splitter.close()


class Consumer(Node):
    """A node that messages end at.

    Parameters
    ----------
    name : str
        What it is called in reports.
    node : Producer
        Where its messages come from.
    choices : sequence of Filter, optional
        Which of them it takes.
    when_full : str, optional
        Its inlet's policy.
    address : str, optional
        Its socket's address.
    rate : float, optional
        Messages a second that it takes at most, each time the newest; all by default.
    series : bool, optional
        Whether messages that open or end an Eiger series come through before images.
    channel : Channel, optional
        As of `Inlet`, where there is no rate.

    Attributes
    ----------
    inlet : Inlet
        What its messages come in by.
    satisfied : bool
        Whether it has had enough: the topology then stops.
    """

    def __init__(
        self,
        name: str,
        node: Producer,
        filters: Sequence[Filter] = (),
        when_full: str = "block",
        address: str = "",
        rate: float | None = None,
        series: bool = False,
        channel: Channel | None = None,
    ) -> None:
        super().__init__(name, address)
        self.inlet = inlet_of(self.statistics, filters, when_full, rate, series, channel)
        self.satisfied = False
        self.inputs = ((node, self.inlet),)
        self._hand: deque[Message] = deque()

    def run(self) -> None:
        while not self.satisfied and (messages := self.inlet.channel.get()):
            self._hand.extend(messages)
            self.consume(self._hand)

    def consume(self, hand: deque[Message]) -> None:
        """Deal with the messages in hand; what was dealt with leaves it, counted."""
        raise NotImplementedError

    def done(self, message: Message) -> None:
        """Count a message as passed on."""
        self.statistics.sent += 1
        self.statistics.bytes_sent += message.size

    def close(self) -> None:
        self.inlet.channel.break_off()
        self.statistics.left_over += len(self._hand) + len(self.inlet.channel)
