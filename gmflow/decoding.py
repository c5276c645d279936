"""Decodes messages in their order; what their handlers leave for later is done in native threads.

The handlers run on the hub, one message after the other, and remember. Their `Later`s go to
threads of the stream's own, several at once, and the messages come out again in the order in
which they went in. How many are in is bounded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .checking import check_whole
from .decoder import Decoder, Handler, work
from .errors import DecodeError
from .later import MOST_THREADS, SMALL, Later
from .message import Message

if TYPE_CHECKING:
    from gevent.event import AsyncResult
    from gevent.threadpool import ThreadPool


class Decoding:
    """The messages of one stream that are being decoded.

    It belongs to one greenlet.

    Parameters
    ----------
    decoder : Decoder
        Whose handlers read the messages, and what counts them, each when it is taken.
    threads : int, optional
        Native threads that work at once; with 0 all is done at once, on the hub.

    Attributes
    ----------
    decoder : Decoder
        As given.
    done : callable or None
        Called without arguments, on the hub, when a thread has done the work of a message.
    most : int
        Messages that may be in at once: with several threads one more than there are, so that
        none of them has to wait for the hub.

    Raises
    ------
    ConfigError
        If there can't be so many threads.
    """

    __slots__ = ("_entries", "_pool", "_threads", "decoder", "done", "most")

    def __init__(self, decoder: Decoder, threads: int = 1) -> None:
        check_whole("decode_threads", threads, 0, MOST_THREADS)
        self.decoder = decoder
        self._threads = threads
        self._entries: deque[tuple[Message, AsyncResult | None]] = deque()
        self._pool: ThreadPool | None = None
        self.done: Callable[[], None] | None = None
        self.most = threads + 1 if threads > 1 else 1

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def full(self) -> bool:
        """Whether the first message has to be taken before another goes in."""
        return len(self._entries) >= self.most

    @property
    def ready(self) -> bool:
        """Whether there is a first message, and it is decoded."""
        if not self._entries:
            return False
        result = self._entries[0][1]
        return result is None or bool(result.ready())

    def begin(self, message: Message, handler: Handler | None = None) -> bool:
        """Run the handler on a message, and put the message in.

        Returns
        -------
        bool
            True if it is decoded, with its ``data`` or its ``error``, and did not go in: none is
            before it, and there is nothing to do for a thread.
        """
        try:
            message.data = self.decoder.begin(message.parts, handler)
        except DecodeError as error:
            message.error = error
        if type(message.data) is Later and not self._at_once(message):
            return False
        if self._entries:
            self._entries.append((message, None))
            return False
        self._finish(message)
        return True

    def wait(self) -> None:
        """Wait until the first message is decoded."""
        result = self._entries[0][1]
        if result is not None:
            result.wait()

    def take(self) -> Message:
        """Give the first message, which is decoded, with its ``data`` or its ``error``."""
        message, result = self._entries.popleft()
        if result is not None:
            self._settle(message, result.get_nowait())
        self._finish(message)
        return message

    def take_anew(self, handler: Handler) -> Message:
        """Give the first message, read by another handler than its own."""
        message = self._entries.popleft()[0]
        message.data = message.error = None
        try:
            message.data = self.decoder.decode(message.parts, handler)
        except DecodeError as error:
            message.error = error
        return message

    def close(self) -> int:
        """Forget the messages that are in, end the threads, and give how many messages it were."""
        left, self._entries = len(self._entries), deque()
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.kill()
        return left

    def _at_once(self, message: Message) -> bool:
        """Do a message's work here, or hand it to a thread; tell which."""
        later: Later = message.data
        message.data = None
        if self._threads and later.size > SMALL:
            self._entries.append((message, self._hand_on(later, message)))
            return False
        self._settle(message, _worked(later, message))
        return True

    def _hand_on(self, later: Later, message: Message) -> AsyncResult:
        from gevent.threadpool import ThreadPool  # late: most streams need no threads

        if self._pool is None:
            self._pool = ThreadPool(self._threads)
        result = self._pool.spawn(_worked, later, message)
        if self.done is not None:
            done = self.done
            result.rawlink(lambda _: done())
        return result

    def _settle(self, message: Message, outcome: tuple[Any, DecodeError | None]) -> None:
        message.data, message.error = outcome
        if message.error is not None:
            self.decoder.statistics.messages_failed += 1

    def _finish(self, message: Message) -> None:
        if message.error is None:
            message.data = self.decoder.end(message.parts, message.data)


def _worked(later: Later, message: Message) -> tuple[Any, DecodeError | None]:
    """Do the work of a message; give the value, or why there is none."""
    try:
        return work(later, message.parts), None
    except DecodeError as error:
        return None, error
