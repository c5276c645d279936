"""The words of a data header: types, shapes, byte orders and compressions, as NumPy names them."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np

from ...errors import DecodeError
from ...validation import shown
from ..shapes import item_count

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

COMPRESSIONS = ("lz4", "bitshuffle_lz4")


def order_of(encoding: Any) -> str:
    """Give the byte order, "<" or ">", that an encoding names; little by default.

    Raises
    ------
    DecodeError
        If it names none.
    """
    name = "little" if encoding is None else encoding
    if not isinstance(name, str) or name.lower() not in ORDERS:
        raise DecodeError(f"encoding {shown(encoding)} is neither little nor big")
    return ORDERS[name.lower()]


def dtype_of(type_: Any, order: str, old: bool) -> np.dtype[Any] | None:
    """Give the dtype of a type, None for a string; float64 by default.

    Parameters
    ----------
    type_ : object
        The name, or None.
    order : str
        The byte order, "<" or ">".
    old : bool
        Whether it stands in a bsr_d-1.0.

    Raises
    ------
    DecodeError
        If there is no such type.
    """
    name = "float64" if type_ is None else type_
    if not isinstance(name, str):
        raise DecodeError(f"type {shown(name)} is not a name")
    if name.lower() == "string":
        return None
    code = (OLD_NUMBERS if old else NUMBERS).get(name.lower(), "f8" if old else None)
    if code is None:
        raise DecodeError(f"type {name!r:.40} is unknown (known: string, {', '.join(NUMBERS)})")
    return np.dtype(order + code)


def shape_of(described: Any) -> list[int]:
    """Give a shape in NumPy's order of dimensions; [1] by default.

    Raises
    ------
    DecodeError
        If it is no list of whole numbers from 0 up, or there can't be such an array.
    """
    if described is None:
        return [1]
    if item_count(described) > 1 << 48 or 0 in described:
        try:
            np.broadcast_to(np.empty((), "f8"), described)
        except (ValueError, OverflowError) as error:
            raise DecodeError(f"shape {shown(described)} is too large: {error}") from None
    return list(reversed(described))


def compression_of(name: Any) -> str | None:
    """Give the compression that a name means, one of `COMPRESSIONS`, or None for none.

    Raises
    ------
    DecodeError
        If it means nothing.
    """
    lower = name.lower() if isinstance(name, str) else name
    if lower in NONE:
        return None
    if lower not in COMPRESSIONS:
        known = ", ".join(COMPRESSIONS)
        raise DecodeError(f"compression {shown(name)} is unknown (known: none, {known})")
    return str(lower)
