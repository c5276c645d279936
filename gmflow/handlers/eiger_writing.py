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
from ..validation import shown
from . import dheader_1_0, dimage_1_0, dseries_end_1_0
from .series import CHANNEL, Array, Image, SeriesEnd, SeriesStart, by_channel

ENCODERS = {
    "dheader-1.0": dheader_1_0.encode,
    "dimage-1.0": dimage_1_0.encode,
    "dseries_end-1.0": dseries_end_1_0.encode,
}

TIMES = ("real_time", "start_time", "stop_time")

TABLES = (("dflatfield-1.0", "<f4"), ("dpixelmask-1.0", "<u4"), ("dcountrate_table-1.0", "<f4"))
"""The tables of a header in their order: htype, and type of the elements."""

ONLY_VERSION_2 = ("type", "series_id", "series_unique_id", "user_data")
"""What a configuration of stream v2 repeats of its message."""


def encode(item: Any, encoding: str | None = None) -> list[Part]:
    """Give the parts of a message.

    Parameters
    ----------
    item : SeriesStart, Image, SeriesEnd or dict
        One that came with stream v1, or its ``value``, goes out as it came. Any other is written
        from its attributes: ``replace(image, arrays={"image": array})`` (of dataclasses) sends
        other pixels. Of one that came with stream v2, what only that has is left out.
    encoding : str, optional
        How the pixels of an image are written, also of one that came: ``"<"`` (not compressed),
        ``"lz4<"``, ``"bs16-lz4<"`` and so on, by DECTRIS's grammar. By default bitshuffle and
        LZ4, by the width of a pixel.

    Raises
    ------
    EncodeError
        If the item is none of these, or its arrays are not as the detector sends them.
    """
    as_it_came = encoding is None or not isinstance(item, Image)
    value = item if isinstance(item, dict) else getattr(item, "value", None)
    if isinstance(item, dict) and encoding is not None:
        raise EncodeError(f"a dict goes out as it is; encoding {encoding!r:.40} is for an Image")
    return _write(value if as_it_came and isinstance(value, dict) else _value(item, encoding))


def _write(value: dict[str, Any]) -> list[Part]:
    header = value.get("header")
    htype = header.get("htype") if isinstance(header, dict) else None
    if isinstance(htype, list) and len(htype) == 1:
        htype = htype[0]  # as the decoder takes it
    if not isinstance(htype, str) or htype not in ENCODERS:
        raise EncodeError(
            f"a dict of stream v1 has a header with htype {', '.join(ENCODERS)};"
            f" this one's header is {shown(header)}"
        )
    return ENCODERS[htype](value)


def _value(item: Any, encoding: str | None) -> dict[str, Any]:
    if isinstance(item, Image):
        return _image(item, encoding)
    if isinstance(item, SeriesStart):
        return _start(item)
    if isinstance(item, SeriesEnd):
        return {"header": _header(item, {"htype": "dseries_end-1.0", "series": item.series})}
    raise EncodeError(
        f"{type(item).__name__} can't be written; it can be a SeriesStart, Image or SeriesEnd,"
        " or the dict of a message"
    )


def _header(item: SeriesStart | Image | SeriesEnd, own: dict[str, Any]) -> dict[str, Any]:
    """Give part 0: what stream v1 has in it, then what else came in an item's of that version."""
    return {**own, **item.header, **own} if "htype" in item.header else own


def _image(image: Image, encoding: str | None) -> dict[str, Any]:
    array = _only(image.arrays, "arrays", f"frame {image.frame} of series {image.series}")
    name = array.dtype.name
    if name not in dimage_1_0.TYPES or array.ndim not in (2, 3):
        raise EncodeError(
            f"the pixels are {name}, {array.ndim}-dimensional;"
            f" they can be {', '.join(dimage_1_0.TYPES)}, 2- or 3-dimensional"
        )
    if encoding is None:
        encoding = f"bs{8 * array.itemsize}-lz4<"
    blob = bytes(pixels.encode(array, encoding))
    value = {
        "header": _header(
            image,
            {
                "frame": image.frame,
                "hash": hashlib.md5(blob, usedforsecurity=False).hexdigest(),
                "htype": "dimage-1.0",
                "series": image.series,
            },
        ),
        "part_2": {
            "encoding": encoding,
            "htype": "dimage_d-1.0",
            "shape": list(array.shape[::-1]),
            "size": len(blob),
            "type": name,
        },
        "part_3_raw": blob,
        "part_4": {"htype": "dconfig-1.0"} | _times(image),
    }
    return _with_appendix(value, image.appendix)


def _times(image: Image) -> dict[str, Any]:
    times = {key: getattr(image, key) for key in TIMES}
    return {key: time for key, time in times.items() if time is not None}


def _start(start: SeriesStart) -> dict[str, Any]:
    rates, what = start.countrate_table, f"the start of series {start.series}"
    tables = {
        "flatfields": by_channel(start.flatfields, "flatfields", what),
        "masks": by_channel(start.masks, "masks", what),
        "countrate_table": {} if rates is None else {CHANNEL: rates},
    }
    complete = all(tables.values())
    if any(tables.values()) and not complete:
        raise EncodeError("a series starts with flatfield, mask and count-rate table, or with none")
    config = _config(start.config)
    detail = "all" if complete else "basic" if config else "none"
    own = {"header_detail": detail, "htype": "dheader-1.0", "series": start.series}
    value: dict[str, Any] = {"header": _header(start, own), "part_2": config}
    if detail == "none":
        del value["part_2"]
    elif complete:
        for index, (name, arrays) in enumerate(tables.items()):
            value |= _table(index, _only(arrays, name, what))
    return _with_appendix(value, start.appendix)


def _config(config: dict[str, Any]) -> dict[str, Any]:
    """Give a configuration without what one of stream v2 repeats of its message."""
    if config.get("type") != "start" or "series_id" not in config:
        return config
    return {key: value for key, value in config.items() if key not in ONLY_VERSION_2}


def _table(index: int, array: Array) -> dict[str, Any]:
    htype, dtype = TABLES[index]
    array = array.astype(dtype, copy=False)
    about = {"htype": htype, "shape": list(array.shape[::-1]), "type": array.dtype.name}
    return {f"part_{3 + 2 * index}": about, f"part_{4 + 2 * index}_raw": array.tobytes()}


def _only(arrays: Any, name: str, what: str) -> Array:
    if len(by_channel(arrays, name, what)) != 1:
        raise EncodeError(f"{what} has {len(arrays)} channels; stream v1 has one")
    (array,) = arrays.values()
    return np.asarray(array)


def _with_appendix(value: dict[str, Any], appendix: Any) -> dict[str, Any]:
    return value if appendix is None else {**value, "appendix": appendix}
