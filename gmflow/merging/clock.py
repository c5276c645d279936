"""The time of a merge: it passes only while the streams can bring something."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

INSTANT = 0.01
"""Seconds that pass at most where nobody waited: the process may have stood still."""


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
        """Give the time; it has gone on by `INSTANT` at most since the last look."""
        return self._pass(INSTANT)

    def waited(self, most: float) -> None:
        """Let the time since the last look pass, which was spent waiting; `most` seconds of it."""
        self._pass(most)

    def skip(self) -> None:
        """Let the time since the last look not pass."""
        self._pass(0.0)

    def _pass(self, most: float) -> float:
        time = self._time()
        self._seconds += min(most, time - self._looked)
        self._looked = time
        return self._seconds
