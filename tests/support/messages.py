"""Messages as they are on the wire: a header, as JSON or as CBOR, and the parts behind it."""

import json
from typing import Any

import cbor2

from gmflow.message import Message

SELF_DESCRIBED = b"\xd9\xd9\xf7"
"""The tag that DECTRIS's stream v2 begins with."""


def parts(*more: bytes, **header: Any) -> list[bytes]:
    """Return the parts of a message whose header is JSON."""
    return [json.dumps(header).encode(), *more]


def cbor_parts(*more: bytes, **header: Any) -> list[bytes]:
    """Return the parts of a message whose header is CBOR, as in DECTRIS's stream v2."""
    return [SELF_DESCRIBED + cbor2.dumps(header), *more]


def message(*more: bytes, source: str = "", received_ns: int = 0, **header: Any) -> Message:
    """Return a message whose header is JSON."""
    return Message(parts=parts(*more, **header), source=source, received_ns=received_ns)


def cbor_message(*more: bytes, source: str = "", received_ns: int = 0, **header: Any) -> Message:
    """Return a message whose header is CBOR."""
    return Message(parts=cbor_parts(*more, **header), source=source, received_ns=received_ns)
