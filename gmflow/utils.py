"""The names of ``mflow.utils``: merging of streams, throughput statistics, connection monitors."""

from .green.stream.merge import Merge
from .green.transport.monitor import (
    ConnectionCountMonitor,
    SocketEventListener,
    no_clients_timeout_notifier,
)
from .merging import RoundRobinStrategy
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
