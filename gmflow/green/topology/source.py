"""Where messages begin: a source receives from a socket, a feed takes them from an iterable.

An iterable of bursts, several messages at a time, is taken faster than one of messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any

from gevent import GreenletExit, getcurrent

from ...message import Part
from ...sequence.tracker import Continuity
from ..channel import CAPACITY_BYTES
from ..transport.receive import BURST, Inbox
from ..transport.socket import Context, Socket
from ..yielding import Breath
from .origin import Origin
from .port import Port

if TYPE_CHECKING:
    from ...decoder import Handler


class Source(Origin):
    """Receives from a socket.

    Parameters
    ----------
    name, handlers
        As of `Origin`.
    address : str
        The socket's address.
    settings : dict
        Further arguments of `gmflow.green.transport.open_socket.open_socket`.
    count : int, optional
        End after so many messages.
    step : int, optional
        As of `gmflow.sequence.tracker.Continuity`.
    threads : int, optional
        As of `Origin`.
    """

    kind = "source"

    def __init__(
        self,
        name: str,
        address: str,
        settings: dict[str, Any],
        handlers: Mapping[str, Handler] | None = None,
        count: int | None = None,
        step: int | None = None,
        threads: int = 1,
    ) -> None:
        self._upstream = Continuity(step)
        super().__init__(name, handlers, address, self._upstream, threads)
        self._closed: float | None = None
        self._left = count
        self._port = Port(address, settings, name)
        self._socket: Socket | None = None

    def open(self, context: Context, thread: int = 0) -> None:
        self._socket = self._port.open(context, thread)
        self.address = self._port.address

    def run(self) -> None:
        assert self._socket is not None
        inbox, (capacity, room) = Inbox(self._socket), self.splitter.capacity
        longest, many = min(BURST, capacity), room < CAPACITY_BYTES  # many share a merger's room
        while not self._stopping and self._left != 0:
            most = longest if self._left is None else min(longest, self._left)
            burst = inbox.receive_burst(most, room, compact=many)
            if self._left is not None:
                self._left -= len(burst)
            if burst:
                self.give_parts(burst, sized=many)
            else:
                self.give_decoded()
            del burst  # or it would be kept until the next has come
        self.give_rest()

    def stop(self) -> None:
        super().stop()
        self.wake()

    def wake(self) -> None:
        self._port.wake()

    def close(self) -> None:
        self._closed = monotonic()
        self._port.close()
        super().close()

    def snapshot(self) -> dict[str, Any]:
        """Give the node's kind, address and counters; ``upstream`` says what did not get here."""
        now = monotonic() if self._closed is None else self._closed
        upstream = self._upstream.snapshot(now)
        return {**super().snapshot(), **self._port.snapshot(), "upstream": upstream}


class Bursts(Origin):
    """Gives the messages of an iterable of bursts.

    Parameters
    ----------
    name, handlers
        As of `Origin`.
    bursts : iterable of sequences of sequences of bytes-like
        The parts of each message of a burst; the iterator may wait on the hub. It is not asked
        for more after a stop; where it waits then, it gets a GreenletExit.
    """

    kind = "feed"

    def __init__(
        self,
        name: str,
        bursts: Iterable[Sequence[Sequence[Part]]],
        handlers: Mapping[str, Handler] | None = None,
    ) -> None:
        super().__init__(name, handlers)
        self._bursts = iter(bursts)
        self._greenlet: Any = None

    def run(self) -> None:
        breathe = Breath()
        for burst in self._each():
            self.give_parts(burst)
            self.give_rest()
            breathe()

    def _each(self) -> Iterator[Sequence[Sequence[Part]]]:
        while not self._stopping:
            self._greenlet = getcurrent()
            try:
                burst = next(self._bursts, None)
            except GreenletExit:
                return
            finally:
                self._greenlet = None
            if burst is None:
                return
            yield burst

    def stop(self) -> None:
        super().stop()
        if self._greenlet is not None:  # it waits in the iterable, for a file or for its turn
            self._greenlet.kill(block=False)


class Feed(Bursts):
    """Gives the messages of an iterable.

    Parameters
    ----------
    name, handlers
        As of `Origin`.
    messages : iterable of sequences of bytes-like
        The parts of each message; the iterator may wait on the hub.
    """

    def __init__(
        self,
        name: str,
        messages: Iterable[Sequence[Part]],
        handlers: Mapping[str, Handler] | None = None,
    ) -> None:
        super().__init__(name, zip(messages), handlers)  # each is a burst of its own
