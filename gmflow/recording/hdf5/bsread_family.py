"""The datasets of bsread messages that have the same data header, in one HDF5 file.

``/data/<channel>`` has ``data``, ``pulse_id``, ``timestamp`` and ``timestamp_offset``, a row for
each value; ``/messages`` has a row for each message.
"""

from __future__ import annotations

from operator import le
from typing import Any

import numpy as np

from ...decoder import Decoder
from ...errors import DecodeError
from ...handlers.bsread.bsread_channels import BsreadChannel
from ...handlers.bsread.bsread_message import BsreadMessage, Value
from ...handlers.bsread.data_header import BsreadLayout
from ...message import Message
from .family import Family
from .files import Files
from .growing import GrowingFile
from .rows import (
    LEAST_WIDTH,
    UNKNOWN_TIME,
    Append,
    attribute_text,
    check_row,
    link_name,
    make_rows,
    make_strings,
    time_or_unknown,
    whole,
    width_for,
)

MAX_CHANNELS = 1 << 12
"""Channels of a message: each has four datasets, and all of them are open."""

NUMBERS = ("pulse_id", "global_timestamp", "global_timestamp_offset", "arrived")
"""What is noted of each message beside its main header."""


class Table:
    """A file, with the datasets of one data header.

    Parameters
    ----------
    file : GrowingFile
        A new one; it is started.
    layout : BsreadLayout
        The data header, with channels that HDF5 can hold.
    widths : list of int
        The most bytes of a string of each channel of strings.

    Raises
    ------
    RecordingError
        If it can't be written.
    """

    def __init__(self, file: GrowingFile, layout: BsreadLayout, widths: list[int]) -> None:
        self.file = file
        file.value("/data_header", layout.text.decode())
        file.group("/data")
        self._header = file.texts("/messages/header").append
        self._numbers = [file.column(f"/messages/{name}", np.int64).append for name in NUMBERS]
        rest = iter(widths)
        self._channels = [
            _Rows(file, channel, 0 if channel.dtype is not None else next(rest))
            for channel in layout.channels
        ]
        self._without_data = _WithoutData(file)
        file.start()

    def append(self, numbers: tuple[int, ...], header: bytes, data: dict[str, Value]) -> None:
        """Add a message.

        Parameters
        ----------
        numbers : tuple of int
            `NUMBERS`.
        header : bytes
            The main header.
        data : dict of str to Value
            Of all channels; strings as bytes.

        Raises
        ------
        RecordingError
            If it can't be written.
        """
        pulse_id = numbers[0]
        self._header(header)
        for append, number in zip(self._numbers, numbers, strict=True):
            append(number)
        for index, (rows, value) in enumerate(zip(self._channels, data.values(), strict=True)):
            if not rows.append(pulse_id, value):
                self._without_data.append(index, pulse_id, value)


class _Rows:
    """The datasets of one channel."""

    __slots__ = ("_data", "_length", "_may_be_empty", "_offset", "_pulse_id", "_timestamp")

    def __init__(self, file: GrowingFile, channel: BsreadChannel, width: int) -> None:
        path = f"/data/{link_name(channel.name)}"
        file.group(path, name=attribute_text(channel.name))
        self._may_be_empty = channel.compression is not None and bool(channel.size)
        self._data = _make_data(file, f"{path}/data", channel, width)
        self._length = file.column(f"{path}/length", np.uint32).append if width else None
        self._pulse_id = file.column(f"{path}/pulse_id", np.int64).append
        self._timestamp = file.column(f"{path}/timestamp", np.int64).append
        self._offset = file.column(f"{path}/timestamp_offset", np.int64).append

    def append(self, pulse_id: int, value: Value) -> bool:
        """Add a value; False if there is none, or it has no elements though others have."""
        given = value.value
        if given is None or (self._may_be_empty and not given.size):
            return False
        if self._data is not None:
            self._data(given)
        if self._length is not None:
            self._length(len(given))
        self._pulse_id(pulse_id)
        self._timestamp(_signed(value.timestamp))
        self._offset(_signed(value.timestamp_offset))
        return True


