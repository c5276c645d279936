"""dimage-1.0: one image of DECTRIS detectors (stream v1), its pixels as they were sent.

Value: ``header``, ``part_2`` (encoding, shape, size, type), ``part_3_raw`` (the blob),
``part_4`` (times in ns), ``appendix`` if there is one. As in mflow, but an appendix that is
not JSON stays bytes. `image` returns the pixels of a value.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..codecs import pixels
from ..errors import DecodeError
from ..jsonwire import dumps_compact
from ..message import Part
from ..receiver import Receiver
from ..validation import shown
from .dectris import as_is, parts_of, read_header, read_json, read_rest
from .series import Array
from .shapes import check_size, item_count, number_type

WRITERS = {
    "header": dumps_compact,
    "part_2": dumps_compact,
    "part_3_raw": as_is,
    "part_4": dumps_compact,
}

TYPES = {name: np.dtype(name) for name in ("uint8", "uint16", "uint32", "float32")}
"""The types of pixels: the detectors', and the one that odin adds."""


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
    value: dict[str, Any] = {"header": read_header(receiver), "part_2": read_json(receiver)}
    value["part_3_raw"] = receiver.next()
    value["part_4"] = read_json(receiver)
    try:
        _check(value["part_2"], value["part_3_raw"])
    except DecodeError as error:
        known = {"frame", "series"} <= value["header"].keys()
        raise DecodeError(f"{_name(value)}: {error}" if known else str(error)) from None
    return read_rest(receiver, value)


def image(value: dict[str, Any]) -> Array:
    """Return the pixels of an image.

    Parameters
    ----------
    value : dict
        As `receive` returns it: ``message.data``.

    Returns
    -------
    numpy.ndarray
        (rows, columns), or (planes, rows, columns): the header's shape, which is [x, y], in
        reverse. Of the header's type, in the byte order of the encoding; a read-only view of the
        part where it is not compressed.

    Raises
    ------
    DecodeError
        If encoding, shape or type are not those of an image, if the blob doesn't hold what they
        promise, or if the library that decompresses is not installed: install the extra
        gmflow[eiger].
    """
    try:
        about, blob = value["part_2"], value["part_3_raw"]
        encoding, shape, name = about["encoding"], about["shape"], about["type"]
    except (KeyError, TypeError) as error:
        raise DecodeError(f"{_name(value)} is no dimage-1.0 value: {error!r}") from None
    try:
        check_image(shape, name)
        if not isinstance(encoding, str):
            raise DecodeError(f"encoding is {shown(encoding)}; it is a text such as bs16-lz4<")
        return pixels.decode(blob, encoding, tuple(shape[::-1]), TYPES[name])
    except DecodeError as error:
        raise DecodeError(f"{_name(value)}: {error}{_loss(about, blob)}") from None


def check_image(shape: Any, name: Any) -> None:
    """Validate that a shape and the name of a type are those of an image, else DecodeError."""
    item_count(shape)
    if len(shape) not in (2, 3):
        raise DecodeError(f"shape {shown(shape)} has {len(shape)} dimensions; an image has 2 or 3")
    if not isinstance(name, str) or name not in TYPES:
        raise DecodeError(f"type is {shown(name)}; it can be {', '.join(TYPES)}")


def _name(value: Any) -> str:
    header = value.get("header") if isinstance(value, dict) else None
    if not isinstance(header, dict):
        return "an image without a header"
    return f"frame {shown(header.get('frame'))} of series {shown(header.get('series'))}"


def _loss(about: dict[str, Any], blob: Part) -> str:
    sent, here = about.get("size"), len(blob)
    if type(sent) is not int or sent == here:
        return ""
    return f" (the blob has {here} bytes; its header says {shown(sent)})"


def _check(about: dict[str, Any], blob: Part) -> None:
    try:
        encoding, shape, name = about["encoding"], about["shape"], about["type"]
    except KeyError as error:
        raise DecodeError(f"part 1 of a dimage-1.0 has no {error}") from None
    item_count(shape)
    dtype = number_type(name)
    if encoding in ("<", ">"):  # the size of others shows when they are decoded
        check_size(len(blob), dtype, shape)


def encode(value: dict[str, Any]) -> list[Part]:
    """Return the parts of a message: the inverse of `receive`.

    Raises
    ------
    EncodeError
        If a key is missing.
    """
    return parts_of(value, WRITERS, "dimage-1.0")
