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
from itertools import chain

from ...errors import RecordingError
from ...message import Message, Part, size_of
from ..base import Unfit, Writer, view_of
from .names import Folder, count_parts, list_parts, make_folder, open_folder, part_name
from .times import Times, rows_of, write_all

CREATE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC

MAX_PARTS = 10_000
"""Parts of an older message that are looked for one by one; more may be missing than there are."""


class FolderWriter(Writer):
    """Writes messages into a folder, numbered from 0; the folder is made where it is missing.

    A message takes the place of one of an older recording that has the same number; those that
    have other numbers stay, without their times: what is in the folder is the new messages and
    then the rest of the older ones, as in mflow. Nothing is changed before the first message,
    and a folder that was made and got none is removed when it is closed. A folder that is moved
    during the recording is followed.

    Messages without parts are refused, and those with a part that is no flat buffer of bytes.
    `skip` leaves out the parts from that one on, counted from 1 as in ``m_dump -s``: 2 writes the
    header only, 1 nothing, None and 0 all parts.

    Raise RecordingError if the folder can't be made or written to, or is being recorded into.
    """

    def __init__(self, path: Folder, skip: int | None = None) -> None:
        super().__init__()
        self._path = os.fspath(path)
        self._limit = max(skip - 1, 0) if skip else None
        self._flat: set[type] = {bytes}
        self._closed = False
        self._made = make_folder(path)
        self._folder = open_folder(self._path)
        try:
            self._times = Times(self._path, self._folder)
        except RecordingError:
            self._remove_folders()
            os.close(self._folder)
            raise
        try:
            self._older = count_parts(self._path, self._folder)
        except RecordingError:
            self.close()
            raise
        self._older_end = self._older.end
        self.paths.append(self._path)

    def write(self, messages: Sequence[Message]) -> None:
        taken = self._taken(messages)
        if taken and not self._times.begun:
            self._times.begin()
        step = 1 if self.written < self._older_end else len(taken) or 1
        for begin in range(0, len(taken), step):
            self._write(taken[begin : begin + step])

    def commit(self) -> None:
        """Do nothing: `write` keeps nothing back."""

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            if not self._times.begun:
                self._times.remove()
                self._remove_folders()
                self.paths.clear()
            os.close(self._folder)
            self._times.close()

    def _taken(self, messages: Sequence[Message]) -> list[Message]:
        """Return the messages that can be written; refuse the others."""
        taken = []
        for message in messages:
            try:
                self._check(message.parts)
                taken.append(message)
            except Unfit as error:
                self._refuse(str(error))
        return taken

    def _check(self, parts: Sequence[Part]) -> None:
        if not parts:
            raise Unfit("it has no parts, and a folder holds nothing but parts")
        for part in parts[: self._limit]:
            if type(part) not in self._flat:
                view_of(part, self._flat)

    def _write(self, messages: Sequence[Message]) -> None:
        """Write messages; one alone where there may be an older one of its number."""
        begin = self.written
        kept = [message.parts[: self._limit] for message in messages]
        if begin < self._older_end:
            self._remove_older(begin, len(kept[0]))
        self._times.announce(rows_of(begin, messages, kept))
        try:
            for parts in kept:
                self._write_message(self.written, parts)
                self.written += 1
                self.bytes_written += size_of(parts)
        except RecordingError:
            done = self.written - begin
            self._times.cut(rows_of(self.written, messages[done:], kept[done:]))
            raise

    def _write_message(self, number: int, parts: Sequence[Part]) -> None:
        for index in range(len(parts) - 1, -1, -1):
            try:
                _write_file(part_name(number, index), parts[index], self._folder)
            except OSError as error:
                self._remove(number, range(len(parts)))
                raise self._unwritable(part_name(number, index), error) from error

    def _remove_older(self, number: int, length: int) -> None:
        """Remove part 0 of an older message, and what one of so many parts doesn't replace."""
        # without its part 0, old and new parts never seem to be one message
        for index in chain((0,), self._older_parts(number, length)):
            try:
                os.unlink(part_name(number, index), dir_fd=self._folder)
            except FileNotFoundError:
                pass
            except OSError as error:
                self._remove(number, range(length))
                raise self._unwritable(part_name(number, index), error) from error

    def _older_parts(self, number: int, first: int) -> Iterable[int]:
        """Return the numbers of an older message's parts from one on; some may be missing."""
        end = self._older.of(number)
        if end - first <= MAX_PARTS:
            return range(first, end)
        parts = list_parts(self._path, self._folder)
        return [part for message, part in parts if message == number and part >= first]

    def _remove(self, number: int, parts: Iterable[int]) -> None:
        """Remove parts of a message, as far as that goes."""
        for index in parts:
            with suppress(OSError):
                os.unlink(part_name(number, index), dir_fd=self._folder)

    def _remove_folders(self) -> None:
        """Remove the folders that were made, as far as there is nothing in them."""
        with suppress(OSError):
            if self._made and os.path.samestat(os.stat(self._made[0]), os.fstat(self._folder)):
                for folder in self._made:
                    os.rmdir(folder)

    def _unwritable(self, name: str, error: OSError) -> RecordingError:
        gone = error.errno == errno.ENOENT
        return RecordingError(
            f"{os.path.join(self._path, name)} can't be written: "
            + ("the folder is gone" if gone else f"{error.strerror}")
            + "; check the folder and its space"
        )


def _write_file(name: str, part: Part, folder: int) -> None:
    """Write one file of an open folder; one that can't be written to its end is removed."""
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
