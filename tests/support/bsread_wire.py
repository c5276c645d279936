"""What tests of bsread share: its messages, built part by part, without gmflow's own encoder."""

import json
import struct
from hashlib import md5
from typing import Any

import numpy as np
import pytest

from gmflow.decoder import Decoder
from gmflow.errors import DecodeError, EncodeError, HandlerError
from gmflow.handlers import ENCODERS
from gmflow.handlers.bsread.bsread_message import BsreadMessage

CODES = {
    "bool": "?",
    "int8": "i1",
    "uint8": "u1",
    "int16": "i2",
    "uint16": "u2",
    "int32": "i4",
    "uint32": "u4",
    "int64": "i8",
    "uint64": "u8",
    "float32": "f4",
    "float64": "f8",
}
OLD_CODES = {
    "double": "f8",
    "float": "f4",
    "integer": "i4",
    "long": "i4",
    "ulong": "u4",
    "short": "i2",
    "ushort": "u2",
}
STAMP = {"sec": 1700000000, "ns": 123456789}


def wire(
    channels: list[dict[str, Any]] | dict[str, Any] | bytes,
    *values: bytes,
    version: str = "1.1",
    **header: Any,
) -> list[bytes]:
    """Return the parts of a message; a keyword of None leaves that key out of the header."""
    if isinstance(channels, list):
        channels = {"htype": f"bsr_d-{version}", "channels": channels}
    text = channels if isinstance(channels, bytes) else json.dumps(channels).encode()
    main = {
        "htype": f"bsr_m-{version}",
        "hash": md5(text).hexdigest(),
        "pulse_id": 7,
        "global_timestamp": STAMP,
        **header,
    }
    main = {key: value for key, value in main.items() if value is not None}
    return [json.dumps(main).encode(), text, *values]


def stamp(order: str = "<", seconds: int = 1700000001, offset: int = 5) -> bytes:
    return struct.pack(order + "QQ", seconds, offset)


def decode(parts: list[bytes]) -> BsreadMessage:
    message = Decoder().decode(parts)
    assert isinstance(message, BsreadMessage)
    return message


def encode(message: BsreadMessage) -> list[bytes]:
    return [bytes(part) for part in ENCODERS[message.header["htype"]](message)]


def refused(parts: list[bytes]) -> str:
    with pytest.raises(DecodeError) as caught:
        Decoder().decode(parts)
    assert not isinstance(caught.value, HandlerError), caught.value
    return str(caught.value)


def not_written(message: BsreadMessage) -> str:
    with pytest.raises(EncodeError) as caught:
        encode(message)
    return str(caught.value)


def same(read: Any, sent: Any) -> bool:
    if sent is None or isinstance(sent, str):
        return type(read) is type(sent) and read == sent
    if sent.shape == (1,):
        scalar = sent.astype(sent.dtype.newbyteorder("="))
        return isinstance(read, np.generic) and read.tobytes() == scalar.tobytes()
    return (read.dtype, read.shape, read.tobytes()) == (sent.dtype, sent.shape, sent.tobytes())
