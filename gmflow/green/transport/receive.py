"""The receiving side of a green socket: takes whole messages, one or a burst at a time.

One greenlet owns it. What it keeps stands here, not at the socket, whose attributes are slow
because ZeroMQ's options can be read and set through them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from time import monotonic

import zmq
from zmq.backend import Socket as _Backend  # its methods don't know of the hub: no switch, no look

from ...message import Part, size_of
from .poller import POLLIN
from .socket import Socket

MAX_BURST = 64
"""Messages that are taken or sent at once, at most."""

MAX_BURST_BYTES = 4 << 20
"""Bytes after which a burst ends."""

SMALL = 1024
"""Bytes of a part that is copied rather than kept in its frame."""

_NOBLOCK = int(zmq.NOBLOCK)  # plain numbers: a flag made of enums costs 0.6 microseconds a call


class MessageReceiver:
    """Receives from a socket, in its own thread; nothing else may receive from it."""

    __slots__ = ("_flows", "_get", "_poller", "_recv", "_taken", "_torn")

    def __init__(self, socket: Socket) -> None:
        self._recv = _Backend.recv.__get__(socket)
        self._get = _Backend.get.__get__(socket)
        self._poller = socket.poller
        # Whether to take at once: where it had to wait it looks first, for an attempt in vain
        # costs more. Also False while there is something left to see to:
        self._flows = True
        # messages that were taken and not given, or part of one, as a signal handler raised.
        self._taken: deque[Sequence[Part]] = deque()
        self._torn = False

    def receive(self, timeout: float | None = None) -> Sequence[Part] | None:
        """Return the parts of the next message, or None after the time-out or `Socket.wake`.

        The time-out is in seconds; 0 doesn't wait, None waits for ever, on the hub. Raise
        ConnectError if the socket is of another thread, or another greenlet is receiving.
        """
        self._poller.enter()
        if not self._flows or self._torn:
            return self._taken.popleft() if self._taken else self._wait_for(timeout)
        recv = self._recv
        self._torn = True  # until it is whole; from Python 3.13 on errors can slip past an except
        try:
            frame = recv(_NOBLOCK, False)
            parts = [frame]
            while frame.more:
                frame = recv(_NOBLOCK, False)
                parts.append(frame)
        except zmq.Again:
            self._torn = False
            return self._taken.popleft() if self._taken else self._wait_for(timeout)
        self._torn = False
        return parts

    def _wait_for(self, timeout: float | None) -> Sequence[Part] | None:
        until = None if timeout is None else monotonic() + timeout
        while self._wait(timeout):
            flows, self._flows = self._flows, False  # as long as what was taken is not returned
            self._take(1, 1, False)
            if self._taken:
                first = self._taken.popleft()
                self._flows = flows
                return first
            timeout = None if until is None else max(until - monotonic(), 0)
        return None

    def receive_burst(
        self, most: int = MAX_BURST, most_bytes: int = MAX_BURST_BYTES, compact: bool = False
    ) -> list[Sequence[Part]]:
        """Return the messages that are there, waiting for the first; none only after `Socket.wake`.

        With `compact`, small parts are bytes, in a tuple: where very many messages are in flight,
        garbage collection spends more time on their frames than it takes to copy them.
        """
        first = self.receive()
        if first is None:
            return []
        flows, self._flows = self._flows, False
        self._taken.appendleft(first)
        if flows or (not self._torn and self._get(zmq.EVENTS) & POLLIN):
            flows = self._take(most - len(self._taken), most_bytes - size_of(first), compact)
        if compact:  # as the others are
            self._taken[0] = tuple(one if len(one) > SMALL else bytes(one) for one in first)
        burst, self._taken = list(self._taken), deque()
        self._flows = flows
        return burst

    def _take(self, most: int, room: int, compact: bool) -> bool:
        """Take messages; return True if there may be more."""
        recv, take = self._recv, self._taken.append
        small = SMALL if compact else -1
        more = self._torn = True
        try:
            while most > 0 and room > 0:
                frame = recv(_NOBLOCK, False)
                size = len(frame)
                parts = [frame if size > small else frame.bytes]
                room -= size
                while frame.more:
                    frame = recv(_NOBLOCK, False)
                    size = len(frame)
                    parts.append(frame if size > small else frame.bytes)
                    room -= size
                take(tuple(parts) if compact else parts)
                most -= 1
        except zmq.Again:
            more = False
        self._torn = False
        return more

    def _wait(self, timeout: float | None) -> bool | None:
        while self._torn and self._get(zmq.RCVMORE):  # its rest must not pass for a message
            self._recv(_NOBLOCK, False)
        self._torn = False
        ready: bool | None = self._poller.wait(POLLIN, timeout)
        self._flows = bool(ready) and not self._poller.slept
        return ready
