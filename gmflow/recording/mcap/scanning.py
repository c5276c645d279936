"""Where in an MCAP file the messages are, if it wasn't closed or its summary doesn't tell it.

The file is gone through from record to record; what a chunk holds is passed over if the message
indexes behind it say enough. Of a chunk that was cut, the messages that are whole are found.
"""

from __future__ import annotations

from enum import Enum

from .blocks import Span, count_in, read_block, source_of, sources_in
from .mcap_index import Contents
from .records import (
    CHANNEL,
    CHUNK,
    CHUNK_FIELDS,
    DATA_END,
    ENTRY,
    FOOTER,
    INDEX_RECORD,
    MAGIC,
    MESSAGE,
    MESSAGE_INDEX,
    MESSAGE_RECORD,
    RECORD,
    McapFile,
)

MAX_CHANNEL_BYTES = 1 << 20
"""Bytes of the largest channel's record."""

LOOSE_BYTES = 4 << 20
"""Bytes from which on messages outside of chunks are no longer put together."""


class End(Enum):
    """How the messages of a file end."""

    WHOLE = 0
    OPEN = 1
    CUT = 2
    DAMAGED = 3


def scan(file: McapFile, closed: bool) -> Contents:
    """Go through a file.

    Parameters
    ----------
    file : McapFile
        The file.
    closed : bool
        It ends as a file that was closed does.

    Returns
    -------
    Contents
        What can be read of it; its `problem` says where that ends.

    Raises
    ------
    OtherMessages
        If there are messages that can't be read.
    """
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
    """One pass through a file.

    Attributes
    ----------
    contents : Contents
        What was found.
    place : int
        The record that is looked at.
    """

    def __init__(self, file: McapFile) -> None:
        self.contents = Contents()
        self.place = len(MAGIC)
        self._file = file
        self._span: Span | None = None  # the chunk or the messages that were seen last
        self._channels: set[int] = set()

    def run(self) -> End:
        """Look at one record after the other.

        Raises
        ------
        ValueError
            If the one at `place` is damaged.
        """
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
        """Put what was seen last into the contents; what follows belongs to something else.

        Parameters
        ----------
        is_whole : bool
            If it is a chunk, all message indexes that belong to it were seen.
        """
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
        """Return a chunk with the number of its messages; read it if its indexes don't tell."""
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
