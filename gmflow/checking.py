"""Settings are checked: what is wrong is one line with the name, the value and what is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from .errors import ConfigError


def check_whole(name: str, value: Any, least: int, most: int | None = None) -> None:
    """See that a setting is a whole number of a range.

    Raises
    ------
    ConfigError
        If it isn't.
    """
    if type(value) is not int or value < least or (most is not None and value > most):
        up_to = "up" if most is None else f"to {most}"
        refuse(name, value, f"a whole number from {least} {up_to}")


def check_text(name: str, value: Any) -> None:
    """See that a setting is a text of printable characters.

    Raises
    ------
    ConfigError
        If it isn't.
    """
    if not isinstance(value, str) or not value or not value.isprintable():
        refuse(name, value, "a text that is not empty, on one line")


def check_mapping(name: str, value: Any, values: str) -> None:
    """See that a setting is None or a mapping of texts to something, which `values` names.

    Raises
    ------
    ConfigError
        If it isn't.
    """
    if value is None:
        return
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        refuse(name, value, f"a mapping of texts to {values}")


def check_handlers(handlers: Any) -> None:
    """See that handlers are None or a mapping of htypes to functions.

    Raises
    ------
    ConfigError
        If they aren't.
    """
    check_mapping("handlers", handlers, "functions")
    for htype, handler in (handlers or {}).items():
        if not callable(handler):
            refuse(f"the handler of {htype!r:.80}", handler, "a function")


def refuse(name: str, value: Any, allowed: str) -> NoReturn:
    """Say that a setting is not allowed.

    Raises
    ------
    ConfigError
        Always.
    """
    shown = f"{value!r:.80}".replace("\n", " ")  # as an array has it
    raise ConfigError(f"{name} is {shown}; it can be {allowed}")
