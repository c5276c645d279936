"""What makes a process one that moves messages: it keeps freed memory, and collects seldom."""

from __future__ import annotations

import ctypes
import gc

M_TRIM_THRESHOLD = -1  # of glibc's malloc.h
M_MMAP_THRESHOLD = -3

MAX_KEPT_BLOCK = 32 << 20
"""Bytes of the largest block whose memory is kept: the most that glibc documents."""

KEPT = 256 << 20
"""Bytes that are kept, free, in each of the C library's arenas."""

THRESHOLDS = (100_000, 20, 100)
"""Of the garbage collector: more than the messages that are usually in flight."""


def tune_process() -> bool:
    """Make the whole process faster with messages, for more memory.

    By default glibc gives the memory of large blocks back to the system at once, and has it
    clear the pages again for the next message: half of the CPU time of receiving images of
    256 KiB. Here it keeps that memory, and the process stays as large as it once was. Python's
    garbage collector takes messages in flight for what might be garbage, and looks at all of
    them again and again: here it looks seldom, and no more at what was imported by now.

    It holds for everything in the process, so no part of gmflow but its scripts calls it.
    Call it after the imports.

    Returns
    -------
    bool
        False where the C library has no such settings: only the collector was set.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, MAX_KEPT_BLOCK) and mallopt(M_TRIM_THRESHOLD, KEPT))
