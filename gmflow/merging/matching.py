"""Finds the messages of several streams that have one key, and tells when a key has gone by.

See `gmflow.merging.by_key` for what waits for what, and for how long.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from logging import getLogger

from ..message import Message
from ..statistics import NodeStatistics
from .inputs import Doubtful, Input
from .keys import Key, Reader
from .liveness import Liveness
from .pending import PendingKeys, Waiting

logger = getLogger(__name__)


class Matching:
    """The streams of a merge by key, and the keys that wait.

    Parameters
    ----------
    lanes : sequence of Input
        The streams.
    read_key : callable
        Gives a message's key.
    window : int
        Messages of each stream that may wait.
    patience : float
        Seconds that a key waits at most.
    complete : bool
        Whether only keys that every stream has go out.
    statistics : NodeStatistics
        Where to count what does not.
    """

    def __init__(
        self,
        lanes: Sequence[Input],
        read_key: Reader,
        window: int,
        patience: float,
        complete: bool,
        statistics: NodeStatistics,
    ) -> None:
        self._lanes = lanes
        self._read_key = read_key
        self._window = window
        self._patience = patience
        self._complete = complete
        self._statistics = statistics
        self._shelf = PendingKeys(window)
        self._presence = Liveness(lanes, window)
        self._freed: set[int] = set()  # the streams that may hold more than before
        self._behind: set[int] = set()  # the streams with doubtful messages
        self._out: deque[tuple[Key, Waiting]] = deque()

    def put(self, lane: Input, now: float) -> None:
        """Note that a stream's queue has got more."""
        lane.heard = now
        self._presence.judge(lane)
        self._sort_in(lane, now)

    def end(self, lane: Input) -> None:
        """Note that a stream's queue gets no more."""
        lane.ended = True
        self._presence.judge(lane)

    def take(self, most: int, now: float) -> list[tuple[Key, Waiting]]:
        """Return the keys that go out now with what there is of them, `most` at once."""
        self._pass_all(most, now)
        while self._end_doubts(now):
            self._pass_all(most, now)
        return [self._out.popleft() for _ in range(min(most, len(self._out)))]

    def deadline(self) -> float | None:
        """Return the time until which something waits, None if nothing does."""
        times = [self._lanes[index].doubtful[0].since for index in self._behind]
        oldest = self._shelf.oldest()
        if oldest is not None:
            times.append(oldest[1].since)
        return min(times) + self._patience if times else None

    def held(self) -> int:
        """Return the number of messages that wait, or go out with the next `take`."""
        waiting = sum(lane.held + len(lane.queue) for lane in self._lanes)
        return waiting + sum(len(messages) for _, messages in self._out)

    def _pass_all(self, most: int, now: float) -> None:
        """Let all keys go by whose time has come, until `most` can go out."""
        while len(self._out) < most:
            self._sort_freed(now)
            if self._behind and self._has_begun_anew():
                self._begin_anew(now)
            elif self._shelf and self._is_settled():
                self._pass(*self._shelf.pop())
            elif not self._pass_overdue(now):
                break

    def _pass_overdue(self, now: float) -> bool:
        """Let a key go by that waits for too long, if there is one, and those before it."""
        oldest = self._shelf.oldest()
        if oldest is None or oldest[1].since + self._patience > now:
            return False
        key, waiting = oldest
        if self._presence.is_ahead(key, waiting):
            self._lose_all(self._shelf.remove(key), "ahead")
        else:
            while key in self._shelf:
                self._pass(*self._shelf.pop())
        return True

    def _sort_freed(self, now: float) -> None:
        """Look at more of the streams that hold less than before."""
        while self._freed:
            self._sort_in(self._lanes[self._freed.pop()], now)

    def _sort_in(self, lane: Input, now: float) -> None:
        """Look at what was put of a stream, as far as it may hold it."""
        while lane.queue and lane.held < self._window:
            message = lane.queue.popleft()
            key = self._read_key(message)
            if key is None:
                self._lose_keyless(lane, message)
            elif key == lane.last:
                self._statistics.drop("duplicate")
            else:
                lane.last = key
                self._admit(lane, key, message, now)
        self._presence.judge(lane)

    def _admit(self, lane: Input, key: Key, message: Message, now: float) -> None:
        higher = lane.highest is None or key > lane.highest
        if self._is_doubtful(lane, key, higher):
            lane.doubt(Doubtful(now, key, message))
            self._behind.add(lane.index)
            return
        if higher:
            lane.highest, lane.repeats = key, False
            for one in self._release(lane):  # it has gone on
                self._lose_old(lane, one.key)
        if self._shelf.has_gone_by(key) or self._shelf.has_of(lane.index, key):
            self._lose_old(lane, key)
            return
        self._presence.meet(self._shelf.add(key, lane.index, message, now))
        lane.held += 1
        for index in sorted(self._behind):
            if self._lanes[index].has_gone_on_to(key):
                self._go_on(self._lanes[index], now)

    def _is_doubtful(self, lane: Input, key: Key, higher: bool) -> bool:
        """Return True if a message may be the stream's new beginning, or comes twice, or late.

        One that has fallen back may be beginning anew even where it passes its highest key, until
        another stream has that key, too.
        """
        if higher:
            return lane.has_fallen_back and key not in self._shelf
        if lane.repeats:
            return False
        brought = self._shelf.has_of(lane.index, key)
        return brought or lane.has_fallen_back or self._shelf.has_gone_by(key)

    def _go_on(self, lane: Input, now: float) -> None:
        """Have a stream that fell back, as it turns out alone, go on where it has new keys."""
        lane.repeats = True
        for one in self._release(lane):
            self._admit(lane, one.key, one.message, now)

    def _is_settled(self) -> bool:
        """Return True if nothing more is to be expected for the lowest key."""
        key, waiting = self._shelf.lowest()
        if len(waiting) == len(self._lanes):
            return True
        lost = len(self._presence.gone() - waiting.keys() - self._in_doubt(key))
        return lost > 0 if self._complete else len(waiting) + lost == len(self._lanes)

    def _in_doubt(self, key: Key) -> set[int]:
        """Return the streams that have brought a key, but may be beginning anew."""
        return {index for index in self._behind if self._lanes[index].doubts(key)}

    def _pass(self, key: Key, waiting: Waiting) -> None:
        """Have a key go out with what there is of it, or lose that."""
        if self._complete and len(waiting) < len(self._lanes):
            self._lose_all(waiting, "incomplete")
        else:
            self._out.append((key, waiting))
            self._free(waiting)

    def _lose_all(self, waiting: Waiting, cause: str) -> None:
        for index in waiting:
            self._lose(self._lanes[index], cause)
        self._free(waiting)

    def _free(self, waiting: Waiting) -> None:
        for index in waiting:
            self._lanes[index].held -= 1
        self._freed.update(waiting)

    def _lose_keyless(self, lane: Input, message: Message) -> None:
        if "no_key" not in self._statistics.unmatched.get(lane.name, ()):
            keys = ", ".join(map(str, message.header)) or "nothing"
            logger.warning(
                "%s: a message lacks the key to match by: it has %.200s", lane.name, keys
            )
        self._lose(lane, "no_key")

    def _lose(self, lane: Input, cause: str) -> None:
        causes = self._statistics.unmatched.setdefault(lane.name, {})
        causes[cause] = causes.get(cause, 0) + 1

    def _release(self, lane: Input, count: int | None = None) -> list[Doubtful]:
        """Return the oldest doubtful messages of a stream, or all; they are kept no more."""
        count = len(lane.doubtful) if count is None else count
        released = [lane.release() for _ in range(count)]
        if not lane.doubtful:
            self._behind.discard(lane.index)
        self._freed.add(lane.index)
        return released

    def _lose_old(self, lane: Input, key: Key) -> None:
        if self._shelf.has_of(lane.index, key):
            self._statistics.drop("duplicate")
        else:
            self._lose(lane, "late")

    def _end_doubts(self, now: float) -> bool:
        """Wait no longer for a new beginning, past the patience or when no stream goes on.

        Returns
        -------
        bool
            Whether a stream holds less than before.
        """
        went = False
        over = all(lane.ended and not lane.queue for lane in self._lanes) and not self._shelf
        for index in sorted(self._behind):
            lane = self._lanes[index]
            while lane.doubtful and (over or lane.doubtful[0].since + self._patience <= now):
                if lane.has_fallen_back:  # and the others have not followed
                    self._go_on(lane, now)
                else:
                    self._lose_old(lane, *(one.key for one in self._release(lane, 1)))
                went = True
        return went

    def _has_begun_anew(self) -> bool:
        """Return True if all streams that are to be counted on have fallen back."""
        fallen = any(self._lanes[index].has_fallen_back for index in self._behind)
        return fallen and all(lane.may_begin_anew for lane in self._lanes)

    def _begin_anew(self, now: float) -> None:
        """Let all keys go by, and have the doubtful messages be the first of new ones."""
        logger.info("all streams have begun anew: keys count from the start again")
        while self._shelf:
            self._pass(*self._shelf.pop())
        self._shelf.forget()
        first = [(lane, one) for lane in self._lanes for one in self._release(lane)]
        for lane in self._lanes:
            lane.highest, lane.repeats = None, False
        for lane, one in first:
            self._admit(lane, one.key, one.message, now)
