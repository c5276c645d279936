"""The configuration of a topology: sources, a merger, streams; checked before a socket is opened.

The JSON is mflow's, with more keys; docs/config.md lists them.
"""

from .describe import describe
from .load import TopologyConfig, load, parse
from .schema import (
    MERGE,
    OUTPUT,
    SOURCE,
    ByKeyConfig,
    MergeConfig,
    OutputConfig,
    SourceConfig,
    TapConfig,
)

__all__ = [
    "MERGE",
    "OUTPUT",
    "SOURCE",
    "ByKeyConfig",
    "MergeConfig",
    "OutputConfig",
    "SourceConfig",
    "TapConfig",
    "TopologyConfig",
    "describe",
    "load",
    "parse",
]
