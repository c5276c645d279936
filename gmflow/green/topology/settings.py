"""What the methods of a topology are told, checked before a node is made of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...deferred import MAX_THREADS
from ...errors import ConfigError
from ...validation import FORM, check_whole, conn_type_of, refuse
from ..transport.open_socket import check_settings, mode_of


def socket_settings(
    address: Any,
    mode: str | int,
    modes: tuple[str, ...],
    conn_type: str | None,
    options: Mapping[str, Any] | None,
    **others: Any,
) -> dict[str, Any]:
    """Return the arguments of `gmflow.green.transport.open_socket.open_socket` without the address.

    Parameters
    ----------
    address, mode, conn_type, options
        As of `Topology.output`.
    modes : tuple of str
        The kinds of sockets that are allowed.
    **others
        Further arguments of `gmflow.green.transport.open_socket.open_socket`.

    Raises
    ------
    ConfigError
        If one is not allowed.
    """
    if not isinstance(address, str):
        raise ConfigError(f"the address is {address!r:.80}; {FORM}")
    if conn_type is None:
        conn_type = conn_type_of(address)
    if conn_type not in ("bind", "connect"):
        refuse("conn_type", conn_type, "'bind' or 'connect'")
    check_settings(options=options, **others)
    return {
        "mode": mode_of(mode, modes),
        "bind": conn_type == "bind",
        "options": dict(options or {}),
        **others,
    }


def check_count(count: Any) -> None:
    """Validate that a count of messages is None or a whole number; raises ConfigError otherwise."""
    if count is not None:
        check_whole("count", count, 0)


def check_threads(threads: Any) -> None:
    """Validate a number of threads; raises ConfigError if it is none."""
    check_whole("decode_threads", threads, 0, MAX_THREADS)


def check_messages(messages: Any) -> None:
    """Validate that there is an iterable of messages, or raise ConfigError."""
    if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Iterable):
        refuse("messages", messages, "an iterable of messages, each a sequence of parts")


def check_once(names: Iterable[str]) -> None:
    """Validate that no node is given twice, or raise ConfigError."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ConfigError(f"{name!r:.80} is given twice; a merger takes each node once")
        seen.add(name)
