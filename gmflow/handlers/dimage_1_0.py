"""dimage-1.0: one image of DECTRIS detectors (stream v1), its pixels as they were sent.

Value: ``header``, ``part_2`` (encoding, shape, size, type), ``part_3_raw`` (the blob),
``part_4`` (times in ns), ``appendix`` if there is one. As in mflow, but an appendix that is
not JSON stays bytes.
"""

from __future__ import annotations

from typing import Any

from ..jsontext import dumps_compact
from ..message import Part
from ..receiver import Receiver
from .dectris import as_is, parts_of, read_appendix, read_json

WRITERS = {
    "header": dumps_compact,
    "part_2": dumps_compact,
    "part_3_raw": as_is,
    "part_4": dumps_compact,
}


def receive(receiver: Receiver) -> dict[str, Any]:
    """Read one message.

    Returns
    -------
    dict
        JSON parts as dicts, the blob as bytes (or a memoryview), by mflow's keys.

    Raises
    ------
    MessageError
        If parts are missing or are not JSON.
    """
    value = {
        "header": read_json(receiver),
        "part_2": read_json(receiver),
        "part_3_raw": receiver.next(),
        "part_4": read_json(receiver),
    }
    if receiver.has_more():
        value["appendix"] = read_appendix(receiver)
    return value


def encode(value: dict[str, Any]) -> list[Part]:
    """Give the parts of a message: the inverse of `receive`.

    Raises
    ------
    EncodeError
        If a key is missing.
    """
    return parts_of(value, WRITERS, "dimage-1.0")
