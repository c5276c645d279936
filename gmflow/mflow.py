"""mflow's inner module, for programs that say ``from mflow import mflow``."""

from .connecting import connect, disconnect
from .handlers import DEFAULT as receive_handlers
from .message import Message
from .monitor import ConnectionCountMonitor, SocketEventListener, no_clients_timeout_notifier
from .statistics import Statistics
from .stream import BIND, CONNECT, PUB, PULL, PUSH, SUB, Stream

__all__ = [
    "BIND",
    "CONNECT",
    "PUB",
    "PULL",
    "PUSH",
    "SUB",
    "ConnectionCountMonitor",
    "Message",
    "SocketEventListener",
    "Statistics",
    "Stream",
    "connect",
    "disconnect",
    "no_clients_timeout_notifier",
    "receive_handlers",
]
