"""The receiving side of a stream: whole messages are decoded, or logged and counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from logging import DEBUG, getLogger

from .decoder import Decoder, Handler
from .errors import ConfigError, ConnectError, DecodeError
from .inbox import Inbox
from .message import Message, Part
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

    One at a time: programs poll the socket, which would not tell of what was taken before.

    Parameters
    ----------
    socket : Socket
        The socket; this is the only one that receives from it.
    decoder : Decoder
        What decodes and counts.
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
        self, socket: Socket, decoder: Decoder, timeout: float | None, address: str
    ) -> None:
        self._socket = socket
        self._inbox = Inbox(socket)
        self._decoder = decoder
        self._statistics = decoder.statistics
        self.timeout = timeout
        self._address = address

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
        parts = self._inbox.receive(self.timeout if block else 0)
        return None if parts is None else self._read(parts, handler, raises)

    def each(self, raises: bool) -> Iterator[Message]:
        """Give message after message until the time-out passes or the socket is closed."""
        while not self._closed():
            try:
                parts = self._inbox.receive(self.timeout)
            except ConnectError:
                if not self._closed():  # or it was closed meanwhile, which ends the loop
                    raise
                return
            if parts is None:
                return
            message = self._read(parts, None, raises)
            if message is not None:
                yield message

    def _read(self, parts: Sequence[Part], handler: Handler | None, raises: bool) -> Message | None:
        try:
            data = self._decoder.decode(parts, handler)
        except DecodeError as error:
            if raises:
                raise
            self._report(error)
            return None
        return None if data is None else Message(self._statistics, data, parts)

    def _closed(self) -> bool:
        return bool(self._socket.closed)

    def _report(self, error: DecodeError) -> None:
        detail = logger.isEnabledFor(DEBUG) and error.__cause__
        logger.warning(
            "a message from %s can't be read: %s", self._address, error, exc_info=detail or None
        )
