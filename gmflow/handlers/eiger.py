"""A series of a DECTRIS detector with stream v1: one handler that gives its images as arrays.

``stream.handlers.update(eiger.HANDLERS)`` registers it for the three htypes. `encode` gives the
parts of its items again.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from logging import getLogger
from math import prod
from types import MappingProxyType
from typing import Any

from ..deferred import Later, failed
from ..errors import DecodeError
from ..receiver import Receiver
from ..validation import shown
from . import dheader_1_0, dimage_1_0, dseries_end_1_0
from .eiger_writing import encode
from .seen import SeenSeries
from .series import CHANNEL, Array, Image, SeriesEnd, SeriesStart
from .shapes import check_size, item_count, number_type, view_array

MOST_IMAGES = (1 << 64) - 1
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
        For a dimage-1.0, by a `Later`. The bytes are decoded whether the series' start was seen
        or not.
    SeriesEnd
        For a dseries_end-1.0. ``expected`` is ``nimages`` times ``ntrigger``; None where the
        configuration was not sent (header detail none, joined late) or has no such numbers.
        ``seen`` counts each frame once, however often it came, and also one whose pixels can't
        be decoded: such messages count as failed. ``missing`` is what did not come here: where
        several receivers share a series (PUSH to several PULL), what went to the others, too.
        An end that comes again (tickit's simulator, merged streams) gives what has changed since
        the one before, as a rule 0, 0 and 0: a sum over all ends is right.

    A series whose end does not come gives no `SeriesEnd`. The last 8 series are remembered. A
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


def _item(receiver: Receiver, seen: SeenSeries) -> SeriesStart | SeriesEnd | Later:
    """Read a message; what is wrong with it is raised later: a generator that raises forgets."""
    try:
        return _read(receiver, seen)
    except DecodeError as error:
        return failed(error)


def _read(receiver: Receiver, seen: SeenSeries) -> SeriesStart | SeriesEnd | Later:
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
    number = _number(header, "series")
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


def _image(receiver: Receiver, header: dict[str, Any], seen: SeenSeries) -> Later:
    number, frame = _number(header, "series"), _number(header, "frame")
    seen.add(number, frame)
    value = dimage_1_0.receive(receiver)
    return Later(_decoded, number, frame, value, size=_work(value["part_2"]))


def _end(receiver: Receiver, header: dict[str, Any], seen: SeenSeries) -> SeriesEnd:
    number = _number(header, "series")
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
        _time(times, "real_time"),
        _time(times, "start_time"),
        _time(times, "stop_time"),
        value.get("appendix"),
    )
    image.value = value
    return image


def _work(about: dict[str, Any]) -> int:
    """Give the bytes that are to be decoded of an image that was checked."""
    if about["encoding"] in ("<", ">"):
        return 0  # a view of the part
    return int(prod(about["shape"])) * number_type(about["type"]).itemsize


def _number(header: dict[str, Any], key: str) -> int:
    number = header.get(key)
    if type(number) is not int or number < 0:
        raise DecodeError(f"the header's {key} is {shown(number)}; it is a whole number from 0 up")
    return number


def _expected(config: dict[str, Any]) -> int | None:
    images, triggers = config.get("nimages"), config.get("ntrigger", 1)
    if type(images) is not int or type(triggers) is not int:
        return None
    # A number that no detector has could be too long to be written out.
    known = 0 <= images <= MOST_IMAGES and 0 <= triggers <= MOST_IMAGES
    return images * triggers if known else None


def _time(times: dict[str, Any], key: str) -> int | None:
    time = times.get(key)
    return time if type(time) is int else None


def _table(value: dict[str, Any], series: int, name: str, part: int) -> Array | None:
    """Give a table of a header: declared in one part, its bytes in the next."""
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
