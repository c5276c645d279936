"""The end of an MCAP file: what its reader wants to know before it reads the messages.

Only a few ten bytes are kept for each chunk until the file is finished.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
from zlib import crc32

from .chunk import Packed
from .records import (
    CHANNEL,
    CHUNK_INDEX,
    CHUNK_RECORD,
    FOOTER,
    FOOTER_RECORD,
    MAGIC,
    SCHEMA,
    STATISTICS,
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
        """Give the end of the file, from a place on.

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
    """Give the footer; its checksum is of the summary and of itself up to there."""
    head = FOOTER_RECORD.pack(FOOTER, FOOTER_RECORD.size - 9 + 4, start, offsets)
    return head + crc32(head, crc32(summary)).to_bytes(4, "little")
