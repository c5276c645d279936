"""A new file that grows by whole blocks: a block is in it completely, or not at all.

It is never another file's end: what has the name already is left alone.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Sequence

from ...errors import RecordingError
from ...message import Part

MOST_BUFFERS = 1024
"""Buffers that the system takes at once (IOV_MAX, on Linux and macOS)."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class AppendedFile:
    """A file that is made, and written from its beginning to its end.

    Parameters
    ----------
    path : path
        What it is called; nothing of that name may be there.

    Attributes
    ----------
    size : int
        Its bytes.

    Raises
    ------
    RecordingError
        If it can't be made.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self.size = 0
        try:
            self._file = os.open(
                self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666
            )
        except OSError as error:
            raise RecordingError(_why_not_made(self.path, error)) from error

    def append(self, block: Sequence[Part]) -> None:
        """Write the buffers of a block, one after the other, none of them copied.

        Raises
        ------
        RecordingError
            If not all of it could be written, or nobody will ever find it: nothing of it is left.
        """
        try:
            size = _write(self._file, block)
            if not os.fstat(self._file).st_nlink:
                raise FileNotFoundError(errno.ENOENT, "it was removed while it was written")
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self.size)
                os.lseek(self._file, self.size, os.SEEK_SET)
            raise RecordingError(_why_not_written(self.path, error)) from error
        self.size += size

    def remove(self) -> None:
        """Close it, and remove it unless the name is another file's by now."""
        with contextlib.suppress(OSError):
            if os.path.samestat(os.stat(self.path), os.fstat(self._file)):
                os.unlink(self.path)
        self.close()

    def close(self) -> None:
        """Close it; repeatable.

        Raises
        ------
        RecordingError
            If the system finds only now that it can't be written.
        """
        file, self._file = self._file, -1
        try:
            if file >= 0:
                os.close(file)
        except OSError as error:
            raise RecordingError(_why_not_written(self.path, error)) from error


def _write(file: int, block: Sequence[Part]) -> int:
    """Write buffers, however many the system takes at once; give their bytes."""
    views = [memoryview(buffer) for buffer in block]
    total, first = 0, 0
    while first < len(views):
        written = os.writev(file, views[first : first + MOST_BUFFERS])
        total += written
        while first < len(views) and written >= views[first].nbytes:
            written -= views[first].nbytes
            first += 1
        if written:
            views[first] = views[first].cast("B")[written:]
    return total


def _why_not_made(path: str, error: OSError) -> str:
    if isinstance(error, FileExistsError):
        return f"{path} is there already: choose another name, or remove it"
    if isinstance(error, FileNotFoundError):
        return f"{path} can't be made: its folder is missing; make it, or choose another"
    return f"{path} can't be made: {error.strerror}; choose another place"


def _why_not_written(path: str, error: OSError) -> str:
    advice = "make room, or choose another disk" if error.errno in FULL else "check it and its disk"
    return f"{path} can't be written: {error.strerror}; {advice}"
