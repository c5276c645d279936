"""mflow's ``Merge``: several streams behave as one, in a program's own loop."""

from __future__ import annotations

import math
from collections import deque
from time import monotonic
from typing import Any

import zmq.green

from ...decoder import Handler
from ...errors import ConfigError, ConnectError
from ...merging import Clock, Strategy, strategy_of
from ...message import Message
from ...statistics import NodeStatistics
from .stream import Stream


class Merge:
    """Several streams that are received from as if they were one.

    Parameters
    ----------
    *streams : Stream
        The streams, in their order.
    receive_strategy : Strategy, class of one, or mflow's, optional
        In which order messages come: `gmflow.merging.RoundRobin`, one of its own by default,
        `Arrival` or `ByKey`. By key a message's ``data`` is a dict of the streams' messages by
        their addresses.

    Attributes
    ----------
    statistics : NodeStatistics
        What a strategy left out, and why: ``dropped`` and ``unmatched``.
    """

    def __init__(self, *streams: Stream, receive_strategy: Any = None) -> None:
        self.streams = streams
        if isinstance(receive_strategy, type):
            receive_strategy = receive_strategy()
        turns = callable(getattr(receive_strategy, "next", None))
        self.receive_strategy = receive_strategy if turns else strategy_of(receive_strategy)
        self.statistics = NodeStatistics()
        self._taken: deque[Message] = deque()
        self._clock: Clock | None = None

    def receive(self, handler: Handler | None = None, block: bool = True) -> Message | None:
        """Receive the message whose turn it is.

        Parameters
        ----------
        handler : handler, optional
            As of `Stream.receive`.
        block : bool, optional
            Wait for what the strategy waits for, as long as the streams' time-outs let it;
            otherwise give what is there.

        Returns
        -------
        Message or None
            None if no stream gave a message in time. Round robin asks each stream once, and
            goes on to the next one where one has nothing within its time-out.
        """
        take_turns = getattr(self.receive_strategy, "next", None)
        if take_turns is None:
            return self._gather(self.receive_strategy, handler, block)
        for _ in self.streams:
            stream = self.streams[take_turns(self.streams)]
            message: Message | None = stream.receive(handler=handler, block=block)
            if message is not None:
                return message
        return None

    def disconnect(self) -> None:
        """Disconnect all the streams."""
        for stream in self.streams:
            stream.disconnect()

    def _gather(self, strategy: Strategy, handler: Handler | None, block: bool) -> Message | None:
        if self._clock is None:
            strategy.start(self._names(), self.statistics)
            self._clock = Clock()
        self._clock.skip()  # the program did something else meanwhile
        until = self._until() if block else 0.0
        while not self._taken:
            came = self._bring(strategy, handler, self._clock)
            self._taken.extend(strategy.take(1, self._clock.now()))
            if not (came or self._taken or self._wait(strategy, until, self._clock)):
                return None
        return self._taken.popleft()

    def _bring(self, strategy: Strategy, handler: Handler | None, clock: Clock) -> bool:
        """Bring the strategy a message of each stream that has one and is wanted."""
        came = False
        for place in sorted(strategy.wanted):
            message = self.streams[place].receive(handler=handler, block=False)
            if message is not None:
                strategy.put(place, [message], clock.now())
                came = True
        return came

    def _wait(self, strategy: Strategy, until: float | None, clock: Clock) -> bool:
        """Wait for a stream or the strategy's deadline; return True if it was in time."""
        if any(self.streams[place].ahead for place in strategy.wanted):
            return True
        now = monotonic()
        if until is not None and until <= now:
            return False
        waits = [clock.until(strategy.deadline()), None if until is None else until - now]
        seconds = min((wait for wait in waits if wait is not None), default=None)
        poller = zmq.green.Poller()
        for place in strategy.wanted:
            poller.register(self.streams[place].socket, zmq.POLLIN)
        poller.poll(None if seconds is None else math.ceil(seconds * 1000))
        return True

    def _until(self) -> float | None:
        """Return the time at which the stream with the longest time-out gives up."""
        timeouts = [stream.receive_timeout for stream in self.streams]
        seconds = [timeout / 1000 for timeout in timeouts if timeout is not None]
        return monotonic() + max(seconds) if len(seconds) == len(timeouts) else None

    def _names(self) -> list[str]:
        names = [str(stream.address) for stream in self.streams if stream.socket is not None]
        if not self.streams or len(names) < len(self.streams):
            raise ConnectError("a stream of the merge is not connected: connect all of them first")
        if len(set(names)) < len(names):
            raise ConfigError("two streams of a merge have one address: connect each once")
        return names
