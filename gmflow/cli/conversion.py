"""What m_replay does with a recording other than to send it: convert it, or list what it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

from ..errors import ConfigError, RecordingError
from ..green.threads import in_worker_thread
from ..recording import Reader, Writer, open_writer
from ..recording.endings import kind_of
from ..replay.listing import Listing
from .console import Console
from .playback import Playback
from .program import UsageError
from .progress import MEGA, Bar
from .readahead import Batch, ReadAhead, run_work
from .report import counted, several


def check_other(path: str, other: str) -> None:
    """Raise a `UsageError` if a recording would be converted into itself; for a worker thread."""
    if os.path.realpath(path) == os.path.realpath(other):
        raise UsageError(f"{other} is what is read: give --output another name")


def convert(ahead: ReadAhead, path: str, total: int, console: Console, bar: Bar) -> tuple[str, str]:
    """Write messages into another recording, whose kind its name says.

    Parameters
    ----------
    ahead : ReadAhead
        The messages; before the first of them is there, nothing is made.
    path : str
        The other recording; nothing may be there yet.
    total : int
        How many messages there are to be read.
    console, bar
        Say when to stop, and show how far it is.

    Returns
    -------
    summary, complaint : str
        A line that says what was written, and what there is to complain of after that; else empty.

    Raises
    ------
    RecordingError
        If it can't be written whole, what was written stays, or if there is no message. Also if
        it was stopped: who goes on after this script must know that not all is there.
    ConfigError, MemoryError, OSError
        What getting the messages raises, with what was written.
    """
    writer: Writer | None = None

    def write(batch: Batch) -> None:
        nonlocal writer
        if writer is None:
            writer = _open(path)
        writer.write(batch)

    def work() -> None:
        try:
            _use_all(ahead, write, console)
            if writer is not None:
                in_worker_thread(writer.close)
        except Exception as error:
            if writer is None:
                raise
            in_worker_thread(_close, writer)
            raise _with(error, f"{counted(writer.written)} are in {path}") from error

    def size() -> int:
        return 0 if writer is None else writer.bytes_written

    done = run_work(work, console, lambda: bar.show(ahead.position, size()))
    console.is_stuck = not done
    bar.note(ahead.position, size())
    if not (done and ahead.ended):
        raise RecordingError(_stopped(ahead, total, path, writer))
    if writer is None:
        raise RecordingError(f"no message is left to write: {path} is not made")
    return _summary(path, writer), _complaint(path, writer)


def list_all(
    ahead: ReadAhead, reader: Reader, playback: Playback, total: int, console: Console, bar: Bar
) -> tuple[str, str]:
    """Return a table that says what the messages of a recording are, and the complaint.

    `playback` knows what of it could not be read; the rest is as of `convert`. Raise a
    `RecordingError` if it was stopped, or nothing of it can be listed.
    """
    listing = Listing()
    size = 0

    def add(batch: Batch) -> None:
        nonlocal size
        listing.add_all(batch)
        size += sum(message.size for message in batch)

    run_work(lambda: _use_all(ahead, add, console), console, lambda: bar.show(ahead.position, size))
    bar.note(ahead.position, size)
    if not ahead.ended:
        raise RecordingError(f"stopped after {ahead.position} of {total} messages")
    listing.problem, listing.damages = reader.problem, playback.damages
    complaint = f"{playback.lost} of {total} messages can't be read, as told above"

    def text() -> str:
        from ..render.listing_table import text_of  # late: it brings NumPy

        return text_of(listing.as_dict())

    return in_worker_thread(text), complaint if playback.damages else ""


def _use_all(ahead: ReadAhead, use: Callable[[Batch], None], console: Console) -> None:
    """Call a function with each batch, in worker threads, until told to stop."""
    for batch in ahead:
        if console.stopping.is_set():
            return
        in_worker_thread(use, batch)
        ahead.used(len(batch))


def _open(path: str) -> Writer:
    if kind_of(path) == "folder" and os.path.isdir(path) and os.listdir(path):
        raise RecordingError(f"{path} is not empty: choose another folder, or empty it")
    return open_writer(path)


def _close(writer: Writer) -> None:
    """Close a writer after an error; that one is to be told of, not what comes of it."""
    with suppress(Exception):
        writer.close()


def _with(error: Exception, more: str) -> Exception:
    """Return an error of the same kind that says more; one that nobody expects, as it is."""
    for kind in (RecordingError, ConfigError, MemoryError, OSError):
        if isinstance(error, kind):
            return kind("; ".join(filter(None, (str(error), more))))
    return error


def _stopped(ahead: ReadAhead, total: int, path: str, writer: Writer | None) -> str:
    how_far = f"stopped after {ahead.position} of {total} messages"
    if writer is None:
        return f"{how_far}, before {path} was open"
    return f"{how_far}; {counted(writer.written)} are in {path}: remove it, or keep what it has"


def _complaint(path: str, writer: Writer) -> str:
    """Say how many messages it can't hold, if any; raise an error if it holds no other."""
    if writer.refused and not writer.written:
        raise RecordingError(
            f"{path} can hold none of the {writer.refused} messages: write a .mcap file or a folder"
        )
    given = writer.refused + writer.written
    complaint = f"{writer.refused} of {given} messages are not in {path}, as told above"
    return complaint if writer.refused else ""


def _summary(path: str, writer: Writer) -> str:
    refused = f", {writer.refused} refused" if writer.refused else ""
    size = f"{writer.bytes_written / MEGA:.3f} MB"
    files = f", {several(writer.paths)}" if len(writer.paths) > 1 else ""
    return f"{path}: {counted(writer.written)}, {size}{refused}{files}\n"
