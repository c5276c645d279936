"""Green sockets: a whole message at a time is received and sent, and nothing blocks the hub.

A `Socket` belongs to the thread that opened it. One greenlet at a time may receive from it
and one may send. A socket that never has to wait breathes, so that other greenlets run.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Sequence
from itertools import chain, repeat
from operator import length_hint
from time import monotonic
from typing import Any

import gevent
import zmq
import zmq.green
from zmq.backend import Socket as _Backend  # its methods don't know of the hub: no switch, no look

from .errors import ConnectError, SendTimeout
from .message import Part
from .readiness import POLLIN, POLLOUT, Readiness

RETRY = 0.001
"""Seconds between two attempts to send where libzmq can't tell when the next is worth it."""

BURST = 64
"""Messages that are taken at once, at most."""

BURST_BYTES = 4 << 20
"""Bytes after which a burst ends."""

_NOBLOCK = int(zmq.NOBLOCK)  # plain numbers: a flag made of enums costs 0.6 microseconds a call
_MORE = int(zmq.SNDMORE | zmq.NOBLOCK)
_recv = _Backend.recv
_send = _Backend.send
_get: Any = _Backend.get


class Socket(zmq.green.Socket):  # type: ignore[type-arg]
    """A green socket that moves whole messages.

    Its inherited methods (``recv``, ``send_multipart``, ``poll``, ...) work as those of
    ``zmq.green`` do and wait through the same watcher.
    """

    _state_event: Any = None
    _readiness: Any = None
    taken: Any = None
    """Messages that were taken and not given yet; they outlive a signal handler that raises."""
    _taking = False
    _slow = False
    _sending: Any = ()
    _untouched = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._state_event.stop()  # zmq.green's own watcher looks and signals at every message
        self._readiness = Readiness(self)
        self.taken = deque()

    @property
    def recovered(self) -> int:
        """How often a look found what libzmq had not signalled."""
        return int(self._readiness.recovered)

    def receive(self, timeout: float | None = None) -> list[Part] | None:
        """Give the parts of the next message; wait for it on the hub.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most; 0 doesn't wait, None waits for ever.

        Returns
        -------
        list of zmq.Frame or None
            None after the time-out, or after `wake`.

        Raises
        ------
        ConnectError
            If the socket is of another thread, or another greenlet is receiving.
        """
        if not self.taken:
            self.drain(1, timeout)
        return self.taken.popleft() if self.taken else None

    def receive_burst(self, most: int = BURST) -> list[list[Part]]:
        """Give the messages that are there, waiting for the first; none only after `wake`."""
        if not self.taken:
            self.drain(most)
        burst = list(self.taken)
        self.taken.clear()
        return burst

    def drain(self, most: int, timeout: float | None = None) -> None:
        """Append the messages that are there to `taken`, waiting for the first as `receive` does.

        The burst ends at `most` messages, at `BURST_BYTES` bytes, or when the socket is empty.
        """
        self._readiness.enter()
        if self._taking:
            self._skip_rest()
        if self._slow and not self._wait(timeout):
            return
        size = 0
        self._taking = True
        while most and size < BURST_BYTES:
            try:
                frame = _recv(self, _NOBLOCK, False)
            except zmq.Again:
                if size or not self._wait(timeout):
                    break
                continue
            parts = [frame]
            size += len(frame) + 1
            while frame.more:
                frame = _recv(self, _NOBLOCK, False)
                parts.append(frame)
                size += len(frame)
            self.taken.append(parts)
            most -= 1
        self._taking = False

    def _wait(self, timeout: float | None) -> bool | None:
        ready: bool | None = self._readiness.wait(POLLIN, timeout)
        self._slow = self._readiness.slept  # then it is asked first: to find it empty costs more
        return ready

    def _skip_rest(self) -> None:
        # a signal handler raised in `drain`: what is left must not pass for a message
        while _get(self, zmq.RCVMORE):
            _recv(self, _NOBLOCK, False)

    def send_parts(
        self, parts: Sequence[Part], timeout: float | None = None, copy: bool = True
    ) -> bool:
        """Send a whole message or nothing of it.

        Parameters
        ----------
        parts : sequence of bytes-like
            A zmq.Frame is shared, anything else is copied unless `copy` is False.
        timeout : float, optional
            Seconds to wait at most; 0 doesn't wait, None waits for ever.
        copy : bool, optional
            False sends large parts without a copy: they must not change until they are sent.

        Returns
        -------
        bool
            False if the message can't be sent right now (time-out 0), or after `wake`.

        Raises
        ------
        TypeError
            If a part is not contiguous bytes.
        ValueError
            If there are no parts.
        SendTimeout
            If the time-out passed.
        ConnectError
            If the socket is of another thread, another greenlet is sending, or a signal
            handler raised between the parts of an earlier message.
        """
        self._readiness.enter()
        check_parts(parts)
        self._check_torn()
        until = None if timeout is None else monotonic() + timeout
        looked = False
        while not self._send_now(parts, copy):
            left = None if until is None else until - monotonic()
            if timeout == 0:
                return False
            if left is not None and left <= 0:
                raise SendTimeout(f"no receiver took the message within {timeout} s")
            if self._readiness.wait(POLLOUT, left) is False:
                return False
            if looked:
                gevent.sleep(RETRY)  # a PUB socket that may not drop always calls itself ready
            looked = True
        return True

    def _send_now(self, parts: Sequence[Part], copy: bool) -> bool:
        begun = iter(parts)
        more = chain(repeat(_MORE, len(parts) - 1), (_NOBLOCK,))
        self._untouched = len(parts) if len(parts) > 1 else 0
        self._sending = begun
        try:
            deque(map(_send, repeat(self), begun, more, repeat(copy)), 0)
        except zmq.Again:  # after the first part libzmq has taken back what it had of the message
            self._sending = ()
            return False
        self._sending = ()
        return True

    def _check_torn(self) -> None:
        # a signal handler raised in _send_now: whether the last part it began is out nobody knows
        if self._sending != () and length_hint(self._sending) < self._untouched:
            raise ConnectError(
                "an exception came between the parts of a message: close the socket,"
                " which drops them, and open it again"
            )

    def wake(self) -> None:
        """Make a greenlet that waits in `receive` or `send_parts` return empty-handed."""
        self._readiness.wake()

    def _wait_read(self) -> None:  # zmq.green's recv waits here
        self._readiness.wait(POLLIN, None)

    def _wait_write(self) -> None:  # zmq.green's send waits here
        self._readiness.wait(POLLOUT, None)

    def close(self, linger: int | None = None) -> None:
        """Close the socket; a greenlet that waits on it gets a ConnectError."""
        super().close(linger)
        if self._readiness is not None:  # it is where the socket could not be made
            self._readiness.release()


def check_parts(parts: Sequence[Part]) -> None:
    """See that no part will be refused when the ones before it are on their way.

    Raises
    ------
    TypeError
        If a part is not contiguous bytes.
    ValueError
        If there are no parts.
    """
    if not parts:
        raise ValueError("a message has at least one part")
    for part in parts:
        if type(part) is not bytes and type(part) is not zmq.Frame:
            try:
                contiguous = memoryview(part).c_contiguous
            except TypeError:
                raise TypeError(
                    f"a part is bytes, not {type(part).__name__}: encode it first, or say as_json"
                ) from None
            if not contiguous:
                raise TypeError("a part must be contiguous: use numpy.ascontiguousarray")


class Context(zmq.green.Context):  # type: ignore[type-arg]
    """A ZeroMQ context whose sockets are `Socket`.

    One that is forgotten is terminated in a native thread: its linger would freeze the hub.
    """

    _socket_class = Socket

    def __del__(self) -> None:
        if self._shadow or self.closed or sys.is_finalizing():
            return
        from gevent.monkey import get_original  # late: it is slow to import, and seldom needed

        get_original("_thread", "start_new_thread")(super().term, ())
