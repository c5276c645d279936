"""Reading a recording from a folder with one file for each part, as mflow and m_dump write it.

A message costs some bytes of memory until it is read: a folder may hold millions.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from contextlib import suppress
from io import FileIO

from ...errors import RecordingError
from ...message import Message
from ..base import Reader
from .names import Folder, count_parts, open_folder, part_name
from .times import Row, read_times

SMALL = 1 << 16
"""Bytes that are read before the size of a file is asked for."""


class FolderReader(Reader):
    """Reads the messages of a folder in the order of their numbers.

    Files with other names are ignored. Numbers that no message has are left out of the count:
    `messages` counts the messages that are there. One of which a part is missing, though a later
    one is there, can't be read. A message may be shorter than it was sent, as
    ``m_dump -s`` leaves it. Times and sources come from the folder's times, see
    `gmflow.recording.folder.times`; without a row there, they are 0 and "".

    A message that was being written when the recording ended has no part 0, or less than was
    announced: it is left out, and `problem` says so. `problem` also says if parts were left out.

    Raise RecordingError if the folder is missing, a file, can't be read or holds no recording.
    """

    def __init__(self, path: Folder) -> None:
        self._path = os.fspath(path)
        self._folder = open_folder(path)
        try:
            self._numbers, self._lengths = self._list()
            self._sources = [""]
            self._leave_out_cut(self._read_times())
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self._numbers)

    def messages(self, first: int = 0, last: int | None = None) -> Iterator[Message]:
        end = len(self) if last is None else min(last + 1, len(self))
        for index in range(max(first, 0), end):
            try:
                parts = self._read(self._numbers[index], self._lengths[index])
            except RecordingError as error:
                error.resume = index + 1 if index + 1 < len(self) else None
                raise
            source = self._sources[self._source_of[index]]
            yield Message(parts=parts, source=source, received_ns=self._received[index])

    def close(self) -> None:
        folder, self._folder = self._folder, -1
        if folder >= 0:
            os.close(folder)

    def _list(self) -> tuple[array[int], array[int]]:
        """Return the numbers of the messages, in order, and how many parts each has."""
        lengths = count_parts(self._path, self._folder)
        if lengths.pages:
            return lengths.listed()
        raise RecordingError(
            f"{self._path} holds no recording (files such as 000000_000.raw);"
            " name the folder that m_dump wrote"
        )

    def _read_times(self) -> dict[int, Row | None]:
        """Note when the messages came and from where; return those that may be cut, by number."""
        numbers, count = self._numbers, len(self)
        self._received = array("q", bytes(8 * count))
        self._source_of = array("I", bytes(4 * count))
        known = {"": 0}
        row, last, shortened = None, None, None
        for row in read_times(self._path, self._folder):
            index = bisect_left(numbers, row.message)
            if index == count or numbers[index] != row.message:
                continue
            self._received[index] = row.received_ns
            self._source_of[index] = known.setdefault(row.source, len(known))
            if index == count - 1:
                last = row
            if row.kept < row.parts:
                shortened = shortened or row
        self._sources = list(known)
        if shortened:
            self.problem = (
                f"{self._path} was recorded with parts left out (m_dump -s): message"
                f" {shortened.message} has {shortened.kept} of its {shortened.parts} parts"
            )
        # It is the last one, or, where an older recording's come after it, the last that has a
        # row, or the next one: its older part 0 is removed before its row is written.
        number = row.message if row else -1
        return {number: row, number + 1: None, numbers[-1]: last}

    def _leave_out_cut(self, suspects: Mapping[int, Row | None]) -> None:
        """Leave out a message that was being written when the recording ended."""
        for number, row in suspects.items():
            index = bisect_left(self._numbers, number)
            if index == len(self) or self._numbers[index] != number:
                continue
            sizes = self._sizes(number, self._lengths[index])
            if not sizes or (row and (len(sizes) < row.kept or sum(sizes) < row.bytes)):
                which = "its last message" if index == len(self) - 1 else "a message"
                cut = f"{self._path} was cut: {which}, {number}, is left out"
                self.problem = f"{cut}; {self.problem}" if self.problem else cut
                for column in (self._numbers, self._lengths, self._received, self._source_of):
                    column.pop(index)

    def _sizes(self, number: int, length: int) -> list[int]:
        """Return the bytes of a message's parts, up to the first that is missing."""
        sizes: list[int] = []
        with suppress(FileNotFoundError):
            for index in range(length):
                sizes.append(os.stat(part_name(number, index), dir_fd=self._folder).st_size)
        return sizes

    def _read(self, number: int, length: int) -> list[bytes]:
        parts = []
        for index in range(length):
            try:
                parts.append(_read_file(part_name(number, index), self._folder))
            except OSError as error:
                raise self._unread(number, index, error) from error
        return parts

    def _unread(self, number: int, index: int, error: OSError) -> RecordingError:
        path = os.path.join(self._path, part_name(number, index))
        if isinstance(error, FileNotFoundError):
            return RecordingError(
                f"{path} is missing: restore it, or move message {number} out of the folder"
            )
        return RecordingError(
            f"{path} can't be read: {error.strerror}; check that the recording is whole"
        )


def _read_file(name: str, folder: int) -> bytes:
    file = os.open(name, os.O_RDONLY, dir_fd=folder)
    try:
        data = os.read(file, SMALL)
        if len(data) < SMALL:
            return data
        os.lseek(file, 0, os.SEEK_SET)
        return FileIO(file, closefd=False).readall()
    finally:
        os.close(file)
