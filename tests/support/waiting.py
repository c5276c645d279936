"""To wait for what only looking can tell: until it is so, and not for ever."""

import time
from collections.abc import Callable
from typing import Any

DEADLINE = 20.0
"""Seconds after which an event counts as never, on a busy machine too."""


def until(
    condition: Callable[[], Any],
    seconds: float = DEADLINE,
    what: object = "",
    sleep: Callable[[float], Any] = time.sleep,
) -> Any:
    """Return what a condition returns as soon as it holds; fail if it doesn't in time.

    `sleep` is what lets others work meanwhile: `gevent.sleep` above the green line.
    """
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"not so within {seconds} s: {what or condition}")
        sleep(0.002)
    return found
