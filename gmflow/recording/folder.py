"""The folder of a recording: one file for each part, ``NNNNNN_PPP.raw``, as mflow writes it.

NNNNNN is the message's number and PPP the part's, both from 0, both with more digits where they
need them. Everything here is plain blocking I/O.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import TypeAlias

from ..errors import RecordingError

Folder: TypeAlias = str | os.PathLike[str]

# Longer numbers never start with 0, so that no two names mean the same part; they fit into
# 8 bytes and 4 bytes.
NAME = re.compile(r"([0-9]{6}|[1-9][0-9]{6,17})_([0-9]{3}|[1-9][0-9]{3,8})\.raw")


def part_name(message: int, part: int) -> str:
    """Give the name of one part's file; both numbers count from 0."""
    return f"{message:06d}_{part:03d}.raw"


def is_empty(folder: Folder) -> bool:
    """Tell whether a folder holds no recording yet; one that doesn't exist holds none.

    Writing overwrites files of the same name and leaves the others: a second recording in the
    same folder is mixed with what is left of the first.

    Raises
    ------
    RecordingError
        If the folder is a file or can't be read.
    """
    if not os.path.lexists(folder):
        return True
    opened = open_folder(folder)
    try:
        return not any(True for _ in list_parts(folder, opened))
    finally:
        os.close(opened)


def make_folder(folder: Folder) -> None:
    """Make the folder of a recording, if it isn't there.

    Raises
    ------
    RecordingError
        If it can't be made or written to.
    """
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise RecordingError(
            f"the folder {os.fspath(folder)} can't be made: {error.strerror}; choose another"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise RecordingError(f"the folder {os.fspath(folder)} can't be written to; choose another")


def open_folder(folder: Folder) -> int:
    """Open a folder, for calls relative to it, which work on it even when it is moved.

    Raises
    ------
    RecordingError
        If it is missing, a file, or can't be read.
    """
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _unreadable(folder, error) from error


def list_parts(folder: Folder, opened: int) -> Iterator[tuple[int, int]]:
    """Give the message's and the part's number of each file of a recording, in no order.

    Parameters
    ----------
    folder : path
        The folder, for what errors say.
    opened : int
        The same, opened.

    Raises
    ------
    RecordingError
        If it can't be read.
    """
    try:
        with os.scandir(opened) as entries:
            for entry in entries:
                found = NAME.fullmatch(entry.name)
                if found and entry.is_file():
                    yield int(found[1]), int(found[2])
    except OSError as error:
        raise _unreadable(folder, error) from error


def _unreadable(folder: Folder, error: OSError) -> RecordingError:
    if isinstance(error, FileNotFoundError):
        problem = "does not exist; check the name"
    elif isinstance(error, NotADirectoryError):
        problem = "is a file; name the folder that holds the recording"
    else:
        problem = f"can't be read: {error.strerror}; check the permissions"
    return RecordingError(f"the folder {os.fspath(folder)} {problem}")
