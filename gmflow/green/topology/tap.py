"""A tap: what of a stream goes to viewers, who come late and may be slow, and hold nothing up."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from secrets import token_bytes
from time import monotonic
from typing import Any

import gevent
import zmq
from gevent import getcurrent
from zmq.backend import Socket as _Backend  # its methods don't know of the hub: no switch, no look

from ...errors import ConfigError
from ...formats import is_needed_first, is_series_edge
from ...message import Message
from ..transport.poller import POLLIN
from ..transport.receive import MessageReceiver
from ..transport.socket import TOPICS_COUNT, Context, Socket
from .node import Producer
from .output import Output


class WhileSubscribed:
    """Chooses everything while one of the topics is subscribed to, else the newest header alone."""

    cause = "unwatched"

    def __init__(self, topics: Collection[bytes]) -> None:
        self._topics = topics

    def choose(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Return those of the next messages that are chosen."""
        if self._topics:
            return messages
        header = next(filter(is_needed_first, reversed(messages)), None)
        return () if header is None else (header,)


class Newest:
    """Chooses the newest images of each burst, and whatever opens or ends an Eiger series.

    `room` returns how many images there is room for; `cause` is what the others are counted as.
    """

    def __init__(self, cause: str, room: Callable[[], int]) -> None:
        self.cause = cause
        self._room = room

    def choose(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Return those of the next messages that are chosen."""
        room = self._room()
        if len(messages) <= room:
            return messages
        edges = list(map(is_series_edge, messages))
        too_many = edges.count(False) - room
        chosen: list[Message] = []
        for message, edge in zip(messages, edges, strict=True):
            too_many -= not edge
            if edge or too_many < 0:
                chosen.append(message)
        return chosen


class Subscriptions:
    """Lets peers of an XPUB socket that is in manual mode subscribe, and go.

    Whoever owns this receives from the socket, and gives each notice to `note`; `topics` then has
    what somebody is subscribed to. Raise ConfigError if libzmq is older than 4.3.5.
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
        """Do what a notice says; return the topic if its peer has subscribed and is still there."""
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
        """Return True if the peer that the last notice came from has not gone since."""
        is_there = self._is_first(self._mark)
        self._socket.set(zmq.UNSUBSCRIBE, self._mark)
        return is_there

    def _is_first(self, topic: bytes) -> bool:
        """Subscribe the peer that the last notice came from; return True if nobody else had."""
        before = self._count()
        self._socket.set(zmq.SUBSCRIBE, topic)
        return self._count() > before

    def _count(self) -> int:
        return int(self._socket.get(TOPICS_COUNT))


SHARE = 0.05
"""The share of the hub's time that a tap takes, where `MAX_REST` is rest enough."""

MAX_REST = 0.05
"""Seconds that it leaves the hub to others at a time, at most."""

LAST_SUBSCRIBER = 98
"""libzmq's XPUB_MANUAL_LAST_VALUE, which pyzmq doesn't name everywhere: while it is set, what is
sent goes to the one whose subscription was received last, and to nobody else."""

_get: Any = _Backend.get
_NOBLOCK = int(zmq.NOBLOCK)
_MORE = int(zmq.SNDMORE | zmq.NOBLOCK)


class Tap(Output):
    """Publishes the newest messages to whoever subscribes.

    A subscriber first gets the latest header message, a DECTRIS header or a bsread message with
    its data header, and then what comes; one with several topics gets it for each that it begins
    with. What an Eiger series opens and ends with is dropped last and needs no turn of the rate.

    A message for which a subscriber's queue is full goes to the others and is counted as missed.
    That is the least it misses: ZeroMQ then passes it over, without a word, until it has taken
    half of its queue.

    The linger holds at every end: viewers hold nothing up. The rate is in messages a second; None
    sends every message as far as `SHARE` of the hub's time lasts, and drops the others as ``full``.
    Raise ConfigError on `open` if libzmq is older than 4.3.5.
    """

    kind = "tap"

    def __init__(
        self, name: str, node: Producer, address: str, settings: dict[str, Any], rate: float | None
    ) -> None:
        self._topics: set[bytes] = set()  # that somebody is subscribed to
        watched = WhileSubscribed(self._topics)
        newest = Newest("full", self._room) if rate is None else Newest("rate", lambda: 1)
        filters = watched, newest
        super().__init__(name, node, address, settings, filters, "drop_oldest", rate, True)
        self.stop()  # its linger holds at every end
        self._header: Message | None = None  # the latest of those that went out or by
        self._inbox: MessageReceiver | None = None
        self._subscriptions: Subscriptions | None = None

    def open(self, context: Context, thread: int = 0) -> None:
        super().open(context, thread)
        assert self._socket is not None
        self._inbox = MessageReceiver(self._socket)
        self._subscriptions = Subscriptions(self._socket, context, self._topics)
        self._answer_last(False)

    def run(self) -> None:
        attendant = gevent.spawn(self._attend, getcurrent())
        try:
            super().run()
        finally:
            attendant.kill()

    def consume(self, hand: deque[Message]) -> None:
        began = monotonic()
        while hand and self._topics:
            self._send(hand[0])
            message = hand.popleft()
            self.done(message)
            self._remember(message)
        for message in hand:
            self._remember(message)
        self.statistics.drop(WhileSubscribed.cause, len(hand))
        hand.clear()
        self._look()
        if not self.inlet.channel.closed:  # else nothing shall wait for the end
            gevent.sleep(min((monotonic() - began) / SHARE, MAX_REST))

    def snapshot(self) -> dict[str, Any]:
        """Return the node's counters as a plain dict, with ``subscriptions``: how many topics."""
        return {**super().snapshot(), "subscriptions": len(self._topics)}

    def close(self) -> None:
        super().close()
        if self._subscriptions is not None:
            self._subscriptions.close()

    def _room(self) -> int:
        channel = self.inlet.channel
        return channel.capacity - len(channel)

    def _send(self, message: Message) -> None:
        assert self._sender is not None
        if not self._sender.send(message.parts, 0):
            self._publish(message)

    def _remember(self, message: Message) -> None:
        if is_needed_first(message):
            self._header = message

    def _look(self) -> None:
        """Wake the attendant if there is something for it: sending takes the signal away."""
        assert self._socket is not None
        if _get(self._socket, zmq.EVENTS) & POLLIN:
            self._socket.wake()

    def _attend(self, node: Any) -> None:
        """Answer those who come and go, also while the stream is idle."""
        assert self._inbox is not None and self._subscriptions is not None
        try:
            while True:
                notice = self._inbox.receive()
                topic = None if notice is None else self._subscriptions.note(bytes(notice[0]))
                if topic is not None:
                    self._greet(topic)
        except Exception as error:
            gevent.kill(node, error)

    def _greet(self, topic: bytes) -> None:
        """Send the latest header message to who has just subscribed, alone."""
        header = self._header
        if header is None or bytes(memoryview(header.parts[0])[: len(topic)]) != topic:
            return
        send = _Backend.send.__get__(self._socket)
        self._answer_last(True)
        try:
            for part in header.parts[:-1]:
                send(part, _MORE)
            send(header.parts[-1], _NOBLOCK)
        except zmq.Again:
            self.statistics.missed += 1
        finally:
            self._answer_last(False)

    def _answer_last(self, last: bool) -> None:
        """Have what is sent go to the last subscriber alone, or to all again."""
        assert self._socket is not None
        self._socket.set(LAST_SUBSCRIBER, int(last))
        self._socket.set(zmq.XPUB_MANUAL, 1)
