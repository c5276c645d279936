"""The first bytes of an HDF5 file: which say how long it is, and that somebody writes it.

A file that is written with SWMR is marked so until it is closed, and HDF5 opens a marked one for
SWMR readers alone: after a kill that is forever. So its mark is taken away. HDF5 never looks at
it again, and writes these bytes only when it flushes or closes the whole file.
https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html, sections II.A (disk format:
level 0A, versions 2 and 3) and X (checksum: lookup3 by Bob Jenkins).
"""

from __future__ import annotations

import os
from struct import Struct

SIGNATURE = b"\x89HDF\r\n\x1a\n"

# Signature, version, sizes of offsets and lengths, flags; base, extension, end of file, root.
FIELDS = Struct("<8sBBBB4Q")
FLAGS, END = 4, 7

CHECKSUM = Struct("<I")

VERSION, SIZES = 3, (8, 8)
"""What HDF5 writes where it is asked for its latest version, which SWMR needs."""

WORDS = Struct("<3I")

MASK = 0xFFFFFFFF


def is_known(descriptor: int) -> bool:
    """Return True if a file begins as this module understands it, with the checksum that it makes.

    Raises
    ------
    OSError
        If it can't be read.
    """
    block = os.pread(descriptor, FIELDS.size + CHECKSUM.size, 0)
    if len(block) != FIELDS.size + CHECKSUM.size:
        return False
    signature, version, *sizes = FIELDS.unpack_from(block)[:4]
    return (signature, version, tuple(sizes)) == (
        SIGNATURE,
        VERSION,
        SIZES,
    ) and CHECKSUM.unpack_from(block, FIELDS.size) == (lookup3(block[: FIELDS.size]),)


def settle(descriptor: int, end: int) -> None:
    """Take the mark away, and say how long the file is; it is made so long where it is shorter.

    Parameters
    ----------
    descriptor : int
        Of a file that is known, open for reading and writing.
    end : int
        The bytes that HDF5 has given out. Readers refuse what stands behind them.

    Raises
    ------
    OSError
        If it can't be read or written.
    """
    if os.fstat(descriptor).st_size < end:  # readers refuse a file that is shorter than it says
        os.ftruncate(descriptor, end)
    fields = FIELDS.unpack_from(os.pread(descriptor, FIELDS.size, 0))
    if fields[FLAGS] or end != fields[END]:
        block = FIELDS.pack(*fields[:FLAGS], 0, *fields[FLAGS + 1 : END], end, *fields[END + 1 :])
        os.pwrite(descriptor, block + CHECKSUM.pack(lookup3(block)), 0)


def lookup3(data: bytes) -> int:
    """Return the checksum of HDF5's metadata: hashlittle of lookup3.c, begun with 0."""
    a = b = c = (0xDEADBEEF + len(data)) & MASK
    last = max(len(data) - 1, 0) // WORDS.size * WORDS.size
    for position in range(0, last, WORDS.size):
        x, y, z = WORDS.unpack_from(data, position)
        a, b, c = _mixed(a + x & MASK, b + y & MASK, c + z & MASK)
    if not data:
        return c
    x, y, z = WORDS.unpack(data[last:].ljust(WORDS.size, b"\0"))
    return _final(a + x & MASK, b + y & MASK, c + z & MASK)


def _mixed(a: int, b: int, c: int) -> tuple[int, int, int]:
    for turns in ((4, 6, 8), (16, 19, 4)):
        a = a - c & MASK ^ _turned(c, turns[0])
        c = c + b & MASK
        b = b - a & MASK ^ _turned(a, turns[1])
        a = a + c & MASK
        c = c - b & MASK ^ _turned(b, turns[2])
        b = b + a & MASK
    return a, b, c


def _final(a: int, b: int, c: int) -> int:
    for turns in ((14, 11, 25), (16, 4, 14)):
        c = (c ^ b) - _turned(b, turns[0]) & MASK
        a = (a ^ c) - _turned(c, turns[1]) & MASK
        b = (b ^ a) - _turned(a, turns[2]) & MASK
    return (c ^ b) - _turned(b, 24) & MASK


def _turned(word: int, bits: int) -> int:
    return (word << bits | word >> 32 - bits) & MASK
