"""Sources, mergers, outputs and sinks as greenlets, tied by bounded channels.

`Topology` makes, starts and stops them.
"""

from .links import Inlet
from .node import Consumer, Producer
from .output import Output
from .sink import Sink
from .source import Bursts
from .topology import Topology

__all__ = ["Bursts", "Consumer", "Inlet", "Output", "Producer", "Sink", "Topology"]
