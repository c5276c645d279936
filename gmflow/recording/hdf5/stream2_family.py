"""Series of DECTRIS's stream v2 in HDF5: images as they came, in the order in which they came."""

from __future__ import annotations

from typing import Any

from ...errors import DecodeError
from ...handlers.series import Image, SeriesEnd, SeriesStart
from ...handlers.stream2.cbor_arrays import Packed
from ...handlers.stream2.stream2_decoder import receive
from ...message import Message
from .detectors import DetectorFamily
from .files import Files
from .frames import TIMES, Picture, check_range
from .series import Start
from .starts import text_of
from .stored import of_packed


class Stream2Family(DetectorFamily):
    """Stores the messages of stream v2.

    Parameters
    ----------
    files : Files
        Where their files come from.
    """

    def __init__(self, files: Files) -> None:
        super().__init__(files, receive)

    def _store(self, item: Any, message: Message) -> None:
        if isinstance(item, SeriesEnd):
            self._series.end(message.source, item.series, message.arrived)
            return
        about = item.arguments[0]
        if isinstance(about, DecodeError):
            raise about
        if isinstance(about, SeriesStart):
            check_range("series_id", about.series, "u8")
            start = Start(item(), _appendix(about.appendix))
            self._series.begin(message.source, about.series, start)
        else:
            picture = _picture(about, item.arguments[1]["arrays"], message.arrived)
            self._series.add(message.source, picture)


def _picture(image: Image, arrays: dict[str, Packed], arrived: int) -> Picture:
    times = tuple(getattr(image, name) for name in TIMES)
    try:
        if not arrays:
            raise DecodeError("it has no channels")
        stored = {channel: of_packed(packed) for channel, packed in arrays.items()}
        check_range("image_id", image.frame, "u8")
        for name, time in zip(TIMES, times, strict=True):
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
        arrived,
    )


def _appendix(value: Any) -> bytes:
    """Give a user's own as bytes: a text and bytes as they are, all else as JSON."""
    if value is None:
        return b""
    if isinstance(value, (bytes, memoryview)):
        return bytes(value)
    return (value if isinstance(value, str) else text_of(value)).encode(errors="replace")
