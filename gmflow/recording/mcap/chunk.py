"""The part of an MCAP file that is being filled: messages until there are `FULL` bytes of them.

Nothing large is copied: a chunk keeps the messages' own buffers until it is packed and written.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from time import monotonic
from typing import NamedTuple
from zlib import crc32

from ...message import Message, Part
from ..base import Unfit
from .message_cbor import add_message
from .records import (
    CHUNK,
    CHUNK_RECORD,
    ENTRY,
    INDEX_RECORD,
    MESSAGE,
    MESSAGE_INDEX,
    MESSAGE_RECORD,
    RECORD,
)

FULL = 4 << 20
"""Bytes of a chunk; it ends with the message that reaches them,"""

TOGETHER = 1 << 10
"""Small buffers that are joined at once: nobody else runs meanwhile."""

MAX_PIECES = 1 << 15
"""or so many buffers, of small messages: to join more at once would hold everybody else up."""

HEAD = MESSAGE_RECORD.size - RECORD.size


class Packed(NamedTuple):
    """A chunk as it is in the file, with its message indexes."""

    buffers: list[Part]
    size: int
    """Bytes of its messages' records."""
    start: int
    end: int
    """The earliest and the latest time of a message."""
    counts: dict[int, int]
    """Messages of each channel."""
    indexes: dict[int, int]
    """Where each channel's message index is, from the end of the chunk's record."""
    index_size: int


class Chunk:
    """Messages that will be written together.

    Parameters
    ----------
    number : int
        The number of the first one, from 0.

    Attributes
    ----------
    number : int
        As given.
    count, bytes : int
        Its messages, and the bytes of their parts.
    since : float
        When its first messages came, as of `time.monotonic`.
    """

    def __init__(self, number: int) -> None:
        self.count = self.bytes = 0
        self.number = number
        self.since = 0.0
        self._size = 0
        self._pieces: list[Part] = []
        self._large: list[int] = []
        self._entries: dict[int, list[int]] = {}

    @property
    def is_full(self) -> bool:
        """Whether it takes no more messages."""
        return self._size >= FULL or len(self._pieces) > MAX_PIECES

    def fill(
        self, messages: Iterator[Message], channels: Mapping[str, int], flat: set[type]
    ) -> bool:
        """Take messages; return True if it is full, so that there may be more of them.

        Parameters
        ----------
        messages : iterator of Message
            They are taken from it.
        channels : mapping of str to int
            The channel of each source.
        flat : set of type
            As of `gmflow.recording.base.view_of`.

        Raises
        ------
        Unfit
            If the message that was taken last can't be recorded; those before it are here.
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
        return self.is_full

    def pack(self) -> Packed:
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
        return Packed([head, *body, indexes], self._size, start, end, counts, places, len(indexes))

    def _buffers(self) -> Iterator[Part]:
        """Return its buffers, the small ones joined."""
        done = 0
        for place in [*self._large, len(self._pieces)]:
            for first in range(done, place, TOGETHER):
                yield b"".join(self._pieces[first : min(first + TOGETHER, place)])
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
