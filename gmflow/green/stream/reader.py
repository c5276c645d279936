"""The receiving side of a stream: whole messages are decoded, or logged and counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from logging import DEBUG, getLogger
from time import monotonic

from ...decoder import Handler
from ...deferred import Deferred
from ...errors import ConfigError, ConnectError, DecodeError
from ...message import Message, Part
from ..decode_pool import Decoding
from ..transport.receive import MessageReceiver
from ..transport.socket import Socket

logger = getLogger(__name__)


def raises_on(on_error: str) -> bool:
    """Return True if ``on_error`` says to raise; raise ConfigError if it isn't "log" either."""
    if on_error not in ("log", "raise"):
        raise ConfigError(f"on_error is {on_error!r}; it can be 'log' or 'raise'")
    return on_error == "raise"


class StreamReader:
    """Receives messages from a socket, as the only one, and decodes them.

    One at a time, unless several threads decode: programs poll the socket, which would not tell
    of what was taken before.
    """

    def __init__(
        self, socket: Socket, decoding: Decoding, timeout: float | None, address: str
    ) -> None:
        self._socket = socket
        self._poller = socket.poller
        self._receiver = MessageReceiver(socket)
        self._decoding = decoding
        self._receive: Callable[[float | None], Sequence[Part] | None] = self._receiver.receive
        if decoding.most > 1:
            decoding.done = socket.wake
            self._receive = self._receive_on
        self._begin = decoding.decoder.begin
        self._statistics = decoding.decoder.statistics
        self.timeout = timeout
        self._address = address
        self._busy = False

    def next(self, handler: Handler | None, timeout: float | None) -> Message | None:
        """Return the next message with its data or its error; None if there is none in time.

        It is read with the handler that is given, whatever its htype.
        """
        if self._decoding.entries:
            return self._first(handler)
        parts = self._receive(timeout)
        if parts is None:
            return None
        message = Message(self._statistics, None, parts)
        try:
            value = self._begin(message, handler)
        except DecodeError as error:
            message.error = error
            return message
        if type(value) is not Deferred:  # as most are: no need to put it in and take it out
            message.data = value
            return message
        return message if self._decoding.put(message, value, handler) else self._first(handler)

    def each(self, raises: bool) -> Iterator[Message]:
        """Return message after message until the time-out passes or the socket is closed."""
        while not self._closed():
            try:
                message = self.next(None, self.timeout)
            except ConnectError:
                if not self._closed():  # or it was closed meanwhile, which ends the loop
                    raise
                return
            if message is None:
                return
            if message.data is not None:
                yield message
            else:
                self.report(message, raises)

    def report(self, message: Message, raises: bool) -> None:
        """Log why a message has no data, unless it was skipped; raise its error if it `raises`."""
        error = message.error
        if error is None:
            return
        message.error = None  # its frames know the message: a cycle would keep the parts
        if raises:
            try:
                raise error
            finally:
                del error
        detail = logger.isEnabledFor(DEBUG) and error.__cause__
        logger.warning(
            "a message from %s can't be read: %s", self._address, error, exc_info=detail or None
        )

    def _receive_on(self, timeout: float | None) -> Sequence[Part] | None:
        """Receive; a thread that was done when nobody waited for it doesn't end the wait."""
        until = None if timeout is None else monotonic() + timeout
        while (parts := self._receiver.receive(timeout)) is None:
            timeout = None if until is None else until - monotonic()
            if timeout is not None and timeout <= 0:
                break
        return parts

    def _first(self, handler: Handler | None) -> Message:
        """Return the first message that is in, as soon as it is decoded."""
        if self._busy:
            raise ConnectError(
                "another greenlet already receives from this stream: let one greenlet own it"
                " and hand messages on through a queue"
            )
        self._busy = True
        try:
            self._poller.enter()
            if handler is None:
                self._take_ahead(self._decoding)
            else:
                self._decoding.wait()
            return self._decoding.take(handler)
        finally:
            self._busy = False

    def _take_ahead(self, decoding: Decoding) -> None:
        """Wait for the first message that is in, and keep the threads busy with others."""
        while not (decoding.ready or decoding.full):
            self._take_one(None)
        decoding.wait()
        # once the first is taken nothing may wait any more: an interrupt would lose it
        while 1 < len(decoding) <= decoding.most and self._take_one(0):
            pass

    def _take_one(self, timeout: float | None) -> bool:
        """Take a message for the threads; return True if one came before a thread was done."""
        parts = self._receiver.receive(timeout)
        if parts is not None:
            self._decoding.begin(Message(self._statistics, None, parts))
        return parts is not None

    def _closed(self) -> bool:
        return bool(self._socket.closed)
