"""mflow's inner module, for programs that say ``from mflow import mflow``."""

from .connecting import connect, disconnect
from .handlers import DEFAULT as receive_handlers
from .message import Message
from .statistics import Statistics
from .stream import BIND, CONNECT, PUB, PULL, PUSH, SUB, Stream

__all__ = [
    "BIND",
    "CONNECT",
    "PUB",
    "PULL",
    "PUSH",
    "SUB",
    "Message",
    "Statistics",
    "Stream",
    "connect",
    "disconnect",
    "receive_handlers",
]
