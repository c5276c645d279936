"""Writing a recording as a folder with one file for each part, as mflow does, and its times.

The parts of a message are written from the last to the first: where its part 0 is missing, a
message was never whole. Nothing is kept back, so what `FolderWriter.write` has taken survives
the end of the process, however it comes.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress

from ..errors import RecordingError
from ..message import Message, Part, size_of
from .folder import Folder, is_empty, make_folder, open_folder, part_name
from .times import Times, rows_of, write_all
from .writing import Writer

CREATE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


class FolderWriter(Writer):
    """Writes messages into a folder, numbered from 0.

    Files of the same names are overwritten and others stay: a recording in a folder that has
    one already is mixed with what is left of it, as in mflow. The older times are gone. A
    folder that is moved during the recording is followed.

    Parameters
    ----------
    path : path
        The folder; made where it is missing.
    skip : int, optional
        Leave out the parts from this one on, counted from 1 as in ``m_dump -s``: 2 writes the
        header only, 1 nothing. None and 0 write all parts.

    Raises
    ------
    RecordingError
        If the folder can't be made or written to.
    """

    def __init__(self, path: Folder, skip: int | None = None) -> None:
        super().__init__()
        self._path = os.fspath(path)
        self._limit = max(skip - 1, 0) if skip else None
        make_folder(path)
        self._overwrites = not is_empty(path)
        self._folder = open_folder(self._path)
        self._closed = False
        try:
            self._times = Times(self._path, self._folder)
        except RecordingError:
            os.close(self._folder)
            raise

    def write(self, messages: Sequence[Message]) -> None:
        kept = [message.parts[: self._limit] for message in messages]
        rows = rows_of(self.written, messages, kept)
        self._times.announce(rows)
        begin = self.written
        try:
            for parts in kept:
                self._write_message(self.written, parts)
                self.written += 1
                self.bytes_written += size_of(parts)
        except RecordingError:
            done = self.written - begin
            self._times.cut(rows_of(self.written, messages[done:], kept[done:]))
            raise

    def commit(self) -> None:
        """Do nothing: `write` keeps nothing back."""

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            os.close(self._folder)
            self._times.close()

    def _write_message(self, number: int, parts: Sequence[Part]) -> None:
        if self._overwrites:
            self._remove(number, range(1))  # or old and new parts would seem to be one message
        for index in range(len(parts) - 1, -1, -1):
            try:
                write_file(part_name(number, index), parts[index], self._folder)
            except OSError as error:
                self._remove(number, range(index + 1, len(parts)))
                raise self._unwritable(part_name(number, index), error) from error

    def _remove(self, number: int, parts: Iterable[int]) -> None:
        """Remove parts of a message, as far as that goes."""
        for index in parts:
            with suppress(OSError):
                os.unlink(part_name(number, index), dir_fd=self._folder)

    def _unwritable(self, name: str, error: OSError) -> RecordingError:
        gone = error.errno == errno.ENOENT
        return RecordingError(
            f"{os.path.join(self._path, name)} can't be written: "
            + ("the folder is gone" if gone else f"{error.strerror}")
            + "; check the folder and its space"
        )


def write_file(name: str, part: Part, folder: int) -> None:
    """Write one file of an open folder; one that can't be written to its end is removed.

    Raises
    ------
    OSError
        If it can't be written.
    """
    file = os.open(name, CREATE, 0o666, dir_fd=folder)
    try:
        try:
            if len(part):
                write_all(file, part)
        finally:
            os.close(file)
    except OSError:
        with suppress(OSError):
            os.unlink(name, dir_fd=folder)
        raise
