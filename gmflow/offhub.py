"""Blocking work in a native thread, while the hub goes on; and what threads are here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

from gevent.hub import get_hub

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
    error: list[Exception] = []

    def call() -> Any:
        try:
            return function(*arguments)
        except Exception as raised:
            error.append(raised)

    value: T = get_hub().threadpool.apply(call)
    if error:
        raise error.pop()
    return value


def threads_are_green() -> bool:
    """Tell whether gevent has patched threads, so that they are greenlets."""
    monkey = sys.modules.get("gevent.monkey")  # without it nothing is patched
    return monkey is not None and bool(monkey.is_module_patched("threading"))
