"""Sources, mergers, outputs and sinks as greenlets, tied by bounded channels.

`Topology` makes, starts and stops them.
"""

from .links import Inlet, Splitter
from .merger import Merger
from .node import Consumer, Node, Producer
from .output import Output
from .sink import Sink
from .source import Bursts, Origin, Source
from .topology import Topology

__all__ = [
    "Bursts",
    "Consumer",
    "Inlet",
    "Merger",
    "Node",
    "Origin",
    "Output",
    "Producer",
    "Sink",
    "Source",
    "Splitter",
    "Topology",
]
