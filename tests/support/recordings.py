"""Recordings for the tests of m_replay, and what is in one."""

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
