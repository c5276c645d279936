"""Sources, mergers, outputs and sinks as greenlets, tied by bounded channels.

`Topology` makes, starts and stops them.
"""

from .links import Inlet, Splitter
from .merger import Merger
from .node import Giver, Node, Taker
from .output import Output, Sink
from .source import Bursts, Feed, Origin, Source
from .topology import Topology

__all__ = [
    "Bursts",
    "Feed",
    "Giver",
    "Inlet",
    "Merger",
    "Node",
    "Origin",
    "Output",
    "Sink",
    "Source",
    "Splitter",
    "Taker",
    "Topology",
]
