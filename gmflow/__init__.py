"""gmflow: receive, merge, split, record, replay and watch ZeroMQ data streams on green threads.

``import gmflow as mflow`` runs programs that were written for PSI's mflow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .connecting import connect, disconnect
from .decoder import Decoder
from .errors import (
    ConfigError,
    ConnectError,
    DecodeError,
    EncodeError,
    GmflowError,
    HandlerError,
    HeaderError,
    MessageError,
    RecordingError,
    SendTimeout,
    UnknownHtype,
)
from .handlers import DEFAULT as receive_handlers
from .message import Message
from .monitor import ConnectionCountMonitor, SocketEventListener, no_clients_timeout_notifier
from .receiver import Receiver
from .statistics import Statistics
from .stream import BIND, CONNECT, PUB, PULL, PUSH, SUB, Stream
from .version import __version__

if TYPE_CHECKING:
    from . import tools, utils
    from .topology import Topology

__all__ = [
    "BIND",
    "CONNECT",
    "PUB",
    "PULL",
    "PUSH",
    "SUB",
    "ConfigError",
    "ConnectError",
    "ConnectionCountMonitor",
    "DecodeError",
    "Decoder",
    "EncodeError",
    "GmflowError",
    "HandlerError",
    "HeaderError",
    "Message",
    "MessageError",
    "Receiver",
    "RecordingError",
    "SendTimeout",
    "SocketEventListener",
    "Statistics",
    "Stream",
    "Topology",
    "UnknownHtype",
    "__version__",
    "connect",
    "disconnect",
    "no_clients_timeout_notifier",
    "receive_handlers",
    "tools",
    "utils",
]


def __getattr__(name: str) -> Any:
    """Import late what not every program needs: it starts sooner without."""
    if name == "Topology":
        from .topology import Topology

        return Topology
    if name in ("mflow", "tools", "utils"):
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
