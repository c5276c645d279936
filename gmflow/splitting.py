"""Which messages of a stream go to an output: choices, applied one after the other.

A choice sees every message that comes to its output, in order, and remembers what it must: how a
stream is cut into bursts makes no difference. `choices_of` makes those that an output needs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NoReturn, Protocol

from .errors import ConfigError
from .message import Message

EDGES = ("dheader-", "dseries_end-")
"""How the htypes begin of the messages that open and end an Eiger series."""


class Choice(Protocol):
    """What chooses messages.

    Attributes
    ----------
    cause : str
        What the messages that it leaves out are counted as.
    """

    cause: str

    def choose(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Give those of the next messages that are chosen; the same object if all are."""


class Htypes:
    """Chooses messages by the htype in their header.

    Parameters
    ----------
    htypes : sequence of str
        The names that are chosen, as ``dimage-1.0``. In a header, the htype may be a list of one
        name, as old senders write it; a message without one is not chosen.

    Raises
    ------
    ConfigError
        If `htypes` is no list of at least one name.
    """

    cause = "htype"

    def __init__(self, htypes: Sequence[str]) -> None:
        names = list(htypes) if isinstance(htypes, (list, tuple, set, frozenset)) else []
        if not names or not all(isinstance(name, str) and name for name in names):
            _refuse("htypes", htypes, "a list of at least one name, as ['dimage-1.0']")
        self._htypes = frozenset(names)

    def choose(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Give those of the next messages that are chosen."""
        chosen = [message for message in messages if htype_of(message) in self._htypes]
        return messages if len(chosen) == len(messages) else chosen


class _Turns:
    """Chooses by number: of each `period` of messages, `length` of them from the `first` on."""

    def __init__(self, first: int, length: int, period: int) -> None:
        self._first = first
        self._length = length
        self._period = period
        self._seen = 0  # of the current period

    def restart(self) -> None:
        """Count from the beginning again."""
        self._seen = 0

    def choose(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Give those of the next messages that are chosen."""
        start = self._first - self._seen
        self._seen = (self._seen + len(messages)) % self._period
        if self._length == self._period:
            return messages
        if self._length == 1:
            return messages[start % self._period :: self._period]
        chosen: list[Message] = []
        for begin in range(start, len(messages), self._period):
            chosen += messages[max(begin, 0) : max(begin + self._length, 0)]
        return chosen


class Modulo(_Turns):
    """Chooses every n-th message: counted from 1, those whose number modulo n is the offset.

    Parameters
    ----------
    modulo : int
        n; 1 chooses all.
    offset : int, optional
        From 0 to n - 1. 0 is mflow's: the n-th, the 2n-th and so on.

    Raises
    ------
    ConfigError
        If `modulo` is no whole number from 1 up, or `offset` none from 0 to ``modulo - 1``.
    """

    cause = "modulo"

    def __init__(self, modulo: int = 1, offset: int = 0) -> None:
        _check_whole("modulo", modulo, 1)
        _check_whole("offset", offset, 0, modulo - 1)
        super().__init__((offset - 1) % modulo, 1, modulo)


class Share(_Turns):
    """Chooses one of several equal shares, which together have every message once.

    Message number k, counted from 0, goes to share ``(k // block) % of``.

    Parameters
    ----------
    index : int
        Which share, from 0.
    of : int
        How many there are.
    block : int, optional
        How many messages in a row go to one share.

    Raises
    ------
    ConfigError
        If `of` or `block` is no whole number from 1 up, or `index` none from 0 to ``of - 1``.
    """

    cause = "share"

    def __init__(self, index: int, of: int, block: int = 1) -> None:
        _check_whole("share's count", of, 1)
        _check_whole("share's index", index, 0, of - 1)
        _check_whole("block", block, 1)
        super().__init__(index * block, block, of * block)


class BySeries:
    """Applies a choice to the images of each Eiger series anew.

    Messages of htype ``dheader-*`` and ``dseries_end-*`` are always chosen and not counted, so
    every output sees whole series with its part of the images. A series begins with its header
    message or, where that was missed, when ``series`` in the header changes.

    Parameters
    ----------
    choice : Modulo or Share
        What chooses among the images.
    """

    def __init__(self, choice: Modulo | Share) -> None:
        self.cause = choice.cause
        self._choice = choice
        self._series: Any = None

    def choose(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Give those of the next messages that are chosen."""
        chosen: list[Message] = []
        images: list[Message] = []
        for message in messages:
            edge = is_series_edge(message)
            begins = self._begins(message, edge)
            if edge or begins:
                chosen += self._choice.choose(images)
                images = []
            if begins:
                self._choice.restart()
            (chosen if edge else images).append(message)
        chosen += self._choice.choose(images)
        return messages if len(chosen) == len(messages) else chosen

    def _begins(self, message: Message, edge: bool) -> bool:
        """Tell whether a message is the first of its series, and note which that is."""
        series = message.header.get("series")
        if edge:
            if not htype_of(message).startswith(EDGES[0]):
                return False
        elif series is None or series == self._series:
            return False
        self._series = series
        return True


def choices_of(
    modulo: int = 1,
    offset: int = 0,
    htypes: Sequence[str] | None = None,
    share: Sequence[int] | None = None,
    block: int = 1,
    series: bool = False,
) -> tuple[Choice, ...]:
    """Give the choices that an output needs, in order: by htype, by share, by modulo.

    Parameters
    ----------
    modulo, offset
        As of `Modulo`.
    htypes
        As of `Htypes`; None for all.
    share : (int, int), optional
        `index` and `of` of `Share`; None for no sharing out.
    block
        As of `Share`.
    series : bool, optional
        Whether share and modulo are `BySeries`.

    Returns
    -------
    tuple of Choice
        Only those that leave something out.

    Raises
    ------
    ConfigError
        If a value is not allowed, or there is a `block` without a share.
    """
    check_series(series)
    by_htype = [] if htypes is None else [Htypes(htypes)]
    shared, every = _share_of(share, block), Modulo(modulo, offset)
    counting: list[Modulo | Share] = [] if shared is None else [shared]
    if modulo > 1:
        counting.append(every)
    return (*by_htype, *(map(BySeries, counting) if series else counting))


def is_series_edge(message: Message) -> bool:
    """Tell whether a message opens or ends an Eiger series."""
    return htype_of(message).startswith(EDGES)


def htype_of(message: Message) -> str:
    """Give the htype in a message's header, also from a list of one; an empty text for none."""
    htype = message.header.get("htype")
    if isinstance(htype, list) and len(htype) == 1:
        htype = htype[0]
    return htype if isinstance(htype, str) else ""


def check_series(series: object) -> None:
    """See that a setting is True or False; raises ConfigError otherwise."""
    if type(series) is not bool:
        _refuse("series", series, "True or False")


def check_rate(rate: object) -> None:
    """See that a setting is a number of messages a second; raises ConfigError otherwise."""
    if type(rate) not in (int, float) or not 0 < rate < math.inf:  # type: ignore[operator]
        _refuse("rate", rate, "a number above 0, in messages a second")


def _share_of(share: Any, block: int) -> Share | None:
    """Give the share of a pair, checked; None where everything is in it."""
    if share is None:
        _check_whole("block", block, 1)
        if block > 1:
            raise ConfigError(f"block is {block!r}; without a share it can be 1 alone")
        return None
    if not isinstance(share, (list, tuple)) or len(share) != 2:
        _refuse("share", share, "an index and a count, as (0, 3)")
    chosen = Share(share[0], share[1], block)
    return chosen if share[1] > 1 else None


def _check_whole(name: str, value: object, least: int, most: int | None = None) -> None:
    if type(value) is not int or value < least or (most is not None and value > most):
        up_to = "up" if most is None else f"to {most}"
        _refuse(name, value, f"a whole number from {least} {up_to}")


def _refuse(name: str, value: object, allowed: str) -> NoReturn:
    raise ConfigError(f"{name} is {value!r:.80}; it can be {allowed}")
