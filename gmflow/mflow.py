"""mflow's inner module, for programs that say ``from mflow import mflow``."""

from .green.stream.stream import BIND, CONNECT, PUB, PULL, PUSH, SUB, Stream, connect, disconnect
from .green.transport.monitor import (
    ConnectionCountMonitor,
    SocketEventListener,
    no_clients_timeout_notifier,
)
from .handlers import DEFAULT as receive_handlers
from .message import Message
from .statistics import Statistics

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
