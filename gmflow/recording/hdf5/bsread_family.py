"""bsread in HDF5: the messages that have the same data header, in one file.

``/data/<channel>`` has ``data``, ``pulse_id``, ``timestamp`` and ``timestamp_offset``, a row for
each value; ``/messages`` has a row for each message; ``/without_data`` says what channels without
a value said. A string that is too long for its dataset begins the next file.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import le
from typing import Any

import numpy as np

from ...codecs.limits import flat
from ...decoder import Decoder
from ...errors import DecodeError
from ...handlers.bsread.bsread_channels import BsreadChannel
from ...handlers.bsread.bsread_message import BsreadMessage, Value
from ...handlers.bsread.data_header import BsreadLayout
from ...message import Message
from .columns import (
    LEAST_WIDTH,
    UNKNOWN_TIME,
    attribute_text,
    check_row,
    is_large,
    link_name,
    whole,
    width_for,
)
from .files import Files, Recent
from .growing import GrowingFile

MAX_CHANNELS = 1 << 12
"""Channels of a message: each has four datasets, and all of them are open."""

NUMBERS = ("pulse_id", "global_timestamp", "global_timestamp_offset", "arrived")
"""What is noted of each message beside its main header."""

WITHOUT_DATA = {
    "channel": np.uint32,
    "pulse_id": np.int64,
    "timestamp": np.int64,
    "timestamp_offset": np.int64,
    "is_empty": np.bool_,
}
"""What is noted of a channel without elements that has a time, or an empty array."""


class BsreadFamily:
    """Stores messages of bsr_m-1.0 and bsr_m-1.1."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._decoders, self._streams = Recent(), Recent()

    def add(self, message: Message) -> None:
        """Store a message, or nothing of it and raise DecodeError if that can't be done."""
        read: BsreadMessage = self._decoders.recall(message.source, Decoder).read(message)
        layout = read.layout()
        assert layout is not None  # the message was received, and nobody changed it
        files = self._streams.recall(layout.text, lambda: _ChannelFiles(self._files, layout))
        files.add(read, bytes(message.parts[0]), message.received_ns)


class _ChannelFiles:
    """The messages of one data header: in one file, and in the next where a string is longer."""

    def __init__(self, files: Files, layout: BsreadLayout) -> None:
        _check(layout)
        self._files = files
        self._layout = layout
        self._strings = [channel.name for channel in layout.channels if channel.dtype is None]
        self._widths = [LEAST_WIDTH] * len(self._strings)
        self._table: _ChannelTable | None = None

    def add(self, read: BsreadMessage, header: bytes, received_ns: int) -> None:
        assert read.pulse_id is not None  # the handler has validated it
        numbers = (
            whole(read.pulse_id, "pulse_id"),
            _time(read.global_timestamp, "global_timestamp"),
            _time(read.global_timestamp_offset, "global_timestamp's nanoseconds"),
            received_ns,
        )
        sizes = [_encode(read.data[name]) for name in self._strings]
        self._table_for(sizes).append(numbers, header, read.data)

    def _table_for(self, sizes: list[int]) -> _ChannelTable:
        table = self._table
        fits = all(map(le, sizes, self._widths))
        if table is not None and fits and not table.file.closed:
            return table
        if not fits:
            self._widths = list(map(_width, self._strings, sizes, self._widths))
        elif table is not None:
            self._files.warn()
        if table is not None:
            table.file.close()
        self._table = table = _ChannelTable(self._files.create(), self._layout, self._widths)
        return table


class _ChannelTable:
    """A new file, with the datasets of one data header; strings have widths."""

    def __init__(self, file: GrowingFile, layout: BsreadLayout, widths: list[int]) -> None:
        self.file = file
        file.value("/data_header", layout.text.decode())
        file.group("/data")
        self._messages = file.rows()
        self._messages.texts("/messages/header")
        for name in NUMBERS:
            self._messages.column(f"/messages/{name}", np.int64)
        rest = iter(widths)
        self._channels = [
            _ChannelRows(file, channel, 0 if channel.dtype is not None else next(rest))
            for channel in layout.channels
        ]
        self._without_data = file.rows()
        for name, dtype in WITHOUT_DATA.items():
            self._without_data.column(f"/without_data/{name}", dtype)
        file.start()

    def append(self, numbers: tuple[int, ...], header: bytes, data: dict[str, Value]) -> None:
        """Add a message: its main header, `NUMBERS`, and all channels' values, strings as bytes."""
        pulse_id = numbers[0]
        self._messages.append((header, *numbers), len(header))
        for index, (rows, value) in enumerate(zip(self._channels, data.values(), strict=True)):
            stamp = pulse_id, _signed(value.timestamp), _signed(value.timestamp_offset)
            if rows.append(value.value, stamp):
                continue
            is_empty = value.value is not None
            if value.timestamp is not None or is_empty:
                self._without_data.append((index, *stamp, is_empty))


