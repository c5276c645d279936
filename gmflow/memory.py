"""Freed memory kept for the next message, where the C library lets a program say so."""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD = -1  # of glibc's malloc.h
M_MMAP_THRESHOLD = -3

LARGEST = 32 << 20
"""Bytes of the largest block whose memory is kept: the most that glibc documents."""

KEPT = 256 << 20
"""Bytes that are kept, free, in each of the C library's arenas."""


def keep_memory() -> bool:
    """Have the C library keep the memory of messages that are gone, for those that come.

    By default glibc gives the memory of large blocks back to the system at once, and each
    message has the system clear its pages again: half of the CPU time of receiving 256 KiB
    images. It holds for the whole process, which from then on stays as large as it once was.

    Returns
    -------
    bool
        False where the C library is another than glibc: nothing has changed.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGEST) and mallopt(M_TRIM_THRESHOLD, KEPT))
