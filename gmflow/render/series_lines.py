"""The lines for the series of DECTRIS detectors, stream v1 and v2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..handlers.series import CHANNEL, Array, Image, SeriesEnd, SeriesStart
from ..jsonwire import JsonText, loads
from ..message import Part, size_of
from .figures import figures
from .words import WIDTH, by, many, named, number, shortened, size, text_of, word

# What both versions say under different names: v1's first.
IMAGES = "nimages", "number_of_images"
TRIGGERS = ("ntrigger",)
COLUMNS = "x_pixels_in_detector", "image_size_x"
ROWS = "y_pixels_in_detector", "image_size_y"
DESCRIPTION = "description", "detector_description"
SERIAL = "detector_number", "detector_serial_number"
ENERGY = "photon_energy", "incident_energy"


def lines(parts: Sequence[Part], item: SeriesStart | Image | SeriesEnd) -> Iterator[str]:
    """Return the lines for a series' start, an image or its end."""
    name = item.header.get("htype") or f"stream2 {word(item.header.get('type'))}"
    first, *more = _LINES[type(item)](parts, item)
    yield named(name, f"series {number(item.series)}{first}")
    yield from more


def _start(parts: Sequence[Part], start: SeriesStart) -> Iterator[str]:
    detail = start.header.get("header_detail")
    words = ["" if detail is None else f" header_detail {word(detail)}", *_detector(start.config)]
    yield "  ".join([*words, size(size_of(parts))])
    yield from shortened(list(_tables(start)))
    if start.appendix is not None:
        yield f"appendix {_appendix(start.appendix)}"


def _detector(config: Mapping[str, Any]) -> Iterator[str]:
    if not config:
        return
    yield f"{word(_of(config, DESCRIPTION))} {word(_of(config, SERIAL))}"
    yield f"{word(_of(config, ROWS))} x {word(_of(config, COLUMNS))}"
    if "bit_depth_image" in config:
        yield f"{word(config['bit_depth_image'])} bit {word(config.get('compression'))}"
    elif "image_dtype" in config:
        yield word(config["image_dtype"])
    triggers = _of(config, TRIGGERS)
    times = "" if triggers in (None, 1) else f" x {word(triggers)} triggers"
    yield f"{word(_of(config, IMAGES))} images{times} of {word(config.get('frame_time'))} s"
    yield f"{word(_of(config, ENERGY))} eV"


def _tables(start: SeriesStart) -> Iterator[str]:
    """Return a line for the tables of each channel, and one for the count-rate table."""
    for channel in dict.fromkeys([*start.flatfields, *start.masks]):
        flatfield, mask = start.flatfields.get(channel), start.masks.get(channel)
        words = [] if channel == CHANNEL else [word(channel)]
        if flatfield is not None:
            words.append(f"flatfield {by(flatfield.shape)}")
        if mask is not None:
            words.append(f"mask {by(mask.shape)}, {np.count_nonzero(mask)} masked")
        yield "  ".join(words)
    if start.countrate_table is not None:
        yield f"count-rate table {by(start.countrate_table.shape)}"


def _image(parts: Sequence[Part], image: Image) -> Iterator[str]:
    first = f" frame {number(image.frame):>6}  {size(size_of(parts)):>8}"
    encoding = _encoding(parts)
    channels = [_pixels(name, array, encoding) for name, array in image.arrays.items()]
    if len(channels) == 1:
        yield f"{first}  {channels[0]}"
    else:
        yield f"{first}  {many(len(channels), 'channel')}"
        yield from shortened(channels)
    if image.appendix is not None:
        yield f"appendix {_appendix(image.appendix)}"


def _pixels(channel: str, array: Array, encoding: str) -> str:
    words = [f"{by(array.shape)} {array.dtype.name}", encoding, figures(array, marks_masked=True)]
    if channel != CHANNEL:
        words.insert(0, word(channel))
    return "  ".join(filter(None, words))


def _encoding(parts: Sequence[Part]) -> str:
    """Return how the pixels were sent, where the message says it in JSON."""
    if len(parts) < 2:
        return ""
    return f"{word(loads(parts[1]).get('encoding')):<9}"


def _end(parts: Sequence[Part], end: SeriesEnd) -> Iterator[str]:
    if end.expected is None:
        yield f"  {many(end.seen, 'image')} seen, nobody knows of how many"
        return
    lost = f", {number(end.missing)} missing" if end.missing else ""
    yield f"  {end.seen} of {many(end.expected, 'image')}{lost}"


def _of(config: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((config[name] for name in names if name in config), None)


def _appendix(appendix: Any) -> str:
    if isinstance(appendix, JsonText):
        return text_of(appendix.text, WIDTH)
    if isinstance(appendix, bytes | memoryview):
        return text_of(appendix, WIDTH)
    return word(appendix, WIDTH)


_LINES: Mapping[type[Any], Any] = {SeriesStart: _start, Image: _image, SeriesEnd: _end}
