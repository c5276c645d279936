"""The time of a merge: it passes only while the streams can bring something."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

INSTANT = 0.01
"""Seconds that pass at most between two looks: the process may have stood still."""


class Clock:
    """Counts seconds, but not those in which whoever merges did something else.

    Parameters
    ----------
    time : callable, optional
        Gives the real time, in seconds.
    """

    def __init__(self, time: Callable[[], float] = monotonic) -> None:
        self._time = time
        self._seconds = 0.0
        self._looked = time()

    def now(self) -> float:
        """Return the time; it has gone on by `INSTANT` at most since the last look."""
        time = self._time()
        self._seconds += min(INSTANT, time - self._looked)
        self._looked = time
        return self._seconds

    def until(self, deadline: float | None) -> float | None:
        """Return for how long to wait before the next look; None where there is no deadline."""
        return None if deadline is None else min(INSTANT, max(0.0, deadline - self.now()))

    def skip(self) -> None:
        """Let the time since the last look not pass."""
        self._looked = self._time()
