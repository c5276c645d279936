"""bsr_m-1.0 and bsr_m-1.1, read message after message with the data headers so far in mind.

Value: a `BsreadMessage`. Where channels are compressed, it comes as a `Deferred`.
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
from .bsread_message import BsreadMessage, Value
from .channels import Channel, too_few
from .data_header import Layout, Memory

SECONDS = ("sec", "epoch", "ms")
OFFSETS = ("ns", "ns_offset")
"""The names that senders have given to the two halves of the global timestamp."""


def messages(receiver: Receiver, old: bool) -> Generator[BsreadMessage | Deferred, None, None]:
    """Read message after message: what the handlers of both htypes run.

    Data headers are remembered, also past a message that can't be read.

    Parameters
    ----------
    receiver : Receiver
    old : bool
        Whether a data header that doesn't name its htype is bsr_d-1.0.

    Yields
    ------
    BsreadMessage or Deferred
        A `Deferred` that gives the message if some of its values are compressed, or that raises
        a `DecodeError` if it can't be read, which says of which channel, and why.
    """
    reader = _Reader(old)
    while True:
        yield reader.read(receiver)  # a local variable would keep it until the next message


def stamp_keys(stamp: Mapping[str, Any]) -> tuple[str, str]:
    """Return the names that a global timestamp has for its seconds and its nanoseconds.

    Raises
    ------
    DecodeError
        If it has none for its seconds.
    """
    seconds = next((key for key in SECONDS if key in stamp), None)
    if seconds is None:
        raise DecodeError(f"global_timestamp {shown(stamp)} has none of {', '.join(SECONDS)}")
    return seconds, next((key for key in OFFSETS if key in stamp), OFFSETS[0])


class _Reader:
    """What is remembered from message to message."""

    def __init__(self, old: bool) -> None:
        self._memory = Memory(old)
        self._last: Layout | None = None

    def read(self, receiver: Receiver) -> BsreadMessage | Deferred:
        """Read a message; what is wrong with it is raised later: it would end the generator."""
        try:
            message, layout = _message(receiver, self._memory)
            message.format_changed = layout is not self._last
            value = _with_values(message, layout, receiver.parts)
        except DecodeError as error:
            return failed(error)
        self._last = layout
        return value


def _message(receiver: Receiver, memory: Memory) -> tuple[BsreadMessage, Layout]:
    """Read the two headers: give the message, yet without values, and its layout."""
    header = JsonText(receiver.header())
    header.text = receiver.next(copy=True)
    part, hash_ = receiver.next(copy=True), header.get("hash")
    layout = memory.layout(part, hash_, header.get("dh_compression"), len(receiver.parts))
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
    message: BsreadMessage, layout: Layout, parts: Sequence[Part]
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
        raise DecodeError(f"its values would be {size} bytes together; {MAX_BYTES} are allowed")
    return Deferred(_read_values, message, layout.channels, parts, size=size)


def _read_values(
    message: BsreadMessage, channels: tuple[Channel, ...], parts: Sequence[Part]
) -> BsreadMessage:
    """Return the message with its values, which it has for itself: any thread may do it."""
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


def _whole(number: Any, what: str) -> int:
    if type(number) is not int:
        raise DecodeError(f"{what} is {shown(number)}, not a whole number")
    return number


def _has_trailing_part(parts: Sequence[Part], channels: tuple[Channel, ...]) -> bool:
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
