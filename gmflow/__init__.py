"""gmflow: receive, merge, split, record, replay and watch ZeroMQ data streams on green threads.

``import gmflow as mflow`` runs programs that were written for PSI's mflow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from . import tools, utils
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
    from .green.stream.stream import (
        BIND,
        CONNECT,
        PUB,
        PULL,
        PUSH,
        SUB,
        Stream,
        connect,
        disconnect,
    )
    from .green.topology import Topology
    from .green.transport.monitor import (
        ConnectionCountMonitor,
        SocketEventListener,
        no_clients_timeout_notifier,
    )
    from .handlers import DEFAULT as receive_handlers
    from .handlers.bsread.bsread_sender import bsread_sender
    from .merging import Arrival, ByKey, RoundRobin
    from .message import Message
    from .receiver import Receiver
    from .statistics import Statistics
    from .tuning import tune_process

__all__ = [
    "BIND",
    "CONNECT",
    "PUB",
    "PULL",
    "PUSH",
    "SUB",
    "Arrival",
    "ByKey",
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
    "RoundRobin",
    "SendTimeout",
    "SocketEventListener",
    "Statistics",
    "Stream",
    "Topology",
    "UnknownHtype",
    "__version__",
    "bsread_sender",
    "connect",
    "disconnect",
    "no_clients_timeout_notifier",
    "receive_handlers",
    "tools",
    "tune_process",
    "utils",
]

_HOME = {
    "decoder": ("Decoder",),
    "errors": (
        "ConfigError",
        "ConnectError",
        "DecodeError",
        "EncodeError",
        "GmflowError",
        "HandlerError",
        "HeaderError",
        "MessageError",
        "RecordingError",
        "SendTimeout",
        "UnknownHtype",
    ),
    "handlers.bsread.bsread_sender": ("bsread_sender",),
    "merging": ("Arrival", "ByKey", "RoundRobin"),
    "message": ("Message",),
    "green.transport.monitor": (
        "ConnectionCountMonitor",
        "SocketEventListener",
        "no_clients_timeout_notifier",
    ),
    "receiver": ("Receiver",),
    "statistics": ("Statistics",),
    "green.stream.stream": (
        "BIND",
        "CONNECT",
        "PUB",
        "PULL",
        "PUSH",
        "SUB",
        "Stream",
        "connect",
        "disconnect",
    ),
    "green.topology": ("Topology",),
    "tuning": ("tune_process",),
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is: a program starts sooner, and may still patch."""
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = next((module for module, names in _HOME.items() if name in names), None)
    try:
        if home is not None:
            value = getattr(import_module(f".{home}", __name__), name)
        elif name == "receive_handlers":
            value = import_module(".handlers", __name__).DEFAULT
        else:
            value = import_module(f".{name}", __name__)
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{name}":  # something that gmflow needs is not there
            raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    globals()[name] = value
    return value
