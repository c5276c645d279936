"""dimage-1.0: one image of DECTRIS detectors (stream v1), its pixels as they were sent.

Value: ``header``, ``part_2`` (encoding, shape, size, type), ``part_3_raw`` (the blob),
``part_4`` (times in ns), ``appendix`` if there is one. As in mflow, but an appendix that is
not JSON stays bytes.
"""

from __future__ import annotations

from typing import Any

from ..errors import DecodeError
from ..jsontext import dumps_compact
from ..message import Part
from ..receiver import Receiver
from .dectris import as_is, parts_of, read_json, read_rest
from .shapes import check_size, item_count, number_type

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
    DecodeError
        If parts are missing or are no JSON objects, or if encoding, shape or type are missing or
        nonsense, or if pixels that are not compressed don't fit them.
    """
    value: dict[str, Any] = {"header": read_json(receiver), "part_2": read_json(receiver)}
    value["part_3_raw"] = receiver.next()
    value["part_4"] = read_json(receiver)
    _check(value["part_2"], value["part_3_raw"])
    return read_rest(receiver, value)


def _check(pixels: dict[str, Any], blob: Part) -> None:
    try:
        encoding, shape, name = pixels["encoding"], pixels["shape"], pixels["type"]
    except KeyError as error:
        raise DecodeError(f"part 1 of a dimage-1.0 has no {error}") from None
    item_count(shape)
    dtype = number_type(name)
    if encoding in ("<", ">"):  # the size of others shows when they are decoded
        check_size(len(blob), dtype, shape)


def encode(value: dict[str, Any]) -> list[Part]:
    """Give the parts of a message: the inverse of `receive`.

    Raises
    ------
    EncodeError
        If a key is missing.
    """
    return parts_of(value, WRITERS, "dimage-1.0")
