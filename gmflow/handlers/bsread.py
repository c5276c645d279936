"""bsr_m-1.0 and bsr_m-1.1: the messages of bsread, read with the last data header in mind.

Value: a `BsreadMessage`, with the attributes of psi-bsread's message.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from ..errors import DecodeError, MessageError
from ..jsontext import JsonText, dumps, loads, loads_text
from ..receiver import Receiver
from .bsread_channels import Channel, Layout, check_uncompressed, make_layout, read_layout

SECONDS = ("sec", "epoch", "ms")
OFFSETS = ("ns", "ns_offset")
"""The names that senders have given to the two halves of the global timestamp."""


class Value:
    """What one channel says in one message.

    Attributes
    ----------
    value : object
        A NumPy scalar where the channel's shape is [1], a str for strings, else a read-only
        array in NumPy's order of dimensions and in the channel's byte order. None if the
        channel has no value at this pulse.
    timestamp : int or None
        Seconds since 1970.
    timestamp_offset : int or None
        Nanoseconds on top.
    """

    __slots__ = ("timestamp", "timestamp_offset", "value")

    def __init__(
        self,
        value: Any = None,
        timestamp: int | None = None,
        timestamp_offset: int | None = None,
    ) -> None:
        self.value = value
        self.timestamp = timestamp
        self.timestamp_offset = timestamp_offset

    def __repr__(self) -> str:
        return f"Value({self.value!r}, {self.timestamp}, {self.timestamp_offset})"


class BsreadMessage:
    """One message of bsread: the values of some channels at one pulse.

    Parameters
    ----------
    pulse_id, global_timestamp, global_timestamp_offset, hash, data
        See the attributes; all that a message to be sent needs is `pulse_id` and `data`.
    header : dict, optional
        The main header; its htype says which version is written, bsr_m-1.1 by default.
    data_header : dict, optional
        What describes the channels; derived from the values by default.
    layout : Layout, optional
        The data header as a reader holds it, instead of `data_header`.

    Attributes
    ----------
    pulse_id : int
    global_timestamp : int or None
        As sent: seconds since 1970; milliseconds where the header calls it "ms", and from
        senders before 2015-08-24.
    global_timestamp_offset : int or None
        Nanoseconds on top.
    hash : object
        What the sender put there to tell data headers apart, mostly the md5 of part 1.
    data : dict of str to Value
        By channel name, in the order of the data header. In a message to be sent a bare value
        does instead of a `Value`.
    header : dict
        The main header.
    format_changed : bool
        Whether the data header was read with this message, as it was not the last one's.
    trailing_part : bool
        Whether one more, empty part ends the message, as servers of 2015 sent it.
    omits_data_header : bool
        Whether part 1 is empty, as the receiver knows the data header.
    """

    def __init__(
        self,
        pulse_id: int | None = None,
        global_timestamp: int | None = None,
        global_timestamp_offset: int | None = None,
        hash: Any = None,
        data: Mapping[str, Any] | None = None,
        *,
        header: dict[str, Any] | None = None,
        data_header: dict[str, Any] | None = None,
        layout: Layout | None = None,
    ) -> None:
        self.pulse_id = pulse_id
        self.global_timestamp = global_timestamp
        self.global_timestamp_offset = global_timestamp_offset
        self.hash = hash
        self.data: dict[str, Any] = dict(data or {})
        self.header: dict[str, Any] = {"htype": "bsr_m-1.1"} if header is None else header
        self.format_changed = False
        self.trailing_part = False
        self.omits_data_header = False
        self._data_header = data_header
        self._layout = layout

    @property
    def data_header(self) -> dict[str, Any] | None:
        """The data header, this message's own: it can be changed, or set to None.

        None, in a message to be sent, has it derived from the values.
        """
        if self._data_header is None and self._layout is not None:
            self._data_header = loads_text(self._layout.text)
        return self._data_header

    @data_header.setter
    def data_header(self, header: dict[str, Any] | None) -> None:
        self._data_header = header
        self._layout = None

    def layout(self) -> Layout | None:
        """Give the layout of `data_header`: the one received, if nobody changed it.

        Raises
        ------
        TypeError, ValueError, DecodeError
            If the data header was changed to something that describes no channels.
        """
        header, layout = self._data_header, self._layout
        if header is None:
            return layout
        old = self.header.get("htype") == "bsr_m-1.0"
        if layout is None and isinstance(header, JsonText):
            layout = read_layout(header.text, old)
        if layout is not None and dumps(loads(layout.text)) == dumps(header):
            return layout
        return make_layout(header, old)

    def __repr__(self) -> str:
        return f"<BsreadMessage of pulse {self.pulse_id}, {len(self.data)} channels>"


def messages(receiver: Receiver, old: bool) -> Generator[BsreadMessage, None, None]:
    """Read message after message: what the handlers of both htypes run.

    Parameters
    ----------
    receiver : Receiver
    old : bool
        Whether a data header that doesn't name its htype is bsr_d-1.0.

    Yields
    ------
    BsreadMessage

    Raises
    ------
    DecodeError
        If the message or one of its channels can't be read: says which, and why.
    """
    layout: Layout | None = None
    known: Any = None
    while True:
        header = JsonText(receiver.header())
        header.text = receiver.next(copy=True)
        check_uncompressed(header.get("dh_compression"), "the data header")
        text = receiver.next(copy=True)
        last, hash_ = layout, header.get("hash")
        if text and (last is None or text != last.text):
            layout = read_layout(text, old)
        elif last is None or (not text and (hash_ is None or hash_ != known)):
            raise DecodeError(f"part 1 is empty, and the hash {hash_!r:.80} is not the last one's")
        assert layout is not None
        known = hash_
        message = _message(receiver, header, layout)
        message.format_changed = layout is not last
        message.omits_data_header = not text
        yield message


def stamp_keys(stamp: Mapping[str, Any]) -> tuple[str, str]:
    """Give the names that a global timestamp has for its seconds and its nanoseconds.

    Raises
    ------
    DecodeError
        If it has none for its seconds.
    """
    seconds = next((key for key in SECONDS if key in stamp), None)
    if seconds is None:
        raise DecodeError(f"global_timestamp {stamp!r:.80} has none of {', '.join(SECONDS)}")
    return seconds, next((key for key in OFFSETS if key in stamp), OFFSETS[0])


def _message(receiver: Receiver, header: JsonText, layout: Layout) -> BsreadMessage:
    message = BsreadMessage(
        _whole(header.get("pulse_id"), "pulse_id"),
        *_global_timestamp(header.get("global_timestamp")),
        header.get("hash"),
        header=header,
        layout=layout,
    )
    message.trailing_part = _has_trailing_part(receiver, layout.channels)
    for channel in layout.channels:
        message.data[channel.name] = _value(receiver, channel)
    return message


def _global_timestamp(stamp: Any) -> tuple[int | None, int | None]:
    if stamp is None:
        return None, None
    if not isinstance(stamp, dict):
        raise DecodeError(f"global_timestamp {stamp!r:.80} is not a JSON object")
    seconds, offset = (
        None if stamp.get(key) is None else _whole(stamp[key], f"global_timestamp's {key}")
        for key in stamp_keys(stamp)
    )
    return seconds, offset


def _whole(number: Any, what: str) -> int:
    if type(number) is not int:
        raise DecodeError(f"{what} is {number!r:.40}, not a whole number")
    return number


def _has_trailing_part(receiver: Receiver, channels: tuple[Channel, ...]) -> bool:
    count, expected = len(receiver.parts), 2 + 2 * len(channels)
    trailing = count == expected + 1 and len(receiver.parts[-1]) == 0
    if trailing or count == expected or not channels:
        return trailing
    reason = f"the message has {count} parts, its {len(channels)} channels need {expected}"
    if count < expected:
        index, lacks_stamp = divmod(count - 2, 2)
        lacking = "timestamp" if lacks_stamp else "value"
        raise MessageError(f"{reason}: channel {channels[index].name!r:.80} has no {lacking}")
    raise DecodeError(reason)


def _value(receiver: Receiver, channel: Channel) -> Value:
    part, stamp = receiver.next(copy=False), receiver.next(copy=False)
    try:
        times = channel.read_stamp(stamp)
        # An array without elements is a value, if the channel says when it was taken.
        if len(part) or (channel.is_empty and len(stamp)):
            return Value(channel.read(part), *times)
    except DecodeError as error:
        raise DecodeError(f"channel {channel.name!r:.80}: {error}") from None
    return Value(None, *times)
