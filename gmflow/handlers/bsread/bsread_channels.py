"""The channels of bsread: as a data header describes them, and what their parts say.

Types, shapes, byte orders and compressions are read once, and named as NumPy names them. A
`BsreadChannel` then reads the values and timestamps of message after message. What can't be
read is a DecodeError.
"""

from __future__ import annotations

from functools import partial
from math import prod
from struct import Struct
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from ...codecs import bsread_codec as codec
from ...codecs.limits import MAX_EXPANSION
from ...errors import DecodeError, MessageError
from ...message import Part
from ...validation import shown
from ..shapes import check_size, item_count, view_array

NUMBERS = (
    *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float32", "float64"),
)
"""The number types of bsr_d, as NumPy names them."""

OLD_NUMBERS = MappingProxyType(
    {
        **{name: name for name in NUMBERS},
        "short": "int16",
        "ushort": "uint16",
        "integer": "int32",
        "float": "float32",
        "long": "int32",
        "ulong": "uint32",
        "double": "float64",
    }
)
"""The names in bsr_d-1.0, where a long has 4 bytes, and what they mean."""

ORDERS = MappingProxyType({"little": "<", "big": ">"})

NONE = (None, "", "none")
"""What says that something is not compressed."""

COMPRESSIONS = ("lz4", "bitshuffle_lz4")

STAMPS = MappingProxyType({order: Struct(order + "QQ") for order in ORDERS.values()})
"""A timestamp: seconds and nanoseconds."""

SIZES = MappingProxyType({"lz4": (Struct("<I"), Struct(">I")), "bitshuffle_lz4": (Struct(">Q"),)})
"""What a compressed value begins with: the size before, in whichever byte order."""

MAX_CHARACTER_BYTES = 4
"""Bytes of a character of a str, at most; one that takes so many makes all others do so, too."""


class BsreadChannel(NamedTuple):
    """One channel of a data header."""

    name: str
    dtype: np.dtype[Any] | None  # with its byte order; None for a string
    shape: list[int]  # in NumPy's order (slowest first), the reverse of what the data header says
    order: str  # the byte order, "<" or ">"
    compression: str | None  # of its values, one of `COMPRESSIONS`
    size: int | None  # bytes of a value that is not compressed; None for a string, which has any
    is_scalar: bool  # the value is one number instead of an array

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return 1 if self.dtype is None else self.dtype.itemsize

    def read(self, part: Part) -> Any:
        """Return the value in a part: a str, a NumPy scalar, or an array that is not copied."""
        dtype = self.dtype
        if dtype is None:
            return str(part, "utf-8", "surrogateescape")
        if len(part) != self.size:
            check_size(len(part), dtype, self.shape)
        if self.is_scalar:
            return np.frombuffer(part, dtype)[0]
        return view_array(memoryview(part).toreadonly(), dtype, self.shape)

    def read_compressed(self, part: Part) -> Any:
        """Return the value in a compressed part, as `read` does.

        One that had no bytes before compression is an empty str, or an array of shape [0];
        of a channel without elements, one of its shape, and its part may be empty, too.
        """
        assert self.compression is not None
        sizes = _declared(part, self.compression) if len(part) else [0]
        if 0 in sizes:
            return self._without_elements()
        if self.size is not None and self.size not in sizes:
            raise self._wrong_size(sizes)
        plain = codec.decode(part, self.compression, self.size, self.order, self.itemsize)
        return self.read(plain)

    def most_text(self, part: Part) -> int:
        """Return the bytes that the str in a compressed part takes, at most, before it is read."""
        assert self.compression is not None
        ways = [way for way in SIZES[self.compression] if way.size <= len(part)]
        sizes = [way.unpack_from(part)[0] for way in ways]
        possible = [size for size in sizes if size <= MAX_EXPANSION * len(part)]
        return MAX_CHARACTER_BYTES * max(possible, default=0)

    def read_stamp(self, part: Part) -> tuple[int | None, int | None]:
        """Return the seconds and nanoseconds in a timestamp part, None twice if it is empty."""
        if len(part) == 16:
            return STAMPS[self.order].unpack(part)
        if len(part) == 0:
            return None, None
        raise DecodeError(f"its timestamp has {len(part)} bytes, not 0 or 16")

    def _without_elements(self) -> Any:
        if self.dtype is None:
            return ""
        return view_array(b"", self.dtype, [0] if self.size else self.shape)

    def _wrong_size(self, sizes: list[int]) -> DecodeError:
        reason = ""
        if len(self.shape) > 1 and sum(self.shape) * self.itemsize in sizes:
            reason = "; bsread_cpp sends the sum of the shape, not the product: the rest is lost"
        return DecodeError(
            f"the value had {' or '.join(map(str, sizes))} bytes before compression; "
            f"shape {self.shape!r:.80} of {self.dtype} needs {self.size}{reason}"
        )


