"""What an HDF5 file says of its series: NeXus's groups, configuration, masks and flatfields."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from logging import getLogger
from typing import Any

import numpy as np

from ...errors import DecodeError
from ...handlers.series import SeriesStart
from .frames import DETECTOR, RECORDING, by_name
from .growing import GrowingFile
from .rows import link_name

logger = getLogger(__name__)

SPECIFIC = f"{DETECTOR}/detectorSpecific"

MOST_KEYS = 512
"""Keys of a configuration that become datasets; all are in its text."""

GROUPS = {
    "/entry": {"NX_class": "NXentry", "default": "data"},
    "/entry/instrument": {"NX_class": "NXinstrument"},
    DETECTOR: {"NX_class": "NXdetector"},
    SPECIFIC: {"NX_class": "NXcollection"},
    RECORDING: {"NX_class": "NXcollection"},
}


def write_series(file: GrowingFile, series: int) -> None:
    """Make the groups, and note the number of the series."""
    file.group("/", default="entry")
    for path, attributes in GROUPS.items():
        file.group(path, **attributes)
    file.value("/entry/series", np.uint64(series))


def write_start(
    file: GrowingFile, start: SeriesStart, appendix: Any, left: Mapping[str, Any]
) -> None:
    """Write what the start of a series says.

    Parameters
    ----------
    file : GrowingFile
        One that is being built, with its groups.
    start : SeriesStart
    appendix : bytes-like
        The user's own; empty without.
    left : mapping of str to bytes-like
        Tables that don't fit what is declared, by name.
    """
    file.value(f"{RECORDING}/header", text_of(start.header))
    if len(appendix):
        file.value(f"{RECORDING}/header_appendix", _readable(appendix))
    if start.config:
        file.value(f"{SPECIFIC}/config", text_of(start.config))
    for path, value in _simple(start.config):
        with suppress(DecodeError):  # it is in the text, too
            file.value(path, value)
    for path, array in _tables(start):
        try:
            file.value(path, array)
        except DecodeError as error:
            logger.warning("a table is not in the HDF5 file: %s", error)
    for name, part in left.items():
        file.value(f"{DETECTOR}/{name}_bytes", part)


def text_of(value: Any) -> str:
    """Give the JSON of a value: as it came, where that is known; what JSON has not as objects."""
    text = getattr(value, "text", None)
    return json.dumps(_plain(value)) if text is None else bytes(text).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key if type(key) is str else str(key): _plain(value[key]) for key in value}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"bytes": bytes(value).hex()}
    if hasattr(value, "tag"):
        return {"tag": value.tag, "value": _plain(value.value)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


def _readable(part: Any) -> str | bytes:
    data = bytes(part)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _simple(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Give numbers, texts and lists of numbers, each with its path."""
    paths = {f"{SPECIFIC}/config"}
    for key, value in list(config.items())[:MOST_KEYS]:
        path = f"{SPECIFIC}/{link_name(key)}"
        if path not in paths and (isinstance(value, str) or _is_numeric(value)):
            paths.add(path)
            yield path, value


def _is_numeric(value: Any) -> bool:
    if not isinstance(value, (bool, int, float, list)):
        return False
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError):
        return False
    return array.dtype.kind in "biuf" and array.size > 0


def _tables(start: SeriesStart) -> Iterator[tuple[str, Any]]:
    yield from by_name(f"{DETECTOR}/flatfield", start.flatfields).items()
    yield from by_name(f"{DETECTOR}/pixel_mask", start.masks).items()
    if start.countrate_table is not None:
        yield f"{DETECTOR}/countrate_correction_table", start.countrate_table
