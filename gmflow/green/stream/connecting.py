"""mflow's way to open and close a stream in one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...decoder import Handler
from ..transport.monitor import ConnectionCountMonitor, no_clients_timeout_notifier
from .stream import CONNECT, PULL, Stream


def connect(
    address: str,
    conn_type: str = CONNECT,
    mode: str | int = PULL,
    queue_size: int = 100,
    receive_timeout: float | None = None,
    linger: int = 1000,
    no_client_action: Callable[[], None] | None = None,
    no_client_timeout: float = 10,
    copy: bool = True,
    send_timeout: float | None = None,
    *,
    handlers: Mapping[str, Handler] | None = None,
    topics: Sequence[str | bytes] = ("",),
    options: Mapping[str, Any] | None = None,
    context: Any = None,
    on_error: str = "log",
    decode_threads: int = 1,
) -> Stream:
    """Open a stream.

    Parameters
    ----------
    no_client_action : callable, optional
        Called each time that `no_client_timeout` seconds have passed without a client.
    handlers, on_error, decode_threads
        As of `Stream`; everything else as of `Stream.connect`.

    Returns
    -------
    Stream
    """
    stream = Stream(handlers=handlers, on_error=on_error, decode_threads=decode_threads)
    if no_client_action is not None:
        notifier = no_clients_timeout_notifier(no_client_action, no_client_timeout)
        stream.register_socket_monitor(ConnectionCountMonitor(notifier))
    stream.connect(
        address,
        conn_type,
        mode,
        receive_timeout,
        queue_size,
        linger,
        context,
        copy,
        send_timeout,
        topics=topics,
        options=options,
    )
    return stream


def disconnect(stream: Stream) -> None:
    """Close a stream."""
    stream.disconnect()