def read_channels(header: Any, old: bool, parts: int | None = None) -> tuple[BsreadChannel, ...]:
    """Return the channels that a data header describes; what is wrong says of which.

    With `old`, one that doesn't name its htype is read as bsr_d-1.0. `parts` is how many the
    message has: channels that have none in it are not even looked at, and raise MessageError.
    """
    described = header.get("channels") if isinstance(header, dict) else None
    if not isinstance(described, list):
        raise DecodeError(f"the data header has no list of channels: {shown(header)}")
    old = header.get("htype", "bsr_d-1.0" if old else None) == "bsr_d-1.0"
    read = partial(read_channel, old=old, encoding=header.get("encoding"))
    most = len(described) if parts is None else (parts - 1) // 2
    channels = tuple(map(read, range(most + 1), described))
    if len(channels) > most:
        raise too_few(parts, len(described), channels[most].name, "value")
    _check_names(channels)
    return channels


def too_few(parts: int | None, channels: int, name: str, lacking: str) -> MessageError:
    """Return the error of a message whose parts end before a channel's value or timestamp."""
    return MessageError(
        f"the message has {parts} parts, its {channels} channels need {2 + 2 * channels}: "
        f"channel {name!r:.80} has no {lacking}"
    )


def read_channel(
    index: int, described: Any, old: bool = False, encoding: Any = None
) -> BsreadChannel:
    """Return the channel that an entry of a data header describes; `index` is its place there.

    `old` says whether it is one of a bsr_d-1.0, `encoding` is the byte order if it names none.
    """
    name = described.get("name") if isinstance(described, dict) else None
    if not isinstance(name, str):
        raise DecodeError(f"channel {index} has no name: {shown(described)}")
    try:
        compression = compression_of(described.get("compression"))
        order = _order_of(described.get("encoding") or encoding)
        dtype = _dtype_of(described.get("type"), order, old)
        shape = _shape_of(described.get("shape"))
    except DecodeError as error:
        raise DecodeError(f"channel {name!r:.80}: {error}") from None
    size = None if dtype is None else prod(shape) * dtype.itemsize
    return BsreadChannel(
        name, dtype, shape, order, compression, size, dtype is not None and shape == [1]
    )


def compression_of(name: Any) -> str | None:
    """Return the compression that a name means, one of `COMPRESSIONS`, or None for none."""
    lower = name.lower() if isinstance(name, str) else name
    if lower in NONE:
        return None
    if lower not in COMPRESSIONS:
        known = ", ".join(COMPRESSIONS)
        raise DecodeError(f"compression {shown(name)} is unknown (known: none, {known})")
    return str(lower)


def _order_of(encoding: Any) -> str:
    name = "little" if encoding is None else encoding
    if not isinstance(name, str) or name.lower() not in ORDERS:
        raise DecodeError(f"encoding {shown(encoding)} is neither little nor big")
    return ORDERS[name.lower()]


def _dtype_of(type_: Any, order: str, old: bool) -> np.dtype[Any] | None:
    """Return the dtype of a type's name, float64 by default; None for a string."""
    name = "float64" if type_ is None else type_
    if not isinstance(name, str):
        raise DecodeError(f"type {shown(name)} is not a name")
    if name.lower() == "string":
        return None
    number = OLD_NUMBERS.get(name.lower(), "float64") if old else name.lower()
    if number not in NUMBERS:
        raise DecodeError(f"type {name!r:.40} is unknown (known: string, {', '.join(NUMBERS)})")
    return np.dtype(number).newbyteorder(order)  # type: ignore[arg-type]


def _shape_of(described: Any) -> list[int]:
    """Return a shape in NumPy's order of dimensions, [1] by default."""
    if described is None:
        return [1]
    if item_count(described) > 1 << 48 or 0 in described:
        try:  # only NumPy knows whether there can be such an array
            np.broadcast_to(np.empty((), "f8"), described)
        except (ValueError, OverflowError) as error:
            raise DecodeError(f"shape {shown(described)} is too large: {error}") from None
    return list(reversed(described))


def _check_names(channels: tuple[BsreadChannel, ...]) -> None:
    seen: dict[str, int] = {}
    for index, channel in enumerate(channels):
        first = seen.setdefault(channel.name, index)
        if first != index:
            raise DecodeError(f"channels {first} and {index} are both named {channel.name!r:.80}")


def _declared(part: Part, compression: str) -> list[int]:
    """Return the size that a part says it had before compression, in each possible byte order."""
    ways = SIZES[compression]
    if len(part) < ways[0].size:
        raise DecodeError(f"{len(part)} bytes are no {compression}: its size alone has more")
    return [way.unpack_from(part)[0] for way in ways]
