"""Free ports, for what can't be bound to port 0: those that two processes must know beforehand.

They are below those that the system gives to outgoing connections, none is given out twice, and
each of the processes that share the tests has others.
"""

import os
import random
import socket

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_MINE = range(10_000 + _WORKER, 32_000, _WORKERS)
_PORTS = iter(random.sample(_MINE, len(_MINE)))


def free_port() -> int:
    """Return a TCP port that nobody listens on, and that no other call was or will be given."""
    for port in _PORTS:
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")
