"""The channels of a bsread message: what a data header says of them.

It is checked once, and used for every message that comes with the same data header.
"""

from __future__ import annotations

from functools import partial
from math import prod
from struct import Struct
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from ..errors import DecodeError
from ..jsontext import dumps, loads
from ..message import Part
from .shapes import check_size, item_count, view_array

NUMBERS = MappingProxyType(
    {
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
)
"""The number types of bsr_d, as NumPy names them without a byte order."""

OLD_NUMBERS = MappingProxyType(
    {
        **NUMBERS,
        "double": "f8",
        "float": "f4",
        "integer": "i4",
        "long": "i4",
        "ulong": "u4",
        "short": "i2",
        "ushort": "u2",
    }
)
"""The same for bsr_d-1.0, where a long has 4 bytes."""

ORDERS = MappingProxyType({"little": "<", "big": ">"})

NONE = (None, "", "none")
"""What says that something is not compressed."""

STAMPS = MappingProxyType({order: Struct(order + "QQ") for order in ORDERS.values()})
"""A timestamp: seconds and nanoseconds."""


class Channel(NamedTuple):
    """One channel of a data header.

    Attributes
    ----------
    name : str
    dtype : numpy.dtype or None
        The element type with its byte order; None for a string.
    shape : list of int
        In NumPy's order (slowest first), the reverse of what the data header says.
    order : str
        The channel's byte order, "<" or ">".
    """

    name: str
    dtype: np.dtype[Any] | None
    shape: list[int]
    order: str

    @property
    def stamp(self) -> Struct:
        """The timestamp part, in the channel's byte order."""
        return STAMPS[self.order]

    @property
    def is_scalar(self) -> bool:
        """Whether the value is one number instead of an array."""
        return self.shape == [1]

    @property
    def is_empty(self) -> bool:
        """Whether the value is an array without elements."""
        return self.dtype is not None and prod(self.shape) == 0

    def read(self, part: Part) -> Any:
        """Give the value in a part: a str, a NumPy scalar, or an array that is not copied.

        Raises
        ------
        DecodeError
            If the number of bytes doesn't fit the type and shape.
        """
        if self.dtype is None:
            return str(part, "utf-8", "surrogateescape")
        check_size(len(part), self.dtype, self.shape)
        array = view_array(part, self.dtype, self.shape)
        return array[0] if self.is_scalar else array

    def read_stamp(self, part: Part) -> tuple[int | None, int | None]:
        """Give the seconds and nanoseconds in a timestamp part, None twice if it is empty.

        Raises
        ------
        DecodeError
            If it has another number of bytes than 0 or 16.
        """
        if len(part) == 0:
            return None, None
        if len(part) != self.stamp.size:
            raise DecodeError(f"its timestamp has {len(part)} bytes, not 0 or {self.stamp.size}")
        seconds, offset = self.stamp.unpack(part)
        return seconds, offset


class Layout(NamedTuple):
    """A data header: its text, and the channels it describes.

    Attributes
    ----------
    text : bytes
    channels : tuple of Channel
    received : bool
        Whether the text came with a message, or was made here.
    """

    text: bytes
    channels: tuple[Channel, ...]
    received: bool


def read_layout(text: bytes, old: bool) -> Layout:
    """Give the layout in part 1 of a message.

    Parameters
    ----------
    text : bytes
        The data header, not compressed.
    old : bool
        Whether a data header that doesn't name its htype is bsr_d-1.0.

    Raises
    ------
    DecodeError
        If the data header is not JSON, or a channel is described wrongly: says which.
    """
    try:
        header = loads(text)
    except ValueError as error:
        raise DecodeError(f"the data header ({len(text)} bytes) is not JSON: {error}") from None
    return Layout(text, _channels(header, old), received=True)


def make_layout(header: dict[str, Any], old: bool) -> Layout:
    """Give the layout that a data header describes, with a text of its own.

    Raises
    ------
    TypeError, ValueError
        If the header holds something that JSON can't.
    DecodeError
        If a channel is described wrongly: says which.
    """
    text = dumps(header)
    return Layout(text, _channels(loads(text), old), received=False)


def check_uncompressed(compression: Any, what: str) -> None:
    """Refuse what can't be read without the codecs of an extra.

    Raises
    ------
    DecodeError
        If the compression is anything but absent, empty or "none".
    """
    name = compression.lower() if isinstance(compression, str) else compression
    if name not in NONE:
        raise DecodeError(
            f"{what} is compressed ({compression!r:.40}), which this version can't read:"
            " the codecs are to come with the extra gmflow[bsread]"
        )


def _channels(header: Any, old: bool) -> tuple[Channel, ...]:
    described = header.get("channels") if isinstance(header, dict) else None
    if not isinstance(described, list):
        raise DecodeError(f"the data header has no list of channels: {header!r:.80}")
    old = header.get("htype", "bsr_d-1.0" if old else None) == "bsr_d-1.0"
    read = partial(_channel, old=old, encoding=header.get("encoding"))
    channels = tuple(map(read, range(len(described)), described))
    _check_names(channels)
    return channels


def _check_names(channels: tuple[Channel, ...]) -> None:
    seen: dict[str, int] = {}
    for index, channel in enumerate(channels):
        first = seen.setdefault(channel.name, index)
        if first != index:
            raise DecodeError(f"channels {first} and {index} are both named {channel.name!r:.80}")


def _channel(index: int, described: Any, old: bool, encoding: Any) -> Channel:
    name = described.get("name") if isinstance(described, dict) else None
    if not isinstance(name, str):
        raise DecodeError(f"channel {index} has no name: {described!r:.80}")
    check_uncompressed(described.get("compression"), f"channel {name!r:.80}")
    try:
        order = _order(described.get("encoding") or encoding)
        dtype = _dtype(described.get("type"), order, old)
        shape = _shape(described.get("shape"))
    except DecodeError as error:
        raise DecodeError(f"channel {name!r:.80}: {error}") from None
    return Channel(name, dtype, shape, order)


def _order(encoding: Any) -> str:
    name = "little" if encoding is None else encoding
    if not isinstance(name, str) or name.lower() not in ORDERS:
        raise DecodeError(f"encoding {encoding!r:.40} is neither little nor big")
    return ORDERS[name.lower()]


def _dtype(type_: Any, order: str, old: bool) -> np.dtype[Any] | None:
    name = "float64" if type_ is None else type_
    if not isinstance(name, str):
        raise DecodeError(f"type {name!r:.40} is not a name")
    if name.lower() == "string":
        return None
    code = (OLD_NUMBERS if old else NUMBERS).get(name.lower(), "f8" if old else None)
    if code is None:
        raise DecodeError(f"type {name!r:.40} is unknown (known: string, {', '.join(NUMBERS)})")
    return np.dtype(order + code)


def _shape(described: Any) -> list[int]:
    shape = [1] if described is None else described
    item_count(shape)
    try:
        np.broadcast_to(np.empty((), "f8"), shape)
    except (ValueError, OverflowError) as error:
        raise DecodeError(f"shape {shape!r:.80} is too large: {error}") from None
    return list(reversed(shape))
