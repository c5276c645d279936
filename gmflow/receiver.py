"""What a handler reads a message with: its parts, one after the other, and never past its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from .errors import HeaderError, MessageError
from .jsonwire import loads
from .message import Part, header_of, size_of
from .statistics import Statistics


class Receiver:
    """Reads the parts of one message after the other.

    Parameters
    ----------
    parts : sequence of bytes-like, optional
        The parts of the message.
    statistics : Statistics, optional
        The counters to keep; a fresh set by default.
    copy : bool, optional
        Whether `next` returns bytes (the default) or read-only memoryviews.

    Attributes
    ----------
    parts : sequence of bytes-like
        Those of the message that is being read.
    index : int
        How many of them were read.
    parsed : dict, str or None
        As `Message.parsed`, which gets it when the message is read.
    unchanged : dict, str or None
        The same, of which a handler of the program has a copy that it may change.
    layout : tuple
        What array-1.0 found out about the last array: a stream repeats itself.
    handlers : mapping of str to handler, or None
        Which handler reads which htype of the stream, for messages within a message.
    new_decoder : callable
        Makes a `Decoder` for them, of handlers and whether to copy.
    """

    __slots__ = (
        "copy",
        "handlers",
        "index",
        "layout",
        "new_decoder",
        "parsed",
        "parts",
        "statistics",
        "unchanged",
    )

    def __init__(
        self,
        parts: Sequence[Part] = (),
        statistics: Statistics | None = None,
        copy: bool = True,
    ) -> None:
        self.statistics = statistics or Statistics()
        self.statistics.bytes_read = self.bytes_read
        self.copy = copy
        self.layout: tuple[Any, Any] = (None, None)
        self.handlers: Any = None
        self.new_decoder: Any = None
        self.load(parts)

    def load(self, parts: Sequence[Part], parsed: dict[str, Any] | str | None = None) -> None:
        """Start on the parts of a new message, with its `Message.parsed`."""
        self.parts = parts
        self.parsed = self.unchanged = parsed
        self.index = 0

    def bytes_read(self) -> int:
        """Return the bytes of the parts that were read of this message."""
        return size_of(self.parts[: self.index])

    def has_more(self) -> bool:
        """Return True if the message has parts that were not read yet."""
        return self.index < len(self.parts)

    def header(self) -> dict[str, Any]:
        """Return part 0 as a mapping, parsed once; `next` still returns it.

        A built-in handler gets the one that `Message.header` has; where a topology passes the
        message on to several nodes, that gets a copy. All other handlers get a copy. So whoever
        has the value can change it and no other node sees that. What is nested in it is not
        copied.

        Raises
        ------
        HeaderError
            If part 0 is no mapping.
        """
        parsed = self.parsed
        if parsed is None:
            parsed = self.unchanged = header_of(self.parts)
            if type(parsed) is dict:
                parsed = parsed.copy()
            self.parsed = parsed
        if type(parsed) is not dict:
            reason = parsed if type(parsed) is str else "the header is not JSON but CBOR"
            raise HeaderError(reason, self.parts)
        return parsed

    def next(self, as_json: bool = False, copy: bool | None = None) -> Any:
        """Return the next part.

        Parameters
        ----------
        as_json : bool, optional
            Return the object that the part holds as JSON; of part 0 it is `header`.
        copy : bool, optional
            Return bytes (True) or a read-only memoryview (False); as the stream was opened
            by default.

        Raises
        ------
        MessageError
            If the message has no more parts, or the part is not JSON.
        HeaderError
            If part 0 is asked for as JSON and is no mapping.
        """
        index = self.index
        if index >= len(self.parts):
            raise MessageError(f"the message has only {index} parts", self.parts)
        part = self.parts[index]
        self.index = index + 1
        if as_json:
            return self._json(index)
        if self.copy if copy is None else copy:
            return bytes(part)
        return memoryview(part).toreadonly()

    def whole(self) -> tuple[dict[str, Any], Sequence[Part]]:
        """Return `header`, and all parts after it as they are."""
        header, parts = self.parsed, self.parts
        self.index = len(parts)
        return header if type(header) is dict else self.header(), parts[1:]

    def rest(self) -> Sequence[Part]:
        """Return all parts that were not read yet, as they are."""
        left = self.parts[self.index :]
        self.index = len(self.parts)
        return left

    def _json(self, index: int) -> Any:
        if index == 0:
            return self.header()
        try:
            return loads(self.parts[index])
        except ValueError as error:
            raise MessageError(f"part {index} is not JSON: {error}", self.parts) from None


Handler: TypeAlias = Callable[[Receiver], Any]
"""A plain function that returns a value, or a generator function that yields one a message."""
