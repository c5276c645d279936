"""A socket's connections: how many there are, came and went, and waiting for them.

Everything is counted from the events of libzmq's monitor: `Connections` counts, `ConnectionHealth`
reads a socket's monitor on the hub and logs, `ConnectionWatcher` answers what a stream is asked.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from logging import INFO, WARNING, getLogger
from struct import unpack
from time import monotonic
from typing import Any

import gevent
import zmq
from gevent.hub import get_hub, get_thread_ident
from zmq.backend import Socket as _Backend

from ...errors import ConnectError
from .poller import POLLIN, Forks
from .socket import TOPICS_COUNT, Socket

logger = getLogger(__name__)

OPENED = int(zmq.EVENT_ACCEPTED | zmq.EVENT_CONNECTED)
FAILED = int(
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)
SHAKEN = int(zmq.EVENT_HANDSHAKE_SUCCEEDED)
CLOSED = int(zmq.EVENT_DISCONNECTED)
EVENTS = OPENED | FAILED | SHAKEN | CLOSED
"""What is listened for. Attempts to connect, which may be very many, are not."""

MECHANISM_MISMATCH = 0x11000001  # ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH of zmq.h

LOOK = 0.002
"""Seconds between two looks at what is waited for."""

_NEW, _MAYBE, _UP = range(3)

_SILENT = "the peer is no ZeroMQ socket, or of a kind that does not go with this one"


class Connections:
    """Counts connections from a monitor's events: those up now, those that came up and of these
    went, and those that ended without a handshake.

    libzmq names the file descriptor of a connection when it opens and closes, but not when its
    handshake is done. Where several are open without one, `_MAYBE` are those that it may have
    been.
    """

    def __init__(self) -> None:
        self.peers = 0
        self.connected = 0
        self.disconnected = 0
        self.handshake_failed = 0
        self._states: dict[int, int] = {}
        self._unclaimed = 0  # handshakes of one of those that are _MAYBE
        self._reason = ""

    def note(self, event: int, value: int) -> str:
        """Take in an event; return what has changed, ``connected`` for instance, or nothing."""
        changed = ""
        if event & OPENED:
            self._states[value] = _NEW
        elif event == SHAKEN:
            self._states = {fd: max(state, _MAYBE) for fd, state in self._states.items()}
            self._unclaimed += 1
            self.peers += 1
            self.connected += 1
            changed = "connected"
        elif event & FAILED:
            self._reason = _words(event, value)  # the end of the same connection follows
        elif event == CLOSED:
            changed = self._end(self._states.pop(value, _NEW))
        if list(self._states.values()).count(_MAYBE) == self._unclaimed:
            self._states = {fd: state and _UP for fd, state in self._states.items()}
            self._unclaimed = 0
        return changed

    def _end(self, state: int) -> str:
        if state == _UP or (state == _MAYBE and self._unclaimed and not self._reason):
            self._unclaimed -= state == _MAYBE
            self.peers -= 1
            self.disconnected += 1
            return "disconnected"
        self.handshake_failed += 1
        reason = self._reason or _SILENT
        self._reason = ""
        return reason

    def snapshot(self) -> dict[str, int]:
        """Return the counters as a plain dict."""
        names = ("peers", "connected", "disconnected", "handshake_failed")
        return {name: getattr(self, name) for name in names}


def _words(event: int, value: int) -> str:
    if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
        return f"the peer was refused, ZAP status {value}"
    if event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        return f"{_SILENT}, or it left ({os.strerror(value)})"
    if value == MECHANISM_MISMATCH:
        return "only one of the two sides has security switched on"
    return f"the peer broke ZeroMQ's protocol, error {value:#x}"


_STOPPED = int(zmq.EVENT_MONITOR_STOPPED)
_NOBLOCK = int(zmq.NOBLOCK)
_get: Any = _Backend.get  # as typed, it may give bytes
_recv: Any = _Backend.recv


class ConnectionHealth:
    """Watches the connections of one socket, from `watch` until the socket closes.

    Where a peer that goes away loses something, `loss` says what: it is then logged as a warning.
    """

    def __init__(self, label: str, loss: str = "") -> None:
        self.label = label
        self.watches = False
        self._loss = loss
        self._counts = Connections()
        self._pair: Any = None
        self._watcher: Any = None
        self._fed: deque[Any] = deque()
        self._loop = get_hub().loop
        self._thread = get_thread_ident()
        self._forks = Forks.count

    @property
    def connection(self) -> dict[str, int]:
        """The counters, up to now."""
        self.look()
        return self._counts.snapshot()

    @property
    def peers(self) -> int:
        """How many peers are connected and have their handshake done, now."""
        self.look()
        return self._counts.peers

    def watch(self, socket: WatchedSocket) -> None:
        """Watch a socket that is neither bound nor connected yet."""
        pair = self.open(socket)
        if pair is not None:
            socket.health = self
            self.watches = True
            self._read_from(pair)
            self.look()  # libzmq signals only to who has looked and found nothing

    def open(self, socket: Socket) -> Any:
        """Return a monitor of the socket, for `resume`; the one before it ends.

        None, with a warning, if the context has no room for more sockets.
        """
        try:
            return open_monitor(socket, EVENTS | _STOPPED, zmq.Socket)
        except zmq.ZMQError as error:
            logger.warning("the connections of %s are not watched: %s", self.label, error)
            return None

    def stop(self, socket: Socket) -> None:
        """Watch no longer, as the socket is about to close; in any thread."""
        if not self.watches or Forks.count != self._forks:
            return
        with suppress(zmq.ZMQError):  # the context is terminated
            socket.disable_monitor()  # first: libzmq would wait for ever for a reader
        self.look()
        self.watches = False
        self._on_hub(self._end)

    def look(self) -> None:
        """Take in what has happened by now; it does nothing in another thread or process."""
        if get_thread_ident() != self._thread or Forks.count != self._forks:
            return
        while self.watches:
            if self._pair is not None and (event := _receive(self._pair)):
                self._note(*event)
            elif self._fed:
                self._take(self._fed.popleft())
            else:
                return

    def lend(self) -> None:
        """Leave the monitor to a listener, which has just replaced this one and is to `feed`."""
        self._on_hub(self._lent)

    def feed(self, event: int, value: int) -> None:
        """Take in an event that a listener, in any thread, has received."""
        self._hand((event, value))

    def resume(self, pair: Any) -> None:
        """Read from this monitor when all that was fed is taken in; in any thread."""
        self._hand(pair)

    def _hand(self, what: Any) -> None:
        self._fed.append(what)
        self._on_hub(self._stir)

    def _on_hub(self, function: Callable[[], None]) -> None:
        if get_thread_ident() == self._thread:
            function()
        else:  # libev is not for two threads at once
            self._loop.run_callback_threadsafe(function)

    def _stir(self) -> None:
        if Forks.count == self._forks:
            gevent.spawn(self.look)  # the log may have to wait, which the hub itself can't
        elif self._watcher is not None:  # in a forked child it would be ready for ever
            self._watcher.stop()

    def _take(self, what: Any) -> None:
        if isinstance(what, tuple):
            self._note(*what)
        else:
            self._read_from(what)

    def _read_from(self, pair: Any) -> None:
        self._pair = pair
        self._watcher = self._loop.io(_get(pair, zmq.FD), 1, ref=False)
        self._watcher.start(self._stir)

    def _lent(self) -> None:
        self.look()
        self._drop_pair()

    def _end(self) -> None:
        self._drop_pair()
        for each in self._fed:
            if not isinstance(each, tuple):
                each.close(0)
        self._fed.clear()
        self._counts.peers = 0

    def _drop_pair(self) -> None:
        pair, self._pair = self._pair, None
        if pair is not None:
            self._watcher.stop()
            self._watcher.close()
            pair.close(0)

    def _note(self, event: int, value: int) -> None:
        if event == _STOPPED:  # somebody else has the monitor now
            self._drop_pair()
            return
        counts = self._counts
        changed = counts.note(event, value)
        if changed == "connected":
            logger.info("%s: a peer has connected, %d now", self.label, counts.peers)
        elif changed == "disconnected":
            text = f"{self.label}: a peer has gone, {counts.peers} left"
            logger.log(WARNING if self._loss else INFO, text + self._loss)
        elif changed:
            self._warn(changed, counts.handshake_failed)

    def _warn(self, reason: str, count: int) -> None:
        if count & (count - 1) == 0:  # a peer that tries for ever must not fill the log
            logger.warning("%s: handshake failed (%d by now): %s", self.label, count, reason)


class WatchedSocket(Socket):
    """A socket that ends what watches it, its `health`, before it closes."""

    health: ConnectionHealth | None = None

    def close(self, linger: int | None = None) -> None:
        if self.health is not None and not self.closed:
            self.health.stop(self)
        super().close(linger)


class ConnectionWatcher:
    """Answers what a stream is asked of its socket's connections, in the socket's own thread."""

    def __init__(self, socket: WatchedSocket, address: str) -> None:
        self._socket = socket
        self._address = address
        self._health = socket.health  # it is not where the context had no room for its monitor
        self._gone = 0  # topics that subscribers left behind
        if self._health is not None:
            self._health.label = address

    @property
    def connection(self) -> dict[str, int] | None:
        """The counters of `Connections`, up to now; None where they are not watched."""
        return None if self._health is None else self._health.connection

    def wait_connected(self, timeout: float | None) -> bool:
        """Wait as `Stream.wait_connected` says."""
        health = self._health
        if health is not None:
            return self._wait(lambda: health.peers > 0, timeout)
        if str(self._address).startswith("inproc://"):
            return True
        raise ConnectError(f"{self._address} is not watched: its context has too few MAX_SOCKETS")

    def wait_subscribed(self, timeout: float | None) -> bool:
        """Wait as `Stream.wait_subscribed` says."""
        if self._socket.type != zmq.PUB:
            raise ConnectError(
                f"the stream of {self._address} has no subscribers: its mode is not PUB"
            )
        return self._wait(self._subscribed, timeout)

    def _wait(self, condition: Callable[[], bool], timeout: float | None) -> bool:
        until = None if timeout is None else monotonic() + timeout
        while not condition():
            left = LOOK if until is None else until - monotonic()
            if left <= 0:
                return False
            gevent.sleep(min(LOOK, left))
            if self._socket.closed:
                raise ConnectError(f"the stream of {self._address} was disconnected meanwhile")
        return True

    def _subscribed(self) -> bool:
        # libzmq counts topics, but not that they go with a peer: those there when it was alone
        try:
            _get(self._socket, zmq.EVENTS)  # only this takes in what has come
            topics = int(_get(self._socket, TOPICS_COUNT))
        except zmq.ZMQError as error:
            raise ConnectError(
                f"can't tell whether somebody has subscribed: libzmq {zmq.zmq_version()} is"
                f" older than 4.3.5 ({error})"
            ) from None
        connection = self.connection
        if connection and connection["disconnected"] and not connection["peers"]:
            self._gone = topics
        return topics > self._gone


def open_monitor(socket: Socket, events: int, kind: Any = None) -> Any:
    """Have libzmq report a socket's events, no longer to the monitor before if there is one.

    The socket where reports come is of the class `kind`, or of the context's own.
    """
    # an address of its own: libzmq frees that of an earlier monitor a while after its end
    address = f"inproc://gmflow-monitor-{os.urandom(8).hex()}"
    pair = socket.context.socket(zmq.PAIR, socket_class=kind)
    try:
        pair.set(zmq.RCVHWM, 0)  # where it is full, libzmq's I/O thread would stand still
        socket.monitor(address, events)
        pair.connect(address)
    except zmq.ZMQError:
        pair.close(0)
        raise
    return pair


def _receive(pair: Any) -> tuple[int, int] | None:
    """Return the next event and its value, if there is one; the look takes the signal away."""
    try:
        if not _get(pair, zmq.EVENTS) & POLLIN:
            return None
    except zmq.ZMQError:  # the program has ended the context
        return _STOPPED, 0
    event, value = unpack("=HI", _recv(pair, _NOBLOCK))
    _recv(pair, _NOBLOCK)  # the address
    return event, value
