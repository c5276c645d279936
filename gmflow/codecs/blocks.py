"""LZ4 blocks in HDF5's framing: a header of 12 bytes, then each block behind its length.

The header is the uncompressed size (8 bytes) and the block size (4), both in bytes; a length has
4 bytes. All are big-endian. The last block may hold less than the others. Two formats are framed
so, and differ in a block that is as long as its content: in HDF5's LZ4 (filter 32004) it is the
content itself, "stored"; in bitshuffle's (filter 32008) it is LZ4 like any other.
"""

from __future__ import annotations

from struct import Struct
from struct import error as StructError
from typing import NamedTuple

from ..errors import DecodeError
from .limits import MAX_BYTES, REFUSALS, check_size, library

HEADER = Struct(">QI")
LENGTH = Struct(">I")

MAX_BLOCK = 0x7E000000
"""Bytes that one LZ4 block can hold (LZ4_MAX_INPUT_SIZE of lz4.h)."""

RUN_BYTES = 1 << 20
"""Bytes that are decoded in one call: few calls, and the processor still has them in its cache
when they are unshuffled."""


def read_header(blob: memoryview) -> tuple[int, int]:
    """Return the uncompressed size and the block size that a header declares, in bytes.

    Raise DecodeError if the blob is cut, or no block can have that size.
    """
    if len(blob) < HEADER.size:
        raise DecodeError(f"the blob has {len(blob)} bytes; its header alone has {HEADER.size}")
    size, block_bytes = HEADER.unpack_from(blob)
    if size and not 0 < block_bytes <= MAX_BLOCK:
        raise DecodeError(
            f"the blob declares blocks of {block_bytes} bytes; 1 to {MAX_BLOCK} are possible"
        )
    return size, block_bytes


def block_bytes_of(blob: memoryview, size: int) -> int:
    """Return the block size of a blob that must declare `size` bytes; DecodeError otherwise."""
    declared, block_bytes = read_header(blob)
    if declared != size:
        raise DecodeError(f"the blob declares {declared} bytes, {size} are expected")
    return block_bytes


class BlockRun(NamedTuple):
    """Blocks that follow one another and are decoded in one call."""

    place: int  # where their content goes
    size: int  # of that
    start: int  # where they stand in the blob
    end: int
    # Of each block that is as long as its content: where that goes, counted from `place`, and where
    # the block starts and ends in the blob, without its length.
    equal: list[tuple[int, int, int]]


class Blocks(NamedTuple):
    """The blocks in a blob."""

    blob: memoryview
    start: int  # where the first length stands
    size: int  # bytes that they decode to
    block_bytes: int  # bytes that each decodes to, but the last
    stored: bool  # one that is as long as its content is that content

    def runs(self, left_over: int = 0, most: int = MAX_BYTES) -> list[BlockRun]:
        """Return the runs of all blocks, of one size but the last, once all lengths are checked.

        So many bytes must be left over behind the last block, and `most` are allowed in all.
        Raise DecodeError if the blob is cut (says in which block), too long, or too large.
        """
        runs = self._all_runs()
        rest = len(self.blob) - (runs[-1].end if runs else self.start)
        if rest != left_over:
            raise DecodeError(f"{rest} bytes follow the last block, {left_over} are expected")
        check_size(self.size + left_over, len(self.blob), most)
        return runs

    def _all_runs(self) -> list[BlockRun]:
        if not self.size:
            return []
        runs = []
        position = self.start
        run_bytes = max(RUN_BYTES // self.block_bytes, 1) * self.block_bytes
        for place in range(0, self.size, run_bytes):
            run = self._run(place, min(run_bytes, self.size - place), position)
            runs.append(run)
            position = run.end
        return runs

    def _run(self, place: int, size: int, start: int) -> BlockRun:
        blob, block_bytes = self.blob, self.block_bytes
        read, ahead = LENGTH.unpack_from, LENGTH.size
        begin, end, length = start, start, 0
        equal = []
        try:
            for inside in range(0, size, block_bytes):
                (length,) = read(blob, end)
                begin = end + ahead
                end = begin + length
                if length == block_bytes:
                    equal.append((inside, begin, end))
        except StructError:
            raise self._cut() from None
        if end > len(blob):
            raise self._cut()
        rest = size % block_bytes
        if rest and length == rest:
            equal.append((size - rest, begin, end))
        return BlockRun(place, size, start, end, equal)

    def decode(self, run: BlockRun, out: memoryview) -> None:
        """Decode the blocks of a run to `out`, which has as many bytes as they decode to.

        Raise DecodeError if a block is not the LZ4 of so many bytes: says which.
        """
        framed: bytes | memoryview = self.blob[: run.end]
        header = HEADER.pack(run.size, self.block_bytes)
        if run.start != HEADER.size or framed[: HEADER.size] != header:
            framed = b"".join((header, self.blob[run.start : run.end]))
        try:
            decoded = len(library().lz4h5_decode(framed, out=out))
        except REFUSALS:
            decoded = -1
        if decoded != run.size:
            raise self._wrong(run)
        if self.stored:
            return
        # The library took these for stored, and copied them; all others are where they belong.
        for inside, begin, end in run.equal:
            self._decode_one(
                begin, end, out[inside : inside + self.block_bytes], run.place + inside
            )

    def _decode_one(self, begin: int, end: int, out: memoryview, place: int) -> None:
        try:
            decoded = len(library().lz4_decode(self.blob[begin:end], out=out))
        except REFUSALS as error:
            raise DecodeError(
                f"{self._name(place)} of {end - begin} bytes is not the LZ4 of {len(out)}: {error}"
            ) from None
        if decoded != len(out):
            raise DecodeError(f"{self._name(place)} decodes to {decoded} bytes, not {len(out)}")

    def _cut(self) -> DecodeError:
        position, place = self.start, 0
        while True:  # one of them is cut
            there = len(self.blob) - position - LENGTH.size
            if there < 0:
                return DecodeError(
                    f"the blob is cut: its {len(self.blob)} bytes end before {self._name(place)}"
                )
            (length,) = LENGTH.unpack_from(self.blob, position)
            if length > there:
                return DecodeError(
                    f"the blob is cut: {self._name(place)} has {length} bytes, {there} are there"
                )
            position += LENGTH.size + length
            place += self.block_bytes

    def _wrong(self, run: BlockRun) -> DecodeError:
        position = run.start
        for place in range(run.place, run.place + run.size, self.block_bytes):
            size = min(self.block_bytes, self.size - place)
            (length,) = LENGTH.unpack_from(self.blob, position)
            begin = position + LENGTH.size
            position = begin + length
            if not (self.stored and length == size):
                try:
                    self._decode_one(begin, position, memoryview(bytearray(size)), place)
                except DecodeError as error:
                    return error
        return DecodeError(
            f"blocks from byte {run.start} to {run.end} do not decode to {run.size} bytes"
        )

    def _name(self, place: int) -> str:
        count = -(-self.size // self.block_bytes)
        return f"LZ4 block {place // self.block_bytes + 1} of {count}"
