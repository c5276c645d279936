"""Reading a recording from a folder with one file for each part, as mflow and m_dump write it.

A message costs some bytes of memory until it is read: a folder may hold millions.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import suppress
from io import FileIO

from ..errors import RecordingError
from ..message import Message
from .folder import Folder, list_parts, open_folder, part_name
from .reading import Reader
from .times import Row, read_times

SMALL = 1 << 16
"""Bytes that are read before the size of a file is asked for."""

PAGE = 6
"""Bits of a message's number within a page of `_Lengths`."""


class FolderReader(Reader):
    """Reads the messages of a folder in the order of their numbers.

    Files with other names are ignored. Numbers that no message has are left out of the count:
    `messages` counts the messages that are there. A message may be shorter than it was sent, as
    ``m_dump -s`` leaves it. Arrival times and sources come from the folder's times, see
    `gmflow.recording.times`; without a row there, they are 0 and "".

    A last message whose part 0 is missing, or that has less than was announced, was cut with
    the recording: it is left out, and `problem` says so.

    Parameters
    ----------
    path : path
        The folder.

    Raises
    ------
    RecordingError
        If the folder is missing, a file, can't be read or holds no recording.
    """

    def __init__(self, path: Folder) -> None:
        self._path = os.fspath(path)
        self._folder = open_folder(path)
        try:
            self._numbers, self._lengths = self._list()
            self._sources = [""]
            last = self._read_times()
            self._leave_out_cut(last)
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self._numbers)

    def messages(self, first: int = 0, last: int | None = None) -> Iterator[Message]:
        """Give the messages in the order of their numbers, each with its parts.

        Parameters
        ----------
        first, last : int, optional
            Of which to which, counted from 0 among the messages that are there.

        Raises
        ------
        RecordingError
            If a part can't be read, or is missing though a later one is there.
        """
        end = len(self) if last is None else min(last + 1, len(self))
        for index in range(max(first, 0), end):
            yield Message(
                parts=self._read(self._numbers[index], self._lengths[index]),
                source=self._sources[self._source_of[index]],
                arrived=self._arrived[index],
            )

    def close(self) -> None:
        folder, self._folder = self._folder, -1
        if folder >= 0:
            os.close(folder)

    def _list(self) -> tuple[array[int], array[int]]:
        """Give the numbers of the messages, in order, and how many parts each has."""
        lengths = _Lengths()
        for message, part in list_parts(self._path, self._folder):
            lengths.note(message, part + 1)
        if lengths.pages:
            return lengths.listed()
        raise RecordingError(
            f"{self._path} holds no recording (files such as 000000_000.raw);"
            " name the folder that m_dump wrote"
        )

    def _read_times(self) -> Row | None:
        """Note when the messages came and from where; give the row of the last message."""
        numbers, count = self._numbers, len(self)
        self._arrived = array("q", bytes(8 * count))
        self._source_of = array("I", bytes(4 * count))
        known = {"": 0}
        last = None
        for row in read_times(self._path, self._folder):
            index = bisect_left(numbers, row.message)
            if index == count or numbers[index] != row.message:
                continue
            self._arrived[index] = row.arrived
            self._source_of[index] = known.setdefault(row.source, len(known))
            if index == count - 1:
                last = row
        self._sources = list(known)
        return last

    def _leave_out_cut(self, row: Row | None) -> None:
        """Leave out the last message if it was being written when the recording ended."""
        sizes = self._sizes(self._numbers[-1], self._lengths[-1])
        if not sizes or (row and (len(sizes) < row.kept or sum(sizes) < row.bytes)):
            number = self._numbers[-1]
            self.problem = f"{self._path} was cut: its last message, {number}, is left out"
            for column in (self._numbers, self._lengths, self._arrived, self._source_of):
                column.pop()

    def _sizes(self, number: int, length: int) -> list[int]:
        """Give the bytes of a message's parts, up to the first that is missing."""
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


class _Lengths:
    """How many parts messages have, by their numbers, which come in any order.

    Numbers that are near to one another share a page: a dict of them all would take ten times
    the memory, and one array would break on a single large number.
    """

    def __init__(self) -> None:
        self.pages: dict[int, array[int]] = {}

    def note(self, number: int, length: int) -> None:
        """Note that a message has at least so many parts."""
        page = self.pages.get(number >> PAGE)
        if page is None:
            page = self.pages[number >> PAGE] = array("I", bytes(4 << PAGE))
        index = number & (1 << PAGE) - 1
        if length > page[index]:
            page[index] = length

    def listed(self) -> tuple[array[int], array[int]]:
        """Give the numbers in order, and the length of each."""
        numbers, lengths = array("Q"), array("I")
        for begin, page in sorted(self.pages.items()):
            for index, length in enumerate(page, begin << PAGE):
                if length:
                    numbers.append(index)
                    lengths.append(length)
        return numbers, lengths


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