class _WithoutData:
    """What channels say in messages in which they have no elements: a time, or an empty array."""

    def __init__(self, file: GrowingFile) -> None:
        columns = {
            "channel": np.uint32,
            "pulse_id": np.int64,
            "timestamp": np.int64,
            "timestamp_offset": np.int64,
            "is_empty": np.bool_,
        }
        self._columns = [
            file.column(f"/without_data/{name}", dtype) for name, dtype in columns.items()
        ]

    def append(self, channel: int, pulse_id: int, value: Value) -> None:
        """Add a row, unless the channel says nothing at all."""
        is_empty = value.value is not None
        if value.timestamp is None and not is_empty:
            return
        stamp = _signed(value.timestamp), _signed(value.timestamp_offset)
        for column, item in zip(self._columns, (channel, pulse_id, *stamp, is_empty), strict=True):
            column.append(item)


def row_shape(channel: BsreadChannel) -> tuple[int, ...]:
    """Return the shape of a channel's values: none for numbers."""
    return () if channel.is_scalar else tuple(channel.shape)


def _make_data(file: GrowingFile, path: str, channel: BsreadChannel, width: int) -> Append | None:
    """Make the dataset of a channel's values; none for a channel without elements."""
    if channel.dtype is None:
        return make_strings(file, path, width)
    return make_rows(file, path, channel.dtype, row_shape(channel)) if channel.size else None


def _signed(number: int | None) -> int:
    """Return half of a timestamp as a signed integer of 64 bits: the same bits."""
    if number is None:
        return UNKNOWN_TIME
    return number if number < 1 << 63 else number - (1 << 64)


MAX_REMEMBERED = 64
"""Sources, and data headers, that are remembered; the least recently used is forgotten."""


class BsreadFamily(Family):
    """Stores messages of bsr_m-1.0 and bsr_m-1.1.

    Parameters
    ----------
    files : Files
        Where their files come from.
    """

    def __init__(self, files: Files) -> None:
        self._files = files
        self._decoders: dict[str, Decoder] = {}
        self._streams: dict[bytes, _Stream] = {}

    def add(self, message: Message) -> None:
        parts, source = message.parts, message.source
        decoder = _last(self._decoders, source) or _keep(self._decoders, source, Decoder())
        read: BsreadMessage = decoder.read(message)
        layout = read.layout()
        assert layout is not None  # the message was received, and nobody changed it
        stream = _last(self._streams, layout.text)
        if stream is None:
            stream = _keep(self._streams, layout.text, _Stream(self._files, layout))
        stream.add(read, bytes(parts[0]), message.received_ns)


def _last(remembered: dict[Any, Any], key: str | bytes) -> Any:
    """Return what is remembered under a key, or None; it stands last from now on."""
    found = remembered.pop(key, None)
    if found is not None:
        remembered[key] = found
    return found


def _keep(remembered: dict[Any, Any], key: str | bytes, new: Any) -> Any:
    if len(remembered) >= MAX_REMEMBERED:
        del remembered[next(iter(remembered))]
    remembered[key] = new
    return new


class _Stream:
    """The messages of one data header: in one file, and in the next where a string is longer."""

    def __init__(self, files: Files, layout: BsreadLayout) -> None:
        _check(layout)
        self._files = files
        self._layout = layout
        self._strings = [channel.name for channel in layout.channels if channel.dtype is None]
        self._widths = [LEAST_WIDTH] * len(self._strings)
        self._table: Table | None = None

    def add(self, read: BsreadMessage, header: bytes, received_ns: int) -> None:
        assert read.pulse_id is not None  # the handler has seen to it
        numbers = (
            whole(read.pulse_id, "pulse_id"),
            time_or_unknown(read.global_timestamp, "global_timestamp"),
            time_or_unknown(read.global_timestamp_offset, "global_timestamp's nanoseconds"),
            received_ns,
        )
        sizes = [_encode(read.data[name]) for name in self._strings]
        self._table_for(sizes).append(numbers, header, read.data)

    def _table_for(self, sizes: list[int]) -> Table:
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
        self._table = table = Table(self._files.create(), self._layout, self._widths)
        return table


def _check(layout: BsreadLayout) -> None:
    """Refuse channels that HDF5 can't hold."""
    channels = layout.channels
    if len(channels) > MAX_CHANNELS:
        raise DecodeError(f"it has {len(channels)} channels; up to {MAX_CHANNELS} go into HDF5")
    for channel in channels:
        try:
            if channel.dtype is not None:
                check_row(channel.dtype, row_shape(channel))
        except DecodeError as error:
            raise DecodeError(f"channel {channel.name!r:.80}: {error}") from None


def _encode(value: Value) -> int:
    """Make a text the bytes that were sent, and give their number."""
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
