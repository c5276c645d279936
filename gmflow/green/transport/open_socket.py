"""How a socket is opened: address, kind, high-water mark, linger, topics, options."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import zmq

from ...config.schema import LINGER, QUEUE_SIZE
from ...errors import ConfigError, ConnectError
from ...validation import FORM, TOPICS, VALUES, has_wrong_port
from .connections import ConnectionHealth, WatchedSocket
from .socket import Context, Socket

HINTS = {
    errno.EADDRINUSE: "another program has it: stop that one or choose another port",
    errno.EADDRNOTAVAIL: "this machine has no such address: bind to tcp://*:port",
    errno.ENODEV: "this machine has no such address: bind to tcp://*:port",
    errno.EACCES: "choose a port above 1023, or a path you may write to",
    errno.ENOENT: "make the folder of the path first",
    errno.EINVAL: FORM,
    errno.EPROTONOSUPPORT: FORM,
    errno.ECONNREFUSED: "nothing is bound to it in this context yet",
}
"""What to do about the errors of bind and connect."""

TCP = {
    "TCP_KEEPALIVE": 1,
    "TCP_KEEPALIVE_IDLE": 10,
    "TCP_KEEPALIVE_INTVL": 10,
    "TCP_KEEPALIVE_CNT": 5,
    "RECONNECT_IVL": 100,
    "RECONNECT_IVL_MAX": 2000,
}
"""Options of TCP sockets: a heartbeat of TCP every 10 s of silence, an idle connection of a host
that is gone ends after 60 s, and a lost one is tried again after 0.1 s, later every 2 s (seconds,
and milliseconds for RECONNECT).

ZeroMQ's own heartbeats stay off. They travel among the messages: where a receiver pauses they
are not read, and its connection would be cut with messages in it; and libzmq before 4.2 hands
them to the program as messages.
"""

MODES = {"PULL": zmq.PULL, "SUB": zmq.SUB, "PUSH": zmq.PUSH, "PUB": zmq.PUB, "XPUB": zmq.XPUB}


def mode_of(mode: Any) -> int:
    """Return the kind of socket that a name or ZeroMQ's constant means, or raise ConfigError."""
    number = MODES.get(mode.upper()) if isinstance(mode, str) else mode
    for known in MODES.values():
        if number == known:
            return known
    raise ConfigError(f"mode is {mode!r}; it can be {', '.join(MODES)}")


def check_settings(queue_size: Any, linger: Any, topics: Any, options: Any) -> None:
    """Validate arguments of `open_socket` as a topology's nodes have them, or raise ConfigError."""
    QUEUE_SIZE.check("queue_size", queue_size)
    LINGER.check("linger", linger)
    TOPICS.check("topics", topics)
    if options is not None:
        VALUES.check("options", options)


def open_socket(
    context: Context,
    address: str,
    mode: str | int,
    bind: bool,
    queue_size: int = 100,
    linger: int = 1000,
    topics: Sequence[str | bytes] = ("",),
    options: Mapping[str, Any] | None = None,
    health: ConnectionHealth | None = None,
) -> WatchedSocket:
    """Open a socket.

    Parameters
    ----------
    address : str
        ``tcp://host:port``, ``ipc://path`` or ``inproc://name``.
    mode : {"PULL", "SUB", "PUSH", "PUB", "XPUB"} or int
        The kind of socket, by its name or by ZeroMQ's constant.
    bind : bool
        Bind to the address instead of connecting to it.
    queue_size : int
        High-water mark of each direction, in messages.
    linger : int
        Milliseconds that messages may wait to be sent after closing; -1 for ever.
    topics : sequence of str or bytes
        What a SUB socket subscribes to.
    options : mapping of str to value, optional
        Further socket options by their ZeroMQ names, ``{"RCVBUF": 1 << 20}``; they overrule
        `TCP`, which holds for TCP otherwise.
    health : ConnectionHealth, optional
        What is to watch the socket's connections.

    Raises
    ------
    ConnectError
        If the address can't be bound or connected to.
    ConfigError
        If the mode is none of those above, an option is unknown or its value is refused.
    """
    mode = mode_of(mode)
    if has_wrong_port(address, bind):
        raise ConnectError(f"{address} has no port from 1 to 65535; {FORM}")
    socket: WatchedSocket = context.socket(mode, socket_class=WatchedSocket)
    try:
        sends = mode in (zmq.PUSH, zmq.PUB, zmq.XPUB)
        socket.set(zmq.LINGER, linger if sends else 0)  # the others have nothing to deliver
        socket.set_hwm(queue_size)
        if mode == zmq.SUB:
            for topic in [topics] if isinstance(topics, (str, bytes)) else topics:
                socket.subscribe(topic)
        if address.startswith("tcp://"):
            _set_defaults(socket)
        for name, value in (options or {}).items():
            _set_option(socket, name, value)
        if health is not None:
            health.watch(socket)
        (socket.bind if bind else socket.connect)(address)
    except zmq.ZMQError as error:
        socket.close(0)
        verb = "bind" if bind else "connect"
        hint = HINTS.get(error.errno or 0, "see whether the address is right")
        raise ConnectError(f"can't {verb} to {address}: {error.strerror}; {hint}") from error
    except BaseException:
        socket.close(0)
        raise
    return socket


def endpoint(socket: Socket, address: str) -> str:
    """Return the address that others reach a socket at: the port that ``*`` or 0 became."""
    if not address.endswith((":*", ":0")):
        return address
    return socket.get(zmq.LAST_ENDPOINT).decode()  # type: ignore[union-attr]


def _set_defaults(socket: Socket) -> None:
    for name, value in TCP.items():
        with suppress(zmq.ZMQError):  # not every system has all of them
            socket.set(zmq.SocketOption[name], value)


def _set_option(socket: Socket, name: str, value: Any) -> None:
    refused = {
        "RCVTIMEO": "use receive_timeout",
        "SNDTIMEO": "use send_timeout",
        "CONFLATE": "it cuts messages of several parts",
    }
    if name in refused:
        raise ConfigError(f"options: {name} is not for a green stream: {refused[name]}")
    try:
        option = zmq.SocketOption[name]
    except KeyError:
        raise ConfigError(f"options: {name!r} is no socket option of ZeroMQ") from None
    try:
        socket.set(option, value)
    except (TypeError, OverflowError, zmq.ZMQError) as error:
        raise ConfigError(f"options: {name} can't be {value!r}: {error}") from None
