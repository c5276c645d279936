"""dheader-1.0: the start of a series of DECTRIS detectors (stream v1).

Value: ``header``; with detail basic and all ``part_2`` (the detector's configuration); with
all also ``part_3``/``part_4_raw`` (flatfield), ``part_5``/``part_6_raw`` (pixel mask) and
``part_7``/``part_8_raw`` (count-rate table); ``appendix`` if there is one. As in mflow, but
an appendix that is not JSON stays bytes.
"""

from __future__ import annotations

from typing import Any

from ..errors import DecodeError, EncodeError
from ..jsonwire import dumps_compact
from ..message import Part
from ..receiver import Receiver
from ..validation import shown
from .dectris import as_is, parts_of, read_header, read_json, read_rest

KEYS = {
    "none": [],
    "basic": ["part_2"],
    "all": ["part_2", "part_3", "part_4_raw", "part_5", "part_6_raw", "part_7", "part_8_raw"],
}
"""The keys that follow ``header``, for each header detail."""


def receive(receiver: Receiver) -> dict[str, Any]:
    """Read one message.

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


def encode(value: dict[str, Any]) -> list[Part]:
    """Return the parts of a message: the inverse of `receive`.

    Raises
    ------
    EncodeError
        If a key is missing that the header's detail asks for.
    """
    keys = ["header", *_keys(value.get("header", {}), EncodeError)]
    writers = {key: as_is if key.endswith("_raw") else dumps_compact for key in keys}
    return parts_of(value, writers, "dheader-1.0")


def _keys(header: dict[str, Any], error: type[Exception]) -> list[str]:
    detail = header.get("header_detail")
    if not isinstance(detail, str) or detail not in KEYS:
        raise error(f"header_detail is {shown(detail)}; it can be {', '.join(KEYS)}")
    return KEYS[detail]
