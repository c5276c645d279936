"""What a stream tells of its connections, and lets others watch."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import gevent
import zmq
from zmq.backend import Socket as _Backend

from ...errors import ConnectError
from ..transport.connections import Health, WatchedSocket
from ..transport.monitor import Monitor, SocketEventListener
from ..transport.socket import TOPICS_COUNT

LOOK = 0.002
"""Seconds between two looks at what is waited for."""


class Watched:
    """The side of a `Stream` that has to do with its connections."""

    def __init__(self) -> None:
        self.socket: WatchedSocket | None = None
        self.address: str | None = None
        self._health: Health | None = None
        self._gone = 0  # topics that subscribers left behind
        self._socket_monitors: list[Monitor] = []
        self._listener = SocketEventListener(self._socket_monitors)

    @property
    def connection(self) -> dict[str, int] | None:
        """How the socket's connections do, up to now; None before `connect` and for inproc.

        ``peers`` are connected now, with the handshake done; ``connected`` and ``disconnected``
        count how often one came and went, ``handshake_failed`` those that ended without one.
        Peers that speak ZMTP 1 or 2 (libzmq before 4.0) make no handshake: they are not seen.
        """
        return None if self._health is None else self._health.connection

    def wait_connected(self, timeout: float | None = None) -> bool:
        """Wait until at least one peer is connected and has its handshake done.

        Parameters
        ----------
        timeout : float, optional
            Seconds; None waits for ever.

        Returns
        -------
        bool
            False after the time-out. For inproc True at once.

        Raises
        ------
        ConnectError
            If the stream is not connected, or is disconnected meanwhile.
        """
        self._opened()
        health = self._health
        if health is not None:
            return self._wait(lambda: health.peers > 0, timeout)
        if str(self.address).startswith("inproc://"):
            return True
        raise ConnectError(f"{self.address} is not watched: its context has too few MAX_SOCKETS")

    def wait_subscribed(self, timeout: float | None = None) -> bool:
        """Wait until somebody has subscribed to what a PUB stream sends.

        Parameters, returns and raises as `wait_connected`; ConnectError also if the stream is no
        PUB stream, or libzmq is older than 4.3.5.
        """
        socket = self._opened()
        if socket.type != zmq.PUB:
            raise ConnectError(
                f"the stream of {self.address} has no subscribers: its mode is not PUB"
            )
        return self._wait(lambda: self._subscribed(socket), timeout)

    def register_socket_monitor(self, monitor: Monitor) -> None:
        """Have `monitor` called at each event of the socket, and with None between them."""
        if monitor not in self._socket_monitors:
            self._socket_monitors.append(monitor)
        if self.socket is not None and not self.socket.closed:
            self._listener.start(self.socket)

    def remove_socket_monitor(self, callback_function: Monitor) -> None:
        """Stop calling a monitor; the listener ends with the last one."""
        if callback_function in self._socket_monitors:
            self._socket_monitors.remove(callback_function)
        if not self._socket_monitors:
            self._listener.stop()

    def _new_health(self, address: str) -> Health | None:
        """Return what is to watch a new socket; the peers of inproc are no connections."""
        self._gone = 0
        return None if str(address).startswith("inproc://") else Health(address)

    def _watch(self, socket: WatchedSocket, address: str) -> None:
        self._health = socket.health  # it is not where the context had no room for its monitor
        if self._health is not None:
            self._health.label = address
        if self._socket_monitors:
            self._listener.start(socket)

    def _unwatch(self, socket: WatchedSocket) -> None:
        if self._health is not None:
            self._health.stop(socket)
        self._listener.stop()

    def _opened(self) -> WatchedSocket:
        if self.socket is None or self.socket.closed:
            raise ConnectError("the stream is not connected: call connect first")
        self.socket.readiness.enter()
        return self.socket

    def _wait(self, condition: Callable[[], bool], timeout: float | None) -> bool:
        socket, until = self.socket, None if timeout is None else monotonic() + timeout
        while not condition():
            left = LOOK if until is None else until - monotonic()
            if left <= 0:
                return False
            gevent.sleep(min(LOOK, left))
            if socket is None or socket.closed:
                raise ConnectError(f"the stream of {self.address} was disconnected meanwhile")
        return True

    def _subscribed(self, socket: WatchedSocket) -> bool:
        """Return True if a topic is subscribed to by a peer that is there.

        libzmq counts topics, but not that they go with a peer: those there when it was alone.
        """
        try:
            _Backend.get(socket, zmq.EVENTS)  # only this takes in what has come
            topics = int(_Backend.get(socket, TOPICS_COUNT))
        except zmq.ZMQError as error:
            raise ConnectError(
                f"can't tell whether somebody has subscribed: libzmq {zmq.zmq_version()} is"
                f" older than 4.3.5 ({error})"
            ) from None
        connection = self.connection
        if connection and connection["disconnected"] and not connection["peers"]:
            self._gone = topics
        return topics > self._gone
