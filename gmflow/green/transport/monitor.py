"""What happens to a socket's connections: events, the count of clients, and their absence.

Callbacks run where mflow runs them: in a thread of the listener's own, so that they come
even while the program sleeps in C; under ``gevent.monkey.patch_all()`` that thread is a
greenlet.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from logging import getLogger
from time import monotonic
from typing import Any, TypeAlias

import gevent
import zmq

from ..threads import in_worker_thread, threads_are_green
from .connections import EVENTS, ConnectionHealth, open_monitor
from .receive import MessageReceiver
from .socket import Socket

logger = getLogger(__name__)

Event: TypeAlias = dict[str, Any]
Monitor: TypeAlias = Callable[[Event | None], None]
"""Called with each event of the socket, and with None now and then as a heartbeat."""


class SocketEventListener:
    """Calls back at each event of a socket, and at a steady heartbeat between them.

    Parameters
    ----------
    callbacks : list of callable
        Each is called with the event (a dict as of `zmq.utils.monitor`) or None; the list may
        change between calls.
    events : int, optional
        Mask of the events to listen for; all by default.
    receive_timeout : float, optional
        Seconds between heartbeats.
    """

    DEFAULT_SOCKET_RECEIVE_TIMEOUT = 0.1

    def __init__(
        self,
        callbacks: list[Monitor],
        events: int | None = None,
        receive_timeout: float | None = None,
    ) -> None:
        self.callbacks = callbacks
        self.events = events or zmq.EVENT_ALL
        self._seconds = receive_timeout
        self.monitor_listening = threading.Event()
        self.monitor_thread: Any = None
        self._pid = 0
        self._socket: Socket | None = None
        self._health: ConnectionHealth | None = None
        self._pair: Any = None
        self._receive: Callable[[], Event | None] = lambda: None

    def start(self, socket: Socket) -> None:
        """Start listening, if it doesn't yet."""
        if self.monitor_listening.is_set():
            return
        pair = open_monitor(socket, self.events | EVENTS | zmq.EVENT_MONITOR_STOPPED)
        self.monitor_listening.set()
        self._socket, self._pair, self._pid = socket, pair, os.getpid()
        self._health = getattr(socket, "health", None)
        if self._health is not None:
            self._health.lend()
        seconds = self.DEFAULT_SOCKET_RECEIVE_TIMEOUT if self._seconds is None else self._seconds
        if threads_are_green():
            self._receive = _green(pair, seconds)
            self.monitor_thread = gevent.spawn(self._listen, pair)
        else:
            self._receive = _plain(pair, seconds)
            thread = threading.Thread(target=self._listen, args=(pair,), daemon=True)
            self.monitor_thread = thread
            thread.start()

    def stop(self) -> None:
        """Stop listening, and wait in a worker thread for the last callback to return."""
        self.monitor_listening.clear()
        socket, self._socket = self._socket, None
        pair, self._pair = self._pair, None
        thread, self.monitor_thread = self.monitor_thread, None
        heir = None if socket is None or socket.closed else self._end_monitor(socket)
        if thread in (threading.current_thread(), gevent.getcurrent()):  # a callback disconnects
            self._finish(pair)  # or the context would wait for it, and it for the context
        elif thread is not None and threads_are_green():
            thread.join()
        elif thread is not None:
            in_worker_thread(thread.join)
        if heir is not None and self._health is not None:
            self._health.resume(heir)

    def _end_monitor(self, socket: Socket) -> Any:
        """Have the listener get MONITOR_STOPPED; give the monitor that health goes on with."""
        heir = None
        if self._health is not None and self._health.watches:
            heir = self._health.open(socket)
        if heir is None:
            socket.disable_monitor()
        return heir

    def _listen(self, pair: Socket) -> None:
        try:
            while not pair.closed:
                event = self._receive()
                if os.getpid() != self._pid:  # a greenlet that a forked child has inherited
                    return
                if not self._pass_on(event):
                    break
                if self._pair is pair and (event is None or event["event"] & self.events):
                    self._notify(event)
        finally:
            pair.close(0)
            if self._pair is pair:
                self.monitor_listening.clear()

    def _finish(self, pair: Socket) -> None:
        """Take in what the monitor, which was ended, had still to tell."""
        while (event := self._receive()) is not None and self._pass_on(event):
            pass
        pair.close(0)

    def _pass_on(self, event: Event | None) -> bool:
        """Let the socket's health know; return True if there may be more events."""
        if event is None:
            return True
        if event["event"] == zmq.EVENT_MONITOR_STOPPED:
            return False
        if self._health is not None and event["event"] & EVENTS:
            self._health.feed(event["event"], event["value"])
        return True

    def _notify(self, event: Event | None) -> None:
        for callback in list(self.callbacks):
            try:
                callback(event)
            except Exception:
                logger.exception("the socket monitor %r failed", callback)


def _green(pair: Socket, seconds: float) -> Callable[[], Event | None]:
    receiver = MessageReceiver(pair)

    def receive() -> Event | None:
        parts = receiver.receive(seconds)
        return None if parts is None else _parse(parts)

    return receive


def _plain(pair: Socket, seconds: float) -> Callable[[], Event | None]:
    blocking: zmq.Socket[bytes] = zmq.Socket.shadow(pair)

    def receive() -> Event | None:
        if not blocking.poll(int(seconds * 1000)):
            return None
        return _parse(blocking.recv_multipart())

    return receive


def _parse(parts: Sequence[Any]) -> Event:
    from zmq.utils.monitor import parse_monitor_message  # late: it brings all of asyncio

    return dict(parse_monitor_message([bytes(part) for part in parts]))


class ConnectionCountMonitor:
    """Counts the clients of a socket that is bound.

    Parameters
    ----------
    callback : callable
        Called with the number of clients: 0 at once, then at each event and heartbeat.
    """

    def __init__(self, callback: Callable[[int], None]) -> None:
        self.callback = callback
        self.client_counter = 0
        callback(0)

    def __call__(self, event: Event | None) -> None:
        kind = None if event is None else event["event"]
        if kind == zmq.EVENT_ACCEPTED:
            self.client_counter += 1
        elif kind == zmq.EVENT_DISCONNECTED:
            self.client_counter -= 1
        elif kind == zmq.EVENT_CLOSED:
            self.client_counter = 0
        self.callback(self.client_counter)


def no_clients_timeout_notifier(
    no_client_action: Callable[[], None], no_client_timeout: float
) -> Callable[[int], None]:
    """Return a callback for `ConnectionCountMonitor` that acts when no client is there for long.

    Parameters
    ----------
    no_client_action : callable
        Called without arguments each time that `no_client_timeout` has passed without a client.
    no_client_timeout : float
        Seconds.
    """
    alone_since: float | None = None

    def watch(clients: int) -> None:
        nonlocal alone_since
        now = monotonic()
        if clients > 0:
            alone_since = None
        elif alone_since is None:
            alone_since = now
        elif now - alone_since > no_client_timeout:
            alone_since = now
            no_client_action()

    return watch
