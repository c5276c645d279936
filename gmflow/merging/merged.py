"""merged-1.0: the matching messages of several sources as one message on the wire.

Part 0 is ``{"htype": "merged-1.0", "key": NAME, "value": K, "sources": [{"name": ..., "parts":
n}, ...]}``; then every source's parts follow, unchanged, in this order. A source without a
message has 0 parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from ..errors import EncodeError, MessageError
from ..jsonwire import dumps
from ..message import Message, Part
from ..validation import shown

HTYPE = "merged-1.0"


class Merged(dict[str, Message]):
    """The messages of one key by their sources' names; a source that has none is not there.

    Its `header` is part 0.
    """

    __slots__ = ("header",)

    def __init__(self, header: dict[str, Any], messages: Mapping[str, Message]) -> None:
        super().__init__(messages)
        self.header = header


class Joiner:
    """Joins messages to sets; it is made with the names of the key and of the sources."""

    def __init__(self, key: str, names: Sequence[str]) -> None:
        self._key = key
        self._names = tuple(names)
        self._begin = dumps({"htype": HTYPE, "key": key, "value": ""})[: -len('""}')]
        self._counts: tuple[int, ...] | None = None  # of the last set: most are alike

    def join(self, value: Any, messages: Mapping[int, Message]) -> Message:
        """Return the message of one key, of its messages by their sources' place."""
        counts = [len(messages[i].parts) if i in messages else 0 for i in range(len(self._names))]
        sources, text = self._sources_of(tuple(counts))
        header = {"htype": HTYPE, "key": self._key, "value": value, "sources": sources}
        there = sorted(messages)
        head = b'%s%s, "sources": %s' % (self._begin, dumps(value), text)
        parts = [head, *chain.from_iterable([messages[i].parts for i in there])]
        return Message(
            data=Merged(header, {self._names[i]: messages[i] for i in there}),
            parts=parts,
            received_ns=max([messages[i].received_ns for i in there]),
        )

    def _sources_of(self, counts: tuple[int, ...]) -> tuple[list[dict[str, Any]], bytes]:
        """Return the sources with their numbers of parts, and how they end a header's text."""
        if counts != self._counts:
            pairs = zip(self._names, counts, strict=True)
            self._sources = [{"name": name, "parts": count} for name, count in pairs]
            self._text = dumps(self._sources) + b"}"
            self._counts = counts
        return self._sources, self._text


def parts_of(header: Any, parts: Sequence[Part]) -> dict[str, Sequence[Part]]:
    """Return each source's parts, by name, of those that have any; `parts` are all after part 0.

    Raise MessageError if the header doesn't say whose they are.
    """
    found: dict[str, Sequence[Part]] = {}
    begin = 0
    for name, count in _sources(header):
        if count:
            found[name] = parts[begin : begin + count]
        begin += count
    if begin != len(parts):
        raise MessageError(
            f"a {HTYPE} header names {shown(begin)} parts, but {len(parts)} follow it"
        )
    return found


def encode(value: Any) -> list[Part]:
    """Return the parts of a `Merged`, its messages' parts as they are, or raise EncodeError."""
    try:
        sources = [
            {
                "name": source["name"],
                "parts": len(value[source["name"]].parts) if source["name"] in value else 0,
            }
            for source in value.header["sources"]
        ]
        header = {**value.header, "sources": sources}
        there = [value[source["name"]].parts for source in sources if source["parts"]]
    except (AttributeError, KeyError, TypeError) as error:
        raise EncodeError(
            f"a {HTYPE} value is what its handler made, a Merged: {type(error).__name__}: {error}"
        ) from None
    return [dumps(header), *chain.from_iterable(there)]


def _sources(header: Any) -> list[tuple[str, int]]:
    try:
        sources = [(source["name"], source["parts"]) for source in header["sources"]]
    except (KeyError, TypeError):
        raise MessageError(f"a {HTYPE} header needs sources, each with name and parts") from None
    for name, count in sources:
        if not isinstance(name, str) or type(count) is not int or count < 0:
            raise MessageError(f"a source of a {HTYPE} header is {shown(name)} with {shown(count)}")
    if len({name for name, _ in sources}) < len(sources):
        raise MessageError(f"two sources of a {HTYPE} header have one name")
    return sources
