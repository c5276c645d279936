"""DECTRIS stream v1: its dheader-1.0 and dseries_end-1.0, and what reads the parts of all three.

Values are dicts with mflow's keys. A start has ``header``; with detail basic and all ``part_2``
(the detector's configuration); with all also ``part_3``/``part_4_raw`` (flatfield),
``part_5``/``part_6_raw`` (pixel mask) and ``part_7``/``part_8_raw`` (count-rate table). An end has
``header``. Both have ``appendix`` if there is one; one that is not JSON stays bytes. JSON parts
remember their text, and go out as they came. Images are read by `dimage_1_0`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import DecodeError, EncodeError, MessageError
from ..jsonwire import JsonText, dumps_compact, loads_text
from ..message import Part
from ..receiver import Receiver
from ..validation import shown

KEYS = {
    "none": [],
    "basic": ["part_2"],
    "all": ["part_2", "part_3", "part_4_raw", "part_5", "part_6_raw", "part_7", "part_8_raw"],
}
"""The keys that follow ``header`` in a start, for each header detail."""

TIMES = ("real_time", "start_time", "stop_time")
"""The times of an image, by their names in either version."""


def receive_start(receiver: Receiver) -> dict[str, Any]:
    """Read a dheader-1.0.

    Returns
    -------
    dict
        JSON parts as dicts, ``part_N_raw`` as bytes (or memoryviews), by mflow's keys.

    Raises
    ------
    DecodeError
        If header_detail is missing or unknown, or parts are missing.
    """
    value: dict[str, Any] = {"header": read_header(receiver)}
    for key in _keys(value["header"], DecodeError):
        value[key] = receiver.next() if key.endswith("_raw") else read_json(receiver)
    return read_rest(receiver, value)


def encode_start(value: dict[str, Any]) -> list[Part]:
    """Return the parts of a dheader-1.0; EncodeError if a key of its detail is missing."""
    keys = ["header", *_keys(value.get("header", {}), EncodeError)]
    writers = {key: as_is if key.endswith("_raw") else dumps_compact for key in keys}
    return parts_of(value, writers, "dheader-1.0")


def _keys(header: dict[str, Any], error: type[Exception]) -> list[str]:
    detail = header.get("header_detail")
    if not isinstance(detail, str) or detail not in KEYS:
        raise error(f"header_detail is {shown(detail)}; it can be {', '.join(KEYS)}")
    return KEYS[detail]


def receive_end(receiver: Receiver) -> dict[str, Any]:
    """Read a dseries_end-1.0: a dict with ``header``."""
    return read_rest(receiver, {"header": read_header(receiver)})


def encode_end(value: dict[str, Any]) -> list[Part]:
    """Return the parts of a dseries_end-1.0; EncodeError if ``header`` is missing."""
    return parts_of(value, {"header": dumps_compact}, "dseries_end-1.0")


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
