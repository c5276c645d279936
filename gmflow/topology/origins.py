"""Where messages begin: a source receives them from a socket, a feed takes them from an iterable.

They decode for the nodes after them, each stream by its own running handlers, because what a
handler remembers belongs to one stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from logging import getLogger
from time import monotonic
from typing import TYPE_CHECKING, Any

from gevent import GreenletExit, getcurrent

from ..breathing import Breath
from ..burst import Burst
from ..channel import CAPACITY_BYTES
from ..continuity import Continuity
from ..errors import DecodeError
from ..inbox import BURST, Inbox
from ..message import Message, Part, size_of, size_of_all
from ..sockets import Context, Socket
from ..statistics import Statistics
from .nodes import Giver
from .port import Port

if TYPE_CHECKING:
    from ..decoder import Decoder, Handler

logger = getLogger(__name__)


class Origin(Giver):
    """A node that messages begin at, and that can be asked to stop.

    Parameters
    ----------
    name : str
        What it is called in reports.
    handlers : mapping of str to handler, optional
        Which handler reads which htype, if a node after it wants values.
    continuity : Continuity, optional
        What follows the messages, where some may be missing.
    """

    def __init__(
        self,
        name: str,
        handlers: Mapping[str, Handler] | None = None,
        address: str = "",
        continuity: Continuity | None = None,
    ) -> None:
        super().__init__(name, address)
        self._continuity = continuity
        self._handlers = None if handlers is None else dict(handlers)
        self._decoder: Decoder | None = None
        self._counters = Statistics()
        self._stopping = False

    def want_data(self) -> None:
        from ..decoder import Decoder  # late: it brings NumPy, which forwarding does without

        if self._decoder is None:
            self._decoder = Decoder(self._handlers)
            self._counters = self._decoder.statistics

    def stop(self) -> None:
        """Take nothing more."""
        self._stopping = True

    def close(self) -> None:
        if self._decoder is not None:
            self._decoder.close()
        super().close()

    def give_parts(self, burst: Sequence[Sequence[Part]], sized: bool = False) -> None:
        """Make messages of what came, the parts of each, and pass them on as `give` does.

        They are `sized` now where they are to wait for so long that their parts will then be far
        from the processor.
        """
        counters, name = self._counters, self.name
        if sized:
            made = [Message(counters, None, parts, name, size_of(parts)) for parts in burst]
        else:
            made = [Message(counters, None, parts, name) for parts in burst]
        messages = Burst(made)
        size = size_of_all(messages)
        self.statistics.received += len(messages)
        self.statistics.bytes_received += size
        if self._continuity is not None:
            self._continuity.follow(messages, monotonic())
        if self._decoder is not None:
            self._decode(messages, self._decoder)
        self.give(messages, size)

    def _decode(self, messages: Sequence[Message], decoder: Decoder) -> None:
        breathe = Breath()
        try:
            for message in messages:
                breathe()
                try:
                    message.data = decoder.decode(message.parts)
                except DecodeError as error:
                    message.error = error
                    logger.warning("a message of %s can't be read: %s", self.name, error)
        except BaseException:  # a kill, where a handler waits
            self.statistics.left_over += len(messages)
            raise


class Source(Origin):
    """Receives from a socket.

    Parameters
    ----------
    name, handlers
        As of `Origin`.
    address : str
        The socket's address.
    settings : dict
        Further arguments of `gmflow.opening.open_socket`.
    count : int, optional
        End after so many messages.
    step : int, optional
        As of `gmflow.continuity.Continuity`.
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
    ) -> None:
        self._upstream = Continuity(step)
        super().__init__(name, handlers, address, self._upstream)
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
            self.give_parts(burst, sized=many)

    def stop(self) -> None:
        super().stop()
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


class Feed(Origin):
    """Gives the messages of an iterable.

    Parameters
    ----------
    name, handlers
        As of `Origin`.
    messages : iterable of sequences of bytes-like
        The parts of each message; the iterator may wait on the hub.
    """

    kind = "feed"

    def __init__(
        self,
        name: str,
        messages: Iterable[Sequence[Part]],
        handlers: Mapping[str, Handler] | None = None,
    ) -> None:
        super().__init__(name, handlers)
        self._messages = iter(messages)
        self._greenlet: Any = None

    def run(self) -> None:
        breathe = Breath()
        for parts in self._each():
            self.give_parts((parts,))
            breathe()

    def _each(self) -> Iterator[Sequence[Part]]:
        while not self._stopping:
            self._greenlet = getcurrent()
            try:
                parts = next(self._messages, None)
            except GreenletExit:
                return
            finally:
                self._greenlet = None
            if parts is None:
                return
            yield parts

    def stop(self) -> None:
        super().stop()
        if self._greenlet is not None:  # it waits in the iterable, for a file or for its turn
            self._greenlet.kill(block=False)
