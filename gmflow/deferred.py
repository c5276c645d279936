"""Work that returns a message's value, where that takes long: a handler may yield it instead.

Whoever decodes the message does the work: at once, or in a native thread while the handler reads
the next messages.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from .errors import DecodeError, HandlerError
from .message import Part

SMALL = 32 << 10
"""Bytes that are worked on in less time than it takes to hand them to a thread and back."""

MAX_THREADS = 256
"""Native threads that may do the work of one stream."""

step_aside: Callable[[], object] = getattr(os, "sched_yield", int)
"""Lets another thread have the processor, if one waits for it.

Without it work that never waits keeps its processor for a slice of the scheduler's, 3 ms on Linux,
each time, and the hub wakes as much too late. Called every half millisecond it costs nothing.
"""


class Deferred:
    """A call that returns the value of a message.

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
        If it is given no function, as in ``Deferred(work(image))``, or a size that is no number.
    """

    __slots__ = ("arguments", "function", "size")

    def __init__(
        self, function: Callable[..., Any], *arguments: Any, size: int = SMALL + 1
    ) -> None:
        if not callable(function):
            raise TypeError(f"Deferred takes a function, then its arguments, not {type(function)}")
        if type(size) is not int:
            raise TypeError(f"Deferred's size is {size!r:.40}; it is a number of bytes")
        self.function = function
        self.arguments = arguments
        self.size = size

    def __call__(self) -> Any:
        """Do the work and return the value."""
        return self.function(*self.arguments)

    def __repr__(self) -> str:
        return f"<Deferred {self.function!r}, {self.size} bytes>"


def failed(error: DecodeError) -> Deferred:
    """Return what raises an error when it is done: a generator that raised it would be at its end.

    The error's traceback, which holds on to parts, is let go.
    """
    return Deferred(_fail, error.with_traceback(None), size=0)


def _fail(error: DecodeError) -> NoReturn:
    raise error


def work(deferred: Deferred, parts: Sequence[Part]) -> Any:
    """Do the work that a handler left, in any thread; return the value, or raise DecodeError."""
    try:
        value = deferred()
        if type(value) is Deferred:
            raise TypeError("a Deferred gave another Deferred: it gives the value itself")
        return value
    except DecodeError as error:
        error.parts = parts
        raise
    except Exception as error:
        raise HandlerError(describe_failure(deferred.function, error), parts) from error


def describe_failure(handler: Callable[..., Any] | None, error: Exception) -> str:
    """Return in one line which handler failed, where, and of what."""
    name = getattr(handler, "__qualname__", None) or f"{handler!r:.80}"
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "?"
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = "an error that can't be shown"
    return f"handler {name} failed at {place}: {type(error).__name__}: {text:.200}"
