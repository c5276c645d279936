"""What ties nodes to a topology: where messages come from, and where they go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

from ...errors import ConfigError
from ...merging import strategy_of
from ...message import Part
from ...validation import check_handlers
from .endings import Endings
from .merger import Merger
from .node import Producer
from .settings import (
    check_count,
    check_messages,
    check_once,
    check_threads,
    socket_settings,
)
from .source import Feed, Source

if TYPE_CHECKING:
    from ...config import TopologyConfig
    from ...decoder import Handler


class Topology(Endings):
    """Sources, mergers, outputs and sinks, tied by bounded channels, each in a greenlet.

    Give it nodes, then `run` it, or `start` it, do something else, `stop` and `join` it. The
    first node that fails stops the others, and `join` raises its error.
    """

    @classmethod
    def from_config(
        cls, config: str | PathLike[str] | Mapping[str, Any] | TopologyConfig
    ) -> Topology:
        """Make the topology of a configuration: sources, a merger, streams.

        Parameters
        ----------
        config : path, mapping or TopologyConfig
            A JSON file, what it holds, or what was made of that; see docs/config.md.

        Raises
        ------
        ConfigError
            If the file can't be read, or a key or value is wrong.
        """
        from ...config import TopologyConfig, load, parse  # late: most programs have none
        from .configured import add_nodes

        if not isinstance(config, TopologyConfig):
            config = parse(config) if isinstance(config, Mapping) else load(config)
        topology = cls()
        add_nodes(topology, config)
        return topology

    def source(
        self,
        address: str,
        mode: str | int = "PULL",
        queue_size: int = 100,
        conn_type: str | None = None,
        *,
        count: int | None = None,
        handlers: Mapping[str, Handler] | None = None,
        topics: Sequence[str | bytes] = ("",),
        options: Mapping[str, Any] | None = None,
        name: str | None = None,
        step: int | None = None,
        decode_threads: int = 1,
    ) -> Source:
        """Add a node that receives from a socket.

        Parameters
        ----------
        address : str
            ``tcp://*:port`` is bound to, anything else connected to.
        mode : {"PULL", "SUB"} or int, optional
            The kind of socket.
        queue_size : int, optional
            High-water mark, in messages.
        conn_type : {"connect", "bind"}, optional
            Overrules what the address says.
        count : int, optional
            End after so many messages.
        handlers : mapping of str to handler, optional
            Which handler reads which htype, beside the built-in ones, where a sink wants values.
        topics, options
            As of `gmflow.Stream.connect`.
        name : str, optional
            What the node is called in reports.
        step : int, optional
            How much `frame` or `pulse_id` grows from message to message, to tell what is missing;
            1, and learnt, by default.
        decode_threads : int, optional
            As of `gmflow.Stream`, where a sink wants values.
        """
        modes, others = ("PULL", "SUB"), {"queue_size": queue_size, "topics": topics}
        settings = socket_settings(address, mode, modes, conn_type, options, **others)
        check_count(count)
        check_handlers(handlers)
        check_threads(decode_threads)
        name = self._name(name, f"source {address}")
        source = Source(name, address, settings, handlers, count, step, decode_threads)
        return self.attach(source)

    def feed(
        self,
        messages: Iterable[Sequence[Part]],
        *,
        handlers: Mapping[str, Handler] | None = None,
        name: str | None = None,
    ) -> Feed:
        """Add a node that gives the messages of an iterable, each a sequence of parts."""
        check_messages(messages)
        check_handlers(handlers)
        return self.attach(Feed(self._name(name, "feed"), messages, handlers))

    def merge(
        self,
        *nodes: Producer,
        strategy: Any = None,
        name: str | None = None,
    ) -> Merger:
        """Add a node that makes one stream of several.

        Parameters
        ----------
        *nodes : Producer
            The streams.
        strategy : Strategy, class of one, or mflow's, optional
            In which order messages go on: `gmflow.merging.RoundRobin` by default, `Arrival` or
            `ByKey`. For this merger alone.
        name : str, optional
            What the node is called in reports.

        Raises
        ------
        ConfigError
            If there is nothing to merge, a node is given twice, or the strategy is none, or
            another merger's.
        """
        self._check_not_started()  # before a strategy begins that is for one merger alone
        if not nodes:
            raise ConfigError("merge needs at least one node")
        nodes = tuple(map(self._giver, nodes))
        check_once(node.name for node in nodes)
        name = self._name(name, "merger")
        return self.attach(Merger(name, nodes, strategy_of(strategy)))
