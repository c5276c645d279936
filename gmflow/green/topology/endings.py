"""The ends of a topology: what messages go to, be it a socket, a file or a function."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import zmq

from ...filters import filters_of
from .node import Producer
from .output import Output, Sink, SinkFunction
from .runner import Runner
from .settings import socket_settings

if TYPE_CHECKING:
    from .recorder import Recorder
    from .tap import Tap


class Endings(Runner):
    """A group that nodes can be added to which messages end at."""

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
        filters = filters_of(modulo, offset, htypes, share, block, series)
        name = self._name(name, f"output {address}")
        output = Output(name, node, address, settings, filters, when_full, rate, series)
        return self.attach(output)

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
        from .tap import Tap  # late: most topologies have none

        modes, others = ("XPUB",), {"queue_size": queue_size, "linger": linger}
        settings = socket_settings(address, "XPUB", modes, conn_type, options, **others)
        settings["options"] = {**settings["options"], "XPUB_NODROP": 1, "XPUB_MANUAL": 1}
        name = self._name(name, f"tap {address}")
        return self.attach(Tap(name, node, address, settings, rate))

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
        return self.attach(Sink(self._name(name, "sink"), node, function, decode))

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

        name = self._name(name, f"recorder {os.fspath(path)}")
        return self.attach(Recorder(name, node, path, skip, when_full))
