"""How a greenlet that never has to wait lets the others run."""

from __future__ import annotations

from time import monotonic
from typing import Any

from gevent import getcurrent
from gevent.hub import get_hub

SLICE = 0.0002
"""Seconds a greenlet may go on without letting others run."""

MOMENT = 1e-6
"""Seconds that a yield to the hub takes. No seconds at all would starve timers and sockets."""


class HubYield:
    """Lets other greenlets run, called often by a loop of one thread that may never block.

    The greenlet has had the hub for long enough at `until`, as of `time.monotonic`.
    """

    __slots__ = ("_timer", "until")

    def __init__(self) -> None:
        self._timer: Any = None  # kept: to make one each time, as gevent.sleep does, costs more
        self.until = monotonic() + SLICE

    def __call__(self) -> bool:
        """Yield to the hub, and return True, if this greenlet has had it for more than `SLICE`."""
        if monotonic() < self.until:
            return False
        hub = get_hub()
        timer, self._timer = self._timer or hub.loop.timer(MOMENT), None
        try:
            timer.start(getcurrent().switch, update=True)  # after those that are overdue
            hub.switch()
        finally:
            timer.stop()
            self._timer = timer
        self.taken()
        return True

    def taken(self) -> None:
        """Note that the greenlet has just waited for something else."""
        self.until = monotonic() + SLICE
