"""Where in an MCAP file the messages are, as its summary tells it."""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct
from struct import error as StructError
from zlib import crc32

from .blocks import Block, Span, records_in, source_of
from .mcap_file import McapFile
from .records import (
    CHANNEL,
    CHUNK_INDEX,
    ENTRY,
    FOOTER_RECORD,
    INDEX_RECORD,
    MAGIC,
    STATISTICS,
)

MOST_BYTES = 256 << 20
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
    """Give the contents from the summary; None if it doesn't tell where each message is.

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
    if not len(MAGIC) <= start <= end - FOOTER_RECORD.size or end - start > MOST_BYTES:
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
    """Give the contents if they are all, and lie one after the other before an end."""
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
    """Give a chunk's span. Its messages are counted by the bytes of its message indexes."""
    try:
        place, size, channels = CHUNK_PLACE.unpack_from(content)
        (indexes,) = INDEX_SIZE.unpack_from(content, CHUNK_PLACE.size + channels)
    except StructError as error:
        raise ValueError("a chunk index in it is too short") from error
    return Span(place, size, (indexes - channels // 10 * INDEX_RECORD.size) // ENTRY, True)


def _counts(content: bytes) -> tuple[int, int]:
    """Give the messages and the channels that the statistics have counted."""
    try:
        messages, _, channels = STATISTICS_COUNTS.unpack_from(content)
    except StructError as error:
        raise ValueError("its statistics are too short") from error
    return messages, channels
