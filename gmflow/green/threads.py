"""Blocking work in a native thread, while the hub goes on; and what threads are here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from logging import getLogger
from time import monotonic
from typing import Any, TypeVar

import zmq
from gevent.hub import get_hub
from gevent.monkey import get_original
from gevent.threadpool import ThreadPool

logger = getLogger(__name__)

# Native ones, whatever gevent has patched.
start_new_thread = get_original("_thread", "start_new_thread")
SimpleQueue = get_original("queue", "SimpleQueue")

T = TypeVar("T")


def in_worker_thread(function: Callable[..., T], *arguments: Any) -> T:
    """Call a function in the hub's thread pool; wait on the hub for what it returns or raises."""
    # the pool itself would also print what is raised
    return _apply(get_hub().threadpool, function, arguments)


class NativeThread:
    """One native thread for calls that block, of one hub; they are made in their order."""

    def __init__(self) -> None:
        self._pool = ThreadPool(1)

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function there and wait for it on the hub; see `in_worker_thread`.

        A greenlet that is killed meanwhile waits no longer; the call goes on.
        """
        return _apply(self._pool, function, arguments)

    def end(self) -> None:
        """Have the thread end when it has done its calls; nobody waits for it."""
        self._pool.maxsize = 0


def _apply(pool: ThreadPool, function: Callable[..., T], arguments: tuple[Any, ...]) -> T:
    error: list[Exception] = []

    def call() -> Any:
        try:
            return function(*arguments)
        except Exception as raised:
            error.append(raised)

    value: T = pool.apply(call)
    if error:
        raise error.pop()
    return value


class SecondThread:
    """A native thread beside another: that one calls this to have work done meanwhile.

    It is started by the first call, and does one thing after the other.
    """

    def __init__(self) -> None:
        self._tasks: Any = None

    def __call__(self, work: Callable[[], T]) -> Callable[[], T]:
        """Have work done; return what waits for it, and returns or raises what it does."""
        if self._tasks is None:
            self._tasks = SimpleQueue()
            start_new_thread(self._run, (self._tasks,))
        outcome = SimpleQueue()
        self._tasks.put((work, outcome))

        def wait() -> T:
            value, error = outcome.get()
            if error is not None:
                raise error
            return value  # type: ignore[no-any-return]

        return wait

    def end(self) -> None:
        """Have the thread end when it has done its work; nobody waits for it."""
        if self._tasks is not None:
            self._tasks.put(None)

    @staticmethod
    def _run(tasks: Any) -> None:
        while (task := tasks.get()) is not None:
            work, outcome = task
            try:
                outcome.put((work(), None))
            except BaseException as error:
                outcome.put((None, error))
            del task, work, outcome  # or they would be kept until the next comes


def threads_are_green() -> bool:
    """Return True if gevent has patched threads, so that they are greenlets."""
    monkey = sys.modules.get("gevent.monkey")  # without it nothing is patched
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def end_context(context: zmq.Context[Any], linger: float) -> None:
    """Terminate a context whose sockets are closed, and wait for what they still deliver.

    Where that takes all of the linger, in seconds, messages were lost: the log says so.
    """
    began = monotonic()
    in_worker_thread(context.term)
    if 0 < 0.9 * linger <= monotonic() - began:  # the sockets were closed a little before
        logger.warning(
            "messages that ZeroMQ had taken were not delivered within the linger of %g s", linger
        )
