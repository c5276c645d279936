"""Whole numbers among the arguments of generated streams."""

from __future__ import annotations

from operator import index
from typing import Any

from ..errors import ConfigError


def whole_number(name: str, value: Any, least: int) -> int:
    """Return a setting as an int, also one of NumPy's.

    Raises
    ------
    ConfigError
        If it is no whole number, or less than `least`.
    """
    try:
        number = index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise ConfigError(f"{name} is {value!r}; it must be a whole number from {least} up")
    return number


def optional_count(count: Any) -> int | None:
    """Return how many are wanted; None is without end.

    Raises
    ------
    ConfigError
        If it is neither None nor a whole number from 0 up.
    """
    return None if count is None else whole_number("count", count, 0)
