"""JSON as it stands on the wire: bytes to objects and back, in the two styles the senders write.

Python senders (mflow, bsread) write ``json.dumps``'s default style, DECTRIS detectors a
compact one. `JsonText` is an object that remembers the text it was read from, so that what
nobody changed goes out again byte for byte.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, TypeAlias

Part: TypeAlias = Any
"""bytes, memoryview or zmq.Frame: ``len(part)``, ``bytes(part)`` and ``memoryview(part)`` work."""

SMALL = 512
"""Bytes of a part that is read without asking first whether it can be a JSON object."""

opens = re.compile(rb"\s*\{").match
"""Return True if a part can be a JSON object by how it begins."""


def _reader() -> Callable[[Part], Any]:
    """Return `loads`, the fastest there is: by orjson, else in a third of json.loads's time."""
    # what the fast ones can't read is left to json.loads: white space around, NaN, lone surrogates
    try:
        from orjson import loads as parse
    except ImportError:
        scan = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
    else:

        def by_orjson(part: Part) -> Any:
            text = str(part, "utf-8")
            try:
                return parse(text)
            except ValueError:
                return _read(text)

        return by_orjson

    def by_scan(part: Part) -> Any:
        text = str(part, "utf-8")
        try:
            value, end = scan(text, 0)
        except (ValueError, StopIteration, RecursionError):
            return _read(text)
        return value if end == len(text) else _read(text)

    return by_scan


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("JSON is nested too deeply") from None


loads = _reader()
"""Return the object in a part that holds UTF-8 JSON.

Raise ValueError if it is not UTF-8, not JSON, or nested too deeply. With orjson a whole number
beyond 64 bits comes as a float.
"""


_encode = json.JSONEncoder().encode


def dumps(value: Any) -> bytes:
    """Return the JSON text of a value in the style of Python's senders."""
    return _encode(value).encode()


class JsonText(dict[str, Any]):
    """A JSON object that remembers the text it was read from, as it was received."""

    __slots__ = ("text",)

    text: bytes


def loads_text(part: Part) -> Any:
    """Return the object in a part like `loads`; a JSON object comes as a `JsonText`."""
    value = loads(part)
    if type(value) is not dict:
        return value
    kept = JsonText(value)
    kept.text = bytes(part)
    return kept


def dumps_compact(value: Any) -> bytes:
    """Return the JSON text of a value in the style of DECTRIS detectors.

    Of a `JsonText` that still equals its text it is that text, byte for byte.
    """
    text = _compact(value)
    if isinstance(value, JsonText) and _compact(loads(value.text)) == text:
        return value.text
    return text.encode()


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
