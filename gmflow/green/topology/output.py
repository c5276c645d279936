"""An output: it sends every message that it takes to a socket."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Any

import zmq

from ...filters import Filter
from ...message import Message, size_of_all
from ..transport.receive import MAX_BURST
from ..transport.send import MessageSender
from ..transport.socket import Context, Socket
from .node import Consumer, NodeSocket, Producer


class Output(Consumer):
    """Sends every message it takes, whole, to a socket.

    A PUB socket that doesn't block sends to the subscribers that have room; messages that at
    least one had no room for are counted as missed. With a `rate` the inlet keeps the newest, and
    `consume`, of a subclass as well, gets what is to be sent now.

    The `settings` are what `socket_settings` makes of the configuration; their linger holds after
    a stop, and is then `lingers`, in seconds.
    """

    kind = "output"

    def __init__(
        self,
        name: str,
        node: Producer,
        address: str,
        settings: dict[str, Any],
        filters: Sequence[Filter] = (),
        when_full: str = "block",
        rate: float | None = None,
        series: bool = False,
    ) -> None:
        super().__init__(name, node, filters, when_full, address, rate, series)
        self._port = NodeSocket(address, settings, name)
        self._linger: int = settings["linger"]
        self._socket: Socket | None = None
        self._sender: MessageSender | None = None
        self.lingers = math.inf
        self._publishes = settings["mode"] == "PUB" and when_full != "block"

    def open(self, context: Context, thread: int = 0) -> None:
        self._socket = self._port.open(context, thread)
        self.address = self._port.address
        self._sender = MessageSender(self._socket)

    def consume(self, hand: deque[Message]) -> None:
        assert self._sender is not None
        timeout = 0 if self._publishes else None
        while hand:
            burst = [message.parts for message in islice(hand, MAX_BURST)]
            sent = self._sender.send_burst(burst, timeout)
            if not sent and self._publishes:
                self._publish(hand[0])
                sent = 1
            gone = [hand.popleft() for _ in range(sent)]
            self.statistics.sent += sent
            self.statistics.bytes_sent += size_of_all(gone)

    def _publish(self, message: Message) -> None:
        """Send to the subscribers that have room: one that is stuck must not stop the others."""
        assert self._socket is not None and self._sender is not None
        self._socket.set(zmq.XPUB_NODROP, 0)
        self._sender.send(message.parts)
        self._socket.set(zmq.XPUB_NODROP, 1)
        self.statistics.missed += 1

    def snapshot(self) -> dict[str, Any]:
        """Return the node's kind, address and counters; those of ``connection`` if it is TCP."""
        return {**super().snapshot(), **self._port.snapshot()}

    def stop(self) -> None:
        self.lingers = math.inf if self._linger < 0 else self._linger / 1000

    def close(self) -> None:
        super().close()
        self._port.close(-1 if self.lingers == math.inf else int(self.lingers * 1000))
