"""The names of ``mflow.utils``: merging of streams, throughput statistics, connection monitors."""

from .merging import RoundRobinStrategy
from .monitor import ConnectionCountMonitor, SocketEventListener, no_clients_timeout_notifier
from .stream_merge import Merge
from .throughput import ThroughputStatistics, ThroughputStatisticsPrinter

__all__ = [
    "ConnectionCountMonitor",
    "Merge",
    "RoundRobinStrategy",
    "SocketEventListener",
    "ThroughputStatistics",
    "ThroughputStatisticsPrinter",
    "no_clients_timeout_notifier",
]
