"""ZeroMQ addresses: how they look, and whether one is to be bound or connected to."""

from __future__ import annotations

import re

FORM = "an address looks like tcp://host:port, ipc://path or inproc://name"

_PORT = re.compile(r"tcp://.*:([^:\]]*)")


def conn_type_of(address: str) -> str:
    """Give "bind" for ``tcp://*:port`` and ``tcp://host:*``, "connect" for any other address."""
    return "bind" if address.startswith("tcp://*:") or address.endswith(":*") else "connect"


def has_wrong_port(address: str, bind: bool = False) -> bool:
    """Tell whether a TCP address has no port from 1 to 65535, or 0 or ``*`` to bind to a free one.

    libzmq would take another number modulo 65536.
    """
    port = _PORT.fullmatch(address)
    if port is None or (bind and port[1] in ("*", "!")):
        return False
    return not port[1].isdecimal() or not (0 if bind else 1) <= int(port[1]) < 65536
