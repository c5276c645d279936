"""A tap: an output for viewers, who come and go and may be slow, and never slow the rest down.

Nothing waits for it. Without subscribers messages are dropped where they come in, a burst at a
time; with some, it keeps the newest and takes a small share of the hub's time. One greenlet sends,
another owns the subscriptions; neither lets others run within a message, nor between a
subscription and the header message that answers it.
"""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import Any

import gevent
import zmq
from gevent import getcurrent
from zmq.backend import Socket as _Backend  # its methods don't know of the hub: no switch, no look

from ...message import Message
from ..transport.poller import POLLIN
from ..transport.receive import Inbox
from ..transport.socket import Context
from .node import Giver
from .output import Output
from .subscriptions import Subscriptions
from .viewing import Newest, WhileSubscribed, is_header

SHARE = 0.05
"""The share of the hub's time that a tap takes, where `LONGEST_REST` is rest enough."""

LONGEST_REST = 0.05
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

    Parameters
    ----------
    name, node, address
        As of `Output`.
    settings : dict
        Further arguments of `open_socket`. The linger holds at every end: viewers hold nothing up.
    rate : float or None
        Messages a second at most, each time the newest. None sends every message as far as
        `SHARE` of the hub's time lasts; the others are dropped as ``full``.

    Raises
    ------
    ConfigError
        If `rate` is no number above 0, or on `open` if libzmq is older than 4.3.5.
    """

    kind = "tap"

    def __init__(
        self, name: str, node: Giver, address: str, settings: dict[str, Any], rate: float | None
    ) -> None:
        self._topics: set[bytes] = set()  # that somebody is subscribed to
        watched = WhileSubscribed(self._topics)
        newest = Newest("full", self._room) if rate is None else Newest("rate", lambda: 1)
        choices = watched, newest
        super().__init__(name, node, address, settings, choices, "drop_oldest", rate, True)
        self.stop()  # its linger holds at every end
        self._header: Message | None = None  # the latest of those that went out or by
        self._inbox: Inbox | None = None
        self._subscriptions: Subscriptions | None = None

    def open(self, context: Context, thread: int = 0) -> None:
        super().open(context, thread)
        assert self._socket is not None
        self._inbox = Inbox(self._socket)
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
            gevent.sleep(min((monotonic() - began) / SHARE, LONGEST_REST))

    def snapshot(self) -> dict[str, Any]:
        """Give the node's counters as a plain dict, with ``subscriptions``: how many topics."""
        return {**super().snapshot(), "subscriptions": len(self._topics)}

    def close(self) -> None:
        super().close()
        if self._subscriptions is not None:
            self._subscriptions.close()

    def _room(self) -> int:
        channel = self.inlet.channel
        return channel.capacity - len(channel)

    def _send(self, message: Message) -> None:
        assert self._outbox is not None
        if not self._outbox.send(message.parts, 0):
            self._publish(message)

    def _remember(self, message: Message) -> None:
        if is_header(message):
            self._header = message

    def _look(self) -> None:
        """Wake the attendant if there is something for it: sending takes the signal away."""
        assert self._socket is not None
        if _get(self._socket, zmq.EVENTS) & POLLIN:
            self._socket.wake()

    def _attend(self, node: Any) -> None:
        """See to those who come and go, also while the stream is idle."""
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
        if header is None or not bytes(header.parts[0]).startswith(topic):
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
