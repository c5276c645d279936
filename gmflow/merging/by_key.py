"""Joins the messages of several streams that have one key, in the order of the keys.

A key goes out when every stream has brought its message. Until then it waits, but not

- past its patience, counted from its first message,
- for a stream that has ended, or holds `window` messages of other keys already,
- where a stream is that full, for one that is absent (see `gmflow.merging.liveness`).

What is in time for no key any more is late, and counted. Only if all streams fall back do their
keys begin anew. Each stream holds `window` messages at most; then no more is taken of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..config import ByKeyConfig, from_arguments
from ..message import Message
from ..statistics import NodeStatistics
from .inputs import Input
from .keys import reader_of, value_of
from .matching import Matching
from .merged import Joiner
from .strategy import Strategy


class ByKey(Strategy):
    """Gives one message for each key, made of the matching message of every stream.

    Parameters
    ----------
    key : str or callable, optional
        The name of a number in the header ("pulse_id", "frame"), or ``key(header)``, which gives
        a number, a text, a tuple of them, or None. "frame" counts within the ``series`` of
        DECTRIS detectors.
    window : int, optional
        Messages of each stream that may wait for those of the others.
    patience : float, optional
        Seconds that a key waits at most.
    complete : bool, optional
        Whether only keys that every stream has go out; otherwise those that lack one, too.
    flatten : bool, optional
        Give the messages of a key one after the other, untouched, instead of joining them.

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
        self._lanes: list[Input] = []

    def start(self, names: Sequence[str], statistics: NodeStatistics) -> None:
        super().start(names, statistics)
        self._lanes = [Input(index, name, self.queues[index]) for index, name in enumerate(names)]
        settings = (self._read_key, self._window, self._patience, self._complete)
        self._matching = Matching(self._lanes, *settings, statistics)
        self._joiner = Joiner(self._key_name, names)

    def put(self, stream: int, messages: Sequence[Message], now: float) -> None:
        super().put(stream, messages, now)
        self._matching.put(self._lanes[stream], now)
        self._want()

    def end(self, stream: int, now: float) -> None:
        super().end(stream, now)
        self._matching.end(self._lanes[stream])

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
        self.wanted.update(lane.index for lane in self._lanes if not lane.queue and not lane.ended)
