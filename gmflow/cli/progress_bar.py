"""A bar on the terminal for long work: how far it is, at which rate, and the time left.

tqdm makes its text (``gmflow[progress]``); without it the text has no bar. Nothing is written
unless a person is looking.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from logging import LogRecord, getLogger
from threading import get_ident
from time import monotonic
from typing import Any

import gevent

from ..green.threads import in_worker_thread
from .console import File, Log

LOOKS = 10
"""The rates are those since so many looks at the work before."""

MEGA = 1e6
WIDTH = 80

ERASE = "\r\x1b[K"
"""Clears the line that the cursor is on, and goes to its begin."""

Meter = Callable[..., str]


class Bar:
    """Draws one line over and over; what is logged meanwhile takes its place until the next time.

    Parameters
    ----------
    terminal : File
        Where it is drawn, if that is a terminal.
    total : int, optional
        How many messages there will be, if that is known.
    quiet : bool, optional
        Draw nothing.

    Attributes
    ----------
    is_seen : bool
        Whether anything is drawn.
    """

    def __init__(self, terminal: File, total: int | None = None, quiet: bool = False) -> None:
        self.is_seen = terminal.is_terminal and not quiet
        self._terminal = terminal
        self._total = total
        self._thread = get_ident()
        self._meter: Meter | None = None
        self._begin()

    def wait(self, why: str) -> None:
        """Draw what the work waits for before it begins; the rates leave out the time until then.

        Other greenlets run until it is out.
        """
        self._begin()
        self._draw(lambda meter: why)

    def show(self, done: int, size: int) -> None:
        """Draw how far the work is; other greenlets run until it is out.

        Parameters
        ----------
        done, size : int
            Messages so far, and the bytes of them.
        """
        self.note(done, size)
        self._draw(self._line)

    def note(self, done: int, size: int) -> None:
        """Note how far the work is, as of `show`, for the last line, which `end` gives."""
        self._looks.append((monotonic(), done, size))

    def end(self) -> str:
        """Return the last line, and what leaves it; nothing if none was drawn."""
        if self._meter is None:
            return ""
        for log in _logs():
            log.removeFilter(self._make_room)
        return f"{self._fitting(self._line(self._meter))}\n"

    def _begin(self) -> None:
        self._began = monotonic()
        self._looks = deque([(self._began, 0, 0)], LOOKS)

    def _draw(self, text: Callable[[Meter], str]) -> None:
        if not self.is_seen:
            return
        if self._meter is None:
            self._meter = in_worker_thread(_meter)
            for log in _logs():
                log.addFilter(self._make_room)
        self._terminal.write(self._fitting(text(self._meter)))

    def _fitting(self, text: str) -> str:
        return ERASE + text[: _width() - 1]  # in the last column some terminals begin a new line

    def _make_room(self, record: LogRecord) -> bool:
        """Clear the line for what is about to be logged; in any thread, as `console.Log` is."""
        if get_ident() == self._thread:
            gevent.spawn(self._terminal.try_to_write, ERASE)
        else:
            with suppress(OSError):
                self._terminal.put(ERASE)
        return True

    def _line(self, meter: Meter) -> str:
        (before, first, first_size), (now, done, size) = self._looks[0], self._looks[-1]
        seconds = max(now - before, 1e-9)
        return meter(
            done,
            self._total,
            now - self._began,
            ncols=_width() - 1,
            ascii=" #",
            unit=" messages",
            unit_scale=True,
            rate=(done - first) / seconds,
            postfix=f"{(size - first_size) / MEGA / seconds:.1f} MB/s",
        )


def _logs() -> list[Log]:
    """Return what writes the log of a script."""
    return [handler for handler in getLogger().handlers if isinstance(handler, Log)]


def _meter() -> Meter:
    try:
        from tqdm import tqdm
    except ImportError:
        return _plain_meter
    meter: Meter = tqdm.format_meter
    return meter


def _plain_meter(
    done: int, total: int | None, seconds: float, rate: float, postfix: str, **_: Any
) -> str:
    of = "" if total is None else f" of {total}"
    return f"{seconds:.0f} s | {done}{of} messages | {rate:.0f} Hz {postfix}"


def _width() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or WIDTH
    except OSError:
        return WIDTH
