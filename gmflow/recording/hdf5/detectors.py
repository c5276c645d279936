"""What the streams of detectors have in common: series, read from message to message."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

from ...message import Message
from ...receiver import Receiver
from .family import Family
from .files import Files
from .series_files import SeriesFiles


class DetectorFamily(Family):
    """Stores the messages of one version of the stream.

    Parameters
    ----------
    files : Files
        Where their files come from.
    read : callable
        Gives what is read from a receiver, which has a message each time that the next is asked
        for.
    """

    def __init__(self, files: Files, read: Callable[[Receiver], Iterator[Any]]) -> None:
        self._series = SeriesFiles(files)
        self._receiver = Receiver(copy=False)
        self._items = read(self._receiver)

    def add(self, message: Message) -> None:
        self._receiver.load(message.parts)
        self._store(next(self._items), message)

    def commit(self) -> None:
        self._series.commit()

    @abstractmethod
    def _store(self, item: Any, message: Message) -> None:
        """Store a start, an image or an end; raise as `add`."""
