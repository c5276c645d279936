"""What ties nodes to a topology: where messages come from, and where they go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import zmq

from ..checking import check_handlers
from ..errors import ConfigError
from ..merging import strategy_of
from ..message import Part
from ..splitting import choices_of
from .group import Group
from .merger import Merger
from .nodes import Giver
from .origins import Feed, Source
from .settings import (
    check_count,
    check_messages,
    check_once,
    check_threads,
    socket_settings,
)
from .takers import Consumer, Output, Sink

if TYPE_CHECKING:
    from ..config import TopologyConfig
    from ..decoder import Handler
    from .tap import Tap


class Topology(Group):
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
        from ..config import TopologyConfig, load, parse  # late: most programs have none
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
        *nodes: Giver,
        strategy: Any = None,
        name: str | None = None,
    ) -> Merger:
        """Add a node that makes one stream of several.

        Parameters
        ----------
        *nodes : Giver
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

    def output(
        self,
        node: Giver,
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
        node : Giver
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
            and `modulo` say, which count its images alone and anew for each series. They are the
            last to be dropped, and `rate` doesn't hold for them.
        rate : float, optional
            Messages a second at most: the newest goes when its turn has come, those that it
            replaced are counted as dropped for "rate". Such an output holds nobody up, whatever
            `when_full`; with `series`, headers and ends of series can.
        linger : int, optional
            Milliseconds that messages may wait to be sent after a stop; -1 for ever. Where the
            sources end by themselves, the topology ends when everything is delivered.
        options
            As of `gmflow.Stream.connect`.
        name : str, optional
            What the node is called in reports.
        """
        modes, others = ("PUSH", "PUB"), {"queue_size": queue_size, "linger": linger}
        settings = socket_settings(address, mode, modes, conn_type, options, **others)
        publishes = settings["mode"] == zmq.PUB
        if publishes:  # otherwise libzmq drops without a word
            settings["options"] = {"XPUB_NODROP": 1, **settings["options"]}
        if when_full is None:
            when_full = "drop_newest" if publishes else "block"
        choices = choices_of(modulo, offset, htypes, share, block, series)
        name = self._name(name, f"output {address}")
        output = Output(name, node, address, settings, choices, when_full, rate, series)
        return self.attach(output)

    def tap(
        self,
        node: Giver,
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
        node : Giver
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
        from .tap import Tap  # late: most topologies have none

        modes, others = ("XPUB",), {"queue_size": queue_size, "linger": linger}
        settings = socket_settings(address, "XPUB", modes, conn_type, options, **others)
        settings["options"] = {**settings["options"], "XPUB_NODROP": 1, "XPUB_MANUAL": 1}
        name = self._name(name, f"tap {address}")
        return self.attach(Tap(name, node, address, settings, rate))

    def sink(
        self, node: Giver, function: Consumer, *, decode: bool = True, name: str | None = None
    ) -> Sink:
        """Add a node that hands each message to a function, or to a generator's ``yield``.

        Parameters
        ----------
        node : Giver
            Where its messages come from.
        function : callable or generator
            ``function(message)``, or a generator (function) that gets ``message = yield``.
        decode : bool, optional
            False for messages without ``data``, with their ``parts`` alone.
        name : str, optional
            What the node is called in reports.
        """
        return self.attach(Sink(self._name(name, "sink"), node, function, decode))
