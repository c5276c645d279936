"""Writing MCAP files (https://mcap.dev/spec): whole chunks, and at the end what readers look for.

A `Chunk` keeps messages, their large parts uncopied, until there are `FULL` bytes of them or the
first one is half as old as was promised. It is packed, in another thread where there is one, and
appended: a chunk is in the file whole or not at all, and so are the messages that count as
written. The `Summary`, some ten bytes a chunk until then, ends the file.
"""

from __future__ import annotations

import os
import sys
from array import array
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, NamedTuple
from zlib import crc32

from ...errors import RecordingError
from ...message import Message, Part
from ...version import __version__
from ..base import PROMISE, Aside, Unfit, Wait, Writer, inline
from .mcap_file import (
    CHANNEL,
    CHUNK,
    CHUNK_INDEX,
    CHUNK_RECORD,
    ENCODING,
    ENTRY,
    FOOTER,
    FOOTER_RECORD,
    FORMAT,
    INDEX_RECORD,
    MAGIC,
    MESSAGE,
    MESSAGE_INDEX,
    MESSAGE_RECORD,
    RECORD,
    SCHEMA,
    STATISTICS,
    AppendedFile,
    pack,
    records,
)
from .message_cbor import add_message

LONG = PROMISE / 2
"""Seconds after which a chunk is written though it is small: the next messages may be late."""

MAX_CHANNELS = 0xFFFF

AHEAD = 3
"""Chunks that another thread packs while one is written: it never waits for work then."""

AHEAD_BYTES = 16 << 20
"""Bytes of their messages; from there on it is one chunk, which may be a message of any size."""

FULL = 4 << 20
"""Bytes of a chunk; it ends with the message that reaches them,"""

JOINED = 1 << 10
"""Small buffers that are joined at once: nobody else runs meanwhile."""

MAX_PIECES = 1 << 15
"""or so many buffers, of small messages: to join more at once would hold everybody else up."""

HEAD = MESSAGE_RECORD.size - RECORD.size


class McapWriter(Writer):
    """Writes messages into a new MCAP file, in chunks of about 4 MiB.

    One chunk is kept back at most, and with `aside` another `AHEAD` that are packed there. A
    message with a part that is no flat buffer of bytes is refused. The memory of parts must not
    change before they are written; that of a bytearray may, as it is copied.

    A file that no message came for is removed when it is closed. Raise RecordingError if the file
    is there already or can't be made, or the library is not installed.
    """

    def __init__(self, path: str | os.PathLike[str], aside: Aside = inline) -> None:
        super().__init__()
        self._aside = aside
        self._ahead = 0 if aside is inline else AHEAD
        library = records()
        self._schema = library.Schema(id=1, data=b"", encoding="", name="gmflow.Message")
        self._channels = Channels()
        self._flat: set[type] = {bytes}
        self._known = 0  # channels that are in the file
        self._summary = Summary()
        self._chunk = Chunk(0)
        self._packing: deque[tuple[Chunk, Wait]] = deque()  # those before it
        self._error: RecordingError | None = None
        self._closed = False
        self._file = AppendedFile(path)
        self.paths.append(self._file.path)
        header = library.Header(profile="", library=f"gmflow {__version__}")
        try:
            self._file.append([MAGIC, pack(header, self._schema)])
        except RecordingError:
            self._file.remove()
            raise

    def write(self, messages: Sequence[Message]) -> None:
        self._check()
        rest = iter(messages)
        try:
            while self._fill(rest):
                self._pack()
            oldest = self._packing[0][0] if self._packing else self._chunk
            if monotonic() - oldest.since >= LONG:
                self._put()
        except RecordingError as error:
            self._fail(error)
            raise

    def commit(self) -> None:
        self._check()
        try:
            self._put()
        except RecordingError as error:
            self._fail(error)
            raise

    def close(self) -> None:
        if self._closed:
            return
        earlier = self._error
        try:
            if not earlier:
                self.commit()
        finally:
            self._closed = True
            if self.written or self._error:
                self._finish()
            else:
                self._file.remove()
                self.paths.clear()
        if self._error and not earlier:
            raise self._error

    def _fill(self, messages: Iterator[Message]) -> bool:
        """Take messages, as `Chunk.fill`; refuse those that can't be recorded."""
        while True:
            try:
                return self._chunk.fill(messages, self._channels, self._flat)
            except Unfit as error:
                self._refuse(str(error))

    def _put(self) -> None:
        """Write all that is kept back."""
        if self._chunk.count:
            self._pack()
        while self._packing:
            self._write_packed()

    def _pack(self) -> None:
        """Have the chunk packed, begin the next, and write the first of those that are packed."""
        chunk = self._chunk
        self._packing.append((chunk, self._aside(chunk.pack)))
        self._chunk = Chunk(chunk.number + chunk.count)
        while len(self._packing) > self._ahead or self._packs_much():
            self._write_packed()

    def _packs_much(self) -> bool:
        size = sum(chunk.bytes for chunk, _ in self._packing)
        return len(self._packing) > 1 and size > AHEAD_BYTES

    def _write_packed(self) -> None:
        chunk, wait = self._packing.popleft()
        packed = wait()
        channels = pack(*self._channels.records[self._known :])
        place = self._file.size + len(channels)
        self._file.append([channels, *packed.buffers])
        self._known = len(self._channels)
        self._summary.note(packed, place)
        self.written += chunk.count
        self.bytes_written += chunk.bytes

    def _finish(self) -> None:
        """Write the summary: after an error there may be room for it, and no harm if not."""
        channels = self._channels.records[: self._known]
        try:
            self._file.append([self._summary.finish(self._file.size, self._schema, channels)])
            self._file.close()
        except RecordingError as error:
            self._error = self._error or error
            with suppress(RecordingError):
                self._file.close()

    def _check(self) -> None:
        """Raise the first error again ever after: what was given since would be missing."""
        if self._error:
            raise self._error
        if self._closed:
            raise RecordingError(f"{self._file.path} is closed: nothing can be written any more")

    def _fail(self, error: RecordingError) -> None:
        self._error = error
        self._packing.clear()
        self._chunk = Chunk(self.written)


