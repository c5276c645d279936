"""Decodes messages in their order; what their handlers leave for later is done in native threads.

The handlers run on the hub, one message after the other, and remember. Their `Deferred`s go to
threads of the stream's own, several at once, and the messages come out again in the order in
which they went in. How many are in is bounded.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from ..decoder import Decoder, Handler
from ..deferred import MAX_THREADS, SMALL, Deferred, step_aside, work
from ..errors import ConnectError, DecodeError, HandlerError
from ..message import Message, Part
from ..validation import check_whole

if TYPE_CHECKING:
    from gevent.event import AsyncResult
    from gevent.threadpool import ThreadPool

Outcome: TypeAlias = tuple[Any, DecodeError | None]


class Decoding:
    """The messages of one stream that are being decoded, by one greenlet.

    With no `threads` all is done at once, on the hub. Raise ConfigError for too many of them.
    """

    __slots__ = ("_pool", "_threads", "decoder", "done", "entries", "most")

    def __init__(self, decoder: Decoder, threads: int = 1) -> None:
        self._pool: ThreadPool | None = None
        check_whole("decode_threads", threads, 0, MAX_THREADS)
        self.decoder = decoder
        self._threads = threads
        self.entries: deque[tuple[Message, AsyncResult | None, Handler | None]] = deque()
        # Called on the hub when a thread has done the work of a message.
        self.done: Callable[[], None] | None = None
        # One more than there are threads, so that none of them has to wait for the hub.
        self.most = threads + 1 if threads > 1 else 1

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def full(self) -> bool:
        """Whether the first message has to be taken before another goes in."""
        return len(self.entries) >= self.most

    @property
    def ready(self) -> bool:
        """Whether there is a first message, and it is decoded."""
        if not self.entries:
            return False
        result = self.entries[0][1]
        return result is None or bool(result.ready())

    def begin(self, message: Message, handler: Handler | None = None) -> bool:
        """Run the handler on a message, and put the message in.

        Return True if it did not go in, as it is decoded, with its ``data`` or its ``error``: none
        is before it, and there is nothing to do for a thread.
        """
        try:
            value = self.decoder.begin(message, handler)
        except DecodeError as error:
            message.error, value = error, None
        if type(value) is Deferred or self.entries:
            return self.put(message, value, handler)
        message.data = value
        return True

    def put(self, message: Message, value: Any, handler: Handler | None = None) -> bool:
        """Put a message in with what the decoder has begun with; return what `begin` does."""
        if type(value) is not Deferred:
            message.data = value
        elif self._threads and value.size > SMALL:
            self.entries.append((message, self._hand_on(value, message.parts), handler))
            return False
        else:
            self._settle(message, _worked(value, message.parts))
        if self.entries:
            self.entries.append((message, None, handler))
        return not self.entries

    def wait(self) -> None:
        """Wait until the first message is decoded; raise ConnectError if it was forgotten."""
        first = self.entries[0]
        if first[1] is None:
            return
        first[1].wait()
        if not self.entries or self.entries[0] is not first:
            raise ConnectError("the stream was disconnected while a greenlet waited on its threads")

    def take(self, handler: Handler | None = None) -> Message:
        """Return the first message, which is decoded, with its ``data`` or its ``error``.

        A `handler` other than the one that has read it reads it again.
        """
        message, result, own = self.entries.popleft()
        if result is not None:
            self._settle(message, result.get_nowait())
        if handler is not None and handler is not own:
            return self._read_again(message, handler)
        return message

    def close(self) -> int:
        """Forget the messages that are in, and give how many it were; the threads end."""
        entries = list(self.entries)
        self.entries.clear()
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.maxsize = 0  # kill would wait for the threads: their work may never end
        for _, result, _ in entries:
            if result is not None:
                result.set()  # whoever waits for it need not
        return len(entries)

    def __del__(self) -> None:
        if self._pool is not None and not sys.is_finalizing() and self._pool.hub.loop:
            self._pool.hub.loop.run_callback_threadsafe(setattr, self._pool, "maxsize", 0)

    def _read_again(self, message: Message, handler: Handler) -> Message:
        """Read a message once more, and take back what was counted of it."""
        statistics = self.decoder.statistics
        if message.error is not None:
            statistics.messages_failed -= 1
        elif message.data is None:
            statistics.messages_skipped -= 1
        else:
            statistics.messages_received -= 1
            statistics.total_bytes_received -= message.size
        message.data = message.error = None
        try:
            message.data = self.decoder.read(message, handler)
        except DecodeError as error:
            message.error = error
        return message

    def _hand_on(self, deferred: Deferred, parts: Sequence[Part]) -> AsyncResult:
        from gevent.threadpool import ThreadPool  # late: most streams need no threads

        if self._pool is None:
            self._pool = ThreadPool(self._threads)
        result = self._pool.spawn(_worked_apart, deferred, parts)
        if self.done is not None:
            done = self.done
            result.rawlink(lambda _: done())
        return result

    def _settle(self, message: Message, outcome: Outcome) -> None:
        value, message.error = outcome
        if message.error is None:
            message.data = self.decoder.end(message.parts, value)
        else:
            self.decoder.fail(message.parts)


def _worked(deferred: Deferred, parts: Sequence[Part]) -> Outcome:
    """Do the work of a message; return the value, or why there is none."""
    try:
        return work(deferred, parts), None
    except DecodeError as error:
        return None, error


def _worked_apart(deferred: Deferred, parts: Sequence[Part]) -> Outcome:
    """Do it in a thread, where all that goes wrong fails the message alone."""
    step_aside()
    try:
        return _worked(deferred, parts)
    except BaseException as error:  # the hub would raise a SystemExit where the program waits
        failure = HandlerError(f"the work of a handler ended with {type(error).__name__}", parts)
        failure.__cause__ = error
        return None, failure
