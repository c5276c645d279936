"""What the three DECTRIS handlers share: JSON parts that go out as they came, and the appendix."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import EncodeError, MessageError
from ..jsontext import dumps_compact, loads_text
from ..message import Part
from ..receiver import Receiver


def read_json(receiver: Receiver) -> Any:
    """Give the next part's JSON object; it remembers its text.

    Raises
    ------
    MessageError
        If the message has no more parts, or the part is not JSON.
    """
    part = receiver.next(copy=True)
    try:
        return loads_text(part)
    except ValueError as error:
        raise MessageError(f"a JSON part of {len(part)} bytes can't be read: {error}") from None


def read_appendix(receiver: Receiver) -> Any:
    """Give the next part: the user's own text, as an object where it is JSON, else as bytes."""
    part = receiver.next(copy=True)
    try:
        return loads_text(part)
    except ValueError:
        return part


def parts_of(
    value: dict[str, Any], writers: Mapping[str, Callable[[Any], Part]], htype: str
) -> list[Part]:
    """Give a part for each key of `writers`, in that order, then the appendix if there is one.

    Raises
    ------
    EncodeError
        If the value lacks a key.
    """
    try:
        parts = [write(value[key]) for key, write in writers.items()]
    except KeyError as error:
        raise EncodeError(f"a {htype} value needs {error}") from None
    if "appendix" in value:
        appendix = value["appendix"]
        parts.append(appendix if isinstance(appendix, bytes) else dumps_compact(appendix))
    return parts


def as_is(part: Part) -> Part:
    """Give a binary part as it stands."""
    return part
