"""Where messages end: an output sends them to a socket, a sink hands them to Python code."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from inspect import isgeneratorfunction
from types import GeneratorType
from typing import Any, TypeAlias

from ..breathing import Breath
from ..message import Message
from ..opening import open_socket
from ..sockets import Context, Socket
from ..splitting import Modulo
from .nodes import Giver, Taker, endpoint

Consumer: TypeAlias = Callable[..., Any] | Generator[Any, Message, Any]
"""A function of a message, or a generator (or generator function without arguments) that gets
each message from ``yield``."""


class Output(Taker):
    """Sends every message it takes, whole, to a socket.

    Parameters
    ----------
    name, node, choice, when_full
        As of `Taker`.
    address : str
        The socket's address.
    settings : dict
        Further arguments of `gmflow.opening.open_socket`.
    """

    kind = "output"

    def __init__(
        self,
        name: str,
        node: Giver,
        address: str,
        settings: dict[str, Any],
        choice: Modulo | None = None,
        when_full: str = "block",
    ) -> None:
        super().__init__(name, node, choice, when_full, address)
        self._settings = settings
        self._socket: Socket | None = None

    def open(self, context: Context) -> None:
        self._socket = open_socket(context, self.address, **self._settings)
        self.address = endpoint(self._socket, self.address)

    def consume(self, hand: deque[Message]) -> None:
        assert self._socket is not None
        while hand:
            self._socket.send_parts(hand[0].parts)
            self.done(hand.popleft())

    def close(self) -> None:
        super().close()
        if self._socket is not None:
            self._socket.close()


class Sink(Taker):
    """Calls a function with each message, or drives a generator with it.

    A message that could not be decoded is counted as failed, one whose handler gave None as
    skipped; neither reaches the function. A generator that returns ends the sink.

    Parameters
    ----------
    name, node
        As of `Taker`.
    function : callable or generator
        See `Consumer`.
    decode : bool, optional
        Whether messages need their values; otherwise they come with their parts alone.
    """

    kind = "sink"

    def __init__(self, name: str, node: Giver, function: Consumer, decode: bool = True) -> None:
        super().__init__(name, node)
        self._function = function
        self._decode = decode
        if decode:
            node.want_data()

    def run(self) -> None:
        self._call = _caller(self._function)
        super().run()

    def consume(self, hand: deque[Message]) -> None:
        breathe = Breath()
        while hand:
            message = hand[0]
            if self._decode and message.error is not None:
                self.statistics.failed += 1
            elif self._decode and message.data is None:
                self.statistics.drop("skipped")
            elif self._call(message):
                self.done(message)
            else:
                return
            hand.popleft()
            breathe()

    def close(self) -> None:
        super().close()
        if isinstance(self._function, GeneratorType):
            self._function.close()


def _caller(function: Any) -> Callable[[Message], bool]:
    """Give what deals with one message and tells whether it did."""
    generator = function() if isgeneratorfunction(function) else function
    if not isinstance(generator, GeneratorType):
        return lambda message: (function(message), True)[1]
    next(generator, None)

    def send(message: Message) -> bool:
        try:
            generator.send(message)
        except StopIteration:
            return False
        return True

    return send
