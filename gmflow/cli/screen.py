"""A node that prints messages; who reads them may be slow, or a stopped terminal."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic

from gevent import GreenletExit

from ..green.threads import off_hub
from ..green.topology import Giver, Taker
from ..message import Message, Part
from .console import File

TOGETHER = 0.05
"""Seconds that messages are summed up before they are printed with one call."""


class Screen(Taker):
    """Prints messages off the hub; one that is stopped counts those that are out.

    Parameters
    ----------
    node : Giver
        Where they come from.
    out : File
        What they are written to.
    text : callable
        Gives the text of a message from its parts; called in a native thread.
    when_full : str, optional
        As of `Taker`.
    """

    kind = "screen"

    def __init__(
        self,
        node: Giver,
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
            off_hub(self._print_all, deque(hand))
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
