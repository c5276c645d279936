"""Sources, mergers, outputs and sinks as greenlets, tied by bounded channels.

`Topology` makes, starts and stops them.
"""

from .merger import Merger
from .nodes import Giver, Node, Taker
from .origin import Origin
from .origins import Bursts, Feed, Source
from .splitter import Inlet, Splitter
from .takers import Output, Sink
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
