"""The counters of a stream and of a node, and the snapshots that every report is made from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Statistics:
    """Counters of a stream.

    Attributes
    ----------
    messages_received : int
        Messages that gave a value.
    total_bytes_received : int
        Bytes of those messages, all parts.
    messages_failed : int
        Messages that could not be decoded.
    messages_skipped : int
        Messages whose handler gave None.
    messages_sent : int
        Messages that went out whole.
    messages_dropped : int
        Messages that were given to send and did not go out.
    """

    __slots__ = (
        "bytes_read",
        "messages_dropped",
        "messages_failed",
        "messages_received",
        "messages_sent",
        "messages_skipped",
        "total_bytes_received",
    )

    def __init__(self) -> None:
        self.bytes_read: Callable[[], int] | None = None  # of the message that is being read
        self.total_bytes_received = 0
        self.messages_received = 0
        self.messages_failed = 0
        self.messages_skipped = 0
        self.messages_sent = 0
        self.messages_dropped = 0

    @property
    def bytes_received(self) -> int:
        """Bytes that the handler has read of the message it is on; 0 between messages."""
        return self.bytes_read() if self.bytes_read else 0

    def snapshot(self) -> dict[str, int]:
        """Return the counters as a plain dict."""
        names = (name for name in self.__slots__ if name != "bytes_read")
        return {name: getattr(self, name) for name in names}

    def __repr__(self) -> str:
        return f"<Statistics {self.snapshot()}>"


class NodeStatistics:
    """Counters of a node of a topology.

    At the end ``received = sent + dropped + failed + unmatched + left_over``, where dropped and
    unmatched are the sums over all causes.

    Attributes
    ----------
    received, bytes_received : int
        What came to the node.
    sent, bytes_sent : int
        What it passed on: to the next nodes, to its socket or to its function.
    dropped : dict of str to int
        What it left out, by cause: ``modulo``, ``htype``, ``share`` (not chosen), ``full`` (no
        room), ``rate`` (a newer one came before its turn), ``unwatched`` (a tap without
        subscribers), ``duplicate`` (came twice to a merger by key), ``skipped`` (its handler gave
        None).
    failed : int
        What could not be decoded.
    unmatched : dict of str to dict of str to int
        What a merger by key could not match, by the stream's name and by cause.
    left_over : int
        What was still in the node when it was stopped.
    missed : int
        Of what was sent, what at least one subscriber of a PUB output had no room for.
    """

    __slots__ = (
        "bytes_received",
        "bytes_sent",
        "dropped",
        "failed",
        "left_over",
        "missed",
        "received",
        "sent",
        "unmatched",
    )

    def __init__(self) -> None:
        self.received = 0
        self.bytes_received = 0
        self.sent = 0
        self.bytes_sent = 0
        self.dropped: dict[str, int] = {}
        self.failed = 0
        self.unmatched: dict[str, dict[str, int]] = {}
        self.left_over = 0
        self.missed = 0

    def drop(self, cause: str, count: int = 1) -> None:
        """Count messages as dropped for a cause."""
        if count:
            self.dropped[cause] = self.dropped.get(cause, 0) + count

    def snapshot(self) -> dict[str, Any]:
        """Return the counters as a plain dict."""
        return {
            "received": self.received,
            "bytes_received": self.bytes_received,
            "sent": self.sent,
            "bytes_sent": self.bytes_sent,
            "dropped": dict(self.dropped),
            "failed": self.failed,
            "unmatched": {name: dict(causes) for name, causes in self.unmatched.items()},
            "left_over": self.left_over,
            "missed": self.missed,
        }
