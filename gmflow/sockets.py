"""Green sockets: a whole message at a time is received and sent, and nothing blocks the hub.

A `Socket` belongs to the thread that opened it. One greenlet at a time may receive from it
and one may send. Waiting goes through one persistent watcher on the socket's file
descriptor; a socket that never has to wait breathes, so that other greenlets run.
"""

from __future__ import annotations

import os
import weakref
from collections import deque
from collections.abc import Sequence
from itertools import chain, repeat
from operator import length_hint
from time import monotonic
from typing import Any

import gevent
import zmq
import zmq.green
from gevent import getcurrent
from gevent.hub import get_hub
from zmq.backend import Socket as _Backend  # its methods don't know of the hub: no switch, no look

from .breathing import Breath
from .errors import ConnectError, SendTimeout
from .message import Part, size_of

CHECK = 1.0
"""Seconds after which a waiting socket is looked at even if libzmq signalled nothing."""

RETRY = 0.001
"""Seconds between two attempts to send where libzmq can't tell when the next is worth it."""

BURST = 64
"""Messages that are taken at once, at most."""

BURST_BYTES = 4 << 20
"""Bytes after which a burst ends."""

_NOBLOCK = int(zmq.NOBLOCK)  # plain numbers: a flag made of enums costs 0.6 microseconds a call
_MORE = int(zmq.SNDMORE | zmq.NOBLOCK)
_POLLIN = int(zmq.POLLIN)
_POLLOUT = int(zmq.POLLOUT)
_recv = _Backend.recv
_send = _Backend.send
_get: Any = _Backend.get


