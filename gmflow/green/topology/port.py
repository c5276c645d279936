"""A node's socket: opened when the topology starts, closed when the node ends."""

from __future__ import annotations

from typing import Any

import zmq

from ..transport.connections import ConnectionHealth
from ..transport.open_socket import endpoint, open_socket
from ..transport.socket import Context, Socket


class Port:
    """Where a node meets the network. The connections of TCP are watched.

    Parameters
    ----------
    address : str
        The socket's address.
    settings : dict
        Further arguments of `gmflow.green.transport.open_socket.open_socket`.
    name : str, optional
        What the log calls it; the address by default.

    Attributes
    ----------
    address : str
        As given; once open, with the port that ``*`` or 0 became.
    """

    def __init__(self, address: str, settings: dict[str, Any], name: str = "") -> None:
        self.address = address
        self._settings = settings
        self._socket: Socket | None = None
        self._name = name or address
        self._health: ConnectionHealth | None = None

    def open(self, context: Context, thread: int) -> Socket:
        """Open the socket, served by one of the context's I/O threads, and give it.

        Raises
        ------
        ConnectError
            If the address can't be bound or connected to.
        ConfigError
            If a setting is refused.
        """
        options = {"AFFINITY": 1 << thread, **self._settings["options"]}
        settings = {**self._settings, "options": options}
        is_tcp = self.address.startswith("tcp://")  # elsewhere a topology may have a thousand
        health = ConnectionHealth(self._name, _loss(settings)) if is_tcp else None
        self._socket = open_socket(context, self.address, health=health, **settings)
        self._health = self._socket.health
        self.address = endpoint(self._socket, self.address)
        return self._socket

    def wake(self) -> None:
        """Have the greenlet that waits on the socket return empty-handed."""
        if self._socket is not None:
            self._socket.wake()

    def snapshot(self) -> dict[str, Any]:
        """Return what a node's snapshot says of its connections; nothing where none are watched."""
        return {} if self._health is None else {"connection": self._health.connection}

    def close(self, linger: int | None = None) -> None:
        """Close the socket; what was sent may take `linger` ms, or what the settings say."""
        if self._socket is not None:
            self._socket.close(linger)


def _loss(settings: dict[str, Any]) -> str:
    """Return what is lost with a receiver that goes away, as the log says it.

    A bound socket drops the receiver's queue; one that connects keeps it for the next.
    """
    if settings["mode"] != zmq.PUSH:
        return ""
    taken = (
        "what was on its way to it (megabytes, as far as SNDBUF and RCVBUF allow)"
        " and what it had taken and not dealt with"
    )
    if not settings["bind"]:
        return f"; lost are at most {taken}"
    most = settings["queue_size"]
    queued = f"the {most}" if most else "all"
    return f"; lost are at most {queued} messages queued for it here, {taken}"
