"""Nodes that are started together, stopped together, and fail together."""

from __future__ import annotations

from time import monotonic
from typing import Any, TypeVar

import gevent
import zmq
from gevent import Greenlet, GreenletExit, getcurrent
from gevent.hub import get_hub

from ..errors import ConfigError
from ..sockets import Context
from .nodes import Giver, Node, Taker
from .origins import Origin

N = TypeVar("N", bound=Node)


class Group:
    """Nodes that run each in a greenlet of its own.

    The first node that fails stops the others, and `join` raises its error.
    """

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._greenlets: list[Greenlet] = []
        self._context: Context | None = None
        self._error: BaseException | None = None
        self._started = 0.0
        self._ended = 0.0

    def attach(self, node: N) -> N:
        """Add a node.

        Raises
        ------
        ConfigError
            If the topology has started.
        """
        if self._context is not None:
            raise ConfigError("the topology has started: add nodes before")
        self._nodes[node.name] = node
        return node

    def start(self) -> None:
        """Open every socket and start every node.

        Raises
        ------
        ConnectError
            If an address can't be bound or connected to; nothing is left open.
        ConfigError
            If messages of a node would go nowhere.
        """
        for node in self._nodes.values():
            if isinstance(node, Giver) and not node.splitter.inlets:
                raise ConfigError(f"messages of {node.name!r} go nowhere: add an output or a sink")
        self._context = Context()
        self._context.set(zmq.MAX_SOCKETS, max(1023, 2 * len(self._nodes)))
        opened: list[Node] = []
        try:
            for node in self._nodes.values():
                opened.append(node)
                node.open(self._context)
        except BaseException:
            for node in opened:
                node.close()
            self._end_context()
            raise
        self._started = monotonic()
        self._greenlets = [gevent.spawn(self._run, node) for node in self._nodes.values()]

    def stop(self, timeout: float | None = 1.0) -> None:
        """Have sources take nothing more, let what is under way drain, then end the rest.

        Called in a node's own greenlet, it only asks the sources to stop.

        Parameters
        ----------
        timeout : float, optional
            Seconds that draining may take; None for as long as it takes.
        """
        for node in self._nodes.values():
            if isinstance(node, Origin):
                node.stop()
        if getcurrent() not in self._greenlets:
            gevent.joinall(self._greenlets, timeout)
            gevent.killall(self._greenlets)
            self._end_context()

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
        gevent.joinall(self._greenlets, timeout)
        if not all(greenlet.dead for greenlet in self._greenlets):
            return False
        self._end_context()
        if self._error is not None:
            raise self._error
        return True

    def run(self) -> None:
        """Start, and wait for the end; what interrupts the wait stops the topology."""
        self.start()
        try:
            self.join()
        finally:
            self.stop()

    def statistics(self) -> dict[str, Any]:
        """Give one snapshot of everything: ``seconds``, and ``nodes`` by name.

        Returns
        -------
        dict
            For each node its kind and address, and the counters of `NodeStatistics`.
        """
        until = self._ended or monotonic()
        return {
            "seconds": until - self._started if self._started else 0.0,
            "nodes": {name: node.snapshot() for name, node in self._nodes.items()},
        }

    def _run(self, node: Node) -> None:
        try:
            node.run()
        except GreenletExit:
            pass
        except Exception as error:
            self._error = self._error or error
            gevent.spawn(self.stop)
        finally:
            node.close()
        if isinstance(node, Taker) and not node.inlet.channel.closed:
            gevent.spawn(self.stop)

    def _end_context(self) -> None:
        self._ended = self._ended or monotonic()
        if self._context is not None and not self._context.closed:
            get_hub().threadpool.apply(self._context.term)  # waits for the linger

    def _name(self, wanted: str) -> str:
        name, number = wanted, 1
        while name in self._nodes:
            number += 1
            name = f"{wanted} #{number}"
        return name
