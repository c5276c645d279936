"""A new file that grows by whole blocks: a block is in it completely, or not at all.

It is never another file's end: what has the name already is left alone.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

from ...errors import RecordingError
from ...message import Message, Part
from ...version import __version__
from ..base import PROMISE, Aside, Unfit, Wait, Writer, flat_types, inline
from .chunk import Chunk
from .mcap_index import Summary
from .records import ENCODING, FORMAT, MAGIC, pack, records

MAX_BUFFERS = 1024
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
    advice = "make room, or choose another disk" if error.errno in FULL else "check it and its disk"
    return f"{path} can't be written: {error.strerror}; {advice}"


LONG = PROMISE / 2
"""Seconds after which a chunk is written though it is small: the next messages may be late."""

MAX_CHANNELS = 0xFFFF

AHEAD = 3
"""Chunks that another thread packs while one is written: it never waits for work then."""

AHEAD_BYTES = 16 << 20
"""Bytes of their messages; from there on it is one chunk, which may be a message of any size."""


class Channels(dict[str, int]):
    """The number of each source's channel; a source that is new gets the next one.

    Attributes
    ----------
    records : list of mcap.records.Channel
        What the file says of them.
    """

    def __init__(self) -> None:
        self.records: list[Any] = []

    def __missing__(self, source: str) -> int:
        number = len(self) + 1
        if number > MAX_CHANNELS:
            raise RecordingError(f"a .mcap file holds up to {MAX_CHANNELS} sources, not more")
        self.records.append(
            records().Channel(
                id=number,
                topic=source or "message",
                message_encoding=ENCODING,
                metadata={"format": FORMAT, "source": source},
                schema_id=1,
            )
        )
        self[source] = number
        return number


class McapWriter(Writer):
    """Writes messages into a new MCAP file, in chunks of about 4 MiB.

    One chunk is kept back at most, and with `aside` another `AHEAD` that are packed there. A
    message with a part that is no flat buffer of bytes is refused. The memory of parts must not
    change before they are written; that of a bytearray may, as it is copied.

    A file that no message came for is removed when it is closed.

    Parameters
    ----------
    path : path
        The file; it must not be there.
    aside : callable, optional
        As of `gmflow.recording.open_writer`.

    Raises
    ------
    RecordingError
        If it can't be made, or the library is not installed.
    """

    def __init__(self, path: str | os.PathLike[str], aside: Aside = inline) -> None:
        super().__init__()
        self._aside = aside
        self._ahead = 0 if aside is inline else AHEAD
        library = records()
        self._schema = library.Schema(id=1, data=b"", encoding="", name="gmflow.Message")
        self._channels = Channels()
        self._flat = flat_types()
        self._known = 0  # channels that are in the file
        self._summary = Summary()
        self._chunk = Chunk(0)
        self._packing: deque[tuple[Chunk, Wait]] = deque()  # those before it
        self._error: RecordingError | None = None
        self._closed = False
        self._file = AppendedFile(path)
        self.paths.append(self._file.path)
        header = library.Header(profile="", library=f"gmflow {__version__}")
        try:
            self._file.append([MAGIC, pack(header, self._schema)])
        except RecordingError:
            self._file.remove()
            raise

    def write(self, messages: Sequence[Message]) -> None:
        self._check()
        rest = iter(messages)
        try:
            while self._fill(rest):
                self._pack()
            oldest = self._packing[0][0] if self._packing else self._chunk
            if monotonic() - oldest.since >= LONG:
                self._put()
        except RecordingError as error:
            self._fail(error)
            raise

    def commit(self) -> None:
        self._check()
        try:
            self._put()
        except RecordingError as error:
            self._fail(error)
            raise

    def close(self) -> None:
        if self._closed:
            return
        earlier = self._error
        try:
            if not earlier:
                self.commit()
        finally:
            self._closed = True
            if self.written or self._error:
                self._finish()
            else:
                self._file.remove()
                self.paths.clear()
        if self._error and not earlier:
            raise self._error

    def _fill(self, messages: Iterator[Message]) -> bool:
        """Take messages, as `Chunk.fill`; refuse those that can't be recorded."""
        while True:
            try:
                return self._chunk.fill(messages, self._channels, self._flat)
            except Unfit as error:
                self._refuse(str(error))

    def _put(self) -> None:
        """Write all that is kept back."""
        if self._chunk.count:
            self._pack()
        while self._packing:
            self._write_packed()

    def _pack(self) -> None:
        """Have the chunk packed, begin the next, and write the first of those that are packed."""
        chunk = self._chunk
        self._packing.append((chunk, self._aside(chunk.pack)))
        self._chunk = Chunk(chunk.number + chunk.count)
        while len(self._packing) > self._ahead or self._packs_much():
            self._write_packed()

    def _packs_much(self) -> bool:
        size = sum(chunk.bytes for chunk, _ in self._packing)
        return len(self._packing) > 1 and size > AHEAD_BYTES

    def _write_packed(self) -> None:
        chunk, wait = self._packing.popleft()
        packed = wait()
        channels = pack(*self._channels.records[self._known :])
        place = self._file.size + len(channels)
        self._file.append([channels, *packed.buffers])
        self._known = len(self._channels)
        self._summary.note(packed, place)
        self.written += chunk.count
        self.bytes_written += chunk.bytes

    def _finish(self) -> None:
        """Write the summary: after an error there may be room for it, and no harm if not."""
        channels = self._channels.records[: self._known]
        try:
            self._file.append([self._summary.finish(self._file.size, self._schema, channels)])
            self._file.close()
        except RecordingError as error:
            self._error = self._error or error
            with suppress(RecordingError):
                self._file.close()

    def _check(self) -> None:
        """Raise the first error again ever after: what was given since would be missing."""
        if self._error:
            raise self._error
        if self._closed:
            raise RecordingError(f"{self._file.path} is closed: nothing can be written any more")

    def _fail(self, error: RecordingError) -> None:
        self._error = error
        self._packing.clear()
        self._chunk = Chunk(self.written)
