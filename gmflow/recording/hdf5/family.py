"""What a family of messages does with those that are recorded."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ...message import Message


class Family(ABC):
    """Stores the messages of some htypes."""

    @abstractmethod
    def add(self, message: Message) -> None:
        """Store a message.

        Raises
        ------
        DecodeError
            If it can't be read, or HDF5 can't hold it: nothing of it is stored.
        RecordingError
            If it can't be written.
        """

    def commit(self) -> None:  # noqa: B027  # most have written all to their files
        """Write what no file was made for yet.

        Raises
        ------
        RecordingError
            If it can't be written.
        """
