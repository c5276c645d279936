"""bsread written: from a `BsreadMessage`, received or built, to the parts of a message.

What nobody changed goes out byte for byte; values are held against the types of their channels.
`describe` and `channel_parts`, of a single channel, serve senders too.
"""

from __future__ import annotations

from operator import index
from struct import error as StructError
from typing import Any

import numpy as np

from ...codecs import bsread_codec as codec
from ...errors import DecodeError, EncodeError
from ...jsonwire import JsonText, dumps, loads
from ...message import Part
from .bsread_channels import NUMBERS, STAMPS, BsreadChannel
from .bsread_decoder import stamp_keys
from .bsread_message import BsreadMessage, Value
from .data_header import BsreadLayout, make_layout


def encode(message: BsreadMessage) -> list[Part]:
    """Return the parts of a message.

    With a `data_header` its channels are written, in its order, types and byte orders, with
    its compressions; headers and compressed values that nobody changed go out byte for byte, a
    changed data header with a new hash. Without, types, shapes and byte orders are those of the
    values, none of which is compressed, and a value without a timestamp gets the global one.
    The main header's ``dh_compression`` says how the data header is compressed.

    Parameters
    ----------
    message : BsreadMessage
        Received, or built: values can be None, bool, int, float, str, lists of numbers, and
        NumPy's scalars and arrays. The format has no way to tell an empty string that is not
        compressed from no value, or an array of one element from a scalar.

    Returns
    -------
    list of bytes-like
        An array that has the channel's type and lies in one piece is not copied.

    Raises
    ------
    EncodeError
        If a header or a channel can't be written: says which, and why.
    """
    given = _given_layout(message)
    values = _values(message, derived=given is None)
    layout = given or _derived_layout(message, values)
    _check_names(layout, values)
    received = layout.received and message.omits_data_header
    parts: list[Part] = [_header(message, layout), b"" if received else layout.part]
    kept = message.compressed if layout.received else {}
    for channel in layout.channels:
        value = values[channel.name]
        parts.extend(channel_parts(channel, value, _kept_part(kept.get(channel.name), value.value)))
    if message.trailing_part:
        parts.append(b"")
    return parts


def _given_layout(message: BsreadMessage) -> BsreadLayout | None:
    try:
        return message.layout()
    except (DecodeError, TypeError, ValueError, RecursionError) as error:
        raise EncodeError(f"the data header can't be written: {error}") from None


def _derived_layout(message: BsreadMessage, values: dict[str, Value]) -> BsreadLayout:
    old = _is_old(message)
    channels = [describe(name, value.value) for name, value in values.items()]
    header = {"htype": "bsr_d-1.0" if old else "bsr_d-1.1", "channels": channels}
    try:
        return make_layout(dumps(header), old, message.header.get("dh_compression"))
    except DecodeError as error:
        raise EncodeError(f"the data header can't be written: {error}") from None


def _is_old(message: BsreadMessage) -> bool:
    return message.header.get("htype") == "bsr_m-1.0"


def _values(message: BsreadMessage, derived: bool) -> dict[str, Value]:
    """Return each channel's `Value`, with a timestamp where the data header is derived."""
    stamp = (message.global_timestamp, message.global_timestamp_offset)
    values = {}
    for name, given in message.data.items():
        value = given if isinstance(given, Value) else Value(given)
        if derived and value.value is not None and value.timestamp is None:
            value = Value(value.value, *stamp)
        values[name] = value
    return values


def _check_names(layout: BsreadLayout, values: dict[str, Value]) -> None:
    names = [channel.name for channel in layout.channels]
    for name in names:
        if name not in values:
            raise EncodeError(f"channel {name!r:.80} has no entry in data: give it Value()")
    for name in values.keys() - set(names):
        raise EncodeError(
            f"channel {name!r:.80} is not in the data header: "
            "add it there, or set data_header to None to have it derived"
        )


def _header(message: BsreadMessage, layout: BsreadLayout) -> bytes:
    """Return part 0: the header with what the attributes say, its text kept if that is the same."""
    kept = message.header
    header = dict(kept)
    header.setdefault("htype", "bsr_m-1.1")
    if not layout.received:
        header["hash"] = layout.hash
    elif message.hash is not None or "hash" in header:
        header["hash"] = message.hash
    try:
        header["pulse_id"] = int(index(message.pulse_id))  # type: ignore[arg-type]
        header.update(_stamp_entry(message))
        text = dumps(header)
        if isinstance(kept, JsonText) and dumps(loads(kept.text)) == text:
            text = kept.text
    except (DecodeError, TypeError, ValueError, RecursionError) as error:
        raise EncodeError(f"the header of pulse {message.pulse_id!r:.40}: {error}") from None
    return text


def _stamp_entry(message: BsreadMessage) -> dict[str, Any]:
    """Return the header's entry for the global timestamp, under the names it has there."""
    kept = message.header.get("global_timestamp")
    times = [message.global_timestamp, message.global_timestamp_offset]
    times = [None if time is None else int(index(time)) for time in times]
    if kept is None:
        if times[0] is None:
            return {}
        kept = {"epoch" if _is_old(message) else "sec": 0, "ns": 0}
        times[1] = times[1] or 0
    stamp = dict(kept)
    for key, time in zip(stamp_keys(kept), times, strict=True):
        if key in stamp or time is not None:
            stamp[key] = time
    return {"global_timestamp": stamp}


