"""Nodes that are started together, stopped together, and fail together."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from itertools import cycle
from logging import getLogger
from time import monotonic
from typing import Any

import gevent
import zmq
from gevent import Greenlet, GreenletExit, getcurrent
from gevent.event import Event
from gevent.hub import get_thread_ident

from ...errors import ConfigError, ConnectError
from ..threads import end_context, in_worker_thread
from ..transport.socket import Context
from .node import Consumer, Node, Producer
from .output import Output

logger = getLogger(__name__)

MAX_IO_THREADS = 4
"""I/O threads of ZeroMQ for a topology."""


class Runner:
    """Starts the nodes of a topology, each in a greenlet of its own, and sees them to their end.

    Its methods are those of `Topology`, which owns it. No node is added once they have started.
    """

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self._nodes = nodes
        self._greenlets: list[Greenlet] = []
        self._context: Context | None = None
        self._error: BaseException | None = None
        self._thread = get_thread_ident()
        self._started: float | None = None
        self._ended: float | None = None
        self._finished = Event()
        self._finished.set()

    def check_not_started(self) -> None:
        """Validate that nodes may be added, or raise ConfigError."""
        if self._context is not None:
            raise ConfigError("the topology has started: add nodes before")

    def start(self) -> None:
        """As of `Topology.start`."""
        self._check_can_start()
        self._thread = get_thread_ident()
        self._context = context = Context()
        context.set(zmq.MAX_SOCKETS, max(1023, 4 * len(self._nodes)))
        self._open_all(context)
        self._started = monotonic()
        self._finished.clear()
        self._greenlets = [gevent.spawn(self._run, node) for node in self._nodes.values()]
        gevent.spawn(self._finish, context)

    def stop(self, timeout: float | None) -> None:
        """As of `Topology.stop`."""
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

    def join(self, timeout: float | None) -> bool:
        """As of `Topology.join`."""
        self._check_thread()
        if not self._finished.wait(timeout):
            return False
        if self._error is not None:
            raise self._error
        return True

    def statistics(self) -> dict[str, Any]:
        """As of `Topology.statistics`."""
        until = monotonic() if self._ended is None else self._ended
        return {
            "seconds": 0.0 if self._started is None else until - self._started,
            "nodes": {name: node.snapshot() for name, node in self._nodes.items()},
        }

    def _check_thread(self) -> None:
        if get_thread_ident() != self._thread:
            raise ConnectError("the topology belongs to the thread that started it: end it there")

    def _check_can_start(self) -> None:
        if self._context is not None:
            raise ConfigError("the topology has started before: make a new one")
        for node in self._nodes.values():
            if isinstance(node, Producer) and not node.splitter.inlets:
                raise ConfigError(f"messages of {node.name!r} go nowhere: add an output or a sink")

    def _open_all(self, context: Context) -> None:
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

    def _io_threads(self, context: Context) -> Iterator[int]:
        """Have I/O threads as far as there are cores; return those for the outputs, in turn."""
        # the first is for the sources, which can then receive while an output sends
        outputs = sum(isinstance(node, Output) for node in self._nodes.values())
        count = max(1, min(1 + outputs, os.cpu_count() or 1, MAX_IO_THREADS))
        context.set(zmq.IO_THREADS, count)
        return cycle(range(min(1, count - 1), count))

    def _run(self, node: Node) -> None:
        try:
            node.run()
        except GreenletExit:
            pass
        except (Exception, gevent.Timeout) as error:  # a Timeout is no Exception
            self._error = self._error or error
            gevent.spawn(self.stop, 1.0)
        finally:
            node.close()
        if isinstance(node, Consumer) and node.satisfied:
            gevent.spawn(self.stop, 1.0)

    def _finish(self, context: Context) -> None:
        gevent.joinall(self._greenlets)
        self._ended = monotonic()
        end_context(context, self._linger())
        self._finished.set()

    def _linger(self) -> float:
        outputs = [node for node in self._nodes.values() if isinstance(node, Output)]
        return max((output.lingers for output in outputs), default=math.inf)
