"""How a greenlet that never has to wait lets the others run."""

from __future__ import annotations

from time import monotonic

import gevent

SLICE = 0.0002
"""Seconds a greenlet may go on without letting others run."""


class Breath:
    """Lets other greenlets run, called often by a loop that may never block.

    Attributes
    ----------
    since : float
        When the greenlet last gave the hub away, as of `time.monotonic`.
    """

    __slots__ = ("since",)

    def __init__(self) -> None:
        self.since = monotonic()

    def __call__(self) -> bool:
        """Give the hub away if this greenlet has had it for longer than `SLICE`; tell if so."""
        if monotonic() - self.since < SLICE:
            return False
        gevent.sleep(1e-6)  # sleep(0) would starve timers and sockets
        self.since = monotonic()
        return True

    def taken(self) -> None:
        """Note that the greenlet has just waited for something else."""
        self.since = monotonic()
