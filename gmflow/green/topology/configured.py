"""The nodes of a configuration are added to a topology; nothing is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...config import ByKeyConfig, MergeConfig, TapConfig, TopologyConfig
from ...merging import Arrival, ByKey, RoundRobin, Strategy

if TYPE_CHECKING:
    from .node import Producer
    from .topology import Topology


def add_nodes(topology: Topology, config: TopologyConfig) -> None:
    """Add the sources, the merger if there is one, and the streams, in this order."""
    sources = [topology.source(**vars(source)) for source in config.sources]
    node: Producer = sources[0]
    if config.merge is not None:
        node = topology.merge(*sources, strategy=_strategy(config.merge))
    for stream in config.streams:
        settings = dict(vars(stream))
        if isinstance(stream, TapConfig):
            del settings["mode"]
            topology.tap(node, **settings)
        else:
            topology.output(node, **settings)


def _strategy(merge: MergeConfig | ByKeyConfig) -> Strategy:
    if isinstance(merge, ByKeyConfig):
        settings = dict(vars(merge))
        del settings["strategy"]
        return ByKey(**settings)
    return Arrival() if merge.strategy == "arrival" else RoundRobin()
