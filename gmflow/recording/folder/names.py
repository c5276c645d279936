"""The folder of a recording: one file for each part, ``NNNNNN_PPP.raw``, as mflow writes it.

NNNNNN is the message's number and PPP the part's, both from 0, both with more digits where they
need them. Everything here is plain blocking I/O, and raises RecordingError where that fails.
"""

from __future__ import annotations

import os
import re
from array import array
from collections.abc import Iterator
from typing import TypeAlias

from ...errors import RecordingError

Folder: TypeAlias = str | os.PathLike[str]

# Longer numbers never start with 0, so that no two names mean the same part; they fit into
# 8 bytes and 4 bytes.
NAME = re.compile(r"([0-9]{6}|[1-9][0-9]{6,17})_([0-9]{3}|[1-9][0-9]{3,8})\.raw")

PAGE = 6
"""Bits of a message's number within a page of `Lengths`."""


def part_name(message: int, part: int) -> str:
    """Return the name of one part's file; both numbers count from 0."""
    return f"{message:06d}_{part:03d}.raw"


def is_empty(folder: Folder) -> bool:
    """Return True if a folder holds no recording yet; one that doesn't exist holds none.

    Messages of a second recording in the same folder take the place of those of the first that
    have the same numbers; the others stay.
    """
    if not os.path.lexists(folder):
        return True
    opened = open_folder(folder)
    try:
        return not any(True for _ in list_parts(folder, opened))
    finally:
        os.close(opened)


def make_folder(folder: Folder) -> list[str]:
    """Make the folder of a recording; return what was missing: it, the one it is in, and so on."""
    path, missing = os.path.abspath(folder), []
    while not os.path.lexists(path):
        missing.append(path)
        path = os.path.dirname(path)
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise RecordingError(
            f"the folder {os.fspath(folder)} can't be made: {error.strerror}; choose another"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise RecordingError(f"the folder {os.fspath(folder)} can't be written to; choose another")
    return missing


def open_folder(folder: Folder) -> int:
    """Open a folder, for calls relative to it, which work on it even when it is moved."""
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _unreadable(folder, error) from error


def list_parts(folder: Folder, opened: int) -> Iterator[tuple[int, int]]:
    """Return the message's and the part's number of each file of an open recording, in no order."""
    try:
        with os.scandir(opened) as entries:
            for entry in entries:
                found = NAME.fullmatch(entry.name)
                if found and entry.is_file():
                    yield int(found[1]), int(found[2])
    except OSError as error:
        raise _unreadable(folder, error) from error


class Lengths:
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

    def of(self, number: int) -> int:
        """Return the parts of a message; 0 if there is none of this number."""
        page = self.pages.get(number >> PAGE)
        return page[number & (1 << PAGE) - 1] if page else 0

    @property
    def end(self) -> int:
        """A number that no message has, nor any after it."""
        return max(self.pages, default=-1) + 1 << PAGE

    def listed(self) -> tuple[array[int], array[int]]:
        """Return the numbers in order, and the length of each."""
        numbers, lengths = array("Q"), array("I")
        for begin, page in sorted(self.pages.items()):
            for index, length in enumerate(page, begin << PAGE):
                if length:
                    numbers.append(index)
                    lengths.append(length)
        return numbers, lengths


def count_parts(folder: Folder, opened: int) -> Lengths:
    """Return how many parts each message has, as `list_parts` finds them."""
    lengths = Lengths()
    for message, part in list_parts(folder, opened):
        lengths.note(message, part + 1)
    return lengths


def _unreadable(folder: Folder, error: OSError) -> RecordingError:
    if isinstance(error, FileNotFoundError):
        problem = "does not exist; check the name"
    elif isinstance(error, NotADirectoryError):
        problem = "is a file; name the folder that holds the recording"
    else:
        problem = f"can't be read: {error.strerror}; check the permissions"
    return RecordingError(f"the folder {os.fspath(folder)} {problem}")
