"""What m_replay does with a recording other than to send it: convert it, or list what it is."""

from __future__ import annotations

import os
from collections.abc import Callable

from ..errors import RecordingError
from ..offhub import off_hub
from ..recording import Reader, Writer, open_writer
from ..recording.kinds import kind_of
from ..recording.listing import Listing
from .ahead import Ahead, Batch
from .bar import Bar
from .console import Console
from .program import UsageError
from .working import run_work

MEGA = 1e6


def check_other(path: str, other: str) -> None:
    """See that a recording is not converted into itself.

    Raises
    ------
    UsageError
        If both are the same.
    """
    if os.path.realpath(path) == os.path.realpath(other):
        raise UsageError(f"{other} is what is read: give --output another name")


def convert(ahead: Ahead, path: str, total: int, console: Console, bar: Bar) -> str:
    """Write messages into another recording, whose kind its name says.

    Parameters
    ----------
    ahead : Ahead
        The messages.
    path : str
        The other recording; nothing may be there yet.
    total : int
        How many messages there are to be read.
    console : Console
        Says when to stop.
    bar : Bar
        Shows how far it is.

    Returns
    -------
    str
        A line that says what was written.

    Raises
    ------
    RecordingError
        If it can't be written whole; what was written stays. Also if it was stopped: who goes on
        after this script must see that not all is there.
    """
    writer = off_hub(_open, path)

    def work() -> None:
        try:
            _use_all(ahead, writer.write, console)
            off_hub(writer.close)
        except RecordingError as error:
            off_hub(writer.close)
            raise RecordingError(f"{error}; {_written(writer)} are in {path}") from error

    done = run_work(work, console, lambda: bar.show(ahead.position, writer.bytes_written))
    if not (done and ahead.ended):
        raise RecordingError(
            f"stopped after {ahead.position} of {total} messages;"
            f" {_written(writer)} are in {path}: remove it, or keep what it has"
        )
    if writer.refused and not writer.written:
        raise RecordingError(
            f"{path} can hold none of the {writer.refused} messages: write a .mcap file or a folder"
        )
    return _summary(path, writer)


def list_all(ahead: Ahead, reader: Reader, total: int, console: Console, bar: Bar) -> str:
    """Read the messages of a recording, and give a table that says what they are.

    Parameters
    ----------
    reader : Reader
        The recording.
    ahead, total, console, bar
        As of `convert`.

    Raises
    ------
    RecordingError
        If it was stopped.
    """
    listing = Listing()
    size = 0

    def add(batch: Batch) -> None:
        nonlocal size
        listing.add_all(batch)
        size += sum(message.size for message in batch)

    run_work(lambda: _use_all(ahead, add, console), console, lambda: bar.show(ahead.position, size))
    if not ahead.ended:
        raise RecordingError(f"stopped after {ahead.position} of {total} messages")
    listing.problem = reader.problem
    return off_hub(listing.text)


def _use_all(ahead: Ahead, use: Callable[[Batch], None], console: Console) -> None:
    """Call a function with each batch, in native threads, until told to stop."""
    for batch in ahead:
        if console.stopping.is_set():
            return
        off_hub(use, batch)
        ahead.gone(len(batch))


def _open(path: str) -> Writer:
    if kind_of(path) == "folder" and os.path.isdir(path) and os.listdir(path):
        raise RecordingError(f"{path} is not empty: choose another folder, or empty it")
    return open_writer(path)


def _summary(path: str, writer: Writer) -> str:
    refused = f", {writer.refused} refused" if writer.refused else ""
    return f"{path}: {_written(writer)}, {writer.bytes_written / MEGA:.3f} MB{refused}\n"


def _written(writer: Writer) -> str:
    return f"{writer.written} message{'s' if writer.written != 1 else ''}"
