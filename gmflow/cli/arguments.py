"""What the arguments of scripts can be: numbers, words, and what is wrong with them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any


class UsageError(Exception):
    """The arguments are wrong."""


def number_of(
    arguments: dict[str, Any],
    option: str,
    kind: type[Any],
    least: float,
    default: Any = None,
    most: float = sys.maxsize,
) -> Any:
    """Return an option's value as a number.

    Raises
    ------
    UsageError
        If it is no number of that kind, less than `least` or more than `most`.
    """
    text = arguments[option]
    if text is None:
        return default
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not least <= value <= most:
        what = "a whole number" if kind is int else "a number"
        is_bound = most < sys.maxsize or (value is not None and value > most)
        up = f"to {most}" if is_bound else "up"
        raise UsageError(f"{option} is {text!r:.80}; it can be {what} from {least} {up}")
    return value


def choice_of(arguments: dict[str, Any], option: str, choices: Sequence[str]) -> str:
    """Return an option's value, which must be one of some words.

    Raises
    ------
    UsageError
        If it is none of them.
    """
    value = str(arguments[option])
    if value.lower() not in choices:
        raise UsageError(f"{option} is {value!r}; it can be {' or '.join(choices)}")
    return value.lower()
