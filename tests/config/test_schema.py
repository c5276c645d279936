"""docs/config.md's table is the code's, and so are the defaults of the functions it leads to.

``python tests/config/test_schema.py`` prints the table as it must be.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import MISSING
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
    FeedConfig,
    OutputConfig,
    RecorderConfig,
    SinkConfig,
    SourceConfig,
    TapConfig,
)
from gmflow.config.schema import Section, Setting, keys_of, settings_of
from gmflow.merging import ByKey
from gmflow.validation import listed

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
            for key, setting in keys_of(config).items():
                found.setdefault(cells(section, key, setting), []).append(value)
        for row, values in found.items():
            only = "" if len(values) == len(section.classes) else f", {listed(values)}"
            yield (name + only, *row)


def cells(section: Section, name: str, setting: Setting) -> tuple[str, ...]:
    """Return a key's name, type, default, allowed values and meaning."""
    assert setting.key is not None
    default = setting.default
    if name == section.chooser:
        default = next(iter(section.classes))
    elif not default:
        default = "must be given" if setting.fixed is MISSING else json.dumps(setting.fixed)
    return f"`{name}`", setting.key.name, default.strip('"'), setting.key.allowed, setting.means


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
        kind = keys_of(config)[section.chooser].key
        assert kind is not None and kind.allowed == listed(list(section.classes))
        assert list(map(kind.read, section.classes)) == list(section.classes)


def test_a_default_is_allowed_or_said_in_words() -> None:
    for config in (SourceConfig, ByKeyConfig, OutputConfig, TapConfig):
        for name, setting in keys_of(config).items():
            assert setting.key is not None
            if setting.fixed is MISSING or setting.default:
                assert setting.default or name == "address"
            else:
                assert setting.key.read(setting.fixed) == setting.fixed


ADDS = {
    SourceConfig: Topology.source,
    FeedConfig: Topology.feed,
    OutputConfig: Topology.output,
    TapConfig: Topology.tap,
    SinkConfig: Topology.sink,
    RecorderConfig: Topology.recorder,
    ByKeyConfig: ByKey,
}
CHOSEN = {TapConfig: "mode", ByKeyConfig: "strategy"}  # by what is called


@pytest.mark.parametrize("config", ADDS, ids=lambda config: config.__name__)
def test_the_settings_and_defaults_are_those_of_the_function(config: Any) -> None:
    """Settings whose default is filled in are None as arguments."""
    parameters = inspect.signature(ADDS[config]).parameters
    settings = settings_of(config)
    settings.pop(CHOSEN.get(config), None)
    assert set(parameters) - set(settings) <= {"self", "node"}
    for name, setting in settings.items():
        fixed = {MISSING: inspect.Parameter.empty, "": None}.get(setting.fixed, setting.fixed)
        assert (name, parameters[name].default) == (name, fixed)


def test_the_help_of_m_merge_has_every_key_and_default() -> None:
    words = " ".join((merge.__doc__ or "").split())
    assert f"[default: {next(iter(MERGE.classes))}]" in words
    assert [strategy for strategy in MERGE.classes if f" {strategy}," not in words] == []
    for name, setting in keys_of(ByKeyConfig).items():
        option = "partial" if name == "complete" else name
        (meaning,) = re.findall(rf" --{option} (.*?\.)(?= --|$)", words)
        if type(setting.fixed) in (int, float) or name == "key":
            assert meaning.endswith(f" {setting.fixed!s:.8} by default.".replace(".0 ", " "))


if __name__ == "__main__":
    print(rendered(), end="")
