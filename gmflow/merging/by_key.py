"""Joins the messages of several streams that have one key, in the order of the keys.

A key goes out when every stream has brought its message. Until then it waits, but not

- past its patience, counted from its first message,
- for a stream that has ended, or holds `window` messages of other keys already,
- where a stream is that full, for one that is absent (see `gmflow.merging.inputs`).

What is in time for no key any more is late, and counted. Only if all streams fall back do their
keys restart. Each stream holds `window` messages at most; then no more is taken of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from logging import getLogger
from typing import Any

from ..config import ByKeyConfig, from_arguments
from ..message import Message
from ..statistics import NodeStatistics
from .inputs import Doubtful, Input, Liveness
from .keys import KeyReader, MatchKey, PendingKeys, Waiting, reader_of, value_of
from .merged import Joiner
from .strategy import Strategy

logger = getLogger(__name__)


class ByKey(Strategy):
    """Makes one message for each key, of the matching message of every stream.

    Parameters
    ----------
    key : str or callable, optional
        The name of a number in the header ("pulse_id", "frame"), or ``key(header)``, which returns
        a number, a text, a tuple of them, or None. "frame" and "image_id" name the number of an
        image in both of DECTRIS's streams, and count within its series.
    window : int, optional
        Messages of each stream that may wait for those of the others.
    patience : float, optional
        Seconds that a key waits at most.
    complete : bool, optional
        Whether only keys that every stream has go out; otherwise those that lack one, too.
    flatten : bool, optional
        Pass on the messages of a key one after the other, untouched, instead of joining them.

    Raises
    ------
    ConfigError
        If an argument is none of those.
    """

    def __init__(
        self,
        key: str | Callable[[dict[str, Any]], Any] = "pulse_id",
        window: int = 32,
        patience: float = 1.0,
        complete: bool = True,
        flatten: bool = False,
    ) -> None:
        config = from_arguments(ByKeyConfig, locals())
        super().__init__()
        self._key_name, self._read_key = reader_of(key)
        self._window = config.window
        self._patience = config.patience
        self._complete = config.complete
        self.joins = not config.flatten
        self._inputs: list[Input] = []

    def start(self, names: Sequence[str], statistics: NodeStatistics) -> None:
        super().start(names, statistics)
        self._inputs = [Input(index, name, self.queues[index]) for index, name in enumerate(names)]
        settings = (self._read_key, self._window, self._patience, self._complete)
        self._matching = Matching(self._inputs, *settings, statistics)
        self._joiner = Joiner(self._key_name, names)

    def put(self, stream: int, messages: Sequence[Message], now: float) -> None:
        super().put(stream, messages, now)
        self._matching.put(self._inputs[stream], now)
        self._want()

    def end(self, stream: int, now: float) -> None:
        super().end(stream, now)
        self._matching.end(self._inputs[stream])

    def take(self, most: int, now: float) -> list[Message]:
        matched = self._matching.take(most, now)
        self._want()
        if self.joins:
            name, join = self._key_name, self._joiner.join
            return [join(value_of(name, key), messages) for key, messages in matched]
        return [messages[stream] for _, messages in matched for stream in sorted(messages)]

    def deadline(self) -> float | None:
        return self._matching.deadline()

    def held(self) -> int:
        return self._matching.held()

    def _want(self) -> None:
        for source in self._inputs:
            if not source.queue and not source.ended:
                self.wanted.add(source.index)


class Matching:
    """Finds the messages of several streams that have one key, and says when a key has gone by.

    Its arguments are those of `ByKey`; `statistics` counts what does not go out.
    """

    def __init__(
        self,
        inputs: Sequence[Input],
        read_key: KeyReader,
        window: int,
        patience: float,
        complete: bool,
        statistics: NodeStatistics,
    ) -> None:
        self._inputs = inputs
        self._read_key = read_key
        self._window = window
        self._patience = patience
        self._complete = complete
        self._statistics = statistics
        self._pending = PendingKeys(window)
        self._liveness = Liveness(inputs, window)
        self._freed: set[int] = set()  # the streams that may hold more than before
        self._behind: set[int] = set()  # the streams with doubtful messages
        self._out: deque[tuple[MatchKey, Waiting]] = deque()

    def put(self, source: Input, now: float) -> None:
        """Note that a stream's queue has got more."""
        source.heard = now
        self._liveness.judge(source)
        self._sort_in(source, now)

    def end(self, source: Input) -> None:
        """Note that a stream's queue gets no more."""
        source.ended = True
        self._liveness.judge(source)

    def take(self, most: int, now: float) -> list[tuple[MatchKey, Waiting]]:
        """Return the keys that go out now with what there is of them, `most` at once."""
        self._pass_all(most, now)
        while self._end_doubts(now):
            self._pass_all(most, now)
        return [self._out.popleft() for _ in range(min(most, len(self._out)))]

    def deadline(self) -> float | None:
        """Return the time until which something waits, None if nothing does."""
        times = [self._inputs[index].doubtful[0].since for index in self._behind]
        oldest = self._pending.oldest()
        if oldest is not None:
            times.append(oldest[1].since)
        return min(times) + self._patience if times else None

    def held(self) -> int:
        """Return the number of messages that wait, or go out with the next `take`."""
        waiting = sum(source.held + len(source.queue) for source in self._inputs)
        return waiting + sum(len(messages) for _, messages in self._out)

    def _pass_all(self, most: int, now: float) -> None:
        """Let all keys go by whose time has come, until `most` can go out."""
        while len(self._out) < most:
            self._sort_freed(now)
            if self._behind and self._have_restarted():
                self._restart(now)
            elif self._pending and self._is_settled():
                self._pass(*self._pending.pop())
            elif not self._pass_overdue(now):
                break

    def _pass_overdue(self, now: float) -> bool:
        """Let a key go by that waits for too long, if there is one, and those before it."""
        oldest = self._pending.oldest()
        if oldest is None or oldest[1].since + self._patience > now:
            return False
        key, waiting = oldest
        if self._liveness.is_ahead(key, waiting):
            self._lose_all(self._pending.remove(key), "ahead")
        else:
            while key in self._pending:
                self._pass(*self._pending.pop())
        return True

    def _sort_freed(self, now: float) -> None:
        """Look at more of the streams that hold less than before."""
        while self._freed:
            self._sort_in(self._inputs[self._freed.pop()], now)

    def _sort_in(self, source: Input, now: float) -> None:
        """Look at what was put of a stream, as far as it may hold it."""
        while source.queue and source.held < self._window:
            message = source.queue.popleft()
            key = self._read_key(message)
            if key is None:
                self._lose_keyless(source, message)
            elif key == source.last:
                self._statistics.drop("duplicate")
            else:
                source.last = key
                self._admit(source, key, message, now)
        self._liveness.judge(source)

    def _admit(self, source: Input, key: MatchKey, message: Message, now: float) -> None:
        higher = source.highest is None or key > source.highest
        if self._is_doubtful(source, key, higher):
            source.doubt(Doubtful(now, key, message))
            self._behind.add(source.index)
            return
        if higher:
            source.highest, source.repeats = key, False
            for one in self._release(source):  # it has gone on
                self._lose_old(source, one.key)
        if self._pending.has_gone_by(key) or self._pending.has_of(source.index, key):
            self._lose_old(source, key)
            return
        self._liveness.meet(self._pending.add(key, source.index, message, now))
        source.held += 1
        for index in sorted(self._behind):
            if self._inputs[index].has_gone_on_to(key):
                self._go_on(self._inputs[index], now)

    def _is_doubtful(self, source: Input, key: MatchKey, higher: bool) -> bool:
        """Return True if a message may be of the stream's restart, or comes twice, or late."""
        # One that has fallen back may have restarted even where it passes its highest key, until
        # another stream has that key, too.
        if higher:
            return source.has_fallen_back and key not in self._pending
        if source.repeats:
            return False
        brought = self._pending.has_of(source.index, key)
        return brought or source.has_fallen_back or self._pending.has_gone_by(key)

    def _go_on(self, source: Input, now: float) -> None:
        """Have a stream that fell back, as it turns out alone, go on where it has new keys."""
        source.repeats = True
        for one in self._release(source):
            self._admit(source, one.key, one.message, now)

    def _is_settled(self) -> bool:
        """Return True if nothing more is to be expected for the lowest key."""
        key, waiting = self._pending.lowest()
        if len(waiting) == len(self._inputs):
            return True
        lost = len(self._liveness.gone() - waiting.keys() - self._in_doubt(key))
        return lost > 0 if self._complete else len(waiting) + lost == len(self._inputs)

    def _in_doubt(self, key: MatchKey) -> set[int]:
        """Return the streams that have brought a key, but may have restarted."""
        return {index for index in self._behind if self._inputs[index].doubts(key)}

    def _pass(self, key: MatchKey, waiting: Waiting) -> None:
        """Have a key go out with what there is of it, or lose that."""
        if self._complete and len(waiting) < len(self._inputs):
            self._lose_all(waiting, "incomplete")
        else:
            self._out.append((key, waiting))
            self._free(waiting)

    def _lose_all(self, waiting: Waiting, cause: str) -> None:
        for index in waiting:
            self._lose(self._inputs[index], cause)
        self._free(waiting)

    def _free(self, waiting: Waiting) -> None:
        for index in waiting:
            self._inputs[index].held -= 1
        self._freed.update(waiting)

    def _lose_keyless(self, source: Input, message: Message) -> None:
        if "no_key" not in self._statistics.unmatched.get(source.name, ()):
            keys = ", ".join(map(str, message.header)) or "nothing"
            logger.warning(
                "%s: a message lacks the key to match by: it has %.200s", source.name, keys
            )
        self._lose(source, "no_key")

    def _lose(self, source: Input, cause: str) -> None:
        causes = self._statistics.unmatched.setdefault(source.name, {})
        causes[cause] = causes.get(cause, 0) + 1

    def _release(self, source: Input, count: int | None = None) -> list[Doubtful]:
        """Return the oldest doubtful messages of a stream, or all; they are kept no more."""
        count = len(source.doubtful) if count is None else count
        released = [source.release() for _ in range(count)]
        if not source.doubtful:
            self._behind.discard(source.index)
        self._freed.add(source.index)
        return released

    def _lose_old(self, source: Input, key: MatchKey) -> None:
        if self._pending.has_of(source.index, key):
            self._statistics.drop("duplicate")
        else:
            self._lose(source, "late")

    def _end_doubts(self, now: float) -> bool:
        """Wait no longer for a restart, past the patience or at the end; return True if any did."""
        went = False
        over = not self._pending and all(one.ended and not one.queue for one in self._inputs)
        for index in sorted(self._behind):
            source = self._inputs[index]
            while source.doubtful and (over or source.doubtful[0].since + self._patience <= now):
                if source.has_fallen_back:  # and the others have not followed
                    self._go_on(source, now)
                else:
                    self._lose_old(source, *(one.key for one in self._release(source, 1)))
                went = True
        return went

    def _have_restarted(self) -> bool:
        """Return True if all streams that are to be counted on have fallen back."""
        fallen = any(self._inputs[index].has_fallen_back for index in self._behind)
        return fallen and all(source.allows_restart for source in self._inputs)

    def _restart(self, now: float) -> None:
        """Let all keys go by, and have the doubtful messages be the first of the new ones."""
        logger.info("all streams have restarted: keys count from the start again")
        while self._pending:
            self._pass(*self._pending.pop())
        self._pending.forget()
        first = [(source, one) for source in self._inputs for one in self._release(source)]
        for source in self._inputs:
            source.highest, source.repeats = None, False
        for source, one in first:
            self._admit(source, one.key, one.message, now)
