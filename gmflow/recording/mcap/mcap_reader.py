"""Reading MCAP files (https://mcap.dev/spec): ours, those that were cut, and those of others.

Others' files may be compressed, and may do without chunks and indexes. Their messages must be
what ours are: CBOR arrays of byte strings, one for each part.

Where the messages are says the summary at the end of a file. If the file wasn't closed, or its
summary doesn't say it all, a `Scanner` goes through it from record to record; what a chunk holds
is passed over if the message indexes behind it say enough. Of a chunk that was cut, the messages
that are whole are found.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from itertools import accumulate
from struct import Struct
from struct import error as StructError
from zlib import crc32

from ...errors import RecordingError
from ...message import Message
from ..base import Reader
from .mcap_blocks import (
    Block,
    OtherMessages,
    Span,
    count_in,
    messages_in,
    read_block,
    records_in,
    source_of,
    sources_in,
)
from .mcap_file import (
    CHANNEL,
    CHUNK,
    CHUNK_FIELDS,
    CHUNK_INDEX,
    DATA_END,
    ENTRY,
    FOOTER,
    FOOTER_RECORD,
    INDEX_RECORD,
    MAGIC,
    MESSAGE,
    MESSAGE_INDEX,
    MESSAGE_RECORD,
    RECORD,
    STATISTICS,
    McapFile,
    records,
)
from .message_cbor import NoMessage

MAX_SUMMARY_BYTES = 256 << 20
"""Bytes of the largest summary that is read; that of a terabyte has some 25 million."""

STATISTICS_COUNTS = Struct("<QHI")
"""The counts of messages, schemas and channels."""

INDEX_SIZE = Struct("<Q")
"""In a chunk index, after the places: the bytes of all message indexes of the chunk."""

CHUNK_PLACE = Struct("<16xQQI")
"""In a chunk index: the chunk's place and length, and the bytes of its channels' places."""

MAX_CHANNEL_BYTES = 1 << 20
"""Bytes of the largest channel's record."""

LOOSE_BYTES = 4 << 20
"""Bytes from which on messages outside of chunks are another span."""


class McapReader(Reader):
    """Reads the messages of an MCAP file, one chunk at a time.

    Small parts are bytes, large ones views that keep their chunk in memory. A chunk whose
    checksum is wrong raises when it is reached; the messages before and after it can be read.

    Raise RecordingError if the file can't be read, is no MCAP file or holds other messages, or
    the library is not installed.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        records()  # the library has to be there
        self._file = McapFile(path)
        try:
            contents = _contents(self._file)
        except BaseException as error:
            self._file.close()
            if isinstance(error, OtherMessages):
                raise self._refusal(error) from None
            raise
        self.problem = contents.problem
        self._spans = contents.spans
        self._sources = contents.sources
        self._starts = list(accumulate((span.messages for span in self._spans), initial=0))

    def __len__(self) -> int:
        return self._starts[-1]

    def messages(self, first: int = 0, last: int | None = None) -> Iterator[Message]:
        end = len(self) if last is None else min(last + 1, len(self))
        number = max(first, 0)
        at = bisect_right(self._starts, number) - 1
        while number < end:
            span, start, stop = self._spans[at], self._starts[at], self._starts[at + 1]
            block = self._read(span, start)
            try:
                for message in messages_in(block, self._sources, number - start):
                    if number == stop:
                        raise ValueError("it holds more messages than its index says")
                    yield message
                    number += 1
                    if number == end:
                        return
                if number < stop:
                    raise ValueError("it holds fewer messages than its index says")
            except NoMessage as error:
                raise self._unreadable(number, number + 1, str(error)) from error
            except ValueError as error:
                first_lost = min(number, stop - 1)
                raise self._unreadable(first_lost, stop, _damage(span, error)) from error
            except OtherMessages as error:
                raise self._refusal(error) from None
            at += 1

    def close(self) -> None:
        self._file.close()

    def _read(self, span: Span, start: int) -> Block:
        try:
            return read_block(self._file, span)
        except ValueError as error:
            stop = start + span.messages
            raise self._unreadable(start, stop, _damage(span, error)) from error

    def _unreadable(self, first: int, stop: int, reason: str) -> RecordingError:
        """Say which messages can't be read, and how to get at the others."""
        what = f"message {first}" if stop - first == 1 else f"messages {first} to {stop - 1}"
        rest = [f"up to {first - 1}"] if first else []
        rest += [f"from {stop} on"] if stop < len(self) else []
        others = f"; read those {' and those '.join(rest)}" if rest else ""
        error = RecordingError(f"{self._file.path}: {what} can't be read: {reason}{others}")
        error.resume = stop if stop < len(self) else None
        return error

    def _refusal(self, error: OtherMessages) -> RecordingError:
        return RecordingError(f"{self._file.path} {error}")