def _kept_part(kept: tuple[Any, Part] | None, value: Any) -> Part | None:
    """Return the part that a value was read from, if it is still the same value."""
    if kept is None or kept[0] is not value:
        return None
    changeable = isinstance(value, np.ndarray) and value.flags.writeable  # it came read-only
    return None if changeable else kept[1]


def describe(name: Any, value: Any) -> dict[str, Any]:
    """Return the entry of a data header for a value; for None, a float64.

    Raise EncodeError if the name is no str, or bsread has no type for the value.
    """
    if not isinstance(name, str):
        raise EncodeError(f"channel {name!r:.80}: its name is not a str")
    if isinstance(value, str):
        return {"name": name, "type": "string", "shape": [1], "encoding": "little"}
    try:
        array = _numbers(0.0 if value is None else value)
    except (ValueError, TypeError) as error:
        raise EncodeError(f"channel {name!r:.80}: {error}") from None
    if array.dtype.name not in NUMBERS:
        raise EncodeError(f"channel {name!r:.80}: bsread has no type for {array.dtype}")
    return {
        "name": name,
        "type": array.dtype.name,
        "shape": list(reversed(array.shape)) or [1],
        "encoding": "big" if array.dtype.str.startswith(">") else "little",
    }


def channel_parts(
    channel: BsreadChannel, value: Value, part: Part | None = None
) -> tuple[Part, bytes]:
    """Return the two parts of a channel: of a value, or with the part that it was read from.

    Raise EncodeError if the value doesn't fit the channel.
    """
    try:
        if part is None:
            part = _value_part(channel, value.value)
        if value.timestamp is None:
            return part, b""
        return part, STAMPS[channel.order].pack(value.timestamp, value.timestamp_offset or 0)
    except StructError as error:  # they are no unsigned integers of 64 bits
        stamp = f"{value.timestamp!r:.40}, {value.timestamp_offset!r:.40}"
        raise EncodeError(f"channel {channel.name!r:.80}: timestamp ({stamp}): {error}") from None
    except (ValueError, TypeError, ArithmeticError) as error:
        raise EncodeError(f"channel {channel.name!r:.80}: {error}") from None


def _value_part(channel: BsreadChannel, value: Any) -> Part:
    if value is None:
        return b""
    plain = _plain(channel, value)
    if channel.compression is None:
        return plain
    return codec.encode(plain, channel.compression, channel.itemsize, channel.order)


def _plain(channel: BsreadChannel, value: Any) -> Part:
    if channel.dtype is None:
        if not isinstance(value, str):
            raise TypeError(f"a string channel can't send {value!r:.40}")
        return value.encode("utf-8", "surrogateescape")
    array = _numbers(value)
    if not (channel.is_scalar and array.ndim == 0) and array.shape != tuple(channel.shape):
        raise ValueError(_misshapen(array.shape, tuple(channel.shape)))
    if array.dtype != channel.dtype:
        _check_cast(array, channel.dtype)
        with np.errstate(over="raise"):
            array = array.astype(channel.dtype)
    if channel.is_scalar:
        return array.tobytes()
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _numbers(value: Any) -> np.ndarray[Any, Any]:
    if not isinstance(value, (np.ndarray, np.generic, bool, int, float, list)):
        raise TypeError(f"{value!r:.40} is neither a number, an array, a list nor a str")
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{value!r:.40} is not made of numbers that bsread has a type for")
    return array


def _misshapen(shape: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    reason = f"the value has shape {shape}, the channel {wanted}"
    if shape == wanted[::-1]:
        reason += (
            "; bsread says [columns, rows], the fastest first:"
            f" the channel's shape would be {list(wanted)}"
        )
    return reason


def _check_cast(array: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> None:
    """Validate that numbers are written as what they are; only floats may be rounded."""
    if dtype.kind == "f" and array.dtype.kind in "iu":
        _check_exact(array, dtype)
        return
    if np.can_cast(array.dtype, dtype) or (dtype.kind == "f" and array.dtype.kind == "f"):
        return
    if dtype.kind not in "iu" or array.dtype.kind not in "iu":
        raise TypeError(f"{array.dtype} can't be sent as {dtype}")
    limits = np.iinfo(dtype)
    if array.size and (int(array.min()) < limits.min or int(array.max()) > limits.max):
        raise ValueError(f"{array.min()} to {array.max()} don't fit {dtype}")


def _check_exact(array: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> None:
    """Validate that a float rounds none of these whole numbers."""
    most = 1 << (np.finfo(dtype).nmant + 1)
    if not array.size or (-most <= int(array.min()) and int(array.max()) <= most):
        return
    numbers = array.reshape(-1).astype(np.int64 if array.dtype.kind == "i" else np.uint64)
    magnitudes = np.abs(numbers).view(np.uint64)
    # one that is too long without its trailing zeros would be rounded
    lowest_bits = np.maximum(magnitudes & (~magnitudes + np.uint64(1)), np.uint64(1))
    rounded = magnitudes // lowest_bits > np.uint64(most)
    if rounded.any():
        raise ValueError(f"{numbers[rounded][0]} can't be sent as {dtype} without being rounded")
