"""bsread messages in HDF5: each channel one dataset, with the pulse and the time of each value.

A file holds the messages of one data header. The names are those of SwissFEL's files and of
bsread's own writer. A row of a channel is a value that was sent: at a pulse where it has none,
it has no row.
"""

from __future__ import annotations

from operator import le
from typing import Any

from ...decoder import Decoder
from ...errors import DecodeError
from ...handlers.bsread.bsread_message import BsreadMessage, Value
from ...handlers.bsread.data_header import Layout
from ...message import Message
from .bsread_tables import MOST_CHANNELS, Table, row_shape
from .family import Family
from .files import Files
from .rows import LEAST_WIDTH, check_row, time_or_unknown, whole, width_for

MOST_REMEMBERED = 64
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
        read: BsreadMessage = decoder.decode(parts)
        layout = read.layout()
        assert layout is not None  # the message was received, and nobody changed it
        stream = _last(self._streams, layout.text)
        if stream is None:
            stream = _keep(self._streams, layout.text, _Stream(self._files, layout))
        stream.add(read, bytes(parts[0]), message.arrived)


def _last(remembered: dict[Any, Any], key: str | bytes) -> Any:
    """Give what is remembered under a key, or None; it stands last from now on."""
    found = remembered.pop(key, None)
    if found is not None:
        remembered[key] = found
    return found


def _keep(remembered: dict[Any, Any], key: str | bytes, new: Any) -> Any:
    if len(remembered) >= MOST_REMEMBERED:
        del remembered[next(iter(remembered))]
    remembered[key] = new
    return new


class _Stream:
    """The messages of one data header: in one file, and in the next where a string is longer."""

    def __init__(self, files: Files, layout: Layout) -> None:
        _check(layout)
        self._files = files
        self._layout = layout
        self._strings = [channel.name for channel in layout.channels if channel.dtype is None]
        self._widths = [LEAST_WIDTH] * len(self._strings)
        self._table: Table | None = None

    def add(self, read: BsreadMessage, header: bytes, arrived: int) -> None:
        assert read.pulse_id is not None  # the handler has seen to it
        numbers = (
            whole(read.pulse_id, "pulse_id"),
            time_or_unknown(read.global_timestamp, "global_timestamp"),
            time_or_unknown(read.global_timestamp_offset, "global_timestamp's nanoseconds"),
            arrived,
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


def _check(layout: Layout) -> None:
    """Refuse channels that HDF5 can't hold."""
    channels = layout.channels
    if len(channels) > MOST_CHANNELS:
        raise DecodeError(f"it has {len(channels)} channels; up to {MOST_CHANNELS} go into HDF5")
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
    """Give the width of a channel's strings in the next file."""
    try:
        return width if size <= width else width_for(size)
    except DecodeError as error:
        raise DecodeError(f"channel {name!r:.80}: {error}") from None
