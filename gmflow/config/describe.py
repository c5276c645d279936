"""A checked configuration as text for a person: what goes where, and every setting that holds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from .load import TopologyConfig
from .schema import keys_of


def describe(config: TopologyConfig, names: Sequence[str]) -> str:
    """Return the topology as text, a paragraph for each node.

    The names are those of its nodes: the sources, the merger if there is one, the streams.
    """
    nodes = [*config.sources, *filter(None, [config.merge]), *config.streams]
    ways = _ways(names, len(config.sources), config.merge is not None)
    paragraphs = map("\n".join, map(_lines, names, ways, nodes))
    return "\n\n".join(paragraphs) + "\n"


def _ways(names: Sequence[str], sources: int, merged: bool) -> Iterator[tuple[str, str]]:
    """Return for each node where its messages go to or come from."""
    last = names[sources if merged else sources - 1]  # which passes messages on to the streams
    before, after = list(names[: names.index(last)]), list(names[names.index(last) + 1 :])
    yield from (("goes to", last) for _ in before)
    yield "goes to", ", ".join(after)
    yield from (("comes from", last) for _ in after)


def _lines(name: str, way: tuple[str, str], node: Any) -> Iterator[str]:
    yield name
    settings = {key: _shown(node, key) for key in keys_of(type(node)) if key != "name"}
    for key, value in {way[0]: way[1], **settings}.items():
        yield f"    {key:<14}  {value}"


def _shown(node: Any, name: str) -> str:
    value = getattr(node, name)
    if value is None:
        return keys_of(type(node))[name].default
    return value if isinstance(value, str) else json.dumps(value)
