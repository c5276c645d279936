"""What of a stream goes to viewers: chosen a burst at a time, for the main path waits meanwhile.

To parse every message would cost as much as to forward it, so a burst is looked at as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from ...burst import burst_of
from ...filters import EDGES, htype_of, is_series_edge
from ...message import Message

HEADERS = ("dheader-", "bsr_m-")
"""How the htypes begin of the messages without which those after them can't be read."""


class WhileSubscribed:
    """Chooses everything while somebody is subscribed, else the newest header message alone.

    Parameters
    ----------
    topics : collection of bytes
        What is subscribed to, live.
    """

    cause = "unwatched"

    def __init__(self, topics: Collection[bytes]) -> None:
        self._topics = topics

    def choose(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Give those of the next messages that are chosen."""
        if self._topics:
            return messages
        if not _mention(messages, HEADERS):
            return ()
        header = next(filter(is_header, reversed(messages)), None)
        return () if header is None else (header,)


class Newest:
    """Chooses the newest images of each burst, and whatever opens or ends an Eiger series.

    Parameters
    ----------
    cause : str
        What the others are counted as.
    room : callable
        Gives how many images of a burst there is room for.
    """

    def __init__(self, cause: str, room: Callable[[], int]) -> None:
        self.cause = cause
        self._room = room

    def choose(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Give those of the next messages that are chosen."""
        room = self._room()
        if len(messages) <= room:
            return messages
        if not _mention(messages, EDGES):
            return messages[len(messages) - room :]
        edges = list(map(is_series_edge, messages))
        too_many = edges.count(False) - room
        chosen: list[Message] = []
        for message, edge in zip(messages, edges, strict=True):
            too_many -= not edge
            if edge or too_many < 0:
                chosen.append(message)
        return chosen


def is_header(message: Message) -> bool:
    """Tell whether a viewer needs a message to read those that come after it."""
    return htype_of(message).startswith(HEADERS)


def _mention(messages: Sequence[Message], htypes: Sequence[str]) -> bool:
    """Tell whether a burst may have messages of such htypes: one look, where to parse is slow."""
    text = burst_of(messages).text
    return any(htype.encode() in text for htype in htypes)
