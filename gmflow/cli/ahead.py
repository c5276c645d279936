"""Reading a recording ahead of its use: a batch in a native thread while the last one is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Lock
from typing import TypeAlias

from gevent.hub import get_hub

from ..green.threads import in_worker_thread
from ..message import Message
from .program import PATIENCE

BATCH = 256
"""Messages of a batch, at most."""

BATCH_BYTES = 8 << 20
"""Bytes at which a batch is full, however few messages they are."""

Batch: TypeAlias = list[Message]


class Ahead:
    """Gives batches of messages on the hub; the next is always being read, never two of them.

    Parameters
    ----------
    messages : iterator of Message
        What is run in native threads, never in two at a time. Its errors come where the message
        would have come.
    read : callable, optional
        Gives how many messages of the recording it took for what it has given so far; where they
        are not the same, as with a choice of them.

    Attributes
    ----------
    ended : bool
        Whether all were given.
    """

    def __init__(self, messages: Iterator[Message], read: Callable[[], int] | None = None) -> None:
        self._messages: Iterator[Message] | None = messages
        self._read = read or (lambda: 0)
        self._busy = Lock()
        self._stopping = False
        self.ended = False
        self._before = self._after = 0
        self._gone = self._length = 0

    @property
    def position(self) -> int:
        """How far the use of the messages has got, in messages of the recording."""
        share = self._gone / self._length if self._length else 1.0
        return self._before + round(share * (self._after - self._before))

    def gone(self, count: int) -> None:
        """Note that so many messages of the last batch are used."""
        self._gone += count

    def __iter__(self) -> Iterator[Batch]:
        pool = get_hub().threadpool
        taking = pool.spawn(self._take)
        while True:
            batch, read, error = taking.get()
            if batch and error is None:
                taking = pool.spawn(self._take)
            self._before, self._after = self._after, read
            self._gone, self._length = 0, len(batch)
            if batch:
                yield batch
            if error is not None:
                raise error
            if not batch:
                self.ended = not self._stopping
                return

    def close(self) -> bool:
        """Have nothing more read; tell if so: a disk may hang. Other greenlets run meanwhile."""
        self._stopping = True
        if not in_worker_thread(self._busy.acquire, True, PATIENCE):
            return False
        self._messages = None  # not before: a generator that runs can't be closed
        self._busy.release()
        return True

    def _take(self) -> tuple[Batch, int, Exception | None]:
        """Read a batch, in a native thread; it ends early before an error and at a stop."""
        batch: Batch = []
        error = None
        with self._busy:
            try:
                self._fill(batch)
            except Exception as raised:  # the thread pool would print it
                error = raised
            return batch, self._read(), error

    def _fill(self, batch: Batch) -> None:
        size = 0
        while not self._stopping and len(batch) < BATCH and size < BATCH_BYTES:
            assert self._messages is not None
            message = next(self._messages, None)
            if message is None:
                return
            batch.append(message)
            size += message.size
