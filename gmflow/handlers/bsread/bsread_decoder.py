"""From the parts of bsread's messages to `BsreadMessage`: what the handlers of both htypes run.

The two headers are read in the order of the messages, as a data header counts for all that come
after it; compressed values are left to a `Deferred`, which any thread may work on.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from itertools import islice
from typing import Any

from ...codecs import MAX_BYTES
from ...deferred import Deferred, failed
from ...errors import DecodeError
from ...jsonwire import JsonText
from ...message import Part
from ...receiver import Receiver
from ...validation import shown
from .bsread_channels import BsreadChannel, too_few
from .bsread_message import BsreadMessage, Value
from .data_header import BsreadLayout, KnownLayouts

SECONDS = ("sec", "epoch", "ms")
OFFSETS = ("ns", "ns_offset")
"""The names that senders have given to the two halves of the global timestamp."""


def messages(receiver: Receiver, old: bool) -> Generator[BsreadMessage | Deferred, None, None]:
    """Read message after message; data headers are remembered, also past one that can't be read.

    With `old`, a data header that doesn't name its htype is read as bsr_d-1.0. Yields a `Deferred`
    of the message if some of its values are compressed, or one that raises DecodeError, which says
    of which channel and why, if it can't be read.
    """
    reader = _BsreadReader(old)
    while True:
        yield reader.read(receiver)  # a local variable would keep it until the next message


class _BsreadReader:
    def __init__(self, old: bool) -> None:
        self._known = KnownLayouts(old)
        self._last: BsreadLayout | None = None

    def read(self, receiver: Receiver) -> BsreadMessage | Deferred:
        try:
            message, layout = _message(receiver, self._known)
            message.format_changed = layout is not self._last
            value = _with_values(message, layout, receiver.parts)
        except DecodeError as error:  # raised here, it would end the generator
            return failed(error)
        self._last = layout
        return value


def _message(receiver: Receiver, known: KnownLayouts) -> tuple[BsreadMessage, BsreadLayout]:
    """Return the message with its headers, yet without values, and its layout."""
    header = JsonText(receiver.header())
    header.text = receiver.next(copy=True)
    part, hash_ = receiver.next(copy=True), header.get("hash")
    layout = known.layout(part, hash_, header.get("dh_compression"), len(receiver.parts))
    message = BsreadMessage(
        _whole(header.get("pulse_id"), "pulse_id"),
        *_global_timestamp(header.get("global_timestamp")),
        hash_,
        header=header,
        layout=layout,
    )
    message.omits_data_header = not part
    message.trailing_part = _has_trailing_part(receiver.parts, layout.channels)
    return message, layout


def _with_values(
    message: BsreadMessage, layout: BsreadLayout, parts: Sequence[Part]
) -> BsreadMessage | Deferred:
    if not layout.compressed:
        return _read_values(message, layout.channels, parts)
    size = 0
    for index, expected in layout.compressed:
        part = parts[index]
        if expected is None:
            size += layout.channels[index // 2 - 1].most_text(part)
        elif len(part):
            size += expected
    if size > MAX_BYTES:
        raise DecodeError(f"all its values would be {size} bytes; {MAX_BYTES} are allowed")
    return Deferred(_read_values, message, layout.channels, parts, size=size)


def _read_values(
    message: BsreadMessage, channels: tuple[BsreadChannel, ...], parts: Sequence[Part]
) -> BsreadMessage:
    """Fill in a message's values, in any thread: nothing of it is shared."""
    data, values, stamps = message.data, islice(parts, 2, None, 2), islice(parts, 3, None, 2)
    for channel, part, stamp in zip(channels, values, stamps, strict=False):
        try:
            seconds, offset = channel.read_stamp(stamp)
            if not len(part) and (channel.size != 0 or not len(stamp)):
                value = None
            elif channel.compression is None:
                value = channel.read(part)
            else:
                value = channel.read_compressed(part)
                message.compressed[channel.name] = value, part
        except DecodeError as error:
            raise DecodeError(f"channel {channel.name!r:.80}: {error}") from None
        data[channel.name] = Value(value, seconds, offset)
    return message


def _global_timestamp(stamp: Any) -> tuple[int | None, int | None]:
    if stamp is None:
        return None, None
    if not isinstance(stamp, dict):
        raise DecodeError(f"global_timestamp {shown(stamp)} is not a JSON object")
    seconds, offset = (
        None if stamp.get(key) is None else _whole(stamp[key], f"global_timestamp's {key}")
        for key in stamp_keys(stamp)
    )
    return seconds, offset


def stamp_keys(stamp: Mapping[str, Any]) -> tuple[str, str]:
    """Return the names that a global timestamp has for its seconds and its nanoseconds."""
    seconds = next((key for key in SECONDS if key in stamp), None)
    if seconds is None:
        raise DecodeError(f"global_timestamp {shown(stamp)} has none of {', '.join(SECONDS)}")
    return seconds, next((key for key in OFFSETS if key in stamp), OFFSETS[0])


def _whole(number: Any, what: str) -> int:
    if type(number) is not int:
        raise DecodeError(f"{what} is {shown(number)}, not a whole number")
    return number


def _has_trailing_part(parts: Sequence[Part], channels: tuple[BsreadChannel, ...]) -> bool:
    count, expected = len(parts), 2 + 2 * len(channels)
    trailing = count == expected + 1 and len(parts[-1]) == 0
    if trailing or count == expected or not channels:
        return trailing
    if count < expected:
        index, lacks_stamp = divmod(count - 2, 2)
        lacking = "timestamp" if lacks_stamp else "value"
        raise too_few(count, len(channels), channels[index].name, lacking)
    raise DecodeError(
        f"the message has {count} parts, its {len(channels)} channels need {expected}"
    )
