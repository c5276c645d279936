"""m_split's configuration: one source and its outputs, checked before a socket is opened.

The JSON is mflow's, with `conn_type` and `when_full` beyond it. The first problem is raised as
one `ConfigError` line with the key's place, its value and what is allowed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

from .addresses import conn_type_of
from .errors import ConfigError

TCP = re.compile(r"tcp://([^\s/;]+;)?(\*|\[[^\s/\[\]]+\]|[^\s/:;\[\]]+):([0-9]{1,5})")
"""An optional local address to connect from, a host, and a port."""

LOCAL = re.compile(r"(ipc|inproc)://.+")

LARGEST_QUEUE = 2**31 - 1
"""ZeroMQ keeps high-water marks as 32-bit integers."""


@dataclass(frozen=True)
class SourceConfig:
    """Where messages come from.

    Attributes
    ----------
    address : str
        A ZeroMQ address.
    mode : str
        "PULL" or "SUB".
    queue_size : int
        The receive high-water mark, in messages; 0 for none.
    conn_type : str
        "bind" or "connect"; as `conn_type_of` tells where it is not given.
    """

    address: str
    mode: str = "PULL"
    queue_size: int = 100
    conn_type: str = ""

    def __post_init__(self) -> None:
        """Fill in the connection type."""
        _fill_conn_type(self)


@dataclass(frozen=True)
class OutputConfig:
    """Where messages go.

    Attributes
    ----------
    address, queue_size, conn_type
        As in `SourceConfig`; the queue is the one for sending.
    mode : str
        "PUSH" or "PUB".
    modulo : int
        Every how many messages one is sent.
    when_full : str or None
        "block", "drop_newest" or "drop_oldest"; None leaves it to the mode.
    """

    address: str
    mode: str = "PUSH"
    queue_size: int = 100
    modulo: int = 1
    conn_type: str = ""
    when_full: str | None = None

    def __post_init__(self) -> None:
        """Fill in the connection type."""
        _fill_conn_type(self)


@dataclass(frozen=True)
class SplitConfig:
    """A source and the outputs that its messages are split to, in order."""

    source: SourceConfig
    streams: tuple[OutputConfig, ...]


def load(path: str | os.PathLike[str]) -> SplitConfig:
    """Read a configuration file.

    Raises
    ------
    ConfigError
        If the file can't be read, is not JSON, or as `parse` raises it; names the file.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            return parse(json.load(file))
    except OSError as error:
        problem = f"can't be read: {error.strerror}"
    except json.JSONDecodeError as error:
        problem = f"is not JSON: {error.msg} in line {error.lineno}, column {error.colno}"
    except ConfigError as error:
        problem = f"{error}"
    except (ValueError, RecursionError) as error:
        problem = f"is not JSON in UTF-8: {error}"
    raise ConfigError(f"{os.fspath(path)}: {problem}")


def parse(mapping: Any) -> SplitConfig:
    """Check a configuration and give it with all defaults filled in.

    Parameters
    ----------
    mapping : Mapping
        ``{"source": {"address": …}, "streams": [{"address": …}, …]}`` with the attributes of
        `SourceConfig` and `OutputConfig` as optional keys. The case of names doesn't matter,
        and `modulo` may be a string of digits.

    Raises
    ------
    ConfigError
        If a key is missing or unknown, or a value is not allowed, or two nodes bind to one
        address.
    """
    values = _check_keys(mapping, "", ("source", "streams"), ("source", "streams"))
    streams = values["streams"]
    if isinstance(streams, str) or not isinstance(streams, Sequence) or not streams:
        _refuse("streams", streams, "must be a list of at least one output")
    source = SourceConfig(**_check_node(values["source"], "source", SOURCE))
    outputs = tuple(
        OutputConfig(**_check_node(stream, f"streams[{index}]", OUTPUT))
        for index, stream in enumerate(streams)
    )
    _check_binds(source, outputs)
    return SplitConfig(source, outputs)