class Channels(dict[str, int]):
    """The number of each source's channel, and its record; a new source gets the next one."""

    def __init__(self) -> None:
        self.records: list[Any] = []

    def __missing__(self, source: str) -> int:
        number = len(self) + 1
        if number > MAX_CHANNELS:
            raise RecordingError(f"a .mcap file holds up to {MAX_CHANNELS} sources, not more")
        self.records.append(
            records().Channel(
                id=number,
                topic=source or "message",
                message_encoding=ENCODING,
                metadata={"format": FORMAT, "source": source},
                schema_id=1,
            )
        )
        self[source] = number
        return number


class Chunk:
    """Messages that will be one chunk; the first one has this number.

    `bytes` are those of their parts, `since` is when the first ones came, as of `time.monotonic`.
    """

    def __init__(self, number: int) -> None:
        self.count = self.bytes = 0
        self.number = number
        self.since = 0.0
        self._size = 0
        self._pieces: list[Part] = []
        self._large: list[int] = []
        self._entries: dict[int, list[int]] = {}

    def fill(
        self, messages: Iterator[Message], channels: Mapping[str, int], flat: set[type]
    ) -> bool:
        """Take messages; return True if it is full, so that there may be more of them.

        Raise Unfit if the last one that was taken can't be recorded; those before it are here.
        """
        if not self.count:
            self.since = monotonic()
        pieces, large, entries = self._pieces, self._large, self._entries
        size, number, total = self._size, self.number + self.count, self.bytes
        source, channel, note, place = None, 0, list[int]().extend, 0
        try:
            for message in messages:
                if message.source != source:
                    source = message.source
                    channel = channels[source]
                    note = entries.setdefault(channel, []).extend
                place = len(pieces)
                pieces.append(b"")
                data, heads = add_message(message.parts, pieces, large, flat)
                time = message.received_ns
                length = HEAD + data + heads
                pieces[place] = MESSAGE_RECORD.pack(
                    MESSAGE, length, channel, number & 0xFFFFFFFF, time, time
                )
                note((time, size))
                size += RECORD.size + length
                total += data
                number += 1
                if size >= FULL or place >= MAX_PIECES:
                    break
        except Unfit:
            del pieces[place:], large[bisect_left(large, place) :]
            if not entries[channel]:
                del entries[channel]
            raise
        finally:
            self._size, self.count, self.bytes = size, number - self.number, total
        return size >= FULL or len(pieces) > MAX_PIECES

    def pack(self) -> PackedChunk:
        """Return it as it is in the file; its checksum takes about as long as to write it."""
        body, crc = [], 0
        for buffer in self._buffers():  # one by one: others run while a checksum is made
            crc = crc32(buffer, crc)
            body.append(buffer)
        times = [entries[::2] for entries in self._entries.values()]
        start, end = min(map(min, times)), max(map(max, times))
        length = CHUNK_RECORD.size - RECORD.size + self._size
        head = CHUNK_RECORD.pack(CHUNK, length, start, end, self._size, crc, 0, self._size)
        indexes, places = _message_indexes(self._entries)
        counts = {channel: len(entries) // 2 for channel, entries in self._entries.items()}
        return PackedChunk(
            [head, *body, indexes], self._size, start, end, counts, places, len(indexes)
        )

    def _buffers(self) -> Iterator[Part]:
        """Return its buffers, the small ones joined."""
        done = 0
        for place in [*self._large, len(self._pieces)]:
            for first in range(done, place, JOINED):
                yield b"".join(self._pieces[first : min(first + JOINED, place)])
            yield from self._pieces[place : place + 1]
            done = place + 1


def _message_indexes(entries: Mapping[int, Sequence[int]]) -> tuple[bytes, dict[int, int]]:
    """Return a message index for each channel, and where in them each one is."""
    packed, places = bytearray(), {}
    for channel, numbers in entries.items():
        places[channel] = len(packed)
        size = len(numbers) // 2 * ENTRY
        packed += INDEX_RECORD.pack(
            MESSAGE_INDEX, INDEX_RECORD.size - RECORD.size + size, channel, size
        )
        table = array("Q", numbers)
        if sys.byteorder == "big":
            table.byteswap()
        packed += table
    return bytes(packed), places


class PackedChunk(NamedTuple):
    """A chunk as it is in the file, with its message indexes."""

    buffers: list[Part]
    size: int  # of its messages' records
    start: int  # the earliest time of a message
    end: int
    counts: dict[int, int]  # messages of each channel
    indexes: dict[int, int]  # where each channel's is, from the end of the chunk's record
    index_size: int


class Summary:
    """What is known of the chunks that were written."""

    def __init__(self) -> None:
        self._library = records()
        self._counts: Counter[int] = Counter()
        self._chunks = 0
        self._start, self._end = 0, 0
        self._index = bytearray()

    def note(self, chunk: PackedChunk, place: int) -> None:
        """Note a chunk that was written at a place in the file."""
        length = CHUNK_RECORD.size + chunk.size
        indexes = {channel: place + length + at for channel, at in chunk.indexes.items()}
        self._index += pack(
            self._library.ChunkIndex(
                chunk_length=length,
                chunk_start_offset=place,
                compression="",
                compressed_size=chunk.size,
                uncompressed_size=chunk.size,
                message_start_time=chunk.start,
                message_end_time=chunk.end,
                message_index_length=chunk.index_size,
                message_index_offsets=indexes,
            )
        )
        self._start = min(self._start, chunk.start) if self._chunks else chunk.start
        self._end = max(self._end, chunk.end)
        self._counts.update(chunk.counts)
        self._chunks += 1

    def finish(self, place: int, schema: Any, channels: Sequence[Any]) -> bytes:
        """Return the end of the file, from a place on; of channels, those that have messages."""
        data_end = pack(self._library.DataEnd(data_section_crc=0))  # each chunk has its own
        start = begin = place + len(data_end)
        known = [channel for channel in channels if channel.id in self._counts]
        groups = {
            SCHEMA: pack(schema),
            CHANNEL: pack(*known),
            STATISTICS: pack(
                self._library.Statistics(
                    message_count=self._counts.total(),
                    schema_count=1,
                    channel_count=len(known),
                    attachment_count=0,
                    metadata_count=0,
                    chunk_count=self._chunks,
                    message_start_time=self._start,
                    message_end_time=self._end,
                    channel_message_counts=dict(self._counts),
                )
            ),
            CHUNK_INDEX: bytes(self._index),
        }
        summary = b"".join(groups.values())
        offsets = start + len(summary)
        for kind, group in groups.items():
            if group:
                summary += pack(self._library.SummaryOffset(kind, start, len(group)))
                start += len(group)
        footer = FOOTER_RECORD.pack(FOOTER, FOOTER_RECORD.size - 9 + 4, begin, offsets)
        crc = crc32(footer, crc32(summary))  # of the summary, and of the footer up to there
        return data_end + summary + footer + crc.to_bytes(4, "little") + MAGIC
