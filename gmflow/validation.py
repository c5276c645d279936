"""What a setting can be: kinds of values, and the one line that says what is wrong with a value.

The schema of `gmflow.config` is made of these kinds, and whatever else takes settings checks them
here. A kind reads a value: it returns what the program uses, or None for one that is not allowed,
which no kind allows as a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from reprlib import Repr
from types import GeneratorType
from typing import Any, NoReturn

from .errors import ConfigError

_repr = Repr()
_repr.maxlevel = 2
_repr.maxlist = _repr.maxdict = 8
_repr.maxstring = _repr.maxlong = _repr.maxother = 60


def shown(value: Any) -> str:
    """Return what an error shows of a wrong value: short, however long or deep the value is."""
    return _repr.repr(value)


def refuse(name: str, value: Any, allowed: str) -> NoReturn:
    """Raise ConfigError: a setting is not what is allowed."""
    contradict(name, value, f"can be {allowed}")


def contradict(name: str, value: Any, reason: str) -> NoReturn:
    """Raise ConfigError: a setting can't be what it is, for a reason that follows "it"."""
    text = f"{value!r:.80}".replace("\n", " ")  # as an array has it
    raise ConfigError(f"{name} is {text}; it {reason}")


# kinds of values


@dataclass(frozen=True)
class Kind:
    """A kind of values.

    Attributes
    ----------
    name : str
        What it is called in tables.
    allowed : str
        What is allowed, as it follows "can be".
    read : callable
        Returns the value as the program uses it, or None for one that is not allowed.
    """

    name: str
    allowed: str
    read: Callable[[Any], Any]

    def check(self, name: str, value: Any) -> Any:
        """Return the value of a setting as the program uses it, or raise ConfigError."""
        read = self.read(value)
        if read is None:
            refuse(name, value, self.allowed)
        return read


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
    return Kind("number", f"a number {least} to {most:.0f}, in {unit}", read)


def mapping_of(values: str, is_one: Callable[[Any], bool] = lambda value: True) -> Kind:
    """Return the kind of mappings of texts to something, which `values` names."""

    def read(value: Any) -> Mapping[str, Any] | None:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            return None
        return value if all(map(is_one, value.values())) else None

    return Kind("mapping", f"a mapping of texts to {values}", read)


def listed(words: Sequence[str]) -> str:
    """Return words as a choice: "a", "a or b", "a, b or c"."""
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _read_text(value: Any) -> str | None:
    return value if isinstance(value, str) and value and value.isprintable() else None


def _read_texts(value: Any) -> tuple[str, ...] | None:
    if not isinstance(value, (list, tuple, set, frozenset)) or not value:
        return None
    return None if None in map(_read_text, value) else tuple(value)


def _read_share(value: Any) -> tuple[int, int] | None:
    if not isinstance(value, (list, tuple)) or [type(number) for number in value] != [int, int]:
        return None
    index, number = value
    return (index, number) if 0 <= index < number else None


def _read_topics(value: Any) -> Any:
    if isinstance(value, (str, bytes)):
        return (value,)
    good = isinstance(value, (list, tuple, set, frozenset))
    return tuple(value) if good and all(isinstance(v, (str, bytes)) for v in value) else None


def _read_messages(value: Any) -> Any:
    one = isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable)
    return None if one else value


def _read_address(value: Any) -> str | None:
    if not isinstance(value, str) or not value.isprintable():
        return None
    tcp = _TCP.fullmatch(value)
    good = _LOCAL.fullmatch(value) or (tcp and 1 <= int(tcp[3]) <= 65535)
    return value if good else None


TRUTH = Kind("true or false", "true or false", lambda v: v if isinstance(v, bool) else None)
TEXT = Kind("text", "a text that is not empty, on one line", _read_text)
TEXT_OR_FUNCTION = Kind(
    TEXT.name,
    f"{TEXT.allowed}, or a function of the header",
    lambda value: value if callable(value) else _read_text(value),
)
TEXTS = Kind("list of texts", "a list of at least one text", _read_texts)
SHARE = Kind(
    "two whole numbers", "a list [i, n] of two whole numbers, i from 0 to n - 1", _read_share
)
TOPICS = Kind("list of texts", "a list of texts or bytes", _read_topics)
VALUES = mapping_of("values")
HANDLERS = mapping_of("functions", callable)
PATH = Kind(
    "path",
    "the path of a folder or a file",
    lambda value: value if isinstance(value, PathLike) or _read_text(value) else None,
)
MESSAGES = Kind("iterable", "an iterable of messages, each a sequence of parts", _read_messages)
FUNCTION = Kind(
    "function",
    "a function or a generator",
    lambda value: value if callable(value) or isinstance(value, GeneratorType) else None,
)


# checks of one setting


def check_whole(name: str, value: Any, least: int, most: int | None = None) -> None:
    """Validate that a setting is a whole number of a range, or raise ConfigError."""
    whole(least, most).check(name, value)


def check_mapping(name: str, value: Any, values: str) -> None:
    """Validate that a setting is None or a mapping of texts to something, or raise ConfigError."""
    if value is not None:
        mapping_of(values).check(name, value)


def check_handlers(handlers: Any) -> None:
    """Validate that handlers are None or a mapping of htypes to functions, or raise ConfigError."""
    if handlers is not None:
        HANDLERS.check("handlers", handlers)


# addresses

FORM = "an address looks like tcp://host:port, ipc://path or inproc://name"

ADDRESS = Kind(
    "text",
    "tcp://host:port with a port of 1 to 65535, ipc://path or inproc://name",
    _read_address,
)
ANY_ADDRESS = Kind("text", "tcp://host:port, ipc://path or inproc://name", _read_text)
"""Also with a port that the system chooses; ZeroMQ judges the rest when the socket is opened."""

_TCP = re.compile(r"tcp://([^\s/;]+;)?(\*|\[[^\s/\[\]]+\]|[^\s/:;\[\]]+):([0-9]{1,5})")
"""An optional local address to connect from, a host, and a port."""

_LOCAL = re.compile(r"(ipc|inproc)://.+")

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
