"""The receiving side of a stream: whole messages are decoded, or logged and counted."""

from __future__ import annotations

from collections.abc import Iterator
from logging import getLogger

from .decoder import Decoder, Handler
from .errors import ConnectError, DecodeError
from .message import Message, Part
from .sockets import BURST, Socket

logger = getLogger(__name__)


class Reader:
    """Receives messages from a socket and decodes them.

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
    """

    def __init__(
        self, socket: Socket, decoder: Decoder, timeout: float | None, address: str
    ) -> None:
        self._socket = socket
        self._decoder = decoder
        self._timeout = timeout
        self._address = address
        self._most = min(BURST, socket.get_hwm() or BURST)
        self._pace = 1
        self._burst = socket.taken

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
        burst = self._burst
        if not burst:
            self._fill(self._timeout if block else 0)
            if not burst:
                return None
        return self._decode(burst.popleft(), handler, raises)

    def each(self, raises: bool) -> Iterator[Message]:
        """Give message after message until the time-out passes or the socket is closed."""
        burst = self._burst
        while not self._socket.closed:
            try:
                if not burst:
                    self._fill(self._timeout)
            except ConnectError:
                if not self._socket.closed:  # or it was closed meanwhile, which ends the loop
                    raise
            if not burst:
                return
            message = self._decode(burst.popleft(), None, raises)
            if message is not None:
                yield message

    def _fill(self, timeout: float | None) -> None:
        """Take more at a time the more is there: to find the socket empty costs most of all."""
        burst, pace = self._burst, self._pace
        self._socket.drain(pace, timeout)
        self._pace = min(2 * pace, self._most) if len(burst) == pace else 1

    def _decode(self, parts: list[Part], handler: Handler | None, raises: bool) -> Message | None:
        decoder = self._decoder
        try:
            data = decoder.decode(parts, handler)
        except DecodeError as error:
            if raises:
                raise
            logger.warning("a message from %s can't be read, skipped: %s", self._address, error)
            return None
        return None if data is None else Message(decoder.statistics, data, parts)
