"""What a topology is made of, by one schema: checked before a socket is opened.

It comes from a JSON file, mflow's with more keys, which docs/config.md lists, or from the
arguments of `gmflow.Topology`.
"""

from .describe import describe
from .load import TopologyConfig, from_arguments, load, parse
from .schema import (
    MERGE,
    OUTPUT,
    SOURCE,
    ByKeyConfig,
    FeedConfig,
    MergeConfig,
    OutputConfig,
    RecorderConfig,
    SinkConfig,
    SourceConfig,
    StreamConfig,
    TapConfig,
)

__all__ = [
    "MERGE",
    "OUTPUT",
    "SOURCE",
    "ByKeyConfig",
    "FeedConfig",
    "MergeConfig",
    "OutputConfig",
    "RecorderConfig",
    "SinkConfig",
    "SourceConfig",
    "StreamConfig",
    "TapConfig",
    "TopologyConfig",
    "describe",
    "from_arguments",
    "load",
    "parse",
]
