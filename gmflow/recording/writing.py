"""What every kind of recording can do while it is written."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from logging import getLogger
from typing import Any, TypeAlias

from ..message import Message
from .closing import Closable

logger = getLogger(__name__)

PROMISE = 0.5
"""Seconds after which, at most, a message that was given to `Writer.write` should be committed."""

Wait: TypeAlias = Callable[[], Any]
"""Waits for work, and gives what it gives, or raises what it raises."""

Aside: TypeAlias = Callable[[Callable[[], Any]], Wait]
"""Begins work, which may go on in another thread."""


def inline(work: Callable[[], Any]) -> Wait:
    """Leave work to whoever waits for it."""
    return work


class Writer(Closable):
    """Writes messages into a recording; used by one thread at a time.

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
        """Write what was kept back: nothing of it is lost if the process is killed from now on.

        Raises
        ------
        RecordingError
            As `write`.
        """

    @abstractmethod
    def close(self) -> None:
        """Commit, and finish the recording; after an error, leave it as it is. Repeatable.

        Raises
        ------
        RecordingError
            As `write`.
        """

    def _refuse(self, why: str) -> None:
        """Count a message that this kind of recording can't hold; log why, once a reason."""
        self.refused += 1
        if why not in self._reasons:
            self._reasons.add(why)
            logger.warning("a message is not recorded: %s", why)
