"""The sending side of a green socket: sends a whole message or nothing of it.

One greenlet at a time sends. What it keeps stands here, not at the socket, whose attributes
are slow because ZeroMQ's options can be read and set through them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain, cycle, repeat
from operator import length_hint
from time import monotonic
from typing import NoReturn

import gevent
import zmq
from zmq.backend import Socket as _Backend  # its methods don't know of the hub: no switch, no look

from ...errors import ConnectError, SendTimeout
from ...message import Part
from .poller import POLLOUT
from .socket import Socket

RETRY = 0.001
"""Seconds between two attempts to send where libzmq can't tell when the next is worth it."""

MAX_COPIED = 1 << 20
"""Bytes that a burst may copy before it yields to the hub."""

_NOBLOCK = int(zmq.NOBLOCK)  # plain numbers: a flag made of enums costs 0.6 microseconds a call
_MORE = int(zmq.SNDMORE | zmq.NOBLOCK)
_Frame = zmq.Frame


class MessageSender:
    """Sends to a socket, in its own thread; nothing else may send to it."""

    __slots__ = ("_full", "_poller", "_send", "_torn")

    def __init__(self, socket: Socket) -> None:
        self._send = _Backend.send.__get__(socket)
        self._poller = socket.poller
        self._torn = False
        self._full = False  # then a burst waits before it tries: to find it full costs more

    def send(self, parts: Sequence[Part], timeout: float | None = None, copy: bool = True) -> bool:
        """Send a whole message or nothing of it, waiting for so many seconds; None waits for ever.

        A zmq.Frame is shared, anything else is copied; without `copy` large parts are not, and must
        not change until they are sent. Return False if the message can't be sent right now (with a
        time-out of 0), or after `Socket.wake`.

        Raises
        ------
        TypeError, ValueError
            If a part is not contiguous bytes, or there are no parts.
        SendTimeout
            If the time-out passed.
        ConnectError
            If the socket is of another thread, another greenlet is sending, or a signal
            handler raised between the parts of an earlier message.
        """
        self._poller.enter()
        for part in parts:
            if type(part) is not bytes and type(part) is not _Frame:
                check_part(part)
        if self._torn or not parts:
            self._refuse(parts)
        send = self._send
        # A signal handler may raise, and from Python 3.13 on that can slip past an except: whether
        # the last part is out nobody knows then.
        self._torn = len(parts) > 1
        try:
            for part in parts[:-1]:
                send(part, _MORE, copy)
            send(parts[-1], _NOBLOCK, copy)
        except zmq.Again:  # after the first part libzmq has taken back what it had of the message
            self._torn = False
            return timeout != 0 and self._later(parts, timeout, copy)
        except zmq.ZMQError:
            self._torn = False
            raise
        self._torn = False
        return True

    def send_burst(self, messages: Sequence[Sequence[Part]], timeout: float | None = None) -> int:
        """Send at least one message: wait for the first as `send` does, then those that go at once.

        Return how many went out; 0 where `send` would return False.
        """
        flat = list(chain.from_iterable(messages))
        if not all(messages) or not _go_at_once(flat):
            return int(self.send(messages[0], timeout))
        self._poller.enter()
        if timeout == 0 or not self._full:
            sent = self._burst(flat, list(map(len, messages)))
            self._full = sent < len(messages)
            if sent or timeout == 0:
                return sent
        if not self._later(messages[0], timeout, True):
            return 0
        self._full = False
        return 1

    def _burst(self, flat: Sequence[Part], lengths: Sequence[int]) -> int:
        if self._torn:
            self._refuse(flat)
        left = iter(flat)
        try:
            deque(map(self._send, left, _flags(lengths)), 0)
        except zmq.Again:
            return bisect_right(list(accumulate(lengths)), len(flat) - length_hint(left) - 1)
        except zmq.ZMQError:
            raise
        except BaseException:  # a signal handler's, which pyzmq runs after each part
            self._torn = len(flat) > len(lengths)
            raise
        return len(lengths)

    def _refuse(self, parts: Sequence[Part]) -> NoReturn:
        if not parts:
            raise ValueError("a message has at least one part")
        raise ConnectError(
            "an exception came between the parts of a message: close the socket,"
            " which drops them, and open it again"
        )

    def _later(self, parts: Sequence[Part], timeout: float | None, copy: bool) -> bool:
        until = None if timeout is None else monotonic() + timeout
        looked = False
        while True:
            left = None if until is None else until - monotonic()
            if left is not None and left <= 0:
                raise SendTimeout(f"no receiver took the message within {timeout} s")
            if self._poller.wait(POLLOUT, left) is False:
                return False
            if looked:
                gevent.sleep(RETRY)  # a PUB socket that may not drop always calls itself ready
            looked = True
            if self.send(parts, 0, copy):
                return True


def _go_at_once(parts: Sequence[Part]) -> bool:
    """Return True if parts can be sent without a look at each, and without a yield to the hub."""
    types = set(map(type, parts))
    if types == {_Frame}:
        return True  # they are shared, and cost nothing
    if not types <= {bytes, _Frame}:
        return False
    return sum([len(part) for part in parts if type(part) is bytes]) <= MAX_COPIED


def _flags(lengths: Sequence[int]) -> Iterator[int]:
    """Return the flags of every part of messages of so many parts."""
    if lengths.count(lengths[0]) == len(lengths):
        return cycle((*repeat(_MORE, lengths[0] - 1), _NOBLOCK))
    return chain.from_iterable((*repeat(_MORE, length - 1), _NOBLOCK) for length in lengths)


def check_part(part: Part) -> None:
    """Raise TypeError if a part is not bytes: those before it would be on their way already."""
    try:
        view = memoryview(part)
    except (TypeError, ValueError):
        raise TypeError(
            f"a part is bytes, not {type(part).__name__}: encode it first, or say as_json"
        ) from None
    if getattr(getattr(part, "dtype", None), "hasobject", False):
        raise TypeError("a part is bytes: an array of Python objects has none")
    if not view.c_contiguous:
        raise TypeError("a part must be contiguous: use numpy.ascontiguousarray")
