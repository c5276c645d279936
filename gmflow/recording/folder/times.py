"""When and from where the messages of a folder came: a file of its own, ``times.csv``, beside them.

mflow has no such file and ignores it. It has a heading and a row for each message::

    message,parts,kept,bytes,arrived,source
    0,5,5,18123,1718000000123456789,"eiger"

``message`` is the number in the names of its files, ``parts`` how many parts it came with,
``kept`` how many of them were to be written and ``bytes`` their size in all, ``arrived`` when
it came in nanoseconds since 1970 (UTC; 0 where nobody noted it), and ``source`` the name of the
source it came from. It is UTF-8 and quoted as in RFC 4180.

The rows of a batch are added with one call before the batch's files are written: they announce
them. So every message that is there has its row, whatever ended the recording, and a last
message that has less than its row says was cut. Where an older recording is overwritten, a batch
is one message: no older message gets a new row.

It is locked (flock) while it is recorded into, as far as the file system has locks.
"""

from __future__ import annotations

import csv
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import StringIO
from typing import NamedTuple

from ...errors import RecordingError
from ...message import Message, Part, size_of

NAME = "times.csv"
HEADING = b"message,parts,kept,bytes,arrived,source\n"
LATEST = 2**63


class Row(NamedTuple):
    """What is known of a message besides its parts; the module's docstring says what."""

    message: int
    parts: int
    kept: int
    bytes: int
    received_ns: int
    source: str


class Times:
    """Writes the times of a recording; those of an older one stay until it begins (`begun`).

    `path` is the folder's, for what errors say. Raise RecordingError if the file can't be written,
    as all methods do, if it is being recorded into, or is another one of that name.
    """

    def __init__(self, path: str, folder: int) -> None:
        self._path = os.path.join(path, NAME)
        self._folder = folder
        self._size = 0
        self.begun = False
        try:
            self._file = self._open()
        except OSError as error:
            raise error if isinstance(error, RecordingError) else self._unwritable(error) from error

    def _open(self) -> int:
        """Open the file and lock it; again if it was removed before it was locked."""
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        while True:
            file = os.open(NAME, flags, 0o666, dir_fd=self._folder)
            try:
                self._lock(file)
                self._check(file)
                if os.fstat(file).st_nlink:
                    return file
            except OSError:
                os.close(file)
                raise
            os.close(file)

    def _lock(self, file: int) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RecordingError(
                f"the folder {os.path.dirname(self._path)} is being recorded into by another"
                " program or recorder: choose another folder"
            ) from None
        except OSError:
            pass

    def _check(self, file: int) -> None:
        if not HEADING.startswith(os.pread(file, len(HEADING), 0)):
            raise RecordingError(
                f"{self._path} is not of a recording: move it away, or choose another folder"
            )

    def begin(self) -> None:
        """Do away with older times, and write the heading."""
        try:
            os.ftruncate(self._file, 0)
        except OSError as error:
            raise self._unwritable(error) from error
        self._size = 0
        self.announce(HEADING)
        self.begun = True

    def announce(self, rows: bytes) -> None:
        """Add rows of messages that are about to be written; none of them stays on an error."""
        self._size += len(rows)
        try:
            write_all(self._file, rows)
        except OSError as error:
            self.cut(rows)
            raise self._unwritable(error) from error

    def cut(self, rows: bytes) -> None:
        """Take back rows at the end, of messages that could not be written, as far as that goes."""
        self._size -= len(rows)
        with suppress(OSError):
            os.ftruncate(self._file, self._size)

    def remove(self) -> None:
        """Remove the file if it is empty, as far as that goes; before it is closed."""
        with suppress(OSError):
            if not os.fstat(self._file).st_size:
                os.unlink(NAME, dir_fd=self._folder)

    def close(self) -> None:
        """Close the file, once; an error says that what was written did not reach the disk."""
        with suppress(OSError):  # a child process that was forked has the same lock
            fcntl.flock(self._file, fcntl.LOCK_UN)
        try:
            os.close(self._file)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> RecordingError:
        return RecordingError(
            f"{self._path} can't be written: {error.strerror}; check the folder and its space"
        )


def rows_of(first: int, messages: Sequence[Message], kept: Sequence[Sequence[Part]]) -> bytes:
    """Return the rows of messages, numbered from `first`, of which these parts are written."""
    text = StringIO()
    csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n").writerows(
        (number, len(one.parts), len(parts), size_of(parts), one.received_ns, one.source)
        for number, (one, parts) in enumerate(zip(messages, kept, strict=True), first)
    )
    return text.getvalue().encode("utf-8", "backslashreplace")


def read_times(path: str, folder: int) -> Iterator[Row]:
    """Return the rows of a recording's times, as far as they are whole; none if there are none."""
    try:
        with open(
            NAME,
            encoding="utf-8",
            errors="replace",
            newline="\n",
            opener=lambda name, flags: os.open(name, flags, dir_fd=folder),
        ) as lines:
            if lines.readline() == HEADING.decode():
                yield from _rows(lines)
    except FileNotFoundError:
        return
    except OSError as error:
        raise RecordingError(
            f"{os.path.join(path, NAME)} can't be read: {error.strerror};"
            " check it, or move it away to do without times"
        ) from error


def _rows(lines: Iterator[str]) -> Iterator[Row]:
    with suppress(csv.Error):  # the end is cut within quotes
        for row in csv.reader((line for line in lines if line.endswith("\n")), strict=True):
            try:
                message, parts, kept, size, received_ns, source = row
                found = Row(
                    int(message), int(parts), int(kept), int(size), int(received_ns), source
                )
            except ValueError:
                continue
            if 0 <= found.received_ns < LATEST:
                yield found


def write_all(file: int, data: Part) -> None:
    """Write all of `data`, which the system may take in several bites."""
    done = os.write(file, data)
    if done < len(data):
        rest = memoryview(data).cast("B")[done:]
        while rest:
            rest = rest[os.write(file, rest) :]
