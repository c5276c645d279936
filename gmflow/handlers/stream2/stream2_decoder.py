"""From the messages of DECTRIS's stream v2 to the items of series: the handler, `receive`.

https://github.com/dectris/documentation/blob/main/stream_v2/README.md. A message is a map in CBOR.
Its fields are read in the order of the messages; arrays are left to a `Deferred`.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from ...cborwire import is_map
from ...codecs import MAX_BYTES
from ...deferred import Deferred, failed
from ...errors import DecodeError, MessageError
from ...receiver import Receiver
from ...validation import shown
from ..dectris import TIMES
from ..series import Image, SeenSeries, SeriesEnd, SeriesStart, number_of
from .cbor_arrays import PackedArray, is_array, packed_of
from .cbor_map import MAX_CHANNELS, content_of, read

NANOSECONDS = 1_000_000_000

LOOKUP_TABLE = "countrate_correction_lookup_table"

TABLES = {"flatfields": "flatfield", "masks": "pixel_mask", "countrate_table": LOOKUP_TABLE}
"""The arrays of a start: their names in a `SeriesStart`, and their keys in the message."""

ARRAYS = frozenset(("data", *TABLES.values()))
"""The keys of all arrays."""


def receive(receiver: Receiver) -> Generator[Any, None, None]:
    """Read the messages of series; one after the other, joined late, or split among receivers.

    Yields
    ------
    SeriesStart
        For a start, by a `Deferred`. ``header`` and ``config`` are its fields without the arrays.
        Those that are not compressed are read-only views of the part.
    Image
        For an image, by a `Deferred`. ``header`` is its fields without ``data``.
    SeriesEnd
        For an end. ``expected`` is the start's ``number_of_images``, None where that was not
        seen. ``seen`` counts each image once, also one whose pixels can't be decoded; such
        messages count as failed. An end that comes again says what has changed since the one
        before: as a rule 0, 0 and 0.

    In all of them ``value`` is the part as it came, and dates in ``header`` are the texts that
    were sent: an odd one costs nothing. All other tags that are no arrays of the format, such as
    in ``user_data``, are left as `cbor2.CBORTag`.

    A message that can't be read is a DecodeError and nothing of it is kept, but what was seen of
    its series is: the generator goes on. One that is no map in CBOR is the HeaderError that it
    would be without this handler.
    """
    seen = SeenSeries()
    while True:
        yield _item(receiver, seen)


def _item(receiver: Receiver, seen: SeenSeries) -> SeriesEnd | Deferred:
    try:
        return _read(receiver, seen)
    except DecodeError as error:  # raised here, it would end the generator, and with it `seen`
        return failed(error)


def _read(receiver: Receiver, seen: SeenSeries) -> SeriesEnd | Deferred:
    part = receiver.next(copy=True) if receiver.has_more() else b""
    if not is_map(part):
        receiver.header()
        raise DecodeError("stream v2 sends maps in CBOR; this message begins with JSON")
    if receiver.has_more():
        raise MessageError(f"a message of stream v2 is one part; this has {len(receiver.parts)}")
    message = read(part, ARRAYS)
    kind = message.get("type")
    if kind == "image":
        return _image(message, part, seen)
    if kind == "start":
        return _start(message, part, seen)
    if kind == "end":
        series = number_of(message, "series_id")
        end = SeriesEnd(series, _header(message), *seen.end(series))
        end.value = part
        return end
    raise DecodeError(f"the message's type is {shown(kind)}; it can be start, image or end")


def _image(message: dict[Any, Any], part: bytes, seen: SeenSeries) -> Deferred:
    series, frame = number_of(message, "series_id"), number_of(message, "image_id")
    seen.add(series, frame)
    data = message.pop("data", None)
    if not isinstance(data, dict):
        raise DecodeError(
            f"frame {frame} of series {series}: data is {shown(data)}, not a map of channels"
        )
    image = Image(series, frame, _header(message), {})
    try:
        for key in TIMES:
            setattr(image, key, _nanoseconds(message, key))
    except DecodeError as error:
        raise DecodeError(f"{_name(image)}: {error}") from None
    image.appendix, image.value = message.get("user_data"), part
    return _later(image, {"arrays": data})


def _start(message: dict[Any, Any], part: bytes, seen: SeenSeries) -> Deferred:
    series, expected = number_of(message, "series_id"), message.get("number_of_images")
    if type(expected) is not int or expected < 0:
        expected = None
    taken = {name: _take(message, key) for name, key in TABLES.items()}
    header = _header(message)
    seen.begin(series, expected, repr(header))
    start = SeriesStart(series, header, dict(header))
    start.appendix, start.value = message.get("user_data"), part
    return _later(start, taken)


def _take(message: dict[Any, Any], key: str) -> dict[Any, Any]:
    """Take a table out of a start: arrays by channel, or one under its key; leave all else."""
    value = message.get(key)
    if key != LOOKUP_TABLE and isinstance(value, dict):
        return message.pop(key)  # type: ignore[no-any-return]
    return {key: message.pop(key)} if is_array(value) else {}


def _later(item: Any, tables: dict[str, dict[Any, Any]]) -> Deferred:
    """Return the work that fills in the arrays of an item: by attribute, then by channel."""
    try:
        packed = {name: _packed(table) for name, table in tables.items()}
        size = sum(array.work for arrays in packed.values() for array in arrays.values())
        if size > MAX_BYTES:
            raise DecodeError(f"it would decode to {size} bytes; {MAX_BYTES} are allowed")
    except DecodeError as error:
        raise DecodeError(f"{_name(item)}: {error}") from None
    return Deferred(_filled, item, packed, size=size)


def _packed(table: dict[Any, Any]) -> dict[Any, PackedArray]:
    if len(table) > MAX_CHANNELS:
        raise DecodeError(f"{len(table)} channels; {MAX_CHANNELS} are possible")
    return {channel: packed_of(tag, channel) for channel, tag in table.items()}


def _filled(item: Any, tables: dict[str, dict[Any, PackedArray]]) -> Any:
    try:
        for name, table in tables.items():
            arrays = {channel: packed.unpack() for channel, packed in table.items()}
            setattr(item, name, arrays.get(LOOKUP_TABLE) if name == "countrate_table" else arrays)
    except DecodeError as error:
        raise DecodeError(f"{_name(item)}: {error}") from None
    return item


def _name(item: SeriesStart | Image) -> str:
    what = f"frame {item.frame}" if isinstance(item, Image) else "the start"
    return f"{what} of series {item.series}"


def _header(message: dict[Any, Any]) -> dict[Any, Any]:
    """Return a message's fields with its dates as texts."""
    for key, value in message.items():
        number, content = content_of(value)
        if number == 0 and isinstance(content, str):
            message[key] = content
    return message


def _nanoseconds(message: dict[Any, Any], key: str) -> int | None:
    """Return a time, which is [numerator, denominator] in seconds; None where there is none."""
    value = message.get(key)
    if value is None:
        return None
    whole = isinstance(value, list) and [type(number) for number in value] == [int, int]
    if not whole or value[1] <= 0:
        raise DecodeError(f"{key} is {shown(value)}, not a fraction of whole numbers")
    return int((2 * NANOSECONDS * value[0] + value[1]) // (2 * value[1]))  # the nearest one