def _damage(span: Span, error: ValueError) -> str:
    return f"the chunk at byte {span.place} is damaged: {error}"


def _contents(file: McapFile) -> Contents:
    """Return what is in a file: from its summary if that says it all, else by going through it."""
    footer = file.footer()
    if footer is None:
        return _scan(file, closed=False)
    start, crc = footer
    problem = ""
    try:
        contents = _read_summary(file, start, crc) if start else None
    except ValueError as error:
        contents, problem = None, f"its index is damaged: {error}; "
    if contents is None:
        contents = _scan(file, closed=True)
        contents.problem = (problem + contents.problem).removesuffix("; ")
    return contents


@dataclass
class Contents:
    """The spans of a file that hold messages, in order; the sources of its channels by number."""

    spans: list[Span] = field(default_factory=list)
    sources: dict[int, str] = field(default_factory=dict)
    problem: str = ""


def _read_summary(file: McapFile, start: int, crc: int) -> Contents | None:
    """Return the contents from the summary; None if it doesn't say where each message is."""
    end = file.size - len(MAGIC) - 4
    if not len(MAGIC) <= start <= end - FOOTER_RECORD.size or end - start > MAX_SUMMARY_BYTES:
        raise ValueError("it begins where it can't")
    data = file.read(start, end - start)
    if crc and crc32(data) != crc:
        raise ValueError("its checksum is wrong")
    contents, counts = Contents(), (-1, -1)
    try:
        for opcode, at, stop in records_in(Block(data, 0, len(data) - FOOTER_RECORD.size)):
            if opcode == CHUNK_INDEX:
                contents.spans.append(_span(data[at:stop]))
            elif opcode == CHANNEL:
                contents.sources.update([source_of(data[at:stop])])
            elif opcode == STATISTICS:
                messages, _, channels = STATISTICS_COUNTS.unpack_from(data[at:stop])
                counts = messages, channels
    except StructError as error:
        raise ValueError("a record in it is too short") from error
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
    place, size, channels = CHUNK_PLACE.unpack_from(content)
    (indexes,) = INDEX_SIZE.unpack_from(content, CHUNK_PLACE.size + channels)
    return Span(place, size, (indexes - channels // 10 * INDEX_RECORD.size) // ENTRY, True)


class End(Enum):
    """How the messages of a file end."""

    WHOLE = 0
    OPEN = 1
    CUT = 2
    DAMAGED = 3


def _scan(file: McapFile, closed: bool) -> Contents:
    """Return what can be read of a file, which ends as one that was closed or not."""
    scanner = Scanner(file)
    try:
        end = scanner.run()
    except ValueError:
        end = End.DAMAGED
    scanner.settle(end is End.WHOLE)
    contents = scanner.contents
    count = sum(span.messages for span in contents.spans)
    contents.problem += _problem(end, closed, count, scanner.place)
    return contents


class Scanner:
    """One pass through a file: what was found, and the place of the record that is looked at."""

    def __init__(self, file: McapFile) -> None:
        self.contents = Contents()
        self.place = len(MAGIC)
        self._file = file
        self._span: Span | None = None  # the chunk or the messages that were seen last
        self._channels: set[int] = set()

    def run(self) -> End:
        """Look at one record after the other; ValueError if the one at `place` is damaged."""
        while record := self._file.record(self.place):
            opcode, end = record
            if opcode in (MESSAGE_INDEX, MESSAGE) and end <= self._file.size:
                self._count(opcode, end)
            else:
                self.settle(opcode != MESSAGE_INDEX)
            if opcode in (DATA_END, FOOTER):
                return End.WHOLE
            if opcode == 0:
                return End.DAMAGED
            if end <= self._file.size:
                self._note(opcode, end)
                self.place = end
            elif opcode != CHUNK or not self._enter():
                return End.CUT
        return End.CUT if self.place < self._file.size else End.OPEN

    def settle(self, is_whole: bool) -> None:
        """Put what was seen last into the contents; all that belongs to it was seen, or not."""
        span, self._span = self._span, None
        if span and span.is_chunk:
            span = self._checked(span, is_whole)
        if span and span.messages:
            self.contents.spans.append(span)

    def _count(self, opcode: int, end: int) -> None:
        """Count the messages of a message index, or one that is outside of chunks."""
        span = self._span
        if opcode == MESSAGE_INDEX:
            head = self._file.peek(self.place, INDEX_RECORD.size)
            if len(head) < INDEX_RECORD.size or not (span and span.is_chunk):
                return
            _, _, channel, size = INDEX_RECORD.unpack(head)
            if size > end - self.place - INDEX_RECORD.size:
                raise ValueError("a message index is longer than its record")
            self._channels.add(channel)
            self._span = span._replace(messages=span.messages + size // ENTRY)
            return
        if end - self.place < MESSAGE_RECORD.size:
            raise ValueError("a message is too short")
        if span is None or span.is_chunk or span.size >= LOOSE_BYTES:
            self.settle(True)
            span = Span(self.place, 0, 0, False)
        self._span = span._replace(size=end - span.place, messages=span.messages + 1)

    def _note(self, opcode: int, end: int) -> None:
        """Note a chunk or a channel."""
        if opcode == CHUNK:
            self._span = Span(self.place, end - self.place, 0, True)
            self._channels = set()
        elif opcode == CHANNEL:
            start = self.place + RECORD.size
            if end - start > MAX_CHANNEL_BYTES:
                raise ValueError("a channel's record is too large")
            self.contents.sources.update([source_of(self._file.read(start, end - start))])

    def _checked(self, span: Span, is_whole: bool) -> Span | None:
        """Return a chunk with the number of its messages; read it if its indexes don't say it."""
        sources = self.contents.sources
        if is_whole and self._channels and self._channels <= sources.keys():
            return span
        try:
            block = read_block(self._file, span)
            sources.update(sources_in(block))
            return span._replace(messages=count_in(block))
        except ValueError as error:
            if span.messages:
                return span  # it fails when it is reached
            self.contents.problem += f"the chunk at byte {span.place} is left out: {error}; "
            return None

    def _enter(self) -> bool:
        """Go on with the records in a chunk that was cut; return True if they can be read."""
        head = self._file.peek(self.place, RECORD.size + CHUNK_FIELDS.size)
        if len(head) < RECORD.size + CHUNK_FIELDS.size:
            return False
        is_plain = not CHUNK_FIELDS.unpack_from(head, RECORD.size)[-1]
        if is_plain:
            self.place += len(head) + 8
        return is_plain


def _problem(end: End, closed: bool, count: int, place: int) -> str:
    """Say what is wrong with how a file ends; nothing if it ends as it should."""
    if end is End.WHOLE:
        return "" if closed else "the file was not closed, but its messages are all there"
    after = f"after message {count - 1}" if count else "before its first message"
    if closed or end is End.DAMAGED:
        return f"the file is damaged at byte {place}: what comes {after} can't be read"
    if end is End.OPEN:
        return f"the file was not closed: it ends {after}"
    return f"the file was not closed: it is cut {after}; everything before is there"
