"""From the parts of a message to its value: finds the handler, runs it, and counts.

Runs without a socket: all it sees is lists of bytes. The contract of handlers stands at
`Decoder`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, MutableMapping, Sequence
from types import GeneratorType
from typing import Any

from .deferred import Deferred, describe_failure, work
from .errors import DecodeError, HandlerError, HeaderError, UnknownHtype
from .handlers import BUILT_IN, DEFAULT, NOT_JSON
from .message import Message, Part, header_of
from .receiver import Handler as Handler
from .receiver import Receiver
from .statistics import Statistics
from .validation import check_handlers, shown

_ENDED: Any = object()  # what comes of a generator that has returned, or raised before

MAX_RUNNING = 64
"""Generators that run at once for a stream; the oldest is closed where more are given."""


class Decoder:
    """Decodes the messages of one stream, one after the other.

    A handler is a plain function ``f(receiver) -> value``, called once a message, or a
    generator function, started once and resumed once a message: it reads the message from
    its receiver and yields the value, and what it must remember stays in its local
    variables. A generator that raises is started afresh for the next message; one that
    returns is started afresh on the same message from its first part. A function that is
    registered under several htypes runs as one generator for all of them. The value None
    means that the message is to be skipped, a `Deferred` is work that returns the value. What is
    registered as `NOT_JSON` reads messages whose first part is no JSON object.

    Parameters
    ----------
    handlers : mapping of str to handler, optional
        Which handler reads which htype, beside those of the built-in table and in their place.
    copy : bool, optional
        Whether handlers get parts as bytes (the default) or as memoryviews.

    Attributes
    ----------
    handlers : dict
        The whole table, for this decoder alone; it may be changed between messages.
    statistics : Statistics
        The counters.
    receiver : Receiver
        What the handlers read from.
    """

    def __init__(self, handlers: Mapping[str, Handler] | None = None, copy: bool = True) -> None:
        check_handlers(handlers)
        self.handlers: MutableMapping[str, Handler] = {**DEFAULT, **(handlers or {})}
        self.statistics = Statistics()
        self.receiver = Receiver((), self.statistics, copy)
        self.receiver.handlers = self.handlers
        self.receiver.new_decoder = Decoder
        self._running: dict[Handler, Generator[Any, None, Any]] = {}

    def decode(self, parts: Sequence[Part], handler: Handler | None = None) -> Any:
        """Return the value of a message, or None if its handler skips it.

        Parameters
        ----------
        parts : sequence of bytes-like
            The parts of one whole message.
        handler : handler, optional
            Read it with this one, whatever its htype.

        Raises
        ------
        DecodeError
            If the message can't be read. It is counted as failed, nothing of it is kept,
            and the next message is read from a clean start.
        """
        return self.read(Message(self.statistics, None, parts), handler)

    def read(self, message: Message, handler: Handler | None = None) -> Any:
        """Return the value of a message, like `decode`; its header is parsed only if it isn't yet.

        Raises
        ------
        DecodeError
            As `decode`.
        """
        value = self.begin(message, handler)
        if type(value) is not Deferred:
            return value
        try:
            value = work(value, message.parts)
        except DecodeError:
            self.fail(message.parts)
            raise
        return self.end(message.parts, value)

    def begin(self, message: Message, handler: Handler | None = None) -> Any:
        """Run the handler, and return its value, counted, or the `Deferred` that it leaves.

        After `work` on that, anywhere, follows `end` or `fail`, in the order of the messages.

        Raises
        ------
        DecodeError
            As `decode`.
        """
        receiver, parts = self.receiver, message.parts
        # written out, as it is for every message
        receiver.parts, receiver.index = parts, 0
        receiver.parsed = receiver.unchanged = message.parsed
        try:
            if handler is None:
                header = receiver.parsed
                if header is None:
                    header = receiver.parsed = receiver.unchanged = header_of(parts)
                try:
                    handler = (
                        self.handlers[header["htype"]] if type(header) is dict else self._search()
                    )
                except (KeyError, TypeError):
                    handler = self._search()
            if handler not in BUILT_IN and type(receiver.parsed) is dict:
                receiver.parsed = receiver.parsed.copy()  # others will ask what it may change
            running = self._running.get(handler)
            if running is None:
                value = handler(receiver)
                if type(value) is GeneratorType:
                    value = self._start(handler, value)
            else:
                value = next(running, _ENDED)
                if value is _ENDED:
                    value = self._again(handler)
        except Exception as error:
            message.parsed = receiver.unchanged
            self.fail(parts)
            if not isinstance(error, DecodeError):
                raise HandlerError(describe_failure(handler, error), parts) from error
            error.parts = parts
            raise
        message.parsed, receiver.index = receiver.unchanged, 0
        return value if type(value) is Deferred else self.end(parts, value)

    def end(self, parts: Sequence[Part], value: Any) -> Any:
        """Count a message that was read, and return its value; None was skipped."""
        statistics = self.statistics
        if value is None:
            statistics.messages_skipped += 1
            return None
        size = 0
        for part in parts:
            size += len(part)
        statistics.messages_received += 1
        statistics.total_bytes_received += size
        return value

    def fail(self, parts: Sequence[Part]) -> None:
        """Count a message that can't be read; nothing of it is kept."""
        self.statistics.messages_failed += 1
        if self.receiver.parts is parts:
            self.receiver.load(())

    def close(self) -> None:
        """Close every running generator, so that its ``finally`` runs."""
        while self._running:
            self._running.popitem()[1].close()

    def _search(self) -> Handler:
        """Return the handler of a message whose header doesn't simply name it."""
        try:
            header = self.receiver.header()
        except HeaderError:
            if NOT_JSON not in self.handlers:
                raise
            return self.handlers[NOT_JSON]
        if "htype" not in header:
            raise HeaderError("the header has no htype")
        htype = header["htype"]
        if isinstance(htype, list) and len(htype) == 1:
            htype = htype[0]  # old PSI senders write a list of one name
        try:
            return self.handlers[htype]
        except (KeyError, TypeError):
            known = ", ".join(sorted(self.handlers)) or "none"
            raise UnknownHtype(
                f"no handler for htype {shown(htype)}:"
                f" register one in stream.handlers (known: {known})"
            ) from None

    def _again(self, handler: Handler) -> Any:
        """Start a handler that returned, or raised before, afresh on the same message."""
        del self._running[handler]
        self.receiver.index = 0
        value = handler(self.receiver)
        return self._start(handler, value) if type(value) is GeneratorType else value

    def _start(self, handler: Handler, fresh: Generator[Any, None, Any]) -> Any:
        try:
            value = next(fresh)
        except StopIteration:
            raise HandlerError(f"{handler!r} returned without a yield") from None
        if len(self._running) >= MAX_RUNNING:
            self._running.pop(next(iter(self._running))).close()
        self._running[handler] = fresh
        return value
