"""Which streams of a merge by key can still be expected to bring a key that others have brought."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from logging import getLogger

from .inputs import Input
from .keys import Key
from .pending import Waiting

logger = getLogger(__name__)


class Liveness:
    """Who is there, of the streams of a merge by key.

    A stream is full while it holds as many messages as it may: what it has not brought by then,
    it passed over. It is absent from when it let a key's patience pass, silent or with keys of
    its own, until it has a key in common with another.

    Parameters
    ----------
    lanes : sequence of Input
        The streams.
    window : int
        Messages that each may hold.
    """

    def __init__(self, lanes: Sequence[Input], window: int) -> None:
        self._lanes = lanes
        self._window = window
        self._full: set[int] = set()
        self._ended: set[int] = set()
        self._absent: set[int] = set()

    def judge(self, lane: Input) -> None:
        """Look at a stream again that has got, or holds, more or fewer messages."""
        _mark(self._full, lane.index, lane.held >= self._window)
        _mark(self._ended, lane.index, lane.ended and not lane.queue)

    def gone(self) -> set[int]:
        """Return the streams that the lowest key doesn't wait for.

        Those that are full must not wait for the absent.
        """
        return self._ended | self._full | self._absent if self._full else self._ended

    def meet(self, waiting: Waiting) -> None:
        """Note that streams have a key in common."""
        if self._absent and len(waiting) > 1:
            for index in self._absent & waiting.keys():
                self._lanes[index].absent = False
                self._absent.discard(index)
                logger.info("%s keeps up with the others again", self._lanes[index].name)

    def is_ahead(self, key: Key, waiting: Waiting) -> bool:
        """Judge the streams by a key that has waited for too long.

        Returns
        -------
        bool
            Whether those that brought it are ahead: more of the others are on their way to it.
            They are the absent ones then. Otherwise those are that have not come to it, or are
            silent.
        """
        others = [lane for lane in self._lanes if lane.index not in waiting]
        others = [lane for lane in others if not (lane.absent or lane.index in self._ended)]
        silent = [lane for lane in others if lane.heard <= waiting.since]
        below = [lane for lane in others if lane.heard > waiting.since and lane.is_below(key)]
        ahead = len(below) > len(waiting)
        self._miss(silent)
        self._miss((self._lanes[index] for index in waiting) if ahead else below)
        return ahead

    def _miss(self, lanes: Iterable[Input]) -> None:
        for lane in lanes:
            if not lane.absent:
                lane.absent = True
                self._absent.add(lane.index)
                logger.warning(
                    "%s is silent or out of step: the others wait for its messages for their"
                    " patience, and only while their windows have room",
                    lane.name,
                )


def _mark(marked: set[int], index: int, mark: bool) -> None:
    if mark:
        marked.add(index)
    else:
        marked.discard(index)
