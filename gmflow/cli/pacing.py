"""When the messages of a recording are sent: at once, as they came, faster or slower, or evenly.

A schedule puts into `Message.received_ns` when a message is due, in nanoseconds from the first one.
All are counted from one start, so that what one message is late by is not added to the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from threading import TIMEOUT_MAX, Lock
from time import monotonic_ns
from typing import Protocol

from gevent.event import Event

from ..config import OutputConfig, from_arguments
from ..green.threads import in_worker_thread
from ..green.topology import Output, Producer
from ..green.topology.node import socket_settings
from ..message import Message, Part
from .ahead import Ahead, Batch

BURST = 64
"""Messages that are sent together, at most; a channel has room for them while it sends others."""

SET_BACK = 1_000_000_000
"""Nanoseconds: where times step back by more, a clock was set back; by less, they are of several
sources, or messages changed places."""

TOGETHER = 50_000
"""Nanoseconds: a message that is due so soon goes at once. To wait takes longer."""


class Schedule(Protocol):
    """Says when messages are due."""

    def stamp(self, messages: Iterator[Message]) -> Iterator[Message]:
        """Return messages, with the time that they are due; called again, it goes on after them."""


class Recorded:
    """The gaps with which messages came; none where a clock was set back or the time is unknown.

    A message whose time is a little before that of another one which came earlier is due with it.
    Between two rounds there is the mean gap of the first of them.

    Parameters
    ----------
    speed : float
        What gaps are divided by.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._due = 0.0

    def stamp(self, messages: Iterator[Message]) -> Iterator[Message]:
        began, last, gaps = self._due, 0, -1
        for message in messages:
            gaps += 1
            received_ns = message.received_ns
            if last and received_ns > last:
                self._due += (received_ns - last) / self._speed
            if received_ns > last or 0 < received_ns < last - SET_BACK:
                last = received_ns
            message.received_ns = int(self._due)
            yield message
        self._due += (self._due - began) / max(gaps, 1)


class Even:
    """Equal gaps.

    Parameters
    ----------
    hertz : float
        Messages a second.
    """

    def __init__(self, hertz: float) -> None:
        self._gap = 1e9 / hertz
        self._number = 0

    def stamp(self, messages: Iterator[Message]) -> Iterator[Message]:
        for message in messages:
            message.received_ns = int(self._number * self._gap)
            self._number += 1
            yield message


def at_once(ahead: Ahead) -> Iterator[list[Sequence[Part]]]:
    """Return the parts of messages, in bursts, as fast as they are taken."""
    for batch in ahead:
        for first in range(0, len(batch), BURST):
            burst = [message.parts for message in batch[first : first + BURST]]
            ahead.gone(len(burst))
            yield burst


class Pace:
    """Gives the parts of messages, in bursts, when they are due.

    What is late goes as fast as it is taken, until the schedule is caught up with.

    Parameters
    ----------
    ahead : Ahead
        The messages, as a schedule has stamped them.
    sent : gevent.event.Event
        Set once the first message is sent: only then does the time run.

    Attributes
    ----------
    late : float
        How late a message was at most, in seconds.
    """

    def __init__(self, ahead: Ahead, sent: Event) -> None:
        self.late = 0.0
        self._ahead = ahead
        self._sent = sent
        self._start: int | None = None  # as of monotonic_ns
        self._due = 0
        self._end = Lock()  # whoever waits for it in a thread waits until there is an end
        self._end.acquire()

    def bursts(self) -> Iterator[list[Sequence[Part]]]:
        try:
            for batch in self._ahead:
                first = 0
                while first < len(batch):
                    last = self._wait(batch, first)
                    self._ahead.gone(last - first)
                    yield [message.parts for message in batch[first:last]]
                    first = last
                    if self._start is None:
                        self._sent.wait()
                        self._start = monotonic_ns() - batch[0].received_ns
        finally:
            self._end.release()

    def _wait(self, batch: Batch, first: int) -> int:
        """Wait until a message is due; give the number of the first after it that is not yet."""
        if self._start is None:
            return first + 1
        due = self._due = max(self._due, batch[first].received_ns)  # one of before may come later
        while (left := self._start + due - monotonic_ns()) > TOGETHER:
            in_worker_thread(self._end.acquire, True, min(left / 1e9, TIMEOUT_MAX))
        self.late = max(self.late, -left / 1e9)
        soon, last = due - left + TOGETHER, first + 1
        while last < len(batch) and last - first < BURST and batch[last].received_ns <= soon:
            last += 1
        return last


class FirstSent(Output):
    """An output that binds, and says when the first message is sent: somebody is there to take it.

    Parameters
    ----------
    node, address
        As of `Output`.
    mode : {"push", "pub"}
        The kind of socket; pub waits for its slowest subscriber.
    sent : gevent.event.Event
        Is set then.
    """

    def __init__(self, node: Producer, address: str, mode: str, sent: Event) -> None:
        config = from_arguments(
            OutputConfig, {"address": address, "mode": mode, "conn_type": "bind"}
        )
        settings = socket_settings(config)
        super().__init__(f"output {address}", node, address, settings)
        self._sent = sent

    def consume(self, hand: deque[Message]) -> None:
        super().consume(hand)
        self._sent.set()
