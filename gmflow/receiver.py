"""What a handler reads a message with: its parts, one after the other, and never past its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .errors import HeaderError, MessageError
from .jsonwire import SMALL, loads, opens
from .message import Part, size_of
from .statistics import Statistics

MAX_HEADER_BYTES = 1 << 20
"""Bytes of a header that is read: one that is made to take long takes half a second."""


class Receiver:
    """Reads the parts of one message after the other.

    Parameters
    ----------
    parts : sequence of bytes-like, optional
        The parts of the message.
    statistics : Statistics, optional
        The counters to keep; a fresh set by default.
    copy : bool, optional
        Whether `next` gives bytes (the default) or read-only memoryviews.

    Attributes
    ----------
    layout : tuple
        What array-1.0 found out about the last array: a stream repeats itself.
    handlers : mapping of str to handler, or None
        Which handler reads which htype of the stream, for messages within a message.
    new_decoder : callable
        Makes a `Decoder` for them, of handlers and whether to copy.
    """

    __slots__ = (
        "_header",
        "_index",
        "copy",
        "handlers",
        "layout",
        "new_decoder",
        "parts",
        "statistics",
    )

    def __init__(
        self,
        parts: Sequence[Part] = (),
        statistics: Statistics | None = None,
        copy: bool = True,
    ) -> None:
        self.statistics = statistics or Statistics()
        self.statistics.reading = self
        self.copy = copy
        self.layout: tuple[Any, Any] = (None, None)
        self.handlers: Any = None
        self.new_decoder: Any = None
        self.load(parts)

    def load(self, parts: Sequence[Part]) -> None:
        """Start on the parts of a new message."""
        self.parts = parts
        self._header: Any = None
        self._index = 0

    def rewind(self) -> None:
        """Start again on the message's first part."""
        self._index = 0

    def bytes_read(self) -> int:
        """Return the bytes of the parts that were read of this message."""
        return size_of(self.parts[: self._index])

    def has_more(self) -> bool:
        """Return True if the message has parts that were not read yet."""
        return self._index < len(self.parts)

    def header(self) -> dict[str, Any]:
        """Return part 0 as a JSON object, parsed once; `next` still gives it.

        Raises
        ------
        HeaderError
            If part 0 is no JSON object.
        """
        if self._header is None:
            try:
                part = self.parts[0]
                # to find out by reading it would copy megabytes of pixels
                header = loads(part) if len(part) <= SMALL or self._may_be_one(part) else None
            except (ValueError, IndexError) as error:
                raise HeaderError(f"the header is not JSON: {error}", self.parts) from None
            if not isinstance(header, dict):
                text = bytes(memoryview(part)[:80]).decode(errors="replace")
                raise HeaderError(f"the header is not a JSON object: {text!r}", self.parts)
            self._header = header
        return self._header  # type: ignore[no-any-return]

    def _may_be_one(self, part: Part) -> bool:
        if len(part) > MAX_HEADER_BYTES:
            raise ValueError(f"it has {len(part)} bytes; up to {MAX_HEADER_BYTES} are read")
        return opens(part) is not None

    def next(self, as_json: bool = False, copy: bool | None = None) -> Any:
        """Return the next part.

        Parameters
        ----------
        as_json : bool, optional
            Give the object that the part holds as JSON.
        copy : bool, optional
            Give bytes (True) or a read-only memoryview (False); as the stream was opened
            by default.

        Raises
        ------
        MessageError
            If the message has no more parts, or the part is not JSON.
        HeaderError
            If part 0 is asked for as JSON and is no JSON object.
        """
        index = self._index
        if index >= len(self.parts):
            raise MessageError(f"the message has only {index} parts", self.parts)
        part = self.parts[index]
        self._index = index + 1
        if as_json:
            return self._json(index)
        if self.copy if copy is None else copy:
            return bytes(part)
        return memoryview(part).toreadonly()

    def body(self) -> Sequence[Part]:
        """Return all parts after the header, as they are."""
        self._index = len(self.parts)
        return self.parts[1:]

    def rest(self) -> Sequence[Part]:
        """Return all parts that were not read yet, as they are."""
        left = self.parts[self._index :]
        self._index = len(self.parts)
        return left

    def _json(self, index: int) -> Any:
        if index == 0:
            return self.header()
        try:
            return loads(self.parts[index])
        except ValueError as error:
            raise MessageError(f"part {index} is not JSON: {error}", self.parts) from None
