"""The values of bsread channels, written: from what a program has to the parts of a message."""

from __future__ import annotations

from struct import error as StructError
from typing import Any

import numpy as np

from ...codecs import bsread_codec as codec
from ...errors import EncodeError
from ...message import Part
from .bsread_message import Value
from .channels import Channel
from .types import NUMBERS


def describe(name: Any, value: Any) -> dict[str, Any]:
    """Give the entry of a data header for a value; for None, a float64.

    Raises
    ------
    EncodeError
        If the name is no str, or bsread has no type for the value.
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


def channel_parts(channel: Channel, value: Value, part: Part | None = None) -> tuple[Part, bytes]:
    """Give the two parts of a channel.

    Parameters
    ----------
    channel : Channel
    value : Value
    part : bytes-like, optional
        The part that the value was read from, to be sent again.

    Raises
    ------
    EncodeError
        If the value doesn't fit the channel.
    """
    try:
        if part is None:
            part = _value_part(channel, value.value)
        if value.timestamp is None:
            return part, b""
        return part, channel.write_stamp(value.timestamp, value.timestamp_offset or 0)
    except StructError as error:
        stamp = f"{value.timestamp!r:.40}, {value.timestamp_offset!r:.40}"
        raise EncodeError(f"channel {channel.name!r:.80}: timestamp ({stamp}): {error}") from None
    except (ValueError, TypeError, ArithmeticError) as error:
        raise EncodeError(f"channel {channel.name!r:.80}: {error}") from None


def _value_part(channel: Channel, value: Any) -> Part:
    if value is None:
        return b""
    plain = _plain(channel, value)
    if channel.compression is None:
        return plain
    return codec.encode(plain, channel.compression, channel.itemsize, channel.order)


def _plain(channel: Channel, value: Any) -> Part:
    """Give the bytes of a value that is not None, not compressed."""
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
    """Refuse to write numbers as something else than they are; only floats may be rounded."""
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
    """Refuse whole numbers that a float would round: without their trailing zeros too long."""
    most = 1 << (np.finfo(dtype).nmant + 1)
    if not array.size or (-most <= int(array.min()) and int(array.max()) <= most):
        return
    numbers = array.reshape(-1).astype(np.int64 if array.dtype.kind == "i" else np.uint64)
    magnitudes = np.abs(numbers).view(np.uint64)
    lowest_bits = np.maximum(magnitudes & (~magnitudes + np.uint64(1)), np.uint64(1))
    rounded = magnitudes // lowest_bits > np.uint64(most)
    if rounded.any():
        raise ValueError(f"{numbers[rounded][0]} can't be sent as {dtype} without being rounded")
