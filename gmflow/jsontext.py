"""JSON as it stands on the wire: bytes to objects and back, in the two styles the senders write.

Python senders (mflow, bsread) write ``json.dumps``'s default style, DECTRIS detectors a
compact one. `JsonText` is an object that remembers the text it was read from, so that what
nobody changed goes out again byte for byte.
"""

from __future__ import annotations

import json
from typing import Any

from .message import Part

_decode = json.JSONDecoder().raw_decode  # half the time of json.loads


def loads(part: Part) -> Any:
    """Give the object in a part that holds UTF-8 JSON.

    Raises
    ------
    ValueError
        If the part is not UTF-8, not JSON, or nested deeper than Python's recursion limit.
    """
    text = str(part, "utf-8")
    try:
        value, end = _decode(text)
    except RecursionError:
        raise ValueError("JSON is nested too deeply") from None
    except ValueError:
        end = -1
    if end == len(text):
        return value
    return json.loads(text)  # it knows of white space around, and says what is wrong


def dumps(value: Any) -> bytes:
    """Give the JSON text of a value in the style of Python's senders."""
    return json.dumps(value).encode()


class JsonText(dict[str, Any]):
    """A JSON object that remembers the text it was read from.

    Attributes
    ----------
    text : bytes
        The text as it was received.
    """

    __slots__ = ("text",)

    text: bytes


def loads_text(part: Part) -> Any:
    """Give the object in a part like `loads`; a JSON object comes as a `JsonText`."""
    value = loads(part)
    if type(value) is not dict:
        return value
    kept = JsonText(value)
    kept.text = bytes(part)
    return kept


def dumps_compact(value: Any) -> bytes:
    """Give the JSON text of a value in the style of DECTRIS detectors.

    A `JsonText` that still equals its text gives that text, byte for byte.
    """
    text = _compact(value)
    if isinstance(value, JsonText) and _compact(loads(value.text)) == text:
        return value.text
    return text.encode()


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
