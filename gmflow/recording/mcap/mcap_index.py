"""The end of an MCAP file: what its reader wants to know before it reads the messages.

Only a few ten bytes are kept for each chunk until the file is finished.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from struct import Struct
from struct import error as StructError
from typing import Any
from zlib import crc32

from .blocks import Block, Span, records_in, source_of
from .chunk import Packed
from .records import (
    CHANNEL,
    CHUNK_INDEX,
    CHUNK_RECORD,
    ENTRY,
    FOOTER,
    FOOTER_RECORD,
    INDEX_RECORD,
    MAGIC,
    SCHEMA,
    STATISTICS,
    McapFile,
    pack,
    records,
)


class Summary:
    """What is known of the chunks that were written."""

    def __init__(self) -> None:
        self._library = records()
        self._counts: Counter[int] = Counter()
        self._chunks = 0
        self._start, self._end = 0, 0
        self._index = bytearray()

    def note(self, chunk: Packed, place: int) -> None:
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
        """Return the end of the file, from a place on.

        Parameters
        ----------
        place : int
            The bytes of the file so far.
        schema, channels : records
            What was written of them; channels that no message was written of may be among them.
        """
        data_end = pack(self._library.DataEnd(data_section_crc=0))  # each chunk has its own
        start = place + len(data_end)
        known = [channel for channel in channels if channel.id in self._counts]
        groups = {
            SCHEMA: pack(schema),
            CHANNEL: pack(*known),
            STATISTICS: pack(self._statistics(len(known))),
            CHUNK_INDEX: bytes(self._index),
        }
        summary = b"".join(groups.values())
        offsets = start + len(summary)
        for kind, group in groups.items():
            if group:
                summary += pack(self._library.SummaryOffset(kind, start, len(group)))
                start += len(group)
        return data_end + summary + _footer(summary, place + len(data_end), offsets) + MAGIC

    def _statistics(self, channels: int) -> Any:
        return self._library.Statistics(
            message_count=self._counts.total(),
            schema_count=1,
            channel_count=channels,
            attachment_count=0,
            metadata_count=0,
            chunk_count=self._chunks,
            message_start_time=self._start,
            message_end_time=self._end,
            channel_message_counts=dict(self._counts),
        )


def _footer(summary: bytes, start: int, offsets: int) -> bytes:
    """Return the footer; its checksum is of the summary and of itself up to there."""
    head = FOOTER_RECORD.pack(FOOTER, FOOTER_RECORD.size - 9 + 4, start, offsets)
    return head + crc32(head, crc32(summary)).to_bytes(4, "little")


MAX_BYTES = 256 << 20
"""Bytes of the largest summary that is read; that of a terabyte has some 25 million."""

STATISTICS_COUNTS = Struct("<QHI")
"""The counts of messages, schemas and channels."""

INDEX_SIZE = Struct("<Q")
"""In a chunk index, after the places: the bytes of all message indexes of the chunk."""

CHUNK_PLACE = Struct("<16xQQI")
"""In a chunk index: the chunk's place and length, and the bytes of its channels' places."""


@dataclass
class Contents:
    """The spans of a file that hold messages, in order; the sources of its channels by number."""

    spans: list[Span] = field(default_factory=list)
    sources: dict[int, str] = field(default_factory=dict)
    problem: str = ""


def read_summary(file: McapFile, start: int, crc: int) -> Contents | None:
    """Return the contents from the summary; None if it doesn't tell where each message is.

    Parameters
    ----------
    file : McapFile
        It ends with a footer,
    start, crc : int
        which says where the summary begins, and its checksum; 0 if it has none.

    Raises
    ------
    ValueError
        If it is damaged.
    OtherMessages
        If there are messages that can't be read.
    """
    end = file.size - len(MAGIC) - 4
    if not len(MAGIC) <= start <= end - FOOTER_RECORD.size or end - start > MAX_BYTES:
        raise ValueError("it begins where it can't")
    data = file.read(start, end - start)
    if crc and crc32(data) != crc:
        raise ValueError("its checksum is wrong")
    contents, counts = Contents(), (-1, -1)
    for opcode, at, stop in records_in(Block(data, 0, len(data) - FOOTER_RECORD.size)):
        if opcode == CHUNK_INDEX:
            contents.spans.append(_span(data[at:stop]))
        elif opcode == CHANNEL:
            contents.sources.update([source_of(data[at:stop])])
        elif opcode == STATISTICS:
            counts = _counts(data[at:stop])
    return _checked(contents, start, counts)


def _checked(contents: Contents, end: int, counts: tuple[int, int]) -> Contents | None:
    """Return the contents if they are all, and lie one after the other before an end."""
    contents.spans.sort()
    if (sum(span.messages for span in contents.spans), len(contents.sources)) != counts:
        return None
    place = len(MAGIC)
    for span in contents.spans:
        if span.place < place or span.messages < 0:
            raise ValueError("its chunks overlap")
        place = span.place + span.size + span.messages * ENTRY
    if place > end:
        raise ValueError("a chunk in it ends too late")
    contents.spans = [span for span in contents.spans if span.messages]
    return contents


def _span(content: bytes) -> Span:
    """Return a chunk's span. Its messages are counted by the bytes of its message indexes."""
    try:
        place, size, channels = CHUNK_PLACE.unpack_from(content)
        (indexes,) = INDEX_SIZE.unpack_from(content, CHUNK_PLACE.size + channels)
    except StructError as error:
        raise ValueError("a chunk index in it is too short") from error
    return Span(place, size, (indexes - channels // 10 * INDEX_RECORD.size) // ENTRY, True)


def _counts(content: bytes) -> tuple[int, int]:
    """Return the messages and the channels that the statistics have counted."""
    try:
        messages, _, channels = STATISTICS_COUNTS.unpack_from(content)
    except StructError as error:
        raise ValueError("its statistics are too short") from error
    return messages, channels
