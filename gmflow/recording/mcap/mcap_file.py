"""MCAP files as bytes: their layout, one that is read anywhere, and one that grows by blocks.

The records that are read and written by the thousand have their layouts here; the library does
all others (https://mcap.dev/spec). A record is its opcode (1 byte), the length of its content (8)
and its content. All numbers are little endian.

`McapFile` reads what is there, whole or not. `AppendedFile` is a new file, never another one's
end: a block is in it completely, or not at all.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from contextlib import suppress
from io import BytesIO
from struct import Struct
from struct import error as StructError
from types import ModuleType
from typing import Any

from ...errors import RecordingError
from ...message import Part

MAGIC = b"\x89MCAP0\r\n"
"""How every file begins and, if it was finished, ends."""

FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK = 0x02, 0x03, 0x04, 0x05, 0x06
MESSAGE_INDEX, CHUNK_INDEX, STATISTICS, DATA_END = 0x07, 0x08, 0x0B, 0x0F

RECORD = Struct("<BQ")
"""Opcode, length: how every record begins."""

MESSAGE_RECORD = Struct("<BQHIQQ")
"""Opcode, length, channel, sequence, log time, publish time; the message's data follow."""

CHUNK_RECORD = Struct("<BQQQQIIQ")
"""Opcode, length, first and last time, size, CRC, no compression (an empty text), size: how an
uncompressed chunk begins; its records follow."""

CHUNK_FIELDS = Struct("<QQQII")
"""First and last time, size, CRC, bytes of the compression's name; then it, size, records."""

INDEX_RECORD = Struct("<BQHI")
"""Opcode, length, channel, bytes of the entries: how a message index begins."""

FOOTER_RECORD = Struct("<BQQQ")
"""Opcode, length, where the summary and its offsets begin: what comes before the checksum."""

ENTRY = 16
"""Bytes of a message in a message index: its time, and where it is in its chunk."""

ENCODING = "cbor"
FORMAT = "gmflow message 1"

WINDOW = 4096
"""Bytes that are read at once where only the beginnings of records are looked at."""

MAX_BUFFERS = 1024
"""Buffers that the system takes at once (IOV_MAX, on Linux and macOS)."""

FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class McapFile:
    """A file of which any bytes can be read, but not what is written after it was opened.

    Raise RecordingError if it can't be opened, or is no MCAP file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._window, self._from = b"", 0
        try:
            self._file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise self._unreadable(error) from error
        try:
            self.size = os.fstat(self._file).st_size
            if not MAGIC.startswith(self.peek(0, len(MAGIC))):
                raise RecordingError(f"{self.path} is no MCAP file; check the name")
        except OSError as error:
            self.close()
            raise error if isinstance(error, RecordingError) else self._unreadable(error) from error

    def read(self, place: int, size: int) -> bytes:
        """Return bytes of the file; raise ValueError if it ends before them."""
        if place + size > self.size:
            raise ValueError("the file ends before it does")
        pieces = []
        while size:
            piece = self._read(place, size)
            if not piece:
                raise ValueError("the file is shorter than it was")
            pieces.append(piece)
            place += len(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def peek(self, place: int, size: int) -> bytes:
        """Return a few bytes, fewer if the file ends before; what is near was read with them."""
        at = place - self._from
        if at < 0 or at + size > len(self._window):
            self._window, self._from = self._read(place, max(size, WINDOW)), place
            at = 0
        return self._window[at : at + size]

    def record(self, place: int) -> tuple[int, int] | None:
        """Return the opcode of the record at a place, and where it ends; None if it has no head."""
        head = self.peek(place, RECORD.size)
        if len(head) < RECORD.size:
            return None
        opcode, length = RECORD.unpack(head)
        return opcode, place + RECORD.size + length

    def footer(self) -> tuple[int, int] | None:
        """Return where the summary begins and its checksum, 0 for none; None if not closed."""
        size = FOOTER_RECORD.size + 4
        end = self.peek(max(self.size - size - len(MAGIC), 0), size + len(MAGIC))
        if len(end) < size + len(MAGIC) or not end.endswith(MAGIC) or end[0] != FOOTER:
            return None
        _, _, start, _ = FOOTER_RECORD.unpack_from(end)
        return start, int.from_bytes(end[FOOTER_RECORD.size : size], "little")

    def close(self) -> None:
        """Close it; repeatable."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def _read(self, place: int, size: int) -> bytes:
        if self._file < 0:
            raise RecordingError(f"{self.path} is closed: open it again to read it")
        try:
            return os.pread(self._file, max(min(size, self.size - place), 0), place)
        except OSError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError) -> RecordingError:
        return RecordingError(
            f"{self.path} can't be read: {error.strerror}; check the name, and that it may be read"
        )


class AppendedFile:
    """A file that is written from its beginning to its end.

    Raise RecordingError if it is there already, or can't be made.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self.size = 0  # bytes written
        try:
            self._file = os.open(
                self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666
            )
        except OSError as error:
            raise RecordingError(_why_not_made(self.path, error)) from error

    def append(self, block: Sequence[Part]) -> None:
        """Write the buffers of a block, one after the other, none of them copied.

        Raise RecordingError if not all of it could be written, or nobody will ever find it: nothing
        of it is left then.
        """
        try:
            size = _write(self._file, block)
            if not os.fstat(self._file).st_nlink:
                raise FileNotFoundError(errno.ENOENT, "it was removed while it was written")
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, self.size)
                os.lseek(self._file, self.size, os.SEEK_SET)
            raise RecordingError(_why_not_written(self.path, error)) from error
        self.size += size

    def remove(self) -> None:
        """Close it, and remove it unless the name is another file's by now."""
        with suppress(OSError):
            if os.path.samestat(os.stat(self.path), os.fstat(self._file)):
                os.unlink(self.path)
        self.close()

    def close(self) -> None:
        """Close it; raise as `append` if the system finds only now that it can't be written."""
        file, self._file = self._file, -1
        try:
            if file >= 0:
                os.close(file)
        except OSError as error:
            raise RecordingError(_why_not_written(self.path, error)) from error


def _write(file: int, block: Sequence[Part]) -> int:
    """Write buffers, however many the system takes at once; return their bytes."""
    views = [memoryview(buffer) for buffer in block]
    total, first = 0, 0
    while first < len(views):
        written = os.writev(file, views[first : first + MAX_BUFFERS])
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
    is_full = error.errno in FULL_DISK
    advice = "make room, or choose another disk" if is_full else "check it and its disk"
    return f"{path} can't be written: {error.strerror}; {advice}"


def records() -> ModuleType:
    """Return the library's classes of records; RecordingError if it is not installed."""
    try:
        from mcap import records
    except ImportError as missing:
        raise RecordingError(
            f".mcap files need the library mcap ({missing}): pip install 'gmflow[mcap]'"
        ) from None
    return records


def pack(*items: Any) -> bytes:
    """Return records of the library as the bytes that they are in a file."""
    from mcap.data_stream import RecordBuilder

    builder: Any = RecordBuilder()
    for item in items:
        item.write(builder)
    packed: bytes = builder.end()
    return packed


def unpack(kind: Any, content: bytes) -> Any:
    """Return a record's content as an object of the library's class; ValueError if it is none."""
    from mcap.data_stream import ReadDataStream
    from mcap.exceptions import McapError

    try:
        return kind.read(ReadDataStream(BytesIO(content)))
    except (McapError, StructError) as error:
        raise ValueError(f"it is no {kind.__name__}") from error