Check = Callable[[str, Any], Any]


def _refuse(place: str, value: object, allowed: str) -> NoReturn:
    raise ConfigError(f"{place} is {value!r:.80}; it {allowed}")


def _check_node(mapping: Any, place: str, checks: Mapping[str, Check]) -> dict[str, Any]:
    given = _check_keys(mapping, place, tuple(checks), ("address",))
    values = {key: checks[key](f"{place}.{key}", value) for key, value in given.items()}
    address = values["address"]
    if conn_type_of(address) == "bind" and values.get("conn_type") == "connect":
        _refuse(f"{place}.conn_type", "connect", f"must be bind, as {address} names no host")
    return values


def _check_keys(
    mapping: Any, place: str, known: Sequence[str], needed: Sequence[str]
) -> Mapping[str, Any]:
    if not isinstance(mapping, Mapping):
        _refuse(place or "the configuration", mapping, f"must be an object of {', '.join(known)}")
    dot = f"{place}." if place else ""
    for key, value in mapping.items():
        if key not in known:
            from difflib import get_close_matches  # late: only a wrong key needs it

            close = get_close_matches(str(key), known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"the keys are {', '.join(known)}"
            name = str(key).encode("unicode_escape").decode()
            raise ConfigError(f"{dot}{name} (value {value!r:.80}) is not a known key; {hint}")
    for key in needed:
        if key not in mapping:
            raise ConfigError(f"{dot}{key} is missing; it must be given")
    return mapping


def _check_address(place: str, value: Any) -> str:
    if isinstance(value, str) and value.isprintable():
        tcp = TCP.fullmatch(value)
        if LOCAL.fullmatch(value) or (tcp and 1 <= int(tcp[3]) <= 65535):
            return value
    _refuse(
        place,
        value,
        "must look like tcp://host:port with a port of 1 to 65535, ipc://path or inproc://name",
    )


def _check_choice(choices: tuple[str, ...], place: str, value: Any) -> str:
    for choice in choices:
        if isinstance(value, str) and value.lower() == choice.lower():
            return choice
    _refuse(place, value, f"must be {' or '.join(choices)}")


def _check_queue_size(place: str, value: Any) -> int:
    if type(value) is int and 0 <= value <= LARGEST_QUEUE:
        return value
    _refuse(place, value, f"must be a whole number from 0 to {LARGEST_QUEUE}")


def _check_modulo(place: str, value: Any) -> int:
    if type(value) is int or isinstance(value, str):
        try:
            modulo = int(value)
        except ValueError:
            modulo = 0
        if modulo >= 1:
            return modulo
    _refuse(place, value, "must be a whole number from 1 up")


def _check_binds(source: SourceConfig, outputs: Sequence[OutputConfig]) -> None:
    bound = {source.address: "source"} if source.conn_type == "bind" else {}
    for index, output in enumerate(outputs):
        if output.conn_type != "bind":
            continue
        place = f"streams[{index}]"
        if output.address in bound:
            taken = f"is bound by {bound[output.address]} already; only one can bind to it"
            raise ConfigError(f"{place}.address is {output.address!r:.80}; it {taken}")
        bound[output.address] = place


def _fill_conn_type(node: SourceConfig | OutputConfig) -> None:
    if not node.conn_type:
        object.__setattr__(node, "conn_type", conn_type_of(node.address))


SOURCE: Mapping[str, Check] = {
    "address": _check_address,
    "mode": partial(_check_choice, ("PULL", "SUB")),
    "queue_size": _check_queue_size,
    "conn_type": partial(_check_choice, ("bind", "connect")),
}
OUTPUT: Mapping[str, Check] = {
    "address": _check_address,
    "mode": partial(_check_choice, ("PUSH", "PUB")),
    "queue_size": _check_queue_size,
    "modulo": _check_modulo,
    "conn_type": partial(_check_choice, ("bind", "connect")),
    "when_full": partial(_check_choice, ("block", "drop_newest", "drop_oldest")),
}
