"""A configuration is read: from a file or a mapping, each value as the table of keys says.

The first problem is raised as one `ConfigError` line with the key's place, its value and what is
allowed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError
from .keys import Section, keys_of
from .kinds import Kind, listed
from .refusing import hint, refuse, refuse_key
from .schema import (
    MERGE,
    OUTPUT,
    SOURCE,
    ByKeyConfig,
    MergeConfig,
    OutputConfig,
    SourceConfig,
    StreamConfig,
)
from .together import check_nodes, check_output

SECTIONS = ("source", "streams", "sources", "merge")


@dataclass(frozen=True)
class TopologyConfig:
    """Sources, how they become one stream, and where its messages go.

    Attributes
    ----------
    sources : tuple of SourceConfig
        At least one.
    merge : MergeConfig or ByKeyConfig, optional
        None where there is one source.
    streams : tuple of OutputConfig and TapConfig
        At least one.
    """

    sources: tuple[SourceConfig, ...]
    merge: MergeConfig | ByKeyConfig | None
    streams: tuple[StreamConfig, ...]


def load(path: str | os.PathLike[str]) -> TopologyConfig:
    """Read a configuration file.

    Raises
    ------
    ConfigError
        If `path` is none, the file can't be read, is not JSON, or as `parse` raises it; names the
        file.
    """
    if not isinstance(path, (str, os.PathLike)):
        refuse("the configuration", path, "must be the path of a file, or a mapping")
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
            refuse_key(key, value, "is given twice in one object; leave one of them out")
        found[key] = value
    return found


def parse(mapping: Any) -> TopologyConfig:
    """Check a configuration and give it with all defaults filled in.

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
        refuse_key("sources", mapping["sources"], "is given beside source; leave one of them out")
    return _each(SOURCE, mapping["sources"], "sources", "source")


def _merge(mapping: Mapping[str, Any], sources: int) -> MergeConfig | ByKeyConfig | None:
    if "merge" not in mapping:
        return MergeConfig() if sources > 1 else None
    merge: MergeConfig | ByKeyConfig = _read(MERGE, mapping["merge"], "merge")
    return merge


def _each(section: Section, values: Any, place: str, noun: str) -> dict[str, Any]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Sequence) or not values:
        refuse(place, values, f"must be a list of at least one {noun}")
    return {
        f"{place}[{index}]": _read(section, value, f"{place}[{index}]")
        for index, value in enumerate(values)
    }


def _read(section: Section, mapping: Any, place: str) -> Any:
    """Return what a section says, in the class that its chooser chooses."""
    _check_object(mapping, place, section)
    choice = _choice(section, mapping, place)
    keys = keys_of(section.classes[choice])
    for name, value in mapping.items():
        if name not in keys and (holders := section.holders(name)):
            reason = f"is not for {section.chooser} {choice}; it goes with {listed(holders)}"
            refuse_key(f"{place}.{name}", value, reason)
    _check_known(mapping, place, keys)
    if "address" in keys:
        _check_given(mapping, place, "address")
    values = {name: _value(keys[name].kind, mapping[name], f"{place}.{name}") for name in mapping}
    config = section.classes[choice](**values)
    if isinstance(config, OutputConfig):
        check_output(place, config, values)
    return config


def _choice(section: Section, mapping: Mapping[str, Any], place: str) -> str:
    first, config = next(iter(section.classes.items()))
    if section.chooser not in mapping:
        return first
    kind = keys_of(config)[section.chooser].kind
    choice: str = _value(kind, mapping[section.chooser], f"{place}.{section.chooser}")
    return choice


def _value(kind: Kind, value: Any, place: str) -> Any:
    read = kind.read(value)
    if read is None:
        refuse(place, value, f"must be {kind.allowed}")
    return read


def _check_object(mapping: Any, place: str, known: Iterable[str]) -> None:
    if not isinstance(mapping, Mapping):
        refuse(place, mapping, f"must be an object of {', '.join(known)}")


def _check_known(mapping: Mapping[str, Any], place: str, known: Iterable[str]) -> None:
    for name, value in mapping.items():
        if name not in known:
            reason = f"is not a known key; {hint(name, known)}"
            refuse_key(_under(place, name), value, reason)


def _check_given(mapping: Mapping[str, Any], place: str, name: str, instead: str = "") -> None:
    if name not in mapping:
        raise ConfigError(f"{_under(place, name)} is missing; it {instead}must be given")


def _under(place: str, name: str) -> str:
    return f"{place}.{name}" if place else f"{name}"
