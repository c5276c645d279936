"""The parts of an MCAP file that hold messages, and the messages in them.

What is damaged raises ValueError, which says why and nothing else: callers know which file,
and which messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from zlib import crc32

from ...message import Message
from .mcap_file import (
    CHANNEL,
    CHUNK,
    CHUNK_FIELDS,
    ENCODING,
    MESSAGE,
    MESSAGE_RECORD,
    RECORD,
    McapFile,
    records,
    unpack,
)
from .message_cbor import read_message

MAX_BYTES = 1 << 30
"""Bytes that a chunk may be decompressed to."""

EXPANSION = 255
"""Bytes that LZ4 makes of one at most."""

STEP = 4 << 20
"""Bytes that are decompressed at once: a size that a file claims is not believed."""


class OtherMessages(Exception):
    """The file holds messages that were not recorded from a stream."""


class Span(NamedTuple):
    """A chunk of a file, or messages in it that are in no chunk."""

    place: int
    size: int
    messages: int
    is_chunk: bool


class Block(NamedTuple):
    """Records, one after the other: `data` from `start` to `end`."""

    data: bytes
    start: int
    end: int


def read_block(file: McapFile, span: Span) -> Block:
    """Read the records of a span; those of a chunk only if its checksum is right."""
    data = file.read(span.place, span.size)
    if not span.is_chunk:
        return Block(data, 0, len(data))
    at = RECORD.size + CHUNK_FIELDS.size
    if len(data) < at or data[0] != CHUNK:
        raise ValueError("it is no chunk")
    _, _, size, crc, length = CHUNK_FIELDS.unpack_from(data, RECORD.size)
    name, at = data[at : at + length], at + length + 8
    stored = int.from_bytes(data[at - 8 : at], "little")
    if at + stored > len(data):
        raise ValueError("its sizes are wrong")
    block = Block(data, at, at + stored)
    if name:
        data = _decompress(name, memoryview(data)[at : at + stored], size)
        block = Block(data, 0, len(data))
    if block.end - block.start != size:
        raise ValueError("its sizes are wrong")
    if crc and crc32(memoryview(block.data)[block.start : block.end]) != crc:
        raise ValueError("its checksum is wrong")
    return block


def messages_in(block: Block, sources: dict[int, str], skip: int = 0) -> Iterator[Message]:
    """Return the messages of a block but the first `skip`, which are not read.

    `sources` has the source of each channel; where one is missing, the block's are added.
    """
    data, at, end = block
    unpack_from, head = MESSAGE_RECORD.unpack_from, MESSAGE_RECORD.size
    while end - at >= head:
        opcode, length, channel, _, time, _ = unpack_from(data, at)
        stop = at + RECORD.size + length
        if stop > end:
            raise ValueError("a record in it is longer than itself")
        if opcode != MESSAGE:
            pass
        elif skip > 0:
            skip -= 1
        else:
            if channel not in sources:
                sources.update(sources_in(block))
            if channel not in sources:
                raise ValueError(f"a message in it is of the unknown channel {channel}")
            parts = read_message(data, at + head, stop)
            yield Message(None, None, parts, sources[channel], -1, time)
        at = stop


def count_in(block: Block) -> int:
    """Count the messages of a block."""
    return sum(opcode == MESSAGE for opcode, _, _ in records_in(block))


def sources_in(block: Block) -> dict[int, str]:
    """Return the sources of the channels whose records a block has; raise as `source_of`."""
    return dict(
        source_of(block.data[start:end])
        for opcode, start, end in records_in(block)
        if opcode == CHANNEL
    )


def source_of(content: bytes) -> tuple[int, str]:
    """Return a channel's number and its source, from the content of its record.

    Raise OtherMessages if it is of messages that are no arrays of byte strings.
    """
    channel = unpack(records().Channel, content)
    if channel.message_encoding != ENCODING:
        raise OtherMessages(
            f"holds messages in {channel.message_encoding[:40]!r} ({channel.topic[:40]!r}), not in"
            f" {ENCODING!r}: only messages that are CBOR arrays of byte strings can be read"
        )
    return channel.id, channel.metadata.get("source", channel.topic)


def records_in(block: Block) -> Iterator[tuple[int, int, int]]:
    """Return the opcode of each record, and where its content begins and ends."""
    data, at, end = block
    while end - at >= RECORD.size:
        opcode, length = RECORD.unpack_from(data, at)
        start = at + RECORD.size
        at = start + length
        if at > end:
            raise ValueError("a record in it is longer than itself")
        yield opcode, start, at


def _decompress(name: bytes, data: memoryview, size: int) -> bytes:
    if size > MAX_BYTES:
        raise ValueError(f"it would decompress to {size} bytes; up to {MAX_BYTES} can be read")
    if name == b"zstd":
        return _zstd(data, size)
    if name == b"lz4":
        return _lz4(data, size)
    raise ValueError(f"it is compressed by {name[:40]!r}; zstd and lz4 can be read")


def _zstd(data: memoryview, size: int) -> bytes:
    import zstandard

    pieces, left = [], size + 1
    try:
        reader = zstandard.ZstdDecompressor().stream_reader(data)
        while piece := reader.read(min(left, STEP)):
            pieces.append(piece)
            left -= len(piece)
    except zstandard.ZstdError as error:
        raise ValueError(f"it can't be decompressed ({error})") from error
    return b"".join(pieces)


def _lz4(data: memoryview, size: int) -> bytes:
    import lz4.frame

    if size > EXPANSION * len(data):
        raise ValueError(f"{len(data)} bytes can't decompress to {size}")
    try:
        plain: bytes = lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=size + 1)
    except RuntimeError as error:
        raise ValueError(f"it can't be decompressed ({error})") from error
    return plain
