"""gmflow: receive, merge, split, record, replay and watch ZeroMQ data streams on green threads.

``import gmflow as mflow`` runs programs that were written for PSI's mflow.
"""

from typing import TYPE_CHECKING, Any

from . import tools, utils
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
    if name != "Topology":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .topology import Topology  # late: a program that only has streams starts sooner

    return Topology
