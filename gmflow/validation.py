"""What is wrong is said in one line: a setting with its name, its value and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from reprlib import Repr
from typing import Any, NoReturn

from .errors import ConfigError

_repr = Repr()
_repr.maxlevel = 2
_repr.maxlist = _repr.maxdict = 8
_repr.maxstring = _repr.maxlong = _repr.maxother = 60


def shown(value: Any) -> str:
    """Return what an error shows of a wrong value: short, however long or deep the value is."""
    return _repr.repr(value)


def check_whole(name: str, value: Any, least: int, most: int | None = None) -> None:
    """Validate that a setting is a whole number of a range.

    Raises
    ------
    ConfigError
        If it isn't.
    """
    if type(value) is not int or value < least or (most is not None and value > most):
        up_to = "up" if most is None else f"to {most}"
        refuse(name, value, f"a whole number from {least} {up_to}")


def check_text(name: str, value: Any) -> None:
    """Validate that a setting is a text of printable characters.

    Raises
    ------
    ConfigError
        If it isn't.
    """
    if not isinstance(value, str) or not value or not value.isprintable():
        refuse(name, value, "a text that is not empty, on one line")


def check_mapping(name: str, value: Any, values: str) -> None:
    """Validate that a setting is None or a mapping of texts to something, which `values` names.

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
    """Validate that handlers are None or a mapping of htypes to functions.

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
    text = f"{value!r:.80}".replace("\n", " ")  # as an array has it
    raise ConfigError(f"{name} is {text}; it can be {allowed}")


FORM = "an address looks like tcp://host:port, ipc://path or inproc://name"

_PORT = re.compile(r"tcp://.*:([^:\]]*)")


def conn_type_of(address: str) -> str:
    """Return "bind" for ``tcp://*:port`` and ``tcp://host:*``, "connect" for any other address."""
    return "bind" if address.startswith("tcp://*:") or address.endswith(":*") else "connect"


def has_wrong_port(address: str, bind: bool = False) -> bool:
    """Return True if a TCP address has no port from 1 to 65535, or 0 or ``*`` where it is bound.

    libzmq would take another number modulo 65536.
    """
    port = _PORT.fullmatch(address)
    if port is None or (bind and port[1] in ("*", "!")):
        return False
    return not port[1].isdecimal() or not (0 if bind else 1) <= int(port[1]) < 65536
