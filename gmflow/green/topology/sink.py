"""A sink: it hands every message that it takes to Python code."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from inspect import GEN_CREATED, getgeneratorstate, isgeneratorfunction
from time import monotonic
from types import GeneratorType
from typing import Any, TypeAlias

from ...errors import ConfigError
from ...message import Message
from ..yielding import HubYield
from .node import Consumer, Producer

SinkFunction: TypeAlias = Callable[..., Any] | Generator[Any, Message, Any]
"""A function of a message, or a generator (or generator function without arguments) that gets
each message from ``yield``."""


class Sink(Consumer):
    """Calls a function with each message, or drives a generator with it.

    A message that could not be decoded is counted as failed, one whose handler gave None as
    skipped; neither reaches the function. Without `decode` messages come with their parts alone.
    A generator that returns ends the sink.
    """

    kind = "sink"

    def __init__(
        self, name: str, node: Producer, function: SinkFunction, decode: bool = True
    ) -> None:
        super().__init__(name, node)
        self._function = _started(function)
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
            if monotonic() >= yield_to_hub.until:  # written out, as it is for every message
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


def _started(function: SinkFunction) -> SinkFunction:
    if not isgeneratorfunction(function):
        return function
    try:
        return function()
    except TypeError as error:
        raise ConfigError(
            f"{error}: a generator sink takes no argument, it gets messages from yield"
        ) from None
