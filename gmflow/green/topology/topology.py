"""A topology: nodes that messages flow through, made here, and started and stopped together.

What a node is told is checked by the schema of `gmflow.config`, here for the arguments of the
methods; a configuration is checked already where it is read.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeVar

from ...config import (
    ByKeyConfig,
    FeedConfig,
    MergeConfig,
    OutputConfig,
    RecorderConfig,
    SinkConfig,
    SourceConfig,
    TapConfig,
    TopologyConfig,
    from_arguments,
    load,
    parse,
)
from ...errors import ConfigError
from ...filters import filters_of
from ...merging import Arrival, ByKey, RoundRobin, Strategy, strategy_of
from ...message import Part
from ...validation import TEXT
from .merger import Merger
from .node import Node, Producer, socket_settings
from .output import Output
from .runner import Runner
from .sink import Sink, SinkFunction
from .source import Bursts, Source

if TYPE_CHECKING:
    from ...decoder import Handler
    from .recorder import Recorder
    from .tap import Tap

N = TypeVar("N", bound=Node)


class Topology:
    """Sources, mergers, outputs and sinks, tied by bounded channels, each in a greenlet.

    Give it nodes, then `run` it, or `start` it, do something else, `stop` and `join` it. The
    first node that fails stops the others, and `join` raises its error.
    """

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._runner = Runner(self._nodes)

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
        if not isinstance(config, TopologyConfig):
            config = parse(config) if isinstance(config, Mapping) else load(config)
        topology = cls()
        sources = [topology._add_source(source) for source in config.sources]
        node: Producer = sources[0]
        if config.merge is not None:
            node = topology.merge(*sources, strategy=_strategy(config.merge))
        for stream in config.streams:
            if isinstance(stream, TapConfig):
                topology._add_tap(node, stream)
            else:
                topology._add_output(node, stream)
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
        return self._add_source(from_arguments(SourceConfig, locals()))

    def feed(
        self,
        messages: Iterable[Sequence[Part]],
        *,
        handlers: Mapping[str, Handler] | None = None,
        name: str | None = None,
    ) -> Bursts:
        """Add a node that takes messages from an iterable, each a sequence of parts."""
        config = from_arguments(FeedConfig, locals())
        name = self._free_name(config.name or "feed")
        # each message is a burst
        return self.attach(Bursts(name, zip(config.messages), config.handlers))

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
        self._runner.check_not_started()  # before a strategy begins that is for one merger alone
        if not nodes:
            raise ConfigError("merge needs at least one node")
        nodes = tuple(map(self._producer, nodes))
        twice = [node.name for node, times in Counter(nodes).items() if times > 1]
        if twice:
            raise ConfigError(f"{twice[0]!r:.80} is given twice; a merger takes each node once")
        name = self._free_name("merger" if name is None else TEXT.check("name", name))
        return self.attach(Merger(name, nodes, strategy_of(strategy)))

    def output(
        self,
        node: Producer,
        address: str,
        mode: str | int = "PUSH",
        modulo: int = 1,
        when_full: str | None = None,
        queue_size: int = 100,
        conn_type: str | None = None,
        *,
        offset: int = 0,
        htypes: Sequence[str] | None = None,
        share: Sequence[int] | None = None,
        block: int = 1,
        series: bool = False,
        rate: float | None = None,
        linger: int = 1000,
        options: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> Output:
        """Add a node that sends to a socket.

        Parameters
        ----------
        node : Producer
            Where its messages come from.
        address : str
            ``tcp://*:port`` is bound to, anything else connected to.
        mode : {"PUSH", "PUB"} or int, optional
            The kind of socket.
        modulo : int, optional
            n sends the n-th, 2n-th ... message.
        when_full : {"block", "drop_newest", "drop_oldest"}, optional
            What to do when receivers are slower; block for PUSH, drop_newest for PUB.
        queue_size : int, optional
            High-water mark, in messages.
        conn_type : {"connect", "bind"}, optional
            Overrules what the address says.
        offset : int, optional
            Of messages counted from 1, those go whose number modulo `modulo` is this.
        htypes : sequence of str, optional
            Only messages of these htypes go.
        share : (int, int), optional
            ``(i, n)`` sends share i, from 0, of n equal shares: message number k, counted from 0,
            is in share ``(k // block) % n``. `htypes` is applied before, `modulo` after it.
        block : int, optional
            How many messages in a row are in one share.
        series : bool, optional
            Whether every Eiger series goes whole: its header and end always go, whatever `share`
            and `modulo` say, which count the images alone, of each series. They are the last to
            be dropped, and `rate` doesn't hold for them.
        rate : float, optional
            Messages a second at most: the newest goes when its turn has come, those that it
            replaced are counted as dropped for "rate". Such an output holds nobody up, and
            `when_full` can only be "drop_oldest"; with `series` it is for headers and ends.
        linger : int, optional
            Milliseconds that messages may wait to be sent after a stop; -1 for ever. Where the
            sources end by themselves, the topology ends when everything is delivered.
        options
            As of `gmflow.Stream.connect`.
        name : str, optional
            What the node is called in reports.
        """
        return self._add_output(node, from_arguments(OutputConfig, locals()))

    def tap(
        self,
        node: Producer,
        address: str,
        *,
        rate: float | None = 20.0,
        queue_size: int = 10,
        conn_type: str | None = None,
        linger: int = 100,
        options: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> Tap:
        """Add a node that publishes the newest messages to viewers, and never slows the rest down.

        Parameters
        ----------
        node : Producer
            Where its messages come from.
        address : str
            ``tcp://*:port`` is bound to, anything else connected to.
        rate : float or None, optional
            Messages a second at most; None for as many as a small share of the time allows.
        queue_size : int, optional
            High-water mark, in messages a subscriber: a slow one is that far behind, and keeps
            as many in memory.
        conn_type : {"connect", "bind"}, optional
            Overrules what the address says.
        linger : int, optional
            Milliseconds that viewers may still take messages for at the end.
        options
            As of `gmflow.Stream.connect`.
        name : str, optional
            What the node is called in reports.
        """
        return self._add_tap(node, from_arguments(TapConfig, locals()))

    def sink(
        self,
        node: Producer,
        function: SinkFunction,
        *,
        decode: bool = True,
        name: str | None = None,
    ) -> Sink:
        """Add a node that hands each message to a function, or to a generator's ``yield``.

        Parameters
        ----------
        node : Producer
            Where its messages come from.
        function : callable or generator
            ``function(message)``, or a generator (function) that gets ``message = yield``.
        decode : bool, optional
            False for messages without ``data``, with their ``parts`` alone.
        name : str, optional
            What the node is called in reports.
        """
        config = from_arguments(SinkConfig, locals())
        name = self._free_name(config.name or "sink")
        return self.attach(Sink(name, node, config.function, config.decode))

    def recorder(
        self,
        node: Producer,
        path: str | PathLike[str],
        *,
        skip: int | None = None,
        when_full: str = "block",
        name: str | None = None,
    ) -> Recorder:
        """Add a node that writes messages into a recording, as they came and when.

        Parameters
        ----------
        node : Producer
            Where its messages come from.
        path : path
            A folder, or a file whose ending says of what kind: ``.mcap``, or ``.h5``, ``.hdf5``
            and ``.nxs`` for HDF5. A file must not be there yet.
        skip : int, optional
            For a folder: leave out parts from this one on, counted from 1.
        when_full : {"block", "drop_newest", "drop_oldest"}, optional
            What to do when the disk is slower than the messages come.
        name : str, optional
            What the node is called in reports.
        """
        from .recorder import Recorder  # late: most topologies have none

        config = from_arguments(RecorderConfig, locals())
        name = self._free_name(config.name or f"recorder {os.fspath(path)}")
        return self.attach(Recorder(name, node, path, config.skip, config.when_full))

    def attach(self, node: N) -> N:
        """Add a node, and connect it to those that it takes messages from.

        Raises
        ------
        ConfigError
            If the topology has started, has a node of this name, or lacks one that this takes
            messages from. Nothing is changed then.
        """
        self._runner.check_not_started()
        if node.name in self._nodes:
            raise ConfigError(f"a node is called {node.name!r:.80} already: give another name")
        for producer, _ in node.inputs:
            self._producer(producer)
        node.connect()
        self._nodes[node.name] = node
        return node

    def start(self) -> None:
        """Open every socket and start every node.

        Raises
        ------
        ConnectError
            If an address can't be bound or connected to; nothing is left open.
        ConfigError
            If messages of a node would go nowhere, or the topology has started before.
        """
        self._runner.start()

    def stop(self, timeout: float | None = 1.0) -> None:
        """Have sources take nothing more, let what is under way drain, then end the rest.

        Called in a node's own greenlet, it only asks the sources to stop.

        Parameters
        ----------
        timeout : float, optional
            Seconds that it may take in all; where there are outputs, a half of it is kept for
            their linger. None for as long as it takes.
        """
        self._runner.stop(timeout)

    def join(self, timeout: float | None = None) -> bool:
        """Wait until every node has ended and what was sent is out, up to its linger.

        Returns
        -------
        bool
            False if that took longer than `timeout` seconds.

        Raises
        ------
        Exception
            The error of the first node that failed.
        """
        return self._runner.join(timeout)

    def run(self) -> None:
        """Start, and wait for the end; what interrupts the wait stops the topology."""
        self.start()
        try:
            self.join()
        finally:
            self.stop()

    def statistics(self) -> dict[str, Any]:
        """Return one snapshot of everything: ``seconds``, and ``nodes`` by name.

        Returns
        -------
        dict
            For each node its kind and address, and the counters of `NodeStatistics`.
        """
        return self._runner.statistics()

    def _add_source(self, config: SourceConfig) -> Source:
        settings = socket_settings(config)
        name = self._free_name(config.name or f"source {config.address}")
        more = (config.handlers, config.count, config.step, config.decode_threads)
        return self.attach(Source(name, config.address, settings, *more))

    def _add_output(self, node: Producer, config: OutputConfig) -> Output:
        settings = socket_settings(config)
        counting = (config.modulo, config.offset, config.htypes, config.share, config.block)
        filters = filters_of(*counting, config.series)
        name = self._free_name(config.name or f"output {config.address}")
        more = (filters, config.when_full, config.rate, config.series)
        return self.attach(Output(name, node, config.address, settings, *more))

    def _add_tap(self, node: Producer, config: TapConfig) -> Tap:
        from .tap import Tap  # late: most topologies have none

        settings = socket_settings(config)
        name = self._free_name(config.name or f"tap {config.address}")
        return self.attach(Tap(name, node, config.address, settings, config.rate))

    def _producer(self, node: Any) -> Producer:
        if not isinstance(node, Producer):
            raise ConfigError(f"{node!r:.80} passes no messages on: name a source, feed or merger")
        if self._nodes.get(node.name) is not node:
            raise ConfigError(f"{node.name!r} is of another topology")
        return node

    def _free_name(self, wanted: str) -> str:
        """Return a node's name, with a number where it is taken."""
        name, number = wanted, 1
        while name in self._nodes:
            number += 1
            name = f"{wanted} #{number}"
        return name


def _strategy(config: MergeConfig | ByKeyConfig) -> Strategy:
    if isinstance(config, ByKeyConfig):
        settings = dict(vars(config))
        del settings["strategy"]
        return ByKey(**settings)
    return Arrival() if config.strategy == "arrival" else RoundRobin()
