"""Faults put into a stream on purpose, to see what its receivers do about them.

Each message is looked at in this order: it is dropped, or not; damaged, or not; comes twice, or
once; and changes places with the next one that goes out, or not, unless it has just changed places
with the one before. Four numbers are drawn for each message, whatever comes of it: which messages
are chosen for a fault depends on the seed and on its own probability alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random

from ..message import Message, Part
from ..validation import refuse

MAX_GARBAGE = 16
"""Bytes of a part that is added."""


class Faults:
    """Puts faults into messages, and counts those that had each.

    The probabilities, from 0 to 1, are that a message is left out; comes twice in a row; comes
    after the next one that goes out; is damaged. A message that is damaged has one of these, with
    equal probability among those that are possible: a byte of a part is changed, a part is cut, the
    last part is missing (of at least two), a part of up to `MAX_GARBAGE` random bytes is added at
    the end.

    With the same seed the same messages get the same faults; by default it is another each time.
    Raise ConfigError if a probability is no number from 0 to 1, or the seed is no whole number.
    """

    def __init__(
        self,
        drop: float = 0.0,
        duplicate: float = 0.0,
        reorder: float = 0.0,
        corrupt: float = 0.0,
        seed: int | None = None,
    ) -> None:
        self._drop = _probability("drop", drop)
        self._duplicate = _probability("duplicate", duplicate)
        self._reorder = _probability("reorder", reorder)
        self._corrupt = _probability("corrupt", corrupt)
        if seed is not None and type(seed) is not int:
            refuse("seed", seed, "a whole number")
        self._random = Random(seed)
        self._damages = Random(self._random.getrandbits(64))
        self.dropped = 0
        self.duplicated = 0
        self.reordered = 0
        self.corrupted = 0

    def apply(self, messages: Iterable[Message]) -> Iterator[Message]:
        """Return the messages with faults; at most one message is held back.

        Messages that came are not changed: a damaged one is another message, which shares the
        parts that are whole. Where all probabilities are 0, the messages come as they are.
        """
        if not (self._drop or self._duplicate or self._reorder or self._corrupt):
            return iter(messages)
        return self._reordered(self._faulty(messages))

    def _faulty(self, messages: Iterable[Message]) -> Iterator[tuple[Message, int, bool]]:
        """Return what is not dropped: each message, how often it comes, and if it comes later."""
        draw = self._random.random
        for message in messages:
            drop, corrupt, duplicate, reorder = draw(), draw(), draw(), draw()
            if drop < self._drop:
                self.dropped += 1
                continue
            if corrupt < self._corrupt:
                self.corrupted += 1
                message = _damaged(message, self._damages)
            twice = duplicate < self._duplicate
            self.duplicated += twice
            yield message, 1 + twice, reorder < self._reorder

    def _reordered(self, faulty: Iterable[tuple[Message, int, bool]]) -> Iterator[Message]:
        held: tuple[Message, ...] = ()  # it once, or twice
        for message, count, is_later in faulty:
            if is_later and not held:
                held = (message,) * count
                continue
            yield message
            if count > 1:
                yield message
            if held:
                self.reordered += 1
                yield from held
                held = ()
        yield from held


def _probability(name: str, value: float) -> float:
    if type(value) not in (int, float) or not 0 <= value <= 1:
        refuse(name, value, "a probability from 0 to 1")
    return float(value)


def _damaged(message: Message, random: Random) -> Message:
    """Return another message that is like this one but for one damage."""
    parts = list(message.parts)
    filled = [index for index, part in enumerate(parts) if len(part)]
    ways = ["change", "cut"] if filled else []
    ways += ["lose", "add"] if len(parts) > 1 else ["add"]
    way = random.choice(ways)
    if way == "add":
        parts.append(random.randbytes(random.randint(1, MAX_GARBAGE)))
    elif way == "lose":
        del parts[-1]
    else:
        index = random.choice(filled)
        parts[index] = (_changed if way == "change" else _cut)(parts[index], random)
    return Message(message.statistics, None, parts, message.source, received_ns=message.received_ns)


def _changed(part: Part, random: Random) -> bytes:
    """Return a part with another byte somewhere."""
    changed = bytearray(part)
    changed[random.randrange(len(changed))] ^= random.randint(1, 255)
    return bytes(changed)


def _cut(part: Part, random: Random) -> bytes:
    """Return less of a part; nothing at the least."""
    return bytes(memoryview(part)[: random.randrange(len(part))])
