"""The items of a series of a DECTRIS detector, stream v1, as parts: the inverse of `eiger.series`.

An item that was read goes out as it came, byte for byte; one that a program made is written as
the detector writes it.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from ..codecs import pixels
from ..errors import EncodeError
from ..message import Part
from . import dheader_1_0, dimage_1_0, dseries_end_1_0
from .series import CHANNEL, Array, Image, SeriesEnd, SeriesStart

ENCODERS = {
    "dheader-1.0": dheader_1_0.encode,
    "dimage-1.0": dimage_1_0.encode,
    "dseries_end-1.0": dseries_end_1_0.encode,
}

TIMES = ("real_time", "start_time", "stop_time")

TABLES = (("dflatfield-1.0", "<f4"), ("dpixelmask-1.0", "<u4"), ("dcountrate_table-1.0", "<f4"))
"""The tables of a header in their order: htype, and type of the elements."""


def encode(item: Any, encoding: str | None = None) -> list[Part]:
    """Give the parts of a message.

    Parameters
    ----------
    item : SeriesStart, Image, SeriesEnd or dict
        One with a ``value``, or the value itself, goes out as it came. One without is written
        from its other attributes: ``replace(image, arrays={"image": array},
        value=None)`` (of dataclasses) sends other pixels.
    encoding : str, optional
        How the pixels of an image are written that has no ``value``: ``"<"`` (not compressed),
        ``"lz4<"``, ``"bs16-lz4<"`` and so on, by DECTRIS's grammar. By default bitshuffle and
        LZ4, by the width of a pixel.

    Raises
    ------
    EncodeError
        If the item is none of these, or its arrays are not as the detector sends them.
    """
    value = item if isinstance(item, dict) else getattr(item, "value", None)
    if value is None:
        value = _value(item, encoding)
    try:
        htype = value["header"]["htype"]
        write = ENCODERS[htype[0] if isinstance(htype, list) else htype]
    except (KeyError, TypeError, IndexError):
        raise EncodeError(
            f"the value, of {type(value).__name__}, is no message of stream v1:"
            " send replace(item, value=None)"
        ) from None
    return write(value)


def _value(item: Any, encoding: str | None) -> dict[str, Any]:
    if isinstance(item, Image):
        return _image(item, encoding)
    if isinstance(item, SeriesStart):
        return _start(item)
    if isinstance(item, SeriesEnd):
        return {"header": {"htype": "dseries_end-1.0", "series": item.series}}
    raise EncodeError(f"{type(item).__name__} is no item of a series, nor a value of mflow's")


def _image(image: Image, encoding: str | None) -> dict[str, Any]:
    array = _only(image.arrays, f"frame {image.frame} of series {image.series}")
    name = array.dtype.name
    if name not in dimage_1_0.TYPES or array.ndim not in (2, 3):
        raise EncodeError(
            f"the pixels are {name}, {array.ndim}-dimensional;"
            f" they can be {', '.join(dimage_1_0.TYPES)}, 2- or 3-dimensional"
        )
    encoding = encoding or f"bs{8 * array.itemsize}-lz4<"
    blob = bytes(pixels.encode(array, encoding))
    value = {
        "header": {
            "frame": image.frame,
            "hash": hashlib.md5(blob, usedforsecurity=False).hexdigest(),
            "htype": "dimage-1.0",
            "series": image.series,
        },
        "part_2": {
            "encoding": encoding,
            "htype": "dimage_d-1.0",
            "shape": list(array.shape[::-1]),
            "size": len(blob),
            "type": name,
        },
        "part_3_raw": blob,
        "part_4": {"htype": "dconfig-1.0"} | {key: getattr(image, key) or 0 for key in TIMES},
    }
    return _with_appendix(value, image.appendix)


def _start(start: SeriesStart) -> dict[str, Any]:
    rates = start.countrate_table
    tables = [start.flatfields, start.masks, {} if rates is None else {CHANNEL: rates}]
    if any(tables) and not all(tables):
        raise EncodeError("a series starts with flatfield, mask and count-rate table, or with none")
    detail = "all" if all(tables) else "basic" if start.config else "none"
    header = {"header_detail": detail, "htype": "dheader-1.0", "series": start.series}
    value: dict[str, Any] = {"header": header, "part_2": start.config}
    if detail == "none":
        del value["part_2"]
    elif detail == "all":
        for index, arrays in enumerate(tables):
            value |= _table(index, _only(arrays, f"the start of series {start.series}"))
    return _with_appendix(value, start.appendix)


def _table(index: int, array: Array) -> dict[str, Any]:
    htype, dtype = TABLES[index]
    array = array.astype(dtype, copy=False)
    about = {"htype": htype, "shape": list(array.shape[::-1]), "type": array.dtype.name}
    return {f"part_{3 + 2 * index}": about, f"part_{4 + 2 * index}_raw": array.tobytes()}


def _only(arrays: Any, what: str) -> Array:
    if len(arrays) != 1:
        raise EncodeError(f"{what} has {len(arrays)} channels; stream v1 has one")
    (array,) = arrays.values()
    return np.asarray(array)


def _with_appendix(value: dict[str, Any], appendix: Any) -> dict[str, Any]:
    return value if appendix is None else {**value, "appendix": appendix}