class Socket(zmq.green.Socket):  # type: ignore[type-arg]
    """A green socket that moves whole messages.

    Its inherited methods (``recv``, ``send_multipart``, ``poll``, ...) work as those of
    ``zmq.green`` do and wait through the same watcher.
    """

    _hub: Any = None
    _state_event: Any = None
    _pid = 0
    _watchers: tuple[Any, ...] = ()
    _receiver: Any = None
    _sender: Any = None
    _breathe: Any = None
    _taking = False
    _torn = False
    recovered = 0
    """How often a look found what libzmq had not signalled."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._state_event.stop()  # zmq.green's own watcher looks and signals at every message
        self._hub = get_hub()
        self._pid = os.getpid()
        self._breathe = Breath()

    # receiving

    def take(self) -> list[Part] | None:
        """Give the parts of the next message, or None if none is there right now."""
        if self._taking:
            self._skip_rest()
        self._taking = True
        try:
            frame = _recv(self, _NOBLOCK, False)
        except zmq.Again:
            self._taking = False
            return None
        parts = [frame]
        while frame.more:
            frame = _recv(self, _NOBLOCK, False)
            parts.append(frame)
        self._taking = False
        return parts

    def _skip_rest(self) -> None:
        # a signal handler raised in `take`: what is left must not pass for a message
        while _get(self, zmq.RCVMORE):
            _recv(self, _NOBLOCK, False)

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
        self._enter()
        parts = self.take()
        if parts is None and timeout != 0 and self._wait(_POLLIN, timeout):
            parts = self.take()
        return parts

    def receive_burst(self, most: int = BURST) -> list[list[Part]]:
        """Give the messages that are there, waiting for the first; none only after `wake`.

        The burst ends at `most` messages, at `BURST_BYTES` bytes, or when the socket is empty.
        """
        self._enter()
        burst: list[list[Part]] = []
        size = 0
        while len(burst) < most and size < BURST_BYTES:
            parts = self.take()
            if parts is not None:
                burst.append(parts)
                size += size_of(parts)
            elif burst or not self._wait(_POLLIN, None):
                break
        return burst

    # sending

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
        self._enter()
        _check(parts)
        if self._torn:
            raise ConnectError(
                "an exception came between the parts of a message: close the socket,"
                " which drops them, and open it again"
            )
        until = None if timeout is None else monotonic() + timeout
        looked = False
        while not self._send_now(parts, copy):
            left = None if until is None else until - monotonic()
            if timeout == 0:
                return False
            if left is not None and left <= 0:
                raise SendTimeout(f"no receiver took the message within {timeout} s")
            if self._wait(_POLLOUT, left) is False:
                return False
            if looked:
                gevent.sleep(RETRY)  # a PUB socket that may not drop always calls itself ready
            looked = True
        return True

    def _send_now(self, parts: Sequence[Part], copy: bool) -> bool:
        begun = iter(parts)
        more = chain(repeat(_MORE, len(parts) - 1), (_NOBLOCK,))
        try:
            deque(map(_send, repeat(self), begun, more, repeat(copy)), 0)
        except zmq.Again:  # after the first part libzmq has taken back what it had of the message
            return False
        except BaseException:  # a signal handler that raises: did this part go out? nobody knows
            self._torn = len(parts) > 1 and length_hint(begun) < len(parts)
            raise
        return True

    # waiting

    def wake(self) -> None:
        """Make a greenlet that waits in `receive` or `send_parts` return empty-handed."""
        for greenlet in (self._receiver, self._sender):
            if greenlet is not None:
                self._hub.loop.run_callback(self._switch, greenlet, False)

    def _wait_read(self) -> None:  # zmq.green's recv waits here
        self._wait(_POLLIN, None)

    def _wait_write(self) -> None:  # zmq.green's send waits here
        self._wait(_POLLOUT, None)

    def _wait(self, event: int, timeout: float | None) -> bool | None:
        """Wait until the socket is ready: True; False after `wake`, None after the time-out."""
        self._check_owner()
        if not self._watchers:
            self._watch()
        if _get(self, zmq.EVENTS) & event:  # the last look before the switch: see take
            return True
        side = "_receiver" if event == _POLLIN else "_sender"
        if getattr(self, side) not in (None, getcurrent()):  # itself: a signal handler raised here
            raise ConnectError(
                "another greenlet already waits on this socket: let one greenlet own each"
                " side of it and hand messages on through a queue"
            )
        timer = None if timeout is None else self._hub.loop.timer(max(timeout, 0))
        try:
            setattr(self, side, getcurrent())
            if timer is not None:
                timer.start(self._switch, getcurrent(), None, update=True)
            ready: bool | None = self._hub.switch()
        finally:
            self._breathe.taken()
            setattr(self, side, None)
            if timer is not None:
                timer.stop()
                timer.close()
        if self.closed:
            raise ConnectError("the socket was closed while a greenlet waited on it")
        return ready

    def _switch(self, greenlet: Any, ready: bool | None) -> None:
        if greenlet is self._receiver or greenlet is self._sender:
            greenlet.switch(ready)

    def _watch(self) -> None:
        """Start the watchers; they hold no reference that would keep the socket alive."""
        loop = self._hub.loop
        io, timer = loop.io(_get(self, zmq.FD), 1), loop.timer(CHECK, CHECK, ref=False)
        self._watchers = (io, timer)
        itself = weakref.ref(self)

        def look(unsignalled: int) -> None:
            socket = itself()
            if socket is None or socket.closed or socket._pid != os.getpid():
                io.stop()  # in a forked child it would be ready for ever
                timer.stop()
            else:
                socket._look(unsignalled)

        io.start(look, 0)
        timer.start(look, 1)

    def _look(self, unsignalled: int) -> None:
        receiver, sender = self._receiver, self._sender
        if unsignalled and receiver is None and sender is None:
            return
        try:
            events = _get(self, zmq.EVENTS)
        except zmq.ZMQError:  # the context is terminated: those who wait find out for themselves
            events = _POLLIN | _POLLOUT
            for watcher in self._watchers:
                watcher.stop()
        if receiver is not None and events & _POLLIN:
            self.recovered += unsignalled
            self._switch(receiver, True)
        if sender is not None and events & _POLLOUT and not self.closed:
            self.recovered += unsignalled
            self._switch(sender, True)

    def _enter(self) -> None:
        self._check_owner()
        if self._breathe():
            self._check_owner()

    def _check_owner(self) -> None:
        if get_hub() is not self._hub or os.getpid() != self._pid:
            raise ConnectError(
                "the socket belongs to the thread and process that opened it:"
                " open one here, or hand messages over through a queue"
            )

    def close(self, linger: int | None = None) -> None:
        """Close the socket; a greenlet that waits on it gets a ConnectError."""
        super().close(linger)
        if get_hub() is self._hub:
            self._release()
        else:  # a monitor's thread; libev is not for two threads at once
            self._hub.loop.run_callback_threadsafe(self._release)

    def _release(self) -> None:
        watchers, self._watchers = self._watchers, ()
        for watcher in watchers:
            watcher.stop()
            watcher.close()
        self.wake()


def _check(parts: Sequence[Part]) -> None:
    """See that no part is refused when the ones before it are on their way."""
    if not parts:
        raise ValueError("a message has at least one part")
    for part in parts:
        if type(part) is not bytes and type(part) is not zmq.Frame:
            if isinstance(part, str):
                raise TypeError("a part is bytes, not str: encode it first")
            if not memoryview(part).c_contiguous:
                raise TypeError("a part must be contiguous: use numpy.ascontiguousarray")


class Context(zmq.green.Context):  # type: ignore[type-arg]
    """A ZeroMQ context whose sockets are `Socket`."""

    _socket_class = Socket
