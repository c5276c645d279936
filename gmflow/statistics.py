"""The counters of one stream, and the one snapshot that every report is made from."""

from __future__ import annotations


class Statistics:
    """Counters of a stream's receiving side.

    Attributes
    ----------
    messages_received : int
        Messages that gave a value.
    total_bytes_received : int
        Bytes of those messages, all parts.
    bytes_received : int
        Bytes that the handler has read of the message it is on; 0 between messages.
    messages_failed : int
        Messages that could not be decoded.
    messages_skipped : int
        Messages whose handler gave None.
    """

    __slots__ = (
        "bytes_received",
        "messages_failed",
        "messages_received",
        "messages_skipped",
        "total_bytes_received",
    )

    def __init__(self) -> None:
        self.bytes_received = 0
        self.total_bytes_received = 0
        self.messages_received = 0
        self.messages_failed = 0
        self.messages_skipped = 0

    def snapshot(self) -> dict[str, int]:
        """Give the counters as a plain dict."""
        return {name: getattr(self, name) for name in self.__slots__}

    def __repr__(self) -> str:
        return f"<Statistics {self.snapshot()}>"
