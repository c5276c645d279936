"""What every kind of recording can do while it is read."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

from ..message import Message
from .closing import Closable


class Reader(Closable):
    """Reads the messages of a recording; used by one thread at a time.

    Attributes
    ----------
    problem : str
        What is wrong with it though it can be read, such as an end that is cut; else empty.
    """

    problem = ""

    @abstractmethod
    def __len__(self) -> int:
        """Give the number of messages."""

    @abstractmethod
    def messages(self, first: int = 0, last: int | None = None) -> Iterator[Message]:
        """Give the messages in the order in which they were recorded, each with its parts.

        `Message.arrived` says when it came, `Message.source` from where, as far as that is known.

        Parameters
        ----------
        first, last : int, optional
            The numbers of the first and the last message to give, from 0; all by default.

        Raises
        ------
        RecordingError
            If a message can't be read. Its `resume` says from which one on others can be.
        """
