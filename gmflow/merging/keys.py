"""What messages are matched by: a number in the header, or what a function makes of the header."""

from __future__ import annotations

import math
from collections.abc import Callable
from logging import getLogger
from numbers import Integral, Real
from typing import Any, TypeAlias

from ..message import Message

logger = getLogger(__name__)

Key: TypeAlias = Any
"""What can be compared with the other keys of its merge: numbers, texts, or tuples of them."""

Reader: TypeAlias = Callable[[Message], Key]
"""Gives a message's key, None where it has none."""

MAX_KEY = 1 << 63
"""Whole numbers from here on are no keys: not every reader of JSON knows them."""

FIRST, LAST = -1, math.inf
"""Where the start and the end of a series stand among its frames."""


def reader_of(key: Any) -> tuple[str, Reader]:
    """Return the name of a key and what reads it.

    Parameters
    ----------
    key : str or callable
        The name of a number in the header, or ``key(header)``. "frame" counts within the
        ``series`` of DECTRIS detectors; the start and end of a series have keys of their own.
    """
    if callable(key):
        return getattr(key, "__name__", "key"), _Function(key)
    if key == "frame":
        return key, _frame
    return key, lambda message: _number(message.header.get(key))


def value_of(name: str, key: Key) -> Any:
    """Return what stands for a key on the wire: a frame without its series, None for its ends."""
    if name != "frame":
        return key
    return None if key[1] in (FIRST, LAST) else key[1]


def _frame(message: Message) -> Key:
    header = message.header
    series = _number(header.get("series"))
    frame = _number(header.get("frame"))
    if frame is not None:
        return (0 if series is None else series, frame)
    htype = header.get("htype")
    if series is None or not isinstance(htype, str):
        return None
    if htype.startswith("dheader-"):
        return (series, FIRST)
    return (series, LAST) if htype.startswith("dseries_end-") else None


def _number(value: Any) -> Key:
    """Return what is a number, and can be told from others."""
    if type(value) is int:
        return value if abs(value) < MAX_KEY else None
    return value if type(value) is float and math.isfinite(value) else None


class _Function:
    """Reads keys by a program's function; all are of the kind of the first."""

    def __init__(self, function: Callable[[dict[str, Any]], Any]) -> None:
        self._function = function
        self._kind: Any = None
        self._warned = False

    def __call__(self, message: Message) -> Key:
        try:
            key = _plain(self._function(message.header))
        except Exception as error:
            self._warn(error)
            return None
        kind = _kind_of(key)
        if kind is None:
            return None
        self._kind = self._kind or kind
        return key if kind == self._kind else None

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            what = f"{type(error).__name__}: {error}"
            logger.warning("the key function %r failed, no_key: %s", self._function, what)


def _plain(key: Any) -> Any:
    """Return a key whose numbers are Python's own, as JSON has them."""
    if isinstance(key, tuple):
        return tuple(map(_plain, key))
    if isinstance(key, bool) or not isinstance(key, Real):
        return key
    return int(key) if isinstance(key, Integral) else float(key)


def _kind_of(key: Any) -> Any:
    """Return what keys must have in common to be compared; None for what is no key."""
    if isinstance(key, str):
        return "text"
    if isinstance(key, tuple):
        kinds = tuple(map(_kind_of, key))
        return None if None in kinds else kinds
    return None if _number(key) is None else "number"
