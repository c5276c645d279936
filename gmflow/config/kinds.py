"""The kinds of values in a configuration: their names, what is allowed, and how they are read.

A kind refuses a value by giving None, which no kind allows as a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

TCP = re.compile(r"tcp://([^\s/;]+;)?(\*|\[[^\s/\[\]]+\]|[^\s/:;\[\]]+):([0-9]{1,5})")
"""An optional local address to connect from, a host, and a port."""

LOCAL = re.compile(r"(ipc|inproc)://.+")

MAX_QUEUE = 2**31 - 1
"""ZeroMQ keeps high-water marks as 32-bit integers."""


@dataclass(frozen=True)
class Kind:
    """A kind of values.

    Attributes
    ----------
    name : str
        What it is called in the table of keys.
    allowed : str
        What is allowed, as it follows "must be".
    read : callable
        Gives the value as the program uses it, or None for one that is not allowed.
    """

    name: str
    allowed: str
    read: Callable[[Any], Any]


def one_of(*words: str) -> Kind:
    """Return the kind of some words, in any case."""

    def read(value: Any) -> str | None:
        same = (word for word in words if isinstance(value, str) and word.lower() == value.lower())
        return next(same, None)

    return Kind("text", listed(words), read)


def whole(least: int, most: int | None = None, as_text: bool = False) -> Kind:
    """Return the kind of whole numbers; where mflow takes them, also as text or written as 2.0."""

    def read(value: Any) -> int | None:
        if as_text and isinstance(value, float) and value.is_integer():
            value = int(value)
        if as_text and isinstance(value, str):
            try:
                value = int(value)
            except ValueError:
                return None
        good = type(value) is int and least <= value and (most is None or value <= most)
        return value if good else None

    end = "up" if most is None else f"to {most}"
    also = ", also as text" if as_text else ""
    return Kind("whole number", f"a whole number from {least} {end}{also}", read)


def number(unit: str, most: float, above_zero: bool = False) -> Kind:
    """Return the kind of numbers from 0, or above it, to another."""

    def read(value: Any) -> float | None:
        if type(value) not in (int, float) or (above_zero and value == 0):
            return None
        return float(value) if 0 <= value <= most else None

    least = "above 0 and up" if above_zero else "from 0"
    return Kind("number", f"a number of {unit} {least} to {most:.0f}", read)


def listed(words: Sequence[str]) -> str:
    """Return words as a choice: "a", "a or b", "a, b or c"."""
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _read_address(value: Any) -> str | None:
    if not isinstance(value, str) or not value.isprintable():
        return None
    tcp = TCP.fullmatch(value)
    good = LOCAL.fullmatch(value) or (tcp and 1 <= int(tcp[3]) <= 65535)
    return value if good else None


def _read_text(value: Any) -> str | None:
    return value if isinstance(value, str) and value and value.isprintable() else None


def _read_texts(value: Any) -> tuple[str, ...] | None:
    if not isinstance(value, (list, tuple)) or not value or None in map(_read_text, value):
        return None
    return tuple(value)


def _read_share(value: Any) -> tuple[int, int] | None:
    if not isinstance(value, (list, tuple)) or [type(number) for number in value] != [int, int]:
        return None
    index, number = value
    return (index, number) if 0 <= index < number else None


ADDRESS = Kind(
    "text",
    "tcp://host:port with a port of 1 to 65535, ipc://path or inproc://name",
    _read_address,
)
TRUTH = Kind("true or false", "true or false", lambda v: v if isinstance(v, bool) else None)
TEXT = Kind("text", "a text that is not empty, on one line", _read_text)
TEXTS = Kind("list of texts", "a list of at least one text", _read_texts)
SHARE = Kind(
    "two whole numbers", "a list [i, n] of two whole numbers, i from 0 to n - 1", _read_share
)
