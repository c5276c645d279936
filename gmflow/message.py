"""One whole message: its parts as they came, its header, and what was made of them.

A part is anything with the buffer protocol: bytes, a memoryview, a ZeroMQ frame. The header is
part 0 as a mapping. It belongs to the message: whoever asks first has it parsed, everybody later
finds it there, also that it can't be parsed.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from .cborwire import is_map
from .cborwire import read_header as read_cbor
from .jsonwire import SMALL, loads, opens
from .jsonwire import Part as Part

if TYPE_CHECKING:
    from .errors import DecodeError
    from .statistics import Statistics

MAX_HEADER_BYTES = 1 << 20
"""Bytes of a header that is read: one that is made to take long takes half a second."""


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
        The bytes of all parts; counted when it is asked for by default.
    received_ns : int, optional
        When it came, in nanoseconds since 1970 (UTC); 0 where nobody noted it.

    Attributes
    ----------
    error : DecodeError or None
        Why there is no `data`, where decoding failed.
    parsed : dict, str or None
        What `header_of` returned; None before anybody asked. All but the decoder ask `header`.
    """

    __slots__ = (
        "_size",
        "data",
        "error",
        "parsed",
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
        self.parsed: dict[str, Any] | str | None = None

    @property
    def header(self) -> dict[str, Any]:
        """Part 0 as a mapping, parsed once; an empty dict where it is none.

        All nodes of a topology see this dict: copy it before you change it. `data` has another
        where several nodes get the message.
        """
        parsed = self.parsed
        if parsed is None:
            parsed = self.parsed = header_of(self.parts)
        return {} if type(parsed) is str else parsed  # type: ignore[return-value]

    @property
    def size(self) -> int:
        """The bytes of all parts, counted once."""
        if self._size < 0:
            self._size = size_of(self.parts)
        return self._size

    def __repr__(self) -> str:
        return f"<Message of {len(self.parts)} parts, {self.size} bytes>"


def header_of(parts: Sequence[Part]) -> dict[str, Any] | str:
    """Return part 0 as a mapping, or why it is none: the one place where a header is parsed.

    A JSON object comes as a dict, the scalars of a map in CBOR as a `CborHeader`.
    """
    try:
        part = parts[0]
        header = loads(part) if len(part) <= SMALL else _loads_large(part)
    except (ValueError, IndexError) as error:
        reason = f"the header is not JSON: {error}"
    else:
        if type(header) is dict:
            return header
        text = bytes(memoryview(part)[:80]).decode(errors="replace")
        reason = f"the header is not a JSON object: {text!r}"
    return _cbor_header_of(parts) or reason


def _cbor_header_of(parts: Sequence[Part]) -> dict[str, Any] | None:
    if not parts or not is_map(parts[0]):
        return None
    try:
        return read_cbor(parts[0])
    except ValueError:
        return None


def _loads_large(part: Part) -> Any:
    if len(part) > MAX_HEADER_BYTES:
        raise ValueError(f"it has {len(part)} bytes; up to {MAX_HEADER_BYTES} are read")
    return loads(part) if opens(part) else None  # to find out by reading it would copy megabytes


def separate_headers(messages: Sequence[Message]) -> None:
    """Give decoded messages headers that their values, which may be changed, don't share."""
    for message in messages:
        if message.data is not None and type(message.parsed) is dict:
            message.parsed = message.parsed.copy()


def size_of(parts: Sequence[Part]) -> int:
    """Return the number of bytes in all parts."""
    return sum(map(len, parts))


def size_of_all(messages: Sequence[Message]) -> int:
    """Return the number of bytes in all parts of several messages."""
    if messages and messages[0]._size >= 0:
        return sum([message.size for message in messages])
    return sum(map(len, chain.from_iterable([message.parts for message in messages])))
