"""Where messages end: an output sends them to a socket, a sink hands them to Python code."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator, Sequence
from inspect import GEN_CREATED, getgeneratorstate, isgeneratorfunction
from itertools import islice
from types import GeneratorType
from typing import Any, TypeAlias

import zmq

from ...errors import ConfigError
from ...filters import Filter
from ...message import Message, size_of_all
from ..transport.receive import BURST
from ..transport.send import MessageSender
from ..transport.socket import Context, Socket
from ..yielding import HubYield
from .node import Consumer, Producer
from .port import Port

SinkFunction: TypeAlias = Callable[..., Any] | Generator[Any, Message, Any]
"""A function of a message, or a generator (or generator function without arguments) that gets
each message from ``yield``."""


class Output(Consumer):
    """Sends every message it takes, whole, to a socket.

    A PUB socket that doesn't block sends to the subscribers that have room; messages that at
    least one had no room for are counted as missed.

    Parameters
    ----------
    name, node, choices, when_full
        As of `SinkFunction`.
    address : str
        The socket's address.
    settings : dict
        Further arguments of `open_socket`; its linger holds after a stop.
    rate : float, optional
        Messages a second that go out at most. The inlet then keeps the newest, and its channel
        gives it to `run` when its turn has come: a subclass that passes ``rate=20.0`` on has
        nothing more to do, in `consume` it gets what is to be sent now.
    series : bool, optional
        Whether an Eiger series' header and end messages come through before its images: they
        need no turn of the rate, and are the last to be dropped.

    Attributes
    ----------
    lingers : float
        Seconds that what was sent may take to be delivered once the output is closed.
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
        self._port = Port(address, settings, name)
        self._linger: int = settings["linger"]
        self._socket: Socket | None = None
        self._outbox: MessageSender | None = None
        self.lingers = math.inf
        self._publishes = settings["mode"] == zmq.PUB and when_full != "block"

    def open(self, context: Context, thread: int = 0) -> None:
        self._socket = self._port.open(context, thread)
        self.address = self._port.address
        self._outbox = MessageSender(self._socket)

    def consume(self, hand: deque[Message]) -> None:
        assert self._outbox is not None
        timeout = 0 if self._publishes else None
        while hand:
            burst = [message.parts for message in islice(hand, BURST)]
            sent = self._outbox.send_burst(burst, timeout)
            if not sent and self._publishes:
                self._publish(hand[0])
                sent = 1
            gone = [hand.popleft() for _ in range(sent)]
            self.statistics.sent += sent
            self.statistics.bytes_sent += size_of_all(gone)

    def _publish(self, message: Message) -> None:
        """Send to the subscribers that have room: one that is stuck must not stop the others."""
        assert self._socket is not None and self._outbox is not None
        self._socket.set(zmq.XPUB_NODROP, 0)
        self._outbox.send(message.parts)
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


class Sink(Consumer):
    """Calls a function with each message, or drives a generator with it.

    A message that could not be decoded is counted as failed, one whose handler gave None as
    skipped; neither reaches the function. A generator that returns ends the sink.

    Parameters
    ----------
    name, node
        As of `SinkFunction`.
    function : callable or generator
        See `SinkFunction`.
    decode : bool, optional
        Whether messages need their values; otherwise they come with their parts alone.
    """

    kind = "sink"

    def __init__(
        self, name: str, node: Producer, function: SinkFunction, decode: bool = True
    ) -> None:
        super().__init__(name, node)
        self._function = _consumer(function)
        self._decode = self.wants_data = decode

    def run(self) -> None:
        function = self._function
        if isinstance(function, GeneratorType) and getgeneratorstate(function) == GEN_CREATED:
            self._drive(next, function)
        super().run()

    def consume(self, hand: deque[Message]) -> None:
        yield_to_hub = HubYield()
        while hand and not self.satisfied:
            message = hand[0]
            if self._decode and message.data is None:
                self._leave_out(message)
            else:
                self._pass(message)
                self.done(message)
            hand.popleft()
            yield_to_hub()

    def _leave_out(self, message: Message) -> None:
        if message.error is not None:
            self.statistics.failed += 1
        else:
            self.statistics.drop("skipped")

    def _pass(self, message: Message) -> None:
        if isinstance(self._function, GeneratorType):
            self._drive(self._function.send, message)
        else:
            self._function(message)  # type: ignore[operator]

    def _drive(self, step: Callable[[Any], Any], argument: Any) -> None:
        try:
            step(argument)
        except StopIteration:
            self.satisfied = True

    def close(self) -> None:
        super().close()
        if isinstance(self._function, GeneratorType):
            self._function.close()


def _consumer(function: Any) -> SinkFunction:
    if not isgeneratorfunction(function):
        if isinstance(function, GeneratorType) or callable(function):
            return function  # type: ignore[no-any-return]
        raise ConfigError(f"a sink needs a function or a generator, not {function!r:.80}")
    try:
        return function()  # type: ignore[no-any-return]
    except TypeError as error:
        raise ConfigError(
            f"{error}: a generator sink takes no argument, it gets messages from yield"
        ) from None
