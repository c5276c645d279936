"""Blocking work in a native thread, while the hub goes on; and what threads are here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from logging import getLogger
from time import monotonic
from typing import Any, TypeVar

import zmq
from gevent.hub import get_hub
from gevent.threadpool import ThreadPool

logger = getLogger(__name__)

T = TypeVar("T")


def off_hub(function: Callable[..., T], *arguments: Any) -> T:
    """Call a function in the hub's thread pool and wait for it on the hub.

    Returns
    -------
    object
        What the function gives.

    Raises
    ------
    Exception
        What the function raises. The pool itself would also print it.
    """
    return _apply(get_hub().threadpool, function, arguments)


class NativeThread:
    """One native thread, for calls that block: one after the other, in the order of their making.

    It belongs to the hub that it is made on, and is started by its first call.
    """

    def __init__(self) -> None:
        self._pool = ThreadPool(1)

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call a function there and wait for it on the hub; see `off_hub`.

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


def threads_are_green() -> bool:
    """Tell whether gevent has patched threads, so that they are greenlets."""
    monkey = sys.modules.get("gevent.monkey")  # without it nothing is patched
    return monkey is not None and bool(monkey.is_module_patched("threading"))


def end_context(context: zmq.Context[Any], linger: float) -> None:
    """Terminate a context whose sockets are closed, and wait for what they still deliver.

    Parameters
    ----------
    context : zmq.Context
        The context.
    linger : float
        Seconds that its sockets linger; where they took all of it, messages were lost.
    """
    began = monotonic()
    off_hub(context.term)
    if 0 < 0.9 * linger <= monotonic() - began:  # the sockets were closed a little before
        logger.warning(
            "messages that ZeroMQ had taken were not delivered within the linger of %g s", linger
        )
