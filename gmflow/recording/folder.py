"""A recording as a folder with one file for each part: ``NNNNNN_PPP.raw``, as mflow writes it.

NNNNNN is the message's number and PPP the part's, both from 0, both with more digits where they
need them. Everything here is plain blocking I/O.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from ..errors import RecordingError
from ..message import Part

Folder: TypeAlias = str | os.PathLike[str]

# Longer numbers never start with 0, so that no two names mean the same part.
NAME = re.compile(r"([0-9]{6}|[1-9][0-9]{6,})_([0-9]{3}|[1-9][0-9]{3,})\.raw")


def part_path(folder: Folder, message: int, part: int) -> Path:
    """Give the path of one part's file; both numbers count from 0."""
    return Path(folder) / f"{message:06d}_{part:03d}.raw"


def is_empty(folder: Folder) -> bool:
    """Tell whether a folder holds no recording yet; one that doesn't exist holds none.

    `write_message` overwrites files of the same name and leaves the others: a second
    recording in the same folder is mixed with what is left of the first.

    Raises
    ------
    RecordingError
        If the folder is a file or can't be read.
    """
    return not os.path.lexists(folder) or not _numbers(folder)


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


def write_message(
    folder: Folder, number: int, parts: Sequence[Part], skip: int | None = None
) -> None:
    """Write a message's parts, each to its file; makes the folder where it is missing.

    Parameters
    ----------
    folder : path
        The recording.
    number : int
        The number of the message, from 0.
    parts : sequence of bytes-like
        The parts.
    skip : int, optional
        Leave out the parts from this one on, counted from 1 as in ``m_dump -s``: 2 writes the
        header only, 1 nothing. None and 0 write all parts.

    Raises
    ------
    RecordingError
        If a file can't be written.
    """
    written = parts[: max(skip - 1, 0)] if skip else parts
    for index, part in enumerate(written):
        path = part_path(folder, number, index)
        try:
            _write(path, part)
        except OSError as error:
            raise RecordingError(
                f"{path} can't be written: {error.strerror}; check the folder and its space"
            ) from error


def list_messages(folder: Folder) -> list[list[Path]]:
    """Give the files of a recording, message by message, both in numeric order.

    Files with other names are ignored, and so are numbers that no message has. A message may
    be shorter than it was sent, as ``m_dump -s`` leaves it.

    Returns
    -------
    list of list of Path
        A list of the parts' files for each message.

    Raises
    ------
    RecordingError
        If the folder is missing, a file, can't be read or holds no recording, or if a message
        lacks a part before its last one.
    """
    numbers = _numbers(folder)
    if not numbers:
        raise RecordingError(
            f"{os.fspath(folder)} holds no recording (files such as 000000_000.raw);"
            " name the folder that m_dump wrote"
        )
    messages: dict[int, list[Path]] = {}
    for message, part in sorted(numbers):
        paths = messages.setdefault(message, [])
        path = part_path(folder, message, part)
        if part != len(paths):
            missing = part_path(folder, message, len(paths))
            raise RecordingError(
                f"{missing} is missing though {path.name} is there;"
                f" restore it, or move message {message} out of the folder"
            )
        paths.append(path)
    return list(messages.values())


def read_message(paths: Sequence[Folder]) -> list[bytes]:
    """Give the parts of a message from their files.

    Raises
    ------
    RecordingError
        If a file can't be read.
    """
    return [_read(Path(path)) for path in paths]


def _numbers(folder: Folder) -> list[tuple[int, int]]:
    """Give the message and part numbers of all part files, in no order."""
    try:
        with os.scandir(folder) as entries:
            found = [(NAME.fullmatch(entry.name), entry) for entry in entries]
            return [(int(n[1]), int(n[2])) for n, entry in found if n and entry.is_file()]
    except FileNotFoundError:
        problem = "does not exist; check the name"
    except NotADirectoryError:
        problem = "is a file; name the folder that holds the recording"
    except OSError as error:
        problem = f"can't be read: {error.strerror}; check the permissions"
    raise RecordingError(f"the folder {os.fspath(folder)} {problem}")


def _write(path: Path, part: Part) -> None:
    try:
        path.write_bytes(part)
    except FileNotFoundError:
        os.makedirs(path.parent, exist_ok=True)
        path.write_bytes(part)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RecordingError(
            f"{path} can't be read: {error.strerror}; check that the recording is whole"
        ) from error
