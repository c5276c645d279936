"""A node's socket: opened when the topology starts, closed when the node ends."""

from __future__ import annotations

from typing import Any

from ..opening import endpoint, open_socket
from ..sockets import Context, Socket


class Port:
    """Where a node meets the network.

    Parameters
    ----------
    address : str
        The socket's address.
    settings : dict
        Further arguments of `gmflow.opening.open_socket`.

    Attributes
    ----------
    address : str
        As given; once open, with the port that ``*`` or 0 became.
    """

    def __init__(self, address: str, settings: dict[str, Any]) -> None:
        self.address = address
        self._settings = settings
        self._socket: Socket | None = None

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
        self._socket = open_socket(context, self.address, **settings)
        self.address = endpoint(self._socket, self.address)
        return self._socket

    def wake(self) -> None:
        """Have the greenlet that waits on the socket return empty-handed."""
        if self._socket is not None:
            self._socket.wake()

    def close(self, linger: int | None = None) -> None:
        """Close the socket; what was sent may take `linger` ms, or what the settings say."""
        if self._socket is not None:
            self._socket.close(linger)
