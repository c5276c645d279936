"""What every kind of recording does: `Reader` returns its messages, `Writer` takes new ones.

Both are plain blocking I/O, used by one thread at a time. What a writer has counted as written a
kill of the process can't take, and what it is given it has written less than `PROMISE` later.

A part can be recorded if it is a flat buffer of bytes, whose ``len`` is its size. Others, such as
a view of 16-bit numbers or of every second byte, have no bytes one after the other, or more of
them than their length says: such a message is `Unfit`, and refused alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from logging import getLogger
from types import TracebackType
from typing import Any, TypeAlias, TypeVar

from ..message import Message, Part

logger = getLogger(__name__)

PROMISE = 0.5
"""Seconds after which, at most, a message that was given to `Writer.write` should be committed."""

Wait: TypeAlias = Callable[[], Any]
"""Waits for work, and returns or raises what that does."""

Aside: TypeAlias = Callable[[Callable[[], Any]], Wait]
"""Begins work, which may go on in another thread."""

C = TypeVar("C", bound="Closable")


class Closable(ABC):
    """Something that is opened, and closed once it is done with."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what was opened; repeatable."""

    def __enter__(self: C) -> C:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Reader(Closable):
    """Reads the messages of a recording.

    Attributes
    ----------
    problem : str
        What is wrong with it though it can be read, such as an end that is cut; else empty.
    """

    problem = ""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of messages."""

    @abstractmethod
    def messages(self, first: int = 0, last: int | None = None) -> Iterator[Message]:
        """Return the messages in the order in which they were recorded, each with its parts.

        `Message.received_ns` says when each came, `Message.source` from where, where that is known.

        Parameters
        ----------
        first, last : int, optional
            The numbers of the first and the last message, from 0; all by default.

        Raises
        ------
        RecordingError
            If a message can't be read. Its `resume` says from which one on others can be.
        """


class Writer(Closable):
    """Writes messages into a recording.

    Attributes
    ----------
    written, bytes_written : int
        Messages that are in the recording, in the order in which they were given, and the bytes
        of their parts. What was given and is still on its way is not among them.
    refused : int
        Messages that this kind of recording can't hold; why is logged, once a reason.
    paths : list of str
        The files or the folder that it has made so far; none that it has removed again.
    """

    def __init__(self) -> None:
        self.written = 0
        self.bytes_written = 0
        self.refused = 0
        self.paths: list[str] = []
        self._reasons: set[str] = set()

    @abstractmethod
    def write(self, messages: Sequence[Message]) -> None:
        """Take messages, in order; what is kept back is bounded, and less than `PROMISE` old.

        Raises
        ------
        RecordingError
            If they can't be written: what was written before stays readable.
        """

    @abstractmethod
    def commit(self) -> None:
        """Write what was kept back; raise as `write`.

        Nothing of it is lost if the process is killed from now on.
        """

    @abstractmethod
    def close(self) -> None:
        """Commit, and finish the recording; after an error, leave it as it is. Repeatable.

        Raise as `write`.
        """

    def _refuse(self, why: str) -> None:
        """Count a message that this kind of recording can't hold; log why, once a reason."""
        self.refused += 1
        if why not in self._reasons:
            self._reasons.add(why)
            logger.warning("a message is not recorded: %s", why)


class Unfit(ValueError):
    """A message can't be recorded; the text says why."""


def inline(work: Callable[[], Any]) -> Wait:
    """Leave work to whoever waits for it."""
    return work


def view_of(part: Part, flat: set[type]) -> Part:
    """Return a part whose type is not in `flat`: a frame as it is, else a view; Unfit if not flat.

    The view keeps it from being resized or closed. `flat` holds types of which all parts are flat,
    bytes at first: ZeroMQ's frames are added when they are seen, views and arrays never.
    """
    kind = type(part)
    if _is_frame(kind):
        flat.add(kind)
        return part
    try:
        view = memoryview(part)
        if view.c_contiguous and view.nbytes == len(part):
            return view
    except (TypeError, ValueError, BufferError):
        pass
    raise Unfit(f"a part is no flat buffer of bytes, but of type {kind.__name__}")


def kept_of(part: Part, flat: set[type]) -> Part:
    """Return a part that is kept for a while, as `view_of`; a copy of what may change meanwhile."""
    part = view_of(part, flat)
    if type(part) in flat or part.readonly or _is_frame(type(part.obj)):
        return part
    return bytes(part)


def _is_frame(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "zmq"