class _ChannelRows:
    """The datasets of one channel."""

    __slots__ = ("_append", "_has_length", "_is_gathered", "_may_be_empty", "_rows")

    def __init__(self, file: GrowingFile, channel: BsreadChannel, width: int) -> None:
        path = f"/data/{link_name(channel.name)}"
        file.group(path, name=attribute_text(channel.name))
        self._may_be_empty = channel.compression is not None and bool(channel.size)
        self._rows = file.rows()
        self._append: Callable[[Any], None] | None = None
        self._is_gathered = self._make_data(file, f"{path}/data", channel, width)
        self._has_length = bool(width)
        if width:
            self._rows.column(f"{path}/length", np.uint32)
        for name in ("pulse_id", "timestamp", "timestamp_offset"):
            self._rows.column(f"{path}/{name}", np.int64)

    def _make_data(self, file: GrowingFile, path: str, channel: BsreadChannel, width: int) -> bool:
        """Make the dataset of the values; return True if they are gathered with the rest."""
        about: dict[str, Any] = {}
        dtype, shape = channel.dtype, row_shape(channel)
        if dtype is None:
            dtype, shape, about = np.dtype(f"S{width}"), (), {"encoding": "utf-8"}
        elif not channel.size:
            return False
        if not is_large(dtype, shape):
            self._rows.column(path, dtype, shape, **about)
            return True
        append = file.chunks(path, dtype, shape, **about).append
        if width:
            self._append = lambda text: append(text.ljust(width, b"\0"))
        else:
            self._append = lambda array: append(flat(array))
        return False

    def append(self, given: Any, stamp: tuple[int, int, int]) -> bool:
        """Add a value; return False if there is none, or it has no elements though others have."""
        if given is None or (self._may_be_empty and not given.size):
            return False
        if self._append is not None:
            self._append(given)
        if self._has_length:
            stamp = len(given), *stamp  # type: ignore[assignment]
        self._rows.append((given, *stamp) if self._is_gathered else stamp)
        return True


def row_shape(channel: BsreadChannel) -> tuple[int, ...]:
    """Return the shape of a channel's values: none for numbers."""
    return () if channel.is_scalar else tuple(channel.shape)


def _check(layout: BsreadLayout) -> None:
    """Validate that HDF5 can hold all channels."""
    channels = layout.channels
    if len(channels) > MAX_CHANNELS:
        raise DecodeError(f"it has {len(channels)} channels; up to {MAX_CHANNELS} go into HDF5")
    for channel in channels:
        if channel.dtype is not None:
            try:
                check_row(channel.dtype, row_shape(channel))
            except DecodeError as error:
                raise DecodeError(f"channel {channel.name!r:.80}: {error}") from None


def _encode(value: Value) -> int:
    """Make a text the bytes that were sent, and return their number."""
    if value.value is None:
        return 0
    value.value = value.value.encode("utf-8", "surrogateescape")
    return len(value.value)


def _width(name: str, size: int, width: int) -> int:
    """Return the width of a channel's strings in the next file."""
    try:
        return width if size <= width else width_for(size)
    except DecodeError as error:
        raise DecodeError(f"channel {name!r:.80}: {error}") from None


def _time(number: int | None, what: str) -> int:
    return UNKNOWN_TIME if number is None else whole(number, what)


def _signed(number: int | None) -> int:
    """Return half of a timestamp as a signed integer of 64 bits: the same bits."""
    if number is None:
        return UNKNOWN_TIME
    return number if number < 1 << 63 else number - (1 << 64)
