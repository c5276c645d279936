"""What every node of a topology is. Each runs in one greenlet of its own, from `open` to `close`.

A producer passes messages on through its splitter, a consumer gets them from its inlet's channel.
For each at its end: received = sent + dropped + failed + unmatched + left over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from ...config import SourceConfig, StreamConfig
from ...filters import Filter
from ...message import Message
from ...statistics import NodeStatistics
from ..channel import Channel
from ..transport.connections import ConnectionHealth
from ..transport.open_socket import endpoint, open_socket
from ..transport.socket import Context, Socket
from .links import Inlet, Splitter
from .rate_limit import inlet_of


class Node:
    """A node; subclasses say what `run` does.

    Its `inputs` are whose messages it takes, and what each of them come in by once it is connected.
    """

    kind = "node"
    inputs: Sequence[tuple[Producer, Inlet]] = ()
    wants_data = False

    def __init__(self, name: str, address: str = "") -> None:
        self.name = name
        self.address = address
        self.statistics = NodeStatistics()

    def connect(self) -> None:
        """Have its producers send to it from now on: a topology does so where it adds the node."""
        for producer, inlet in self.inputs:
            if self.wants_data:
                producer.want_data()
            producer.splitter.inlets.append(inlet)

    def open(self, context: Context, thread: int = 0) -> None:
        """Get ready to run; what is wrong with an address shows here.

        One of the context's I/O threads, number `thread`, serves the node's socket.
        """

    def run(self) -> None:
        """Do the node's work until there is no more of it."""
        raise NotImplementedError

    def stop(self) -> None:
        """Note that the topology is to stop."""

    def close(self) -> None:
        """Release what `open` took, and let the neighbours know that this node has ended."""

    def snapshot(self) -> dict[str, Any]:
        """Return the node's kind, address and counters as a plain dict."""
        return {"kind": self.kind, "address": self.address, **self.statistics.snapshot()}


class Producer(Node):
    """A node that passes messages on, through its splitter."""

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
    """A node that messages end at; once it is `satisfied`, the topology stops.

    With a `rate`, in messages a second, it takes the newest each time, and has no `channel`. With
    `series`, messages that open or end an Eiger series come through before images.
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


class NodeSocket:
    """A node's socket, opened when the topology starts. The connections of TCP are watched.

    Once it is open, its address has the port that ``*`` or 0 became.
    """

    def __init__(self, address: str, settings: dict[str, Any], name: str) -> None:
        self.address = address
        self._settings = settings
        self._socket: Socket | None = None
        self._name = name
        self._health: ConnectionHealth | None = None

    def open(self, context: Context, thread: int) -> Socket:
        """Open the socket, served by one of the context's I/O threads, and return it.

        Raise what `open_socket` does.
        """
        options = {"AFFINITY": 1 << thread, **self._settings["options"]}
        settings = {**self._settings, "options": options}
        is_tcp = self.address.startswith("tcp://")  # elsewhere a topology may have a thousand
        health = ConnectionHealth(self._name, _loss(settings)) if is_tcp else None
        self._socket = open_socket(context, self.address, health=health, **settings)
        self._health = self._socket.health
        self.address = endpoint(self._socket, self.address)
        return self._socket

    def wake(self) -> None:
        """Have the greenlet that waits on the socket return empty-handed."""
        if self._socket is not None:
            self._socket.wake()

    def snapshot(self) -> dict[str, Any]:
        """Return what a node's snapshot says of its connections; nothing where none are watched."""
        return {} if self._health is None else {"connection": self._health.connection}

    def close(self, linger: int | None = None) -> None:
        """Close the socket; what was sent may take `linger` ms, or what the settings say."""
        if self._socket is not None:
            self._socket.close(linger)


def _loss(settings: dict[str, Any]) -> str:
    """Return what is lost with a receiver that goes away, as the log says it."""
    # a bound socket drops the receiver's queue; one that connects keeps it for the next
    if settings["mode"] != "PUSH":
        return ""
    taken = (
        "what was on its way to it (megabytes, as far as SNDBUF and RCVBUF allow)"
        " and what it had taken and not dealt with"
    )
    if not settings["bind"]:
        return f"; lost are at most {taken}"
    most = settings["queue_size"]
    queued = f"the {most}" if most else "all"
    return f"; lost are at most {queued} messages queued for it here, {taken}"


def socket_settings(config: SourceConfig | StreamConfig) -> dict[str, Any]:
    """Return the arguments of `open_socket` beside the address, for the socket of a node."""
    mode, options = config.mode, dict(config.options or {})
    others = {"queue_size": config.queue_size, "bind": config.conn_type == "bind"}
    if isinstance(config, SourceConfig):
        return {"mode": mode, "options": options, "topics": config.topics, **others}
    if mode == "PUB":  # otherwise libzmq drops without a word
        options = {"XPUB_NODROP": 1, **options}
    if mode == "TAP":
        mode, options = "XPUB", {**options, "XPUB_NODROP": 1, "XPUB_MANUAL": 1}
    return {"mode": mode, "options": options, "linger": config.linger, **others}
