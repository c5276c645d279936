"""mflow's ``Merge``: several streams behave as one, in a program's own loop."""

from __future__ import annotations

from .decoder import Handler
from .merging import RoundRobinStrategy
from .message import Message
from .stream import Stream


class Merge:
    """Several streams that are received from as if they were one.

    Parameters
    ----------
    *streams : Stream
        The streams, in their order.
    receive_strategy : RoundRobinStrategy, optional
        Says which stream is next; one of its own by default.
    """

    def __init__(
        self, *streams: Stream, receive_strategy: RoundRobinStrategy | None = None
    ) -> None:
        self.streams = streams
        self.receive_strategy = receive_strategy or RoundRobinStrategy()

    def receive(self, handler: Handler | None = None, block: bool = True) -> Message | None:
        """Receive the message whose turn it is.

        Parameters
        ----------
        handler : handler, optional
            As of `Stream.receive`.
        block : bool, optional
            Wait for the stream whose turn it is; otherwise give what the next stream has that
            has something.

        Returns
        -------
        Message or None
            None if no stream gave a message, each asked once.
        """
        for _ in self.streams:
            stream = self.streams[self.receive_strategy.next(self.streams)]
            message = stream.receive(handler=handler, block=block)
            if message is not None:
                return message
        return None

    def disconnect(self) -> None:
        """Disconnect all the streams."""
        for stream in self.streams:
            stream.disconnect()
