"""A node that prints messages; who reads them may be slow, or a stopped terminal."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic

from gevent import GreenletExit

from ..green.threads import in_worker_thread
from ..green.topology import Consumer, Producer
from ..message import Message, Part
from .console import File

TOGETHER = 0.05
"""Seconds that messages are summed up before they are printed with one call."""


class Screen(Consumer):
    """Prints messages off the hub; one that is stopped counts those that are out.

    Parameters
    ----------
    node : Producer
        Where they come from.
    out : File
        What they are written to.
    text : callable
        Gives the text of a message from its parts; called in a native thread.
    when_full : str, optional
        As of `Consumer`.
    """

    kind = "screen"

    def __init__(
        self,
        node: Producer,
        out: File,
        text: Callable[[Sequence[Part]], str],
        when_full: str = "block",
    ) -> None:
        super().__init__("screen", node, when_full=when_full)
        self._out = out
        self._text = text
        self._printed = 0
        self._stopping = False

    def consume(self, hand: deque[Message]) -> None:
        try:
            in_worker_thread(self._print_all, deque(hand))
        except GreenletExit:
            self._stopping = True
            raise
        finally:
            while self.statistics.sent < self._printed:
                self.done(hand.popleft())

    def _print_all(self, messages: deque[Message]) -> None:
        while messages and not self._stopping:
            texts: list[str] = []
            end = monotonic() + TOGETHER
            while messages and not self._stopping and (not texts or monotonic() < end):
                texts.append(self._text(messages.popleft().parts))
            self._out.put("".join(texts))
            self._printed += len(texts)
