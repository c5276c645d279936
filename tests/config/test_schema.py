"""docs/config.md's table is the code's, and so are the defaults of the functions it leads to.

``python tests/config/test_schema.py`` prints the table as it must be.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any

import pytest

from gmflow import Topology
from gmflow.cli import merge
from gmflow.config import (
    MERGE,
    OUTPUT,
    SOURCE,
    ByKeyConfig,
    OutputConfig,
    SourceConfig,
    TapConfig,
)
from gmflow.config.keys import Section, keys_of
from gmflow.config.kinds import listed
from gmflow.merging import ByKey

DOCS = Path(__file__).parents[2] / "docs"
SECTIONS = {"source": SOURCE, "merge": MERGE, "streams": OUTPUT}
HEAD = (
    "| where | key | type | default | allowed | meaning |\n| --- | --- | --- | --- | --- | --- |\n"
)


def rows() -> Iterator[tuple[str, ...]]:
    """Return the rows of the table; one for all values of the chooser that share a key."""
    for name, section in SECTIONS.items():
        found: dict[tuple[str, ...], list[str]] = {}
        for value, config in section.classes.items():
            for field in fields(config):
                found.setdefault(cells(section, field), []).append(value)
        for row, values in found.items():
            only = "" if len(values) == len(section.classes) else f", {listed(values)}"
            yield (name + only, *row)


def cells(section: Section, field: Field[Any]) -> tuple[str, ...]:
    """Return a key's name, type, default, allowed values and meaning."""
    key = field.metadata["key"]
    default = key.default or json.dumps(None if field.default is MISSING else field.default)
    if field.default is MISSING:
        default = "must be given"
    if field.name == section.chooser:
        default = next(iter(section.classes))
    return f"`{field.name}`", key.kind.name, default.strip('"'), key.kind.allowed, key.means


def rendered() -> str:
    return HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows())


def written() -> str:
    (table,) = re.findall(r"^\| where \| key .*?\n(?=\n)", text_of_docs(), re.M | re.S)
    return table


def text_of_docs() -> str:
    return (DOCS / "config.md").read_text("utf-8")


def test_the_table_is_the_codes() -> None:
    assert written().splitlines() == rendered().splitlines()


def test_the_table_has_every_key() -> None:
    for name, section in SECTIONS.items():
        shown = re.findall(rf"^\| {name}.*? \| `(\w+)` \|", written(), re.M)
        assert set(shown) == set(section)


@pytest.mark.parametrize("section", SECTIONS.values(), ids=SECTIONS)
def test_the_chooser_can_be_what_there_is_a_class_for(section: Section) -> None:
    for config in section.classes.values():
        kind = keys_of(config)[section.chooser].kind
        assert kind.allowed == listed(list(section.classes))
        assert list(map(kind.read, section.classes)) == list(section.classes)


@pytest.mark.parametrize("config", [SourceConfig, ByKeyConfig, OutputConfig, TapConfig])
def test_a_default_is_allowed(config: Any) -> None:
    for field in fields(config):
        key = field.metadata["key"]
        if field.default is MISSING or key.default:
            assert key.default or field.name == "address"
        else:
            assert key.kind.read(field.default) == field.default


@pytest.mark.parametrize(
    "config, name",
    [(SourceConfig, "source"), (OutputConfig, "output"), (TapConfig, "tap")],
)
def test_the_defaults_are_those_of_the_topology(config: Any, name: str) -> None:
    assert_same_defaults(config, getattr(Topology, name), {"mode"} if name == "tap" else set())


def test_the_defaults_are_those_of_the_strategy() -> None:
    assert_same_defaults(ByKeyConfig, ByKey, {"strategy"})


def assert_same_defaults(config: Any, function: Any, own: set[str]) -> None:
    """Compare them, but for keys that say what is called and texts that are filled in."""
    parameters = inspect.signature(function).parameters
    for field in fields(config):
        if field.name not in own and field.default not in (MISSING, ""):
            assert (field.name, field.default) == (field.name, parameters[field.name].default)


def test_the_help_of_m_merge_has_every_key_and_default() -> None:
    words = " ".join((merge.__doc__ or "").split())
    assert f"[default: {next(iter(MERGE.classes))}]" in words
    assert [strategy for strategy in MERGE.classes if f" {strategy}," not in words] == []
    for field in fields(ByKeyConfig):
        option = "partial" if field.name == "complete" else field.name
        (meaning,) = re.findall(rf" --{option} (.*?\.)(?= --|$)", words)
        if type(field.default) in (int, float) or field.name == "key":
            assert meaning.endswith(f" {field.default!s:.8} by default.".replace(".0 ", " "))


if __name__ == "__main__":
    print(rendered(), end="")
