"""The counter in messages of DECTRIS's stream v2, which begin alike: no image is decoded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from re import DOTALL

from ..errors import DecodeError
from ..message import Message, Part

COUNTER = "image_id"

NUMBER = rb"([\0-\x17]|\x18.|\x19..|\x1a.{4}|\x1b.{8})"
"""A whole number from 0 up in CBOR."""

begins_map = re.compile(rb"(?:\xd9\xd9\xf7)?[\xa0-\xbf]").match
"""Return True if a part 0 can be a message of stream v2 by how it begins."""

_read = re.compile(
    rb"(?:\xd9\xd9\xf7)?(?:[\xa0-\xb7]|\xb8.|\xbf)\x64type(?:\x65(image|start)|\x63(end))"
    rb"\x69series_id" + NUMBER + rb"(?:.{0,64}?\x68image_id" + NUMBER + rb")?",
    DOTALL,
).match


def read_all(messages: Sequence[Message]) -> Iterator[tuple[bytes, int, int | None, Part]]:
    """Return what each message is, the number of its series, its own if it has one, and its part.

    Messages that don't begin as DECTRIS's do are left out.
    """
    for message in messages:
        part = message.parts[0] if message.parts else b""
        found = _read(part)
        if found is not None:
            number = None if found[4] is None else _whole(found[4])
            yield found[1] or found[2], _whole(found[3]), number, part


def images(start: Part) -> int | None:
    """Return the number of images that a start announces, if it does and cbor2 is there to tell."""
    from ..handlers.stream2.cbor_map import read
    from ..handlers.stream2.stream2_decoder import (
        ARRAYS,  # late: they bring NumPy, which forwarding does without
    )

    try:
        number = read(bytes(start), ARRAYS).get("number_of_images")
    except DecodeError:
        return None
    return number if type(number) is int and number >= 0 else None


def _whole(text: bytes) -> int:
    return text[0] if len(text) == 1 else int.from_bytes(text[1:], "big")
