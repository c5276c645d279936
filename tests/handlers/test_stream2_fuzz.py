"""Messages of DECTRIS's stream v2 that were tampered with: each is read, or is a DecodeError."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import numpy as np
from cbor2 import CBORTag

from gmflow.decoder import Decoder
from gmflow.errors import DecodeError
from gmflow.handlers import stream2
from gmflow.handlers.series import Image, SeriesEnd, SeriesStart
from gmflow.handlers.stream2.cbor_arrays import tag_of
from tests.support.damage import cut, flip, repeat, tries

COUNT = tries(10_000)

TAGS = (0, 1, 2, 4, 25, 28, 29, 30, 35, 40, 64, 69, 70, 83, 85, 256, 258, 1040, 55799, 56500)

HUGE = (0xFF, 0xFFFF, 1 << 31, (1 << 32) - 1, 1 << 40, 1 << 60, (1 << 63) - 1, (1 << 64) - 1)

MAX_MEMORY = 64 << 20
"""Bytes that a message of a few thousand may take: LZ4 makes at most 255 of each."""


def originals() -> list[bytes]:
    """Messages of every kind, small, so that a change seldom hits nothing but pixels."""
    pixels = np.arange(40 * 30, dtype="<u2").reshape(40, 30)
    config = stream2.make_config(pixels.shape, pixels.dtype, 3, ["a", "b"])
    table = np.linspace(0, 1, 60, dtype="<f4").reshape(6, 10)
    mask = np.eye(6, 10, dtype="<u4")
    user = {"text": "x" * 30, "tag": CBORTag(30, [1, 3]), "mine": tag_of(table, "lz4"), "n": [0.5]}
    images = [
        stream2.encode(Image(1, 0, {}, {"a": pixels, "b": table}, 1, 2, 3, user), compression)
        for compression in ("bslz4", "lz4", "none")
    ]
    start = SeriesStart(1, {}, config, {"a": table}, {"a": mask, "b": mask}, mask[0], user)
    return [part for (part,) in (stream2.encode(start), *images, stream2.encode(SeriesEnd(1, {})))]


def head(random: Random, kind: int, number: int) -> bytes:
    """The beginning of an item, in a random width that holds its number."""
    width = random.choice([n for n in (1, 2, 4, 8) if number < 1 << 8 * n])
    return bytes([kind << 5 | 23 + width.bit_length()]) + number.to_bytes(width, "big")


def lie(random: Random, part: bytearray) -> None:
    """Put a size in the place of what may have been one, or before anything."""
    start = random.randrange(min(len(part), random.choice((40, 400, 1 << 30))))
    kind, number = random.randrange(8), random.choice(HUGE)
    part[start : start + random.randrange(6)] = head(random, kind, number)


def tag(random: Random, part: bytearray) -> None:
    start = random.randrange(len(part))
    part[start:start] = b"".join(
        head(random, 6, random.choice(TAGS)) for _ in range(random.choice((1, 2, 9)))
    )


def nest(random: Random, part: bytearray) -> None:
    start, depth = random.randrange(len(part)), random.choice((3, 50, 5000))
    part[start:start] = random.choice((b"\x81", b"\x9f", b"\xa1\x61a", b"\xd8\x28\x82\x80")) * depth


def shape(random: Random, part: bytearray) -> None:
    """Return an array other dimensions."""
    start = part.find(b"\xd8\x28\x82", random.randrange(len(part)))
    if start >= 0:
        count = random.choice((0, 1, 2, 3, 40))
        sizes = (random.choice((0, 1, 3, 60, *HUGE)) for _ in range(count))
        dimensions = head(random, 4, count) + b"".join(head(random, 0, size) for size in sizes)
        part[start + 3 : start + 3 + random.randrange(8)] = dimensions


def stir(random: Random, part: bytearray) -> None:
    """Put random items in the place of something."""
    start, size = random.randrange(len(part)), random.randrange(20)
    part[start : start + size] = soup(random, 0)


def soup(random: Random, depth: int) -> bytes:
    kind = random.randrange(8) if depth < 6 else random.choice((0, 1, 2, 3, 7))
    size = random.choice((0, 1, 2, 3, 7))
    if kind in (2, 3):
        return head(random, kind, size) + random.randbytes(size)
    if kind == 6:
        return head(random, 6, random.choice(TAGS)) + soup(random, depth + 1)
    if kind in (4, 5):
        items = b"".join(soup(random, depth + 1) for _ in range(size * (kind - 3)))
        return random.choice((head(random, kind, size) + items, bytes([kind << 5 | 31]) + items))
    return head(random, kind, random.choice((0, 1, *HUGE)))


CHANGES: tuple[Callable[[Random, bytearray], None], ...] = (
    flip, flip, cut, repeat, lie, lie, tag, nest, shape, shape, stir,
)  # fmt: skip


def mutants(count: int, seed: int) -> Iterator[bytes]:
    """Return messages that were changed in one to three ways."""
    random, parts = Random(seed), originals()
    for _ in range(count):
        part = bytearray(random.choice(parts))
        for change in random.choices(CHANGES, k=random.choice((1, 1, 2, 3))):
            change(random, part)
            part = part or bytearray(b"\xa0")
        yield bytes(part)


def outcome(decoder: Decoder, part: bytes) -> Any:
    """Return what a message is; anything but an item or a DecodeError fails the test."""
    try:
        return decoder.decode([part])
    except DecodeError as error:
        assert error.__cause__ is None, part.hex()  # no HandlerError: each was foreseen
        assert 0 < len(str(error)) < 1000
        return error


def test_tampered_messages_are_read_or_refused() -> None:
    decoder = Decoder()
    read = refused = 0
    for part in mutants(COUNT, seed=2):
        if isinstance(outcome(decoder, part), DecodeError):
            refused += 1
        else:
            read += 1
    assert read > COUNT // 50  # or the changes are too coarse to test anything
    assert refused > COUNT // 3
    statistics = decoder.statistics
    assert (statistics.messages_received, statistics.messages_failed) == (read, refused)


def test_tampered_messages_take_no_memory() -> None:
    decoder = Decoder()
    for part in originals():
        decoder.decode([part])
    tracemalloc.start()
    try:
        for part in mutants(COUNT // 10, seed=3):
            outcome(decoder, part)
        assert tracemalloc.get_traced_memory()[1] < MAX_MEMORY
    finally:
        tracemalloc.stop()
