"""Nodes that are started together, stopped together, and fail together."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from itertools import cycle
from logging import getLogger
from time import monotonic
from typing import Any, TypeVar

import gevent
import zmq
from gevent import Greenlet, GreenletExit, getcurrent
from gevent.event import Event
from gevent.hub import get_thread_ident

from ...errors import ConfigError, ConnectError
from ...validation import check_text
from ..threads import end_context, in_worker_thread
from ..transport.socket import Context
from .node import Consumer, Node, Producer
from .output import Output

logger = getLogger(__name__)

N = TypeVar("N", bound=Node)

IO_THREADS = 4
"""I/O threads of ZeroMQ for a topology, at most."""


class Runner:
    """Nodes that run each in a greenlet of its own.

    The first node that fails stops the others, and `join` raises its error.
    """

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._greenlets: list[Greenlet] = []
        self._context: Context | None = None
        self._error: BaseException | None = None
        self._thread = get_thread_ident()
        self._started = 0.0
        self._ended = 0.0
        self._finished = Event()
        self._finished.set()

    def attach(self, node: N) -> N:
        """Add a node, and connect it to those that it takes messages from.

        Raises
        ------
        ConfigError
            If the topology has started, has a node of this name, or lacks one that this takes
            messages from. Nothing is changed then.
        """
        self._check_not_started()
        if node.name in self._nodes:
            raise ConfigError(f"a node is called {node.name!r:.80} already: give another name")
        for producer, _ in node.inputs:
            self._giver(producer)
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
        self._check()
        self._thread = get_thread_ident()
        self._context = context = Context()
        context.set(zmq.MAX_SOCKETS, max(1023, 4 * len(self._nodes)))
        threads = self._io_threads(context)
        opened: list[Node] = []
        try:
            for node in sorted(self._nodes.values(), key=lambda node: isinstance(node, Producer)):
                opened.append(node)  # a source would take messages that then could go nowhere
                node.open(context, next(threads) if isinstance(node, Output) else 0)
        except BaseException:
            for node in opened:
                node.close()
            in_worker_thread(context.term)
            raise
        self._started = monotonic()
        self._finished.clear()
        self._greenlets = [gevent.spawn(self._run, node) for node in self._nodes.values()]
        gevent.spawn(self._finish, context)

    def stop(self, timeout: float | None = 1.0) -> None:
        """Have sources take nothing more, let what is under way drain, then end the rest.

        Called in a node's own greenlet, it only asks the sources to stop.

        Parameters
        ----------
        timeout : float, optional
            Seconds that it may take in all; where there are outputs, a half of it is kept for
            their linger. None for as long as it takes.
        """
        self._check_thread()
        until = None if timeout is None else monotonic() + timeout
        for node in self._nodes.values():
            node.stop()
        if getcurrent() in self._greenlets:
            return
        lingers = any(isinstance(node, Output) for node in self._nodes.values())
        gevent.joinall(self._greenlets, timeout / 2 if timeout and lingers else timeout)
        gevent.killall(self._greenlets)
        left = None if until is None else max(0, until - monotonic())
        if not self._finished.wait(left) and lingers:
            logger.warning("stopped while messages were still to be delivered by ZeroMQ")
        self._finished.set()

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
        self._check_thread()
        if not self._finished.wait(timeout):
            return False
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
        """Return one snapshot of everything: ``seconds``, and ``nodes`` by name.

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

    def _giver(self, node: Any) -> Producer:
        if not isinstance(node, Producer):
            raise ConfigError(f"{node!r:.80} gives no messages: name a source, feed or merger")
        if self._nodes.get(node.name) is not node:
            raise ConfigError(f"{node.name!r} is of another topology")
        return node

    def _check_not_started(self) -> None:
        if self._context is not None:
            raise ConfigError("the topology has started: add nodes before")

    def _check_thread(self) -> None:
        if get_thread_ident() != self._thread:
            raise ConnectError("the topology belongs to the thread that started it: end it there")

    def _check(self) -> None:
        if self._context is not None:
            raise ConfigError("the topology has started before: make a new one")
        for node in self._nodes.values():
            if isinstance(node, Producer) and not node.splitter.inlets:
                raise ConfigError(f"messages of {node.name!r} go nowhere: add an output or a sink")

    def _io_threads(self, context: Context) -> Iterator[int]:
        """Have I/O threads as far as there are cores; give those for the outputs, in turn.

        The first is for the sources, which can then receive while an output sends.
        """
        outputs = sum(isinstance(node, Output) for node in self._nodes.values())
        count = max(1, min(1 + outputs, os.cpu_count() or 1, IO_THREADS))
        context.set(zmq.IO_THREADS, count)
        return cycle(range(min(1, count - 1), count))

    def _run(self, node: Node) -> None:
        try:
            node.run()
        except GreenletExit:
            pass
        except (Exception, gevent.Timeout) as error:  # a Timeout is no Exception
            self._error = self._error or error
            gevent.spawn(self.stop)
        finally:
            node.close()
        if isinstance(node, Consumer) and node.satisfied:
            gevent.spawn(self.stop)

    def _finish(self, context: Context) -> None:
        gevent.joinall(self._greenlets)
        self._ended = monotonic()
        end_context(context, self._linger())
        self._finished.set()

    def _linger(self) -> float:
        """Return the longest time that an output may linger, in seconds."""
        outputs = [node for node in self._nodes.values() if isinstance(node, Output)]
        return max((output.lingers for output in outputs), default=math.inf)

    def _name(self, wanted: str | None, usual: str) -> str:
        """Return a node's name: the wanted one, or the usual, with a number where it is taken."""
        if wanted is None:
            wanted = usual
        else:
            check_text("name", wanted)
        name, number = wanted, 1
        while name in self._nodes:
            number += 1
            name = f"{wanted} #{number}"
        return name
