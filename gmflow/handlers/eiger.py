"""Series of DECTRIS detectors with stream v1: a handler that yields their images as arrays.

``stream.handlers.update(eiger.HANDLERS)`` registers it for the three htypes. `encode` is its
inverse.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Mapping
from logging import getLogger
from math import prod
from types import MappingProxyType
from typing import Any

import numpy as np

from ..codecs import pixels
from ..deferred import Deferred, failed
from ..errors import DecodeError, EncodeError
from ..message import Part
from ..receiver import Receiver
from ..validation import shown
from . import dectris, dheader_1_0, dimage_1_0, dseries_end_1_0
from .series import CHANNEL, Array, Image, SeenSeries, SeriesEnd, SeriesStart, by_channel, number_of
from .shapes import check_size, item_count, number_type, view_array

MAX_IMAGES = (1 << 64) - 1
"""The largest number of images, or of triggers, that a configuration is believed."""

__all__ = ["HANDLERS", "encode", "series"]

logger = getLogger(__name__)


def series(receiver: Receiver) -> Generator[Any, None, None]:
    """Read the messages of series; one after the other, joined late, or split among receivers.

    Yields
    ------
    SeriesStart
        For a dheader-1.0. A flatfield, mask or count-rate table whose bytes don't fit the shape
        that is declared (ALBA's simulator sends such) is left out with a warning in the log; its
        bytes stay in ``value``. What is there is a read-only view of its part.
    Image
        For a dimage-1.0, by a `Deferred`. The bytes are decoded whether the series' start was seen
        or not.
    SeriesEnd
        For a dseries_end-1.0. ``expected`` is ``nimages`` times ``ntrigger``; None where the
        configuration was not sent (header detail none, joined late) or has no such numbers.
        ``seen`` counts each frame once, however often it came, and also one whose pixels can't
        be decoded: such messages count as failed. ``missing`` is what did not come here: where
        several receivers share a series (PUSH to several PULL), what went to the others, too.
        An end that comes again (tickit's simulator, merged streams) says what has changed since
        the one before, as a rule 0, 0 and 0: a sum over all ends is right.

    A series whose end does not come has no `SeriesEnd`. The last 8 series are remembered. A
    message that can't be read is a DecodeError and nothing of it is kept, but what was seen of
    the series is: the generator goes on.
    """
    seen = SeenSeries()
    while True:
        yield _item(receiver, seen)


HANDLERS: Mapping[str, Callable[[Receiver], Any]] = MappingProxyType(
    {"dheader-1.0": series, "dimage-1.0": series, "dseries_end-1.0": series}
)
"""What ``stream.handlers.update`` takes: `series` for the three htypes."""


def _item(receiver: Receiver, seen: SeenSeries) -> SeriesStart | SeriesEnd | Deferred:
    try:
        return _read(receiver, seen)
    except DecodeError as error:  # raised here, it would end the generator, and with it `seen`
        return failed(error)


def _read(receiver: Receiver, seen: SeenSeries) -> SeriesStart | SeriesEnd | Deferred:
    header = receiver.header()
    htype = header.get("htype")
    if isinstance(htype, list) and len(htype) == 1:
        htype = htype[0]  # as the decoder takes it
    if htype == "dimage-1.0":
        return _image(receiver, header, seen)
    if htype == "dheader-1.0":
        return _start(receiver, header, seen)
    if htype == "dseries_end-1.0":
        return _end(receiver, header, seen)
    raise DecodeError(f"eiger.series reads {', '.join(HANDLERS)}, not htype {shown(htype)}")


def _start(receiver: Receiver, header: dict[str, Any], seen: SeenSeries) -> SeriesStart:
    number = number_of(header, "series")
    value = dheader_1_0.receive(receiver)
    config = value.get("part_2", {})
    seen.begin(number, _expected(config), getattr(config, "text", b""))
    flatfield = _table(value, number, "flatfield", 3)
    mask = _table(value, number, "pixel mask", 5)
    start = SeriesStart(
        number,
        value["header"],
        config,
        {} if flatfield is None else {CHANNEL: flatfield},
        {} if mask is None else {CHANNEL: mask},
        _table(value, number, "count-rate table", 7),
        value.get("appendix"),
    )
    start.value = value
    return start


def _image(receiver: Receiver, header: dict[str, Any], seen: SeenSeries) -> Deferred:
    number, frame = number_of(header, "series"), number_of(header, "frame")
    seen.add(number, frame)
    value = dimage_1_0.receive(receiver)
    return Deferred(_decoded, number, frame, value, size=_work(value["part_2"]))


def _end(receiver: Receiver, header: dict[str, Any], seen: SeenSeries) -> SeriesEnd:
    number = number_of(header, "series")
    value = dseries_end_1_0.receive(receiver)
    end = SeriesEnd(number, value["header"], *seen.end(number))
    end.value = value
    return end


def _decoded(number: int, frame: int, value: dict[str, Any]) -> Image:
    times = value["part_4"]
    image = Image(
        number,
        frame,
        value["header"],
        {CHANNEL: dimage_1_0.image(value)},
        appendix=value.get("appendix"),
        **{name: _time(times, name) for name in dectris.TIMES},
    )
    image.value = value
    return image


def _work(about: dict[str, Any]) -> int:
    """Return the bytes that are to be decoded of an image that was checked."""
    if about["encoding"] in ("<", ">"):
        return 0  # a view of the part
    return int(prod(about["shape"])) * number_type(about["type"]).itemsize


def _expected(config: dict[str, Any]) -> int | None:
    images, triggers = config.get("nimages"), config.get("ntrigger", 1)
    if type(images) is not int or type(triggers) is not int:
        return None
    # A number that no detector has could be too long to be written out.
    known = 0 <= images <= MAX_IMAGES and 0 <= triggers <= MAX_IMAGES
    return images * triggers if known else None


def _time(times: dict[str, Any], key: str) -> int | None:
    time = times.get(key)
    return time if type(time) is int else None


def _table(value: dict[str, Any], series: int, name: str, part: int) -> Array | None:
    """Return a table of a header: declared in one part, its bytes in the next."""
    if f"part_{part}" not in value:
        return None
    about, blob = value[f"part_{part}"], value[f"part_{part + 1}_raw"]
    try:
        shape = about.get("shape")
        item_count(shape)
        if len(shape) != 2:
            raise DecodeError(f"shape {shown(shape)} has not two dimensions")
        dtype = number_type(about.get("type")).newbyteorder("<")
        check_size(len(blob), dtype, shape)
        return view_array(blob, dtype, shape[::-1])
    except DecodeError as error:
        logger.warning("the %s of series %s is left out: %s", name, series, error)
        return None


ENCODERS = {
    "dheader-1.0": dheader_1_0.encode,
    "dimage-1.0": dimage_1_0.encode,
    "dseries_end-1.0": dseries_end_1_0.encode,
}

TABLES = (("dflatfield-1.0", "<f4"), ("dpixelmask-1.0", "<u4"), ("dcountrate_table-1.0", "<f4"))
"""The tables of a header in their order: htype, and type of the elements."""

ONLY_VERSION_2 = ("type", "series_id", "series_unique_id", "user_data")
"""What a configuration of stream v2 repeats of its message."""


def encode(item: Any, encoding: str | None = None) -> list[Part]:
    """Return the parts of a message.

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
        return _image_parts(item, encoding)
    if isinstance(item, SeriesStart):
        return _start_parts(item)
    if isinstance(item, SeriesEnd):
        return {"header": _header(item, {"htype": "dseries_end-1.0", "series": item.series})}
    raise EncodeError(
        f"{type(item).__name__} can't be written; it can be a SeriesStart, Image or SeriesEnd,"
        " or the dict of a message"
    )


def _header(item: SeriesStart | Image | SeriesEnd, own: dict[str, Any]) -> dict[str, Any]:
    """Return part 0: what stream v1 has in it, then what else came in an item's of that version."""
    return {**own, **item.header, **own} if "htype" in item.header else own


def _image_parts(image: Image, encoding: str | None) -> dict[str, Any]:
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
    times = {key: getattr(image, key) for key in dectris.TIMES}
    return {key: time for key, time in times.items() if time is not None}


def _start_parts(start: SeriesStart) -> dict[str, Any]:
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
            value |= _table_parts(index, _only(arrays, name, what))
    return _with_appendix(value, start.appendix)


def _config(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration without what one of stream v2 repeats of its message."""
    if config.get("type") != "start" or "series_id" not in config:
        return config
    return {key: value for key, value in config.items() if key not in ONLY_VERSION_2}


def _table_parts(index: int, array: Array) -> dict[str, Any]:
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
