"""Which topics of a publishing socket somebody is subscribed to, by libzmq's own books.

What peers say is not enough: they may take back what they never subscribed to, subscribe to one
topic several times, or go away in between. So nothing is counted: of each topic that a peer may
have left, libzmq is asked whether another has it. It tells that when a peer takes the topic, which
an inproc socket beside does for a moment.
"""

from __future__ import annotations

from secrets import token_bytes
from typing import Any

import zmq

from ...errors import ConfigError
from ..stream.watching import TOPICS_COUNT
from ..transport.socket import Context, Socket


class Subscriptions:
    """Lets peers of an XPUB socket that is in manual mode subscribe, and go.

    Parameters
    ----------
    socket : Socket
        The XPUB socket; whoever owns this receives from it, and gives each notice to `note`.
    context : Context
        The socket's.
    topics : set of bytes
        Where the topics that somebody is subscribed to are kept.

    Raises
    ------
    ConfigError
        If libzmq is older than 4.3.5.
    """

    def __init__(self, socket: Socket, context: Context, topics: set[bytes]) -> None:
        self._socket = socket
        self._topics = topics
        self._doubtful: set[bytes] = set()  # a peer has left them; while there are any, it is asked
        self._mark = token_bytes(16)  # a topic that only `_asks` subscribes to
        try:
            self._count()
        except zmq.ZMQError:
            raise ConfigError(
                f"a tap needs libzmq 4.3.5 or newer, this is {zmq.zmq_version()}: update pyzmq"
            ) from None
        address = f"inproc://gmflow.subscriptions.{self._mark.hex()}"
        socket.bind(address)
        self._asks: Any = context.socket(zmq.XSUB, socket_class=zmq.Socket)
        self._asks.connect(address)

    def note(self, notice: bytes) -> bytes | None:
        """Do what a notice says; give the topic if its peer has subscribed and is still there."""
        kind, topic = notice[:1], notice[1:]
        if kind == b"\x01":
            if topic == self._mark:
                self._settle()
            elif self._sender_is_there():
                self._socket.set(zmq.SUBSCRIBE, topic)
                self._topics.add(topic)
                return topic
        elif kind == b"\x00":
            self._socket.set(zmq.UNSUBSCRIBE, topic)
            if topic in self._topics:
                self._doubt(topic)
        return None

    def close(self) -> None:
        """Close the socket beside."""
        self._asks.close(0)

    def _doubt(self, topic: bytes) -> None:
        if not self._doubtful:
            self._asks.send(b"\x01" + self._mark, zmq.NOBLOCK)
        self._doubtful.add(topic)

    def _settle(self) -> None:
        for topic in self._doubtful:
            if self._is_first(topic):
                self._topics.discard(topic)
            self._socket.set(zmq.UNSUBSCRIBE, topic)
        self._doubtful.clear()

    def _sender_is_there(self) -> bool:
        """Tell whether the peer that the last notice came from has not gone since."""
        is_there = self._is_first(self._mark)
        self._socket.set(zmq.UNSUBSCRIBE, self._mark)
        return is_there

    def _is_first(self, topic: bytes) -> bool:
        """Subscribe the peer that the last notice came from; tell whether nobody else had."""
        before = self._count()
        self._socket.set(zmq.SUBSCRIBE, topic)
        return self._count() > before

    def _count(self) -> int:
        return int(self._socket.get(TOPICS_COUNT))
