"""One whole message: its parts as they came, and what was made of them.

A part is anything with the buffer protocol: bytes, a memoryview, a ZeroMQ frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

from .cborwire import read_header
from .jsonwire import SMALL, loads, opens

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
    source : str, optional
        The name of the source it came from, in a topology.
    size : int, optional
        The bytes of all parts together; counted when it is asked for by default.
    received_ns : int, optional
        When it came, in nanoseconds since 1970 (UTC); 0 where nobody noted it.

    Attributes
    ----------
    error : DecodeError or None
        Why there is no `data`, where decoding failed.
    """

    __slots__ = (
        "_header",
        "_size",
        "data",
        "error",
        "parts",
        "received_ns",
        "source",
        "statistics",
    )

    def __init__(
        self,
        statistics: Statistics | None = None,
        data: Any = None,
        parts: Sequence[Part] = (),
        source: str = "",
        size: int = -1,
        received_ns: int = 0,
    ) -> None:
        self.statistics = statistics
        self.data = data
        self.parts = parts
        self.source = source
        self.received_ns = received_ns
        self.error: DecodeError | None = None
        self._size = size
        self._header: dict[str, Any] | None = None

    @property
    def header(self) -> dict[str, Any]:
        """Part 0 as a mapping, parsed once: a JSON object, or the scalars of a map in CBOR.

        An empty dict where it is neither.
        """
        if self._header is None:
            self._header = header_of(self.parts)
        return self._header

    @property
    def size(self) -> int:
        """The bytes of all parts together, counted once."""
        if self._size < 0:
            self._size = size_of(self.parts)
        return self._size

    def __repr__(self) -> str:
        return f"<Message of {len(self.parts)} parts, {self.size} bytes>"


def header_of(parts: Sequence[Part]) -> dict[str, Any]:
    """Return part 0 as a JSON object, or what a map in CBOR says; an empty dict for neither."""
    if not parts:
        return {}
    part = parts[0]
    try:
        if len(part) <= SMALL or opens(part):
            header = loads(part)
            return header if isinstance(header, dict) else {}
    except ValueError:
        pass
    try:
        return read_header(part)
    except ValueError:
        return {}


def size_of(parts: Sequence[Part]) -> int:
    """Return the number of bytes in all parts together."""
    return sum(map(len, parts))


def size_of_all(messages: Sequence[Message]) -> int:
    """Return the number of bytes in all parts of several messages together."""
    if messages and messages[0]._size >= 0:
        return sum([message.size for message in messages])
    return sum(map(len, chain.from_iterable([message.parts for message in messages])))
