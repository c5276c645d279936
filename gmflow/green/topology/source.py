"""The nodes that messages begin at: those of a socket, or those of an iterable.

Each makes messages of what comes and passes them on, in that order. Where a node after it wants
values it decodes, with handlers of its own, because what a handler remembers belongs to one
stream; what they leave for later is done in native threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from logging import getLogger
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Any

from gevent import GreenletExit, getcurrent

from ...message import Message, Part, size_of, size_of_all
from ...sequence.tracker import SequenceTracker
from ...statistics import Statistics
from ..channel import CAPACITY_BYTES
from ..transport.receive import MAX_BURST, MessageReceiver
from ..transport.socket import Context, Socket
from ..yielding import HubYield
from .node import NodeSocket, Producer

if TYPE_CHECKING:
    from ...decoder import Handler
    from ..decode_pool import Decoding

logger = getLogger(__name__)


class Origin(Producer):
    """A node that messages begin at, and that can be asked to stop.

    If a node after it wants values, its handlers are added to the built-in ones, and `threads`
    native threads do what they leave for later; with 0 that is done on the hub.
    """

    def __init__(
        self,
        name: str,
        handlers: Mapping[str, Handler] | None = None,
        address: str = "",
        tracker: SequenceTracker | None = None,
        threads: int = 1,
    ) -> None:
        super().__init__(name, address)
        self._tracker = tracker
        self._handlers = None if handlers is None else dict(handlers)
        self._threads = threads
        self._decoding: Decoding | None = None
        self._counters = Statistics()
        self._stopping = False

    def want_data(self) -> None:
        from ...decoder import Decoder  # late: they bring NumPy, which forwarding does without
        from ..decode_pool import Decoding

        if self._decoding is None:
            self._decoding = Decoding(Decoder(self._handlers), self._threads)
            self._decoding.done = self.wake
            self._counters = self._decoding.decoder.statistics

    def stop(self) -> None:
        """Take nothing more."""
        self._stopping = True

    def wake(self) -> None:
        """Have `run` pass on what a thread has decoded, where it waits for messages."""

    def close(self) -> None:
        if self._decoding is not None:
            self.statistics.left_over += self._decoding.close()
            self._decoding.decoder.close()
        super().close()

    def give_parts(self, burst: Sequence[Sequence[Part]], sized: bool = False) -> None:
        """Make messages of what came, the parts of each, and pass them on as `give` does.

        They are `sized` now where they are to wait for so long that their parts will then be far
        from the processor.
        """
        counters, name, now = self._counters, self.name, time_ns()
        if sized:
            messages = [
                Message(counters, None, parts, name, size_of(parts), now) for parts in burst
            ]
        else:
            messages = [Message(counters, None, parts, name, -1, now) for parts in burst]
        size = size_of_all(messages)
        self.statistics.received += len(messages)
        self.statistics.bytes_received += size
        if self._tracker is not None:
            self._tracker.follow(messages, monotonic())
        if self._decoding is None:
            self.give(messages, size)
        else:
            self._decode(messages, self._decoding)

    def give_decoded(self) -> None:
        """Pass on the first messages, as far as they are decoded."""
        decoding = self._decoding
        ready = []
        while decoding and decoding.ready:
            ready.append(decoding.take())
        self._give_ready(ready)

    def give_rest(self) -> None:
        """Wait until everything is decoded, and pass it on."""
        while self._decoding:
            self._decoding.wait()
            self.give_decoded()

    def _decode(self, messages: Sequence[Message], decoding: Decoding) -> None:
        """Decode messages, and pass on those that need not wait for a thread."""
        yield_to_hub, begin, entries = HubYield(), decoding.begin, decoding.entries
        left = len(messages)
        ready: list[Message] = []
        try:
            for message in messages:
                if monotonic() >= yield_to_hub.until:
                    yield_to_hub()
                while entries and decoding.full:
                    given, ready = ready, []
                    self._give_ready(given)
                    decoding.wait()
                    self.give_decoded()
                if begin(message):
                    ready.append(message)
                left -= 1
        except BaseException:  # a kill, where it waits for a thread or a handler waits
            self.statistics.left_over += left + len(ready)
            raise
        self._give_ready(ready)
        self.give_decoded()

    def _give_ready(self, messages: list[Message]) -> None:
        for message in messages:
            if message.error is not None:
                logger.warning("a message of %s can't be read: %s", self.name, message.error)
                _forget_frames(message.error)
        if messages:
            self.give(messages, size_of_all(messages))


def _forget_frames(error: BaseException | None) -> None:
    """Drop tracebacks: their frames know the burst, a cycle that would keep all its parts."""
    while error is not None and error.__traceback__ is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


class Source(Origin):
    """Receives from a socket, which `NodeSocket` opens; it ends after `count` messages."""

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
        self._upstream = SequenceTracker(step)
        super().__init__(name, handlers, address, self._upstream, threads)
        self._closed: float | None = None
        self._left = count
        self._port = NodeSocket(address, settings, name)
        self._socket: Socket | None = None

    def open(self, context: Context, thread: int = 0) -> None:
        self._socket = self._port.open(context, thread)
        self.address = self._port.address

    def run(self) -> None:
        assert self._socket is not None
        receiver, (capacity, room) = MessageReceiver(self._socket), self.splitter.capacity
        longest = min(MAX_BURST, capacity)
        many = room < CAPACITY_BYTES  # they share a merger's room
        # where many messages are in flight, as values are, their frames would be collected as well
        compact = many or self._decoding is not None
        while not self._stopping and self._left != 0:
            most = longest if self._left is None else min(longest, self._left)
            burst = receiver.receive_burst(most, room, compact=compact)
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
        """Return the node's kind, address and counters; ``upstream`` says what did not get here."""
        now = monotonic() if self._closed is None else self._closed
        upstream = self._upstream.snapshot(now)
        return {**super().snapshot(), **self._port.snapshot(), "upstream": upstream}


class Bursts(Origin):
    """Passes on the messages of an iterable of bursts, of which each is the parts of each message.

    The iterator may wait on the hub. It is not asked for more after a stop; where it waits then,
    it gets a GreenletExit.
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
        yield_to_hub = HubYield()
        for burst in self._each():
            self.give_parts(burst)
            self.give_rest()
            yield_to_hub()

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
