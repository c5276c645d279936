"""Damaged blobs: each decodes to as many bytes as were asked for, or is a DecodeError."""

import random
import resource
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

from gmflow.codecs import bslz4, lz4, pixels
from gmflow.codecs import bsread_codec as bsread
from gmflow.errors import DecodeError
from tests.support.damage import damaged, tries

pytestmark = pytest.mark.usefixtures("each_library")

MANY = tries(10_000)
MAX_GROWTH = 100 << 10  # KiB of memory
MAX_BYTES = 16 << 20  # that a blob may decode to

SIZES = [0, 1, 7, 255, 4096, 1 << 16, MAX_BYTES, MAX_BYTES + 1, 1 << 31, 1 << 32, 1 << 63]


def contents() -> list[np.ndarray[Any, Any]]:
    """Return arrays of one block, of several, of groups left over, and of little that shrinks."""
    random_ = np.random.default_rng(11)
    return [
        random_.poisson(1, 3001).astype("u4"),
        random_.poisson(9, 70).astype("u2"),
        np.zeros(20_000, "u2"),
        random_.integers(0, 256, 9001).astype("u1"),
        np.linspace(0, 1, 513),
    ]


Case = tuple[bytes, Callable[..., Any]]
"""A blob, and what decodes it to a number of bytes that is called size."""


def by_bslz4(array: np.ndarray[Any, Any]) -> Iterator[Case]:
    for block_bytes in (8192, 512, 64):
        blob = bslz4.encode(array, array.itemsize, block_bytes)
        yield blob, partial(bslz4.decode, itemsize=array.itemsize, most=MAX_BYTES)


def by_lz4(array: np.ndarray[Any, Any]) -> Iterator[Case]:
    yield lz4.encode_block(array), partial(lz4.decode_block, most=MAX_BYTES)


def by_hdf5(array: np.ndarray[Any, Any]) -> Iterator[Case]:
    for block_bytes in (1 << 30, 1000):
        yield lz4.encode_hdf5(array, block_bytes), partial(lz4.decode_hdf5, most=MAX_BYTES)


def by_pixels(array: np.ndarray[Any, Any]) -> Iterator[Case]:
    def decode(blob: bytes, size: int) -> Any:
        return pixels.decode(blob, encoding, (size,), "u1", MAX_BYTES)

    encoding = f"bs{8 * array.itemsize}-lz4<"
    blob = bytes(pixels.encode(array, encoding))
    for prefix in (blob[:12], bytes(12), b""):
        yield prefix + blob[12:], decode


def by_bsread(array: np.ndarray[Any, Any]) -> Iterator[Case]:
    for compression in ("lz4", "bitshuffle_lz4"):
        decode = partial(
            bsread.decode,
            compression=compression,
            order="<",
            itemsize=array.itemsize,
            most=MAX_BYTES,
        )
        for order in "<>":
            yield bsread.encode(array, compression, array.itemsize, order), decode


def by_bsread_itself(array: np.ndarray[Any, Any]) -> Iterator[Case]:
    for blob, call in by_bsread(array):
        yield blob, lambda blob, size, call=call: call(blob, size=None)


def lied_about(size: int, dice: random.Random) -> int:
    """Return another size, seldom."""
    if dice.randrange(8):
        return size
    return dice.choice([*SIZES, size + 1, max(size - 1, 0), size * 2, size ^ 0x2000])


@pytest.mark.parametrize(
    "codec", [by_bslz4, by_lz4, by_hdf5, by_pixels, by_bsread, by_bsread_itself]
)
def test_damaged_blobs(codec: Callable[[Any], Iterator[Case]]) -> None:
    dice = random.Random(codec.__name__)
    cases = [(array.nbytes, *case) for array in contents() for case in codec(array)]
    for size, blob, call in cases:
        assert memoryview(call(blob, size=size)).nbytes == size
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused = 0
    for _ in range(MANY):
        size, blob, call = dice.choice(cases)
        blob, size = damaged(dice, blob), lied_about(size, dice)
        try:
            decoded = memoryview(call(blob, size=size)).nbytes
        except DecodeError as error:
            refused += 1
            assert "\n" not in str(error)
            assert len(str(error)) < 300
        else:
            assert decoded <= MAX_BYTES
            assert decoded == size or codec is by_bsread_itself
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert 0 < refused < MANY
    assert growth < MAX_GROWTH
