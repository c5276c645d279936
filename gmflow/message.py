"""One whole message: its parts as they came, and what was made of them.

A part is anything with the buffer protocol: bytes, a memoryview, a ZeroMQ frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from .errors import DecodeError
    from .statistics import Statistics

Part: TypeAlias = Any
"""bytes, memoryview or zmq.Frame: ``len(part)``, ``bytes(part)`` and ``memoryview(part)`` work."""


class Message:
    """A received message.

    Parameters
    ----------
    statistics : Statistics, optional
        The counters of the stream it came from, live.
    data : object, optional
        What the handler made of the message; None where no handler read it.
    parts : sequence of bytes-like, optional
        The parts as received.

    Attributes
    ----------
    error : DecodeError or None
        Why there is no `data`, where decoding failed.
    """

    __slots__ = ("data", "error", "parts", "statistics")

    def __init__(
        self,
        statistics: Statistics | None = None,
        data: Any = None,
        parts: Sequence[Part] = (),
    ) -> None:
        self.statistics = statistics
        self.data = data
        self.parts = parts
        self.error: DecodeError | None = None

    @property
    def size(self) -> int:
        """The payload of all parts together, in bytes."""
        return size_of(self.parts)

    def __repr__(self) -> str:
        return f"<Message of {len(self.parts)} parts, {self.size} bytes>"


def size_of(parts: Sequence[Part]) -> int:
    """Give the number of bytes in all parts together."""
    return sum(map(len, parts))
