"""gmflow: receive, merge, split, record, replay and watch ZeroMQ data streams on green threads.

``import gmflow as mflow`` runs programs that were written for PSI's mflow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__ as __version__

if TYPE_CHECKING:  # what `_NAMES` says at run time
    from . import tools as tools
    from . import utils as utils
    from .decoder import Decoder as Decoder
    from .deferred import Deferred as Deferred
    from .errors import ConfigError as ConfigError
    from .errors import ConnectError as ConnectError
    from .errors import DecodeError as DecodeError
    from .errors import EncodeError as EncodeError
    from .errors import GmflowError as GmflowError
    from .errors import HandlerError as HandlerError
    from .errors import HeaderError as HeaderError
    from .errors import MessageError as MessageError
    from .errors import RecordingError as RecordingError
    from .errors import SendTimeout as SendTimeout
    from .errors import UnknownHtype as UnknownHtype
    from .green.stream.stream import BIND as BIND
    from .green.stream.stream import CONNECT as CONNECT
    from .green.stream.stream import PUB as PUB
    from .green.stream.stream import PULL as PULL
    from .green.stream.stream import PUSH as PUSH
    from .green.stream.stream import SUB as SUB
    from .green.stream.stream import Stream as Stream
    from .green.stream.stream import connect as connect
    from .green.stream.stream import disconnect as disconnect
    from .green.topology import Topology as Topology
    from .green.transport.monitor import ConnectionCountMonitor as ConnectionCountMonitor
    from .green.transport.monitor import SocketEventListener as SocketEventListener
    from .green.transport.monitor import no_clients_timeout_notifier as no_clients_timeout_notifier
    from .handlers import DEFAULT
    from .handlers.bsread.bsread_sender import bsread_sender as bsread_sender
    from .merging import Arrival as Arrival
    from .merging import ByKey as ByKey
    from .merging import RoundRobin as RoundRobin
    from .message import Message as Message
    from .receiver import Receiver as Receiver
    from .statistics import Statistics as Statistics
    from .tuning import tune_process as tune_process

    receive_handlers = DEFAULT

_NAMES = {
    "": "receive_handlers tools utils __version__",
    "decoder": "Decoder",
    "deferred": "Deferred",
    "errors": "ConfigError ConnectError DecodeError EncodeError GmflowError HandlerError"
    " HeaderError MessageError RecordingError SendTimeout UnknownHtype",
    "green.stream.stream": "BIND CONNECT PUB PULL PUSH SUB Stream connect disconnect",
    "green.topology": "Topology",
    "green.transport.monitor": "ConnectionCountMonitor SocketEventListener"
    " no_clients_timeout_notifier",
    "handlers.bsread.bsread_sender": "bsread_sender",
    "merging": "Arrival ByKey RoundRobin",
    "message": "Message",
    "receiver": "Receiver",
    "statistics": "Statistics",
    "tuning": "tune_process",
}
_HOME = {name: home for home, names in _NAMES.items() for name in names.split()}

if not TYPE_CHECKING:  # a type checker goes by the imports
    __all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is: a program starts sooner, and may still patch."""
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOME.get(name)
    try:
        if home:
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
