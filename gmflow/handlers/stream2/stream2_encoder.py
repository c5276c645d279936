"""From the items of series to messages of DECTRIS's stream v2: the inverse of the handler.

An item that was read goes out as it came, byte for byte; one that a program made is written as
the detector writes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import EncodeError
from ...message import Part
from ..dectris import TIMES
from ..series import Image, SeriesEnd, SeriesStart, by_channel
from .cbor_arrays import tag_of, typed_tag_of
from .cbor_map import library, write

DENOMINATOR = 1_000_000_000
"""Of the times that are written: they are in nanoseconds."""

ELECTRONVOLT_ANGSTROM = 12_398.419843320026
"""Energy times wavelength of light, in eV Å: Planck's constant times its speed (SI)."""


def encode(item: Any, compression: str | None = None) -> list[Part]:
    """Return the parts of a message: one.

    Parameters
    ----------
    item : SeriesStart, Image or SeriesEnd
        One that came with stream v2 goes out as it came. Any other is written from its
        attributes: ``replace(image, arrays={"threshold_1": array})`` (of dataclasses) sends other
        pixels. ``header`` and ``config`` may be empty, or hold any more fields of the message;
        what the item's own attributes say goes before. The header of one that came with stream
        v1 is left out.
    compression : str, optional
        How the pixels of an image are written, also of one that came: "bslz4" (the default),
        "lz4" or "none". The arrays of a start are not compressed, as detectors send them.

    Raises
    ------
    EncodeError
        If it is no item of a series, or something in it can't be written; or if cbor2 is not
        installed.
    """
    value = getattr(item, "value", None)
    as_it_came = compression is None or not isinstance(item, Image)
    if as_it_came and isinstance(value, (bytes, bytearray, memoryview)):
        return [value]
    if isinstance(item, Image):
        return [write(_image(item, "bslz4" if compression is None else compression))]
    if isinstance(item, SeriesStart):
        return [write(_start(item))]
    if isinstance(item, SeriesEnd):
        return [write(_message("end", item.series, _fields(item.header)))]
    raise EncodeError(f"{type(item).__name__} is no item of a series")


def make_config(
    shape: Sequence[int],
    dtype: Any,
    images: int,
    channels: Sequence[str] = ("threshold_1",),
    **fields: Any,
) -> dict[str, Any]:
    """Return a configuration with every field that a detector sends.

    Parameters
    ----------
    shape : sequence of int
        Rows and columns of the images.
    dtype : dtype-like
        Of their pixels: uint8, uint16 or uint32.
    images : int
        Images in the series.
    channels : sequence of str, optional
        Names of the thresholds.
    **fields : object
        Other values for any of the fields, or more of them.
    """
    rows, columns = shape
    pixel = np.dtype(dtype)
    energy = fields.get("incident_energy", 12_400.0)
    return {
        "arm_date": "2000-01-01T00:00:00Z",
        "beam_center_x": columns / 2,
        "beam_center_y": rows / 2,
        "channels": list(channels),
        "count_time": 0.01,
        "countrate_correction_enabled": False,
        "detector_description": "simulated",
        "detector_serial_number": "",
        "detector_translation": [0.0, 0.0, 0.0],
        "flatfield_enabled": False,
        "frame_time": 0.01,
        "goniometer": {},
        "image_dtype": pixel.name,
        "image_size_x": columns,
        "image_size_y": rows,
        "incident_energy": energy,
        "incident_wavelength": ELECTRONVOLT_ANGSTROM / energy,
        "number_of_images": images,
        "pixel_mask_enabled": False,
        "pixel_size_x": 75e-6,
        "pixel_size_y": 75e-6,
        "saturation_value": int(np.iinfo(pixel).max) - 1,
        "sensor_material": "Si",
        "sensor_thickness": 450e-6,
        "threshold_energy": dict.fromkeys(channels, energy / 2),
        "virtual_pixel_interpolation_enabled": False,
        **fields,
    }


def _start(start: SeriesStart) -> dict[str, Any]:
    message = _message("start", start.series, {**_fields(start.header), **start.config})
    what = f"the start of series {start.series}"
    for key, name in (("flatfield", "flatfields"), ("pixel_mask", "masks")):
        arrays = by_channel(getattr(start, name), name, what)
        if arrays:
            message[key] = _channels(arrays, "none")
            message.setdefault("channels", list(arrays))
    if start.countrate_table is not None:
        table = typed_tag_of(np.asarray(start.countrate_table), "none")
        message["countrate_correction_lookup_table"] = table
    return _with_appendix(message, start.appendix)


def _image(image: Image, compression: str) -> dict[str, Any]:
    fields = _fields(image.header)
    message = _message("image", image.series, fields, image_id=int(image.frame))
    for key in TIMES:
        time = getattr(image, key)
        if time is None:
            message.pop(key, None)
        else:
            message[key] = [int(time), DENOMINATOR]
    what = f"frame {image.frame} of series {image.series}"
    message["data"] = _channels(by_channel(image.arrays, "arrays", what), compression)
    return _with_appendix(message, image.appendix)


def _fields(header: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a header's fields, but not those of stream v1, which has an htype."""
    return {} if "htype" in header else header


def _message(kind: str, series: int, header: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """Return the fields of a message, the first ones in the order of detectors."""
    unique = header.get("series_unique_id", f"{series:026d}")  # as long as the detector's ULID
    own = {"type": kind, "series_id": int(series), "series_unique_id": unique, **fields}
    message = {**own, **header, **own}
    tag = library(EncodeError).CBORTag
    for key, value in message.items():
        if isinstance(value, str) and str(key).endswith("_date"):
            message[key] = tag(0, value)
    return message


def _channels(arrays: Mapping[str, Any], compression: str) -> dict[str, Any]:
    return {name: tag_of(np.asarray(array), compression) for name, array in arrays.items()}


def _with_appendix(message: dict[str, Any], appendix: Any) -> dict[str, Any]:
    message.pop("user_data", None)
    if appendix is not None:
        message["user_data"] = appendix
    return message
