"""Work of a script that is no topology: a recording is read ahead and used in native threads.

`ReadAhead` reads a batch of messages while the last one is used; `run_work` runs what uses them,
in a greenlet that a signal stops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Lock
from typing import TypeAlias

import gevent
from gevent.hub import get_hub

from ..green.threads import in_worker_thread
from ..message import Message
from .console import Console
from .program import DISK_PATIENCE, STOP_SECONDS, STOP_SIGNALS, attempt, report_often

MAX_BATCH = 256
"""Messages of a batch, at most."""

MAX_BATCH_BYTES = 8 << 20
"""Bytes at which a batch is full, however few messages they are."""

Batch: TypeAlias = list[Message]


class ReadAhead:
    """Iterates over batches of messages on the hub; the next one is always being read.

    Parameters
    ----------
    messages : iterator of Message
        What is run in native threads, never in two at a time. Its errors come where the message
        would have come.
    read : callable, optional
        Returns how many messages of the recording were read for those that came so far; where they
        are not the same, as with a choice of them.

    Attributes
    ----------
    ended : bool
        Whether all have come.
    """

    def __init__(self, messages: Iterator[Message], read: Callable[[], int] | None = None) -> None:
        self._messages: Iterator[Message] | None = messages
        self._read = read or (lambda: 0)
        self._busy = Lock()
        self._stopping = False
        self.ended = False
        self._before = self._after = 0
        self._used = self._length = 0

    @property
    def position(self) -> int:
        """How far the use of the messages has got, in messages of the recording."""
        share = self._used / self._length if self._length else 1.0
        return self._before + round(share * (self._after - self._before))

    def used(self, count: int) -> None:
        """Note that so many messages of the last batch are used."""
        self._used += count

    def __iter__(self) -> Iterator[Batch]:
        pool = get_hub().threadpool
        taking = pool.spawn(self._take)
        while True:
            batch, read, error = taking.get()
            if batch and error is None:
                taking = pool.spawn(self._take)
            self._before, self._after = self._after, read
            self._used, self._length = 0, len(batch)
            if batch:
                yield batch
            if error is not None:
                raise error
            if not batch:
                self.ended = not self._stopping
                return

    def close(self) -> bool:
        """Have nothing more read; return True if nothing is, which a disk that hangs prevents.

        Other greenlets run meanwhile.
        """
        self._stopping = True
        if not in_worker_thread(self._busy.acquire, True, DISK_PATIENCE):
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
        while not self._stopping and len(batch) < MAX_BATCH and size < MAX_BATCH_BYTES:
            assert self._messages is not None
            message = next(self._messages, None)
            if message is None:
                return
            batch.append(message)
            size += message.size


def run_work(
    work: Callable[[], None], console: Console, tick: Callable[[], None], every: float = 1.0
) -> bool:
    """Run work in a greenlet until it ends, or a signal stops it.

    Parameters
    ----------
    work : callable
        Does the work in worker threads; it ends soon once `Console.stopping` is set.
    console : Console
        Learns that the script is to stop; if a signal came before, that is at once.
    tick, every : callable, float, optional
        What reports on progress, and seconds between two calls of it; it may wait on the hub.

    Returns
    -------
    bool
        False if the work didn't end in time after a stop, as on a disk that hangs.

    Raises
    ------
    Exception
        The error of the work, or that of `tick`, which stops it.
    """
    for number in STOP_SIGNALS:
        gevent.signal_handler(number, console.stopping.set)
    if console.early:
        console.stopping.set()
    stop = console.stopping.set
    worker, ticker = gevent.spawn(attempt, work), gevent.spawn(report_often, stop, every, tick)
    gevent.wait([worker, console.stopping], count=1)
    worker.join(STOP_SECONDS - DISK_PATIENCE)
    ticker.kill()
    ended: bool = worker.ready()
    _, error = worker.value or (None, None)
    worker.kill(block=False)
    if isinstance(ticker.value, Exception):
        raise ticker.value
    if error is not None:
        raise error
    return ended
