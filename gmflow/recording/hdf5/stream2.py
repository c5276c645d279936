"""Series of DECTRIS's stream v2 in HDF5: images as they came, in the order in which they came."""

from __future__ import annotations

from typing import Any

from ...errors import DecodeError
from ...handlers.series import Image, SeriesEnd, SeriesStart
from ...handlers.stream2 import receive
from ...handlers.stream2_arrays import Packed
from ...message import Message
from ...receiver import Receiver
from .files import Files
from .frames import TIMES, Picture, check_range
from .series import SeriesFiles, Start
from .starts import text_of
from .stored import of_packed


class Stream2Family:
    """Writes the messages of stream v2.

    Parameters
    ----------
    files : Files
    """

    def __init__(self, files: Files) -> None:
        self._series = SeriesFiles(files)
        self._receiver = Receiver(copy=False)
        self._items = receive(self._receiver)

    def add(self, message: Message) -> bool:
        """Store a message.

        Raises
        ------
        DecodeError
            If it can't be stored.
        RecordingError
            If a file can't be written.
        """
        self._receiver.load(message.parts)
        item = next(self._items)
        if isinstance(item, SeriesEnd):
            self._series.end(item.series, message.arrived)
            return True
        about = item.arguments[0]
        if isinstance(about, DecodeError):
            raise about
        if isinstance(about, SeriesStart):
            check_range("series_id", about.series, "u8")
            self._series.begin(about.series, Start(item(), _appendix(about.appendix)))
        else:
            self._series.add(_picture(about, item.arguments[1]["arrays"], message.arrived))
        return True

    def commit(self) -> None:
        """Write what no file was made for yet.

        Raises
        ------
        RecordingError
            If it can't be written.
        """
        self._series.commit()


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
