"""In which order the messages of several streams become one stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class RoundRobinStrategy:
    """Takes from each stream in turn: message 1 of stream 1, message 1 of stream 2, message 2
    of stream 1, and so on.

    Attributes
    ----------
    last_stream_read : int or None
        The index that `next` gave last.
    """

    def __init__(self) -> None:
        self.last_stream_read: int | None = None

    def next(self, streams: Sequence[Any]) -> int:
        """Give the index of the stream to take from next.

        Parameters
        ----------
        streams : sequence
            The streams that are open.
        """
        last = -1 if self.last_stream_read is None else self.last_stream_read
        self.last_stream_read = (last + 1) % len(streams)
        return self.last_stream_read

    def leave(self, index: int) -> None:
        """Note that the stream at `index` has ended and leaves the list."""
        if self.last_stream_read is not None and index <= self.last_stream_read:
            self.last_stream_read -= 1
