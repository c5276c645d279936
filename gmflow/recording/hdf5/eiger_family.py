"""Series of DECTRIS's stream v1 in HDF5: images as they came, in the order in which they came."""

from __future__ import annotations

from typing import Any

from ...errors import DecodeError
from ...handlers import dheader_1_0
from ...handlers.eiger import series as read_series
from ...handlers.series import CHANNEL, SeriesEnd, SeriesStart
from ...message import Message
from .detectors import DetectorFamily
from .files import Files
from .frames import TIMES, Picture, check_range
from .series import Start
from .stored import of_blob

HTYPES = ("dheader-1.0", "dimage-1.0", "dseries_end-1.0")

APPENDIX = 4
"""The part of an image that is its appendix."""

PARTS = {"flatfield": 3, "pixel_mask": 5, "countrate_correction_table": 7}
"""Where a start declares its tables, by mflow's numbers."""


class EigerFamily(DetectorFamily):
    """Stores the messages of stream v1.

    Parameters
    ----------
    files : Files
        Where their files come from.
    """

    def __init__(self, files: Files) -> None:
        super().__init__(files, read_series)

    def _store(self, item: Any, message: Message) -> None:
        if isinstance(item, SeriesStart):
            check_range("series", item.series, "u8")
            self._series.begin(message.source, item.series, _start(item, message))
        elif isinstance(item, SeriesEnd):
            self._series.end(message.source, item.series, message.arrived)
        else:
            self._series.add(message.source, _picture(item.arguments, message))


def _start(item: SeriesStart, message: Message) -> Start:
    place = 1 + len(dheader_1_0.KEYS[item.header["header_detail"]])
    appendix = message.parts[place] if len(message.parts) > place else b""
    there = {
        "flatfield": item.flatfields,
        "pixel_mask": item.masks,
        "countrate_correction_table": item.countrate_table is not None,
    }
    left = {
        name: item.value[f"part_{part + 1}_raw"]
        for name, part in PARTS.items()
        if not there[name] and f"part_{part + 1}_raw" in item.value
    }
    return Start(item, appendix, left)


def _picture(found: tuple[Any, ...], message: Message) -> Picture:
    """Give an image that was read, or raise what is wrong with it."""
    if isinstance(found[0], DecodeError):
        raise found[0]
    number, frame, value = found
    about, times, parts = value["part_2"], value["part_4"], message.parts
    try:
        stored = of_blob(value["part_3_raw"], about["encoding"], about["shape"], about["type"])
        check_range("frame", frame, "u8")
        taken = tuple(_time(times, name) for name in TIMES)
    except DecodeError as error:
        raise DecodeError(f"frame {frame} of series {number}: {error}") from None
    known = value["header"].get("hash", "")
    return Picture(
        number,
        frame,
        {CHANNEL: stored},
        taken,
        bytes(parts[0]),
        bytes(parts[APPENDIX]) if len(parts) > APPENDIX else b"",
        known.encode(errors="replace") if isinstance(known, str) else b"",
        message.arrived,
    )


def _time(times: dict[str, Any], name: str) -> int | None:
    time = times.get(name)
    if type(time) is not int:
        return None
    check_range(name, time, "i8")
    return time
