"""What DECTRIS's handlers share: JSON parts that go out as they came, and the appendix.

Values are dicts with mflow's keys: ``header``, the parts that an htype has, and ``appendix`` if
there is one; an appendix that is not JSON stays bytes. JSON parts remember their text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import EncodeError, MessageError
from ..jsonwire import JsonText, dumps_compact, loads_text
from ..message import Part
from ..receiver import Receiver
from ..validation import shown

TIMES = ("real_time", "start_time", "stop_time")
"""The times of an image, by their names in either version."""


def read_json(receiver: Receiver) -> JsonText:
    """Return the next part's JSON object, which remembers its text; MessageError if it is none."""
    part = receiver.next(copy=True)
    try:
        value = loads_text(part)
    except ValueError as error:
        raise MessageError(f"a JSON part of {len(part)} bytes can't be read: {error}") from None
    if not isinstance(value, JsonText):
        raise MessageError(f"a part is not a JSON object: {shown(value)}")
    return value


def read_header(receiver: Receiver) -> JsonText:
    """Return part 0, which was read to find the handler, as an object that remembers its text.

    Raise HeaderError if it is no JSON object.
    """
    header = JsonText(receiver.header())
    header.text = receiver.next(copy=True)
    return header


def read_rest(receiver: Receiver, value: dict[str, Any]) -> dict[str, Any]:
    """Add what is left of a message to its value.

    The first part is the appendix, the user's own text: an object where it is JSON, else bytes.
    Parts after it, which no detector is known to send, are kept in ``extra_raw``.
    """
    if receiver.has_more():
        part = receiver.next(copy=True)
        try:
            value["appendix"] = loads_text(part)
        except ValueError:
            value["appendix"] = part
    if receiver.has_more():
        value["extra_raw"] = [bytes(part) for part in receiver.rest()]
    return value


def parts_of(
    value: dict[str, Any], writers: Mapping[str, Callable[[Any], Part]], htype: str
) -> list[Part]:
    """Return a part for each key of `writers`, in that order, then the appendix if there is one.

    Raise EncodeError if the value lacks a key, or holds what is no JSON or is nested too deeply.
    """
    try:
        parts = [write(value[key]) for key, write in writers.items()]
        if "appendix" in value:
            appendix = value["appendix"]
            parts.append(appendix if isinstance(appendix, bytes) else dumps_compact(appendix))
    except (KeyError, TypeError) as error:
        raise EncodeError(f"a {htype} value needs {error}") from None
    except (ValueError, RecursionError) as error:
        raise EncodeError(f"a {htype} value can't be written as JSON: {error}") from None
    parts += value.get("extra_raw", [])
    return parts


def as_is(part: Part) -> Part:
    """Return a binary part as it stands."""
    return part
