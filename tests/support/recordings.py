"""Recordings for the tests of the scripts, and what is in one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from gmflow.message import Message
from gmflow.recording import open_reader, open_writer

Parts = list[bytes]


def record(path: Path, messages: Iterable[Sequence[bytes]], times: Iterable[int] = ()) -> Path:
    """Make a recording of messages, with the times when they came if there are any."""
    messages = list(messages)
    known = [*times] or [0] * len(messages)
    with open_writer(path) as writer:
        writer.write(
            [
                Message(parts=parts, received_ns=time, source="tests")
                for parts, time in zip(messages, known, strict=True)
            ]
        )
    return path


def recorded(path: Path) -> list[Parts]:
    """Return the messages of a recording."""
    with open_reader(path) as reader:
        return [list(map(bytes, message.parts)) for message in reader.messages()]


def times_of(path: Path) -> list[int]:
    """Return when the messages of a recording came."""
    with open_reader(path) as reader:
        return [message.received_ns for message in reader.messages()]


def as_files(messages: Iterable[Sequence[bytes]]) -> dict[str, bytes]:
    """Return the files of a folder of messages, by name."""
    return {
        f"{number:06d}_{index:03d}.raw": part
        for number, parts in enumerate(messages)
        for index, part in enumerate(parts)
    }


def files(folder: Path) -> dict[str, bytes]:
    """Return the files of messages in a folder, which may not be there, by name."""
    return {path.name: path.read_bytes() for path in folder.glob("*.raw")}


def write(folder: Path, messages: Iterable[Sequence[bytes]]) -> Path:
    """Make a folder of messages, as mflow does."""
    folder.mkdir()
    for name, part in as_files(messages).items():
        (folder / name).write_bytes(part)
    return folder
