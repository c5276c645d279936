"""The receiving side of a stream: whole messages are decoded, or logged and counted."""

from __future__ import annotations

from collections.abc import Iterator
from logging import DEBUG, getLogger

from .decoder import Handler
from .decoding import Decoding
from .errors import ConfigError, ConnectError
from .inbox import Inbox
from .message import Message
from .sockets import Socket

logger = getLogger(__name__)


def raises_on(on_error: str) -> bool:
    """Tell whether ``on_error`` says to raise.

    Raises
    ------
    ConfigError
        If it is neither "log" nor "raise".
    """
    if on_error not in ("log", "raise"):
        raise ConfigError(f"on_error is {on_error!r}; it can be 'log' or 'raise'")
    return on_error == "raise"


class Reader:
    """Receives messages from a socket and decodes them.

    One at a time, unless several threads decode: programs poll the socket, which would not tell
    of what was taken before.

    Parameters
    ----------
    socket : Socket
        The socket; this is the only one that receives from it.
    decoding : Decoding
        What decodes and counts. With two threads or more, messages are taken ahead for them.
    timeout : float or None
        Seconds that a blocking call waits at most.
    address : str
        What the log calls the stream.

    Attributes
    ----------
    timeout : float or None
        As given.
    """

    def __init__(
        self, socket: Socket, decoding: Decoding, timeout: float | None, address: str
    ) -> None:
        self._socket = socket
        self._inbox = Inbox(socket)
        self._decoding = decoding
        decoding.done = self._done
        self._statistics = decoding.decoder.statistics
        self.timeout = timeout
        self._address = address
        self._waiting = False

    def receive(self, handler: Handler | None, block: bool, raises: bool) -> Message | None:
        """Give the next message; None if there is none in time or it is not to be had.

        Parameters
        ----------
        handler : handler or None
            Read the message with this one, whatever its htype.
        block : bool
            Wait for a message, up to the time-out.
        raises : bool
            Raise the DecodeError of a message that can't be read, instead of logging it.
        """
        message = self._next(handler, self.timeout if block else 0)
        return None if message is None else self._checked(message, raises)

    def each(self, raises: bool) -> Iterator[Message]:
        """Give message after message until the time-out passes or the socket is closed."""
        while not self._closed():
            try:
                message = self._next(None, self.timeout)
            except ConnectError:
                if not self._closed():  # or it was closed meanwhile, which ends the loop
                    raise
                return
            if message is None:
                return
            message = self._checked(message, raises)
            if message is not None:
                yield message

    def _next(self, handler: Handler | None, timeout: float | None) -> Message | None:
        """Give the next message with its data or its error; None if there is none in time."""
        decoding = self._decoding
        if decoding:
            return self._first(True) if handler is None else decoding.take_anew(handler)
        parts = self._inbox.receive(timeout)
        if parts is None:
            return None
        message = Message(self._statistics, None, parts)
        return message if decoding.begin(message, handler) else self._first(handler is None)

    def _first(self, ahead: bool) -> Message:
        """Give the first message that is in; take others ahead for the threads meanwhile."""
        decoding = self._decoding
        while ahead and not (decoding.ready or decoding.full):
            self._take_ahead(None)
        decoding.wait()
        message = decoding.take()
        while ahead and decoding and not decoding.full:
            if not self._take_ahead(0):
                break
        return message

    def _take_ahead(self, timeout: float | None) -> bool:
        """Take one more message for the threads; tell whether one came before a thread was done."""
        self._waiting = True
        try:
            parts = self._inbox.receive(timeout)
        finally:
            self._waiting = False
        if parts is not None:
            self._decoding.begin(Message(self._statistics, None, parts))
        return parts is not None

    def _done(self) -> None:
        if self._waiting:  # or the next wait would end before its time
            self._socket.wake()

    def _checked(self, message: Message, raises: bool) -> Message | None:
        error = message.error
        if error is None:
            return None if message.data is None else message
        if raises:
            raise error
        detail = logger.isEnabledFor(DEBUG) and error.__cause__
        logger.warning(
            "a message from %s can't be read: %s", self._address, error, exc_info=detail or None
        )
        return None

    def _closed(self) -> bool:
        return bool(self._socket.closed)
