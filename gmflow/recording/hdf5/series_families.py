"""Detectors in HDF5: starts, images and ends of DECTRIS's stream v1 and v2.

Each family reads its messages with the generator that decodes streams, but keeps the images as
they were sent: what is read becomes a `Start` or a `Picture`, and `SeriesFiles` finds its file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

from ...errors import DecodeError
from ...handlers import dectris, dheader_1_0
from ...handlers.eiger import series as read_series
from ...handlers.series import CHANNEL, Image, SeriesEnd, SeriesStart
from ...handlers.stream2.cbor_arrays import PackedArray
from ...handlers.stream2.stream2_decoder import receive
from ...message import Message
from ...receiver import Receiver
from ...validation import shown
from .files import Files
from .nexus import Picture, Start, check_range, text_of
from .series_files import SeriesFiles
from .stored import Stored, of_blob, of_packed

APPENDIX = 4
"""The part of an image that is its appendix."""

PARTS = {"flatfield": 3, "pixel_mask": 5, "countrate_correction_table": 7}
"""Where a start declares its tables, by mflow's numbers."""


class DetectorFamily(ABC):
    """Stores the messages of one version of the stream.

    `read` generates what is read from a receiver, which has a message each time that the next is
    asked for.
    """

    def __init__(self, files: Files, read: Callable[[Receiver], Iterator[Any]]) -> None:
        self._series = SeriesFiles(files)
        self._receiver = Receiver(copy=False)
        self._items = read(self._receiver)

    def add(self, message: Message) -> None:
        """Store a message, or nothing of it and raise DecodeError if that can't be done."""
        self._receiver.load(message.parts, message.parsed)
        self._store(next(self._items), message)

    def commit(self) -> None:
        """Write what no file was made for yet."""
        self._series.commit()

    @abstractmethod
    def _store(self, item: Any, message: Message) -> None:
        """Store a start, an image or an end; raise as `add`."""


class EigerFamily(DetectorFamily):
    """Stores the messages of stream v1."""

    def __init__(self, files: Files) -> None:
        super().__init__(files, read_series)

    def _store(self, item: Any, message: Message) -> None:
        if isinstance(item, SeriesStart):
            check_range("series", item.series, "u8")
            self._series.begin(message.source, item.series, _start(item, message))
        elif isinstance(item, SeriesEnd):
            self._series.end(message.source, item.series, message.received_ns)
        else:
            self._series.add(message.source, _blob_picture(item.arguments, message))


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


def _blob_picture(found: tuple[Any, ...], message: Message) -> Picture:
    """Return an image that was read, or raise what is wrong with it."""
    if isinstance(found[0], DecodeError):
        raise found[0]
    number, frame, value = found
    about, times, parts = value["part_2"], value["part_4"], message.parts
    try:
        stored = of_blob(value["part_3_raw"], about["encoding"], about["shape"], about["type"])
        check_range("frame", frame, "u8")
        taken = tuple(_time(times, name) for name in dectris.TIMES)
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
        message.received_ns,
    )


def _time(times: dict[str, Any], name: str) -> int | None:
    time = times.get(name)
    if type(time) is not int:
        return None
    check_range(name, time, "i8")
    return time


class Stream2Family(DetectorFamily):
    """Stores the messages of stream v2."""

    def __init__(self, files: Files) -> None:
        super().__init__(files, receive)

    def _store(self, item: Any, message: Message) -> None:
        if isinstance(item, SeriesEnd):
            self._series.end(message.source, item.series, message.received_ns)
            return
        about = item.arguments[0]
        if isinstance(about, DecodeError):
            raise about
        if isinstance(about, SeriesStart):
            check_range("series_id", about.series, "u8")
            start = Start(item(), _appendix(about.appendix))
            self._series.begin(message.source, about.series, start)
        else:
            picture = _packed_picture(about, item.arguments[1]["arrays"], message.received_ns)
            self._series.add(message.source, picture)


def _packed_picture(image: Image, arrays: dict[str, PackedArray], received_ns: int) -> Picture:
    times = tuple(getattr(image, name) for name in dectris.TIMES)
    try:
        if not arrays:
            raise DecodeError("it has no channels")
        stored = {channel: _stored(packed) for channel, packed in arrays.items()}
        check_range("image_id", image.frame, "u8")
        for name, time in zip(dectris.TIMES, times, strict=True):
            check_range(name, time, "i8")
    except DecodeError as error:
        raise DecodeError(f"frame {image.frame} of series {image.series}: {error}") from None
    return Picture(
        image.series,
        image.frame,
        stored,
        times,
        text_of(image.header).encode(),
        _appendix(image.appendix),
        None,
        received_ns,
    )


def _stored(packed: PackedArray) -> Stored:
    try:
        return of_packed(packed)
    except DecodeError as error:
        raise DecodeError(f"array {shown(packed.name)}: {error}") from None


def _appendix(value: Any) -> bytes:
    """Return a user's own as bytes: a text and bytes as they are, all else as JSON."""
    if value is None:
        return b""
    if isinstance(value, (bytes, memoryview)):
        return bytes(value)
    return (value if isinstance(value, str) else text_of(value)).encode(errors="replace")
