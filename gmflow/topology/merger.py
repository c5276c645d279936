"""Several streams become one, in the order of a strategy; messages pass untouched."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from ..channel import CAPACITY, CAPACITY_BYTES, Channel
from ..merging import RoundRobinStrategy
from ..message import Message, size_of_all
from .nodes import Giver
from .splitter import Inlet

MOST_BYTES = 256 << 20
"""Bytes that wait before a merger, of all streams together, where there are many streams."""


class Merger(Giver):
    """Takes from each of its nodes as the strategy says, waiting where one has nothing yet.

    A node that ends leaves the order; the merger ends with the last one.

    Parameters
    ----------
    name : str
        What it is called in reports.
    nodes : sequence of Giver
        The streams to merge.
    strategy : RoundRobinStrategy
        Says whose turn it is; for this merger alone.
    """

    kind = "merger"

    def __init__(self, name: str, nodes: Sequence[Giver], strategy: RoundRobinStrategy) -> None:
        super().__init__(name)
        self._nodes = tuple(nodes)
        self._strategy = strategy
        self._inlets = [Inlet(self.statistics, channel=_share(len(nodes))) for _ in nodes]
        self._waiting: list[deque[Message]] = [deque() for _ in nodes]
        self._merged: list[Message] = []
        for node, inlet in zip(nodes, self._inlets, strict=True):
            node.splitter.inlets.append(inlet)

    def want_data(self) -> None:
        for node in self._nodes:
            node.want_data()

    def run(self) -> None:
        streams = list(range(len(self._inlets)))
        while streams:
            index = self._strategy.next(streams)
            message = self._next(streams[index])
            if message is None:
                streams.pop(index)
                leave = getattr(self._strategy, "leave", None)  # mflow's strategies have none
                if leave is not None:
                    leave(index)
            else:
                self._merged.append(message)
                if len(self._merged) >= CAPACITY:
                    self._flush()
        self._flush()

    def _next(self, stream: int) -> Message | None:
        waiting = self._waiting[stream]
        if not waiting:
            channel = self._inlets[stream].channel
            if not len(channel):
                self._flush()
            waiting.extend(channel.get())
        return waiting.popleft() if waiting else None

    def _flush(self) -> None:
        if self._merged:
            merged, self._merged = self._merged, []
            self.give(merged, size_of_all(merged))

    def close(self) -> None:
        for inlet, waiting in zip(self._inlets, self._waiting, strict=True):
            inlet.channel.break_off()
            self.statistics.left_over += len(inlet.channel) + len(waiting)
        self.statistics.left_over += len(self._merged)
        super().close()


def _share(streams: int) -> Channel:
    """Give a stream's channel: many streams share the room that a few don't use up."""
    return Channel(CAPACITY, min(CAPACITY_BYTES, MOST_BYTES // max(streams, 1)))
