"""Work that gives a message's value, where that takes long: what a handler may yield instead of it.

Whoever decodes the message does the work: at once, or in a native thread while the handler reads
the next messages.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NoReturn

from .errors import DecodeError

SMALL = 32 << 10
"""Bytes that are worked on in less time than it takes to hand them to a thread and back."""

MOST_THREADS = 256
"""Native threads that may do the work of one stream."""

step_aside: Callable[[], object] = getattr(os, "sched_yield", int)
"""Lets another thread have the processor, if one waits for it.

Without it work that never waits keeps its processor for a slice of the scheduler's, 3 ms on Linux,
each time, and the hub wakes as much too late. Called every half millisecond it costs nothing.
"""


class Later:
    """A call that gives the value of a message.

    The handler runs in the order of the messages and remembers; the call gets all it needs as
    arguments, and changes nothing that another call reads. What it raises, or None, counts as if
    the handler had raised or yielded it.

    Parameters
    ----------
    function : callable
    *arguments : object
    size : int, optional
        Bytes that it works on; many by default. No more than `SMALL` don't go to a thread.

    Raises
    ------
    TypeError
        If it is given no function, as in ``Later(work(image))``, or a size that is no number.
    """

    __slots__ = ("arguments", "function", "size")

    def __init__(
        self, function: Callable[..., Any], *arguments: Any, size: int = SMALL + 1
    ) -> None:
        if not callable(function):
            raise TypeError(f"Later takes a function, then its arguments, not {type(function)}")
        if type(size) is not int:
            raise TypeError(f"Later's size is {size!r:.40}; it is a number of bytes")
        self.function = function
        self.arguments = arguments
        self.size = size

    def __call__(self) -> Any:
        """Do the work and give the value."""
        return self.function(*self.arguments)

    def __repr__(self) -> str:
        return f"<Later {self.function!r}, {self.size} bytes>"


def failed(error: DecodeError) -> Later:
    """Give what raises an error when it is done: a generator that raised it would be at its end.

    Parameters
    ----------
    error : DecodeError
        What is wrong with the message; its traceback, which holds on to parts, is let go.
    """
    return Later(_fail, error.with_traceback(None), size=0)


def _fail(error: DecodeError) -> NoReturn:
    raise error
