"""A configuration is read: from a file, a mapping or arguments, each value as the schema says.

The first problem is raised as one `ConfigError` line with the key's place or the argument's name,
its value and what is allowed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from ..errors import ConfigError
from ..validation import listed, refuse
from .schema import (
    MERGE,
    OUTPUT,
    SOURCE,
    ByKeyConfig,
    MergeConfig,
    Section,
    SourceConfig,
    StreamConfig,
    check_config,
    check_nodes,
    keys_of,
    settings_of,
)

C = TypeVar("C")

SECTIONS = ("source", "streams", "sources", "merge")


@dataclass(frozen=True)
class TopologyConfig:
    """Sources, how they become one stream (None for one source), and where its messages go."""

    sources: tuple[SourceConfig, ...]
    merge: MergeConfig | ByKeyConfig | None
    streams: tuple[StreamConfig, ...]


def load(path: str | os.PathLike[str]) -> TopologyConfig:
    """Read a configuration file.

    Raise ConfigError, which names the file, if it can't be read, is no JSON, or `parse` does.
    """
    if not isinstance(path, (str, os.PathLike)):
        refuse("the configuration", path, "the path of a file, or a mapping")
    try:
        with open(path, encoding="utf-8-sig") as file:
            return parse(json.load(file, object_pairs_hook=_once))
    except OSError as error:
        problem = f"can't be read: {error.strerror}"
    except json.JSONDecodeError as error:
        problem = f"is not JSON: {error.msg} in line {error.lineno}, column {error.colno}"
    except ConfigError as error:
        problem = f"{error}"
    except (ValueError, RecursionError) as error:
        problem = f"is not JSON in UTF-8: {error}"
    raise ConfigError(f"{os.fspath(path)}: {problem}")


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON, whose keys may each be there once."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            _refuse_key(key, value, "is given twice in one object; leave one of them out")
        found[key] = value
    return found


def parse(mapping: Any) -> TopologyConfig:
    """Check a configuration and return it with all defaults filled in.

    Parameters
    ----------
    mapping : Mapping
        ``{"source": {"address": …}, "streams": [{"address": …}, …]}``, or ``"sources"``, a list,
        and ``"merge"`` if wanted. The keys are in docs/config.md; the case of words doesn't
        matter.

    Raises
    ------
    ConfigError
        If a key is missing, unknown or out of place, a value is not allowed, or two nodes have
        one name or bind to one address.
    """
    _check_object(mapping, "the configuration", SECTIONS)
    _check_known(mapping, "", SECTIONS)
    sources = _sources(mapping)
    _check_given(mapping, "", "streams")
    streams = _each(OUTPUT, mapping["streams"], "streams", "output")
    merge = _merge(mapping, len(sources))
    check_nodes({**sources, **streams})
    return TopologyConfig(tuple(sources.values()), merge, tuple(streams.values()))


def _sources(mapping: Mapping[str, Any]) -> dict[str, SourceConfig]:
    if "sources" not in mapping:
        _check_given(mapping, "", "source", "or sources, a list, ")
        return {"source": _read(SOURCE, mapping["source"], "source")}
    if "source" in mapping:
        _refuse_key("sources", mapping["sources"], "is given beside source; leave one of them out")
    return _each(SOURCE, mapping["sources"], "sources", "source")


def _merge(mapping: Mapping[str, Any], sources: int) -> MergeConfig | ByKeyConfig | None:
    if "merge" not in mapping:
        return MergeConfig() if sources > 1 else None
    merge: MergeConfig | ByKeyConfig = _read(MERGE, mapping["merge"], "merge")
    return merge


def _each(section: Section, values: Any, place: str, noun: str) -> dict[str, Any]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Sequence) or not values:
        refuse(place, values, f"a list of at least one {noun}")
    return {
        f"{place}[{index}]": _read(section, value, f"{place}[{index}]")
        for index, value in enumerate(values)
    }


def _read(section: Section, mapping: Any, place: str) -> Any:
    """Return what a section says, in the class that its chooser chooses."""
    _check_object(mapping, place, section)
    choice = _choice(section, mapping, place)
    config = section.classes[choice]
    keys = keys_of(config)
    for name, value in mapping.items():
        if name not in keys and (holders := section.holders(name)):
            reason = f"is not for {section.chooser} {choice}; it goes with {listed(holders)}"
            _refuse_key(f"{place}.{name}", value, reason)
    _check_known(mapping, place, keys)
    if "address" in keys:
        _check_given(mapping, place, "address")
    values = {name: keys[name].check(f"{place}.{name}", mapping[name]) for name in mapping}
    read = config(**values)
    check_config(read, values, f"{place}.")
    return read


def _choice(section: Section, mapping: Mapping[str, Any], place: str) -> str:
    first, config = next(iter(section.classes.items()))
    name = section.chooser
    if name not in mapping:
        return first
    choice: str = keys_of(config)[name].check(f"{place}.{name}", mapping[name])
    return choice


def _check_object(mapping: Any, place: str, known: Iterable[str]) -> None:
    if not isinstance(mapping, Mapping):
        refuse(place, mapping, f"an object of {', '.join(known)}")


def _check_known(mapping: Mapping[str, Any], place: str, known: Iterable[str]) -> None:
    for name, value in mapping.items():
        if name not in known:
            _refuse_key(_under(place, name), value, f"is not a known key; {_hint(name, known)}")


def _check_given(mapping: Mapping[str, Any], place: str, name: str, instead: str = "") -> None:
    if name not in mapping:
        raise ConfigError(f"{_under(place, name)} is missing; it {instead}must be given")


def _under(place: str, name: str) -> str:
    return f"{place}.{name}" if place else f"{name}"


def _refuse_key(place: str, value: Any, reason: str) -> NoReturn:
    shown = place.encode("unicode_escape").decode()[:60]  # a stranger's key may be of any length
    raise ConfigError(f"{shown} (value {value!r:.80}) {reason}")


def _hint(name: Any, known: Iterable[str]) -> str:
    """Return what the key may have been meant to be."""
    from difflib import get_close_matches  # late: only a wrong key needs it

    known = list(known)
    close = get_close_matches(str(name), known, n=1)
    return f"did you mean {close[0]}?" if close else f"the keys are {', '.join(known)}"


def from_arguments(config: type[C], arguments: Mapping[str, Any]) -> C:
    """Check the arguments of a function and return them, in a class of the schema, with defaults.

    What is no setting of the class is passed over; what is not allowed, or contradicts another,
    raises ConfigError.
    """
    settings = settings_of(config)
    values = {
        name: setting.check_argument(name, arguments[name])
        for name, setting in settings.items()
        if name in arguments
    }
    read = config(**values)
    check_config(read, [name for name in values if settings[name].is_given(values[name])])
    return read
