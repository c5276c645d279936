"""What messages are matched by: a number in the header, or what a function makes of the header."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

from ..errors import ConfigError
from ..message import Message

Key: TypeAlias = Any
"""What can be compared with the other keys of its merge: numbers, texts, or tuples of them."""

Reader: TypeAlias = Callable[[Message], Key]
"""Gives a message's key, None where it has none."""

FIRST, LAST = -1, math.inf
"""Where the start and the end of a series stand among its frames."""


def reader_of(key: Any) -> tuple[str, Reader]:
    """Give the name of a key and what reads it.

    Parameters
    ----------
    key : str or callable
        The name of a number in the header, or ``key(header)``. "frame" counts within the
        ``series`` of DECTRIS detectors; the start and end of a series have keys of their own.

    Raises
    ------
    ConfigError
        If it is neither.
    """
    if callable(key):
        return getattr(key, "__name__", "key"), _Function(key)
    if not isinstance(key, str) or not key:
        raise ConfigError(
            f"key is {key!r:.80}; it can be the name of a header's number, or a"
            " function of the header"
        )
    if key == "frame":
        return key, _frame
    return key, lambda message: _number(message.header.get(key))


def value_of(name: str, key: Key) -> Any:
    """Give what stands for a key on the wire: a frame without its series, None for its ends."""
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
    """Give what is a number, and can be told from others."""
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return value
    return None


class _Function:
    """Reads keys by a program's function; all are of the kind of the first."""

    def __init__(self, function: Callable[[dict[str, Any]], Any]) -> None:
        self._function = function
        self._kind: Any = None

    def __call__(self, message: Message) -> Key:
        key = self._function(message.header)
        kind = _kind_of(key)
        if kind is None:
            return None
        self._kind = self._kind or kind
        return key if kind == self._kind else None


def _kind_of(key: Any) -> Any:
    """Give what keys must have in common to be compared; None for what is no key."""
    if isinstance(key, str):
        return "text"
    if isinstance(key, tuple):
        kinds = tuple(map(_kind_of, key))
        return None if None in kinds else kinds
    return None if _number(key) is None else "number"
