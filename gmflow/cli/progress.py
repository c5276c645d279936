"""The one line that a script draws over and over on the terminal, and what stands in it.

`Rates` shows what each node of a topology receives or sends, `Bar` how far long work is, at which
rate, and the time left. tqdm makes the text of a bar (``gmflow[progress]``); without it the text
has none. Nothing is written unless a person is looking. What is logged meanwhile takes the place
of the line until it is drawn the next time.
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
"""The rates of a bar are those since so many looks at the work before."""

MEGA = 1e6
WIDTH = 80

ERASE = "\r\x1b[K"
"""Clears the line that the cursor is on, and goes to its begin."""

Meter = Callable[..., str]


class LiveLine:
    """A line on a terminal that is drawn over the last one.

    Parameters
    ----------
    terminal : File
        Where it is drawn, if that is a terminal.
    quiet : bool, optional
        Draw nothing.

    Attributes
    ----------
    is_seen : bool
        Whether anything is drawn.
    """

    def __init__(self, terminal: File, quiet: bool = False) -> None:
        self.is_seen = terminal.is_terminal and not quiet
        self._terminal = terminal
        self._thread = get_ident()
        self._is_drawn = False

    def draw(self, text: str) -> None:
        """Draw a text over the last one; other greenlets run until it is out."""
        if not self.is_seen:
            return
        if not self._is_drawn:
            self._is_drawn = True
            for log in _logs():
                log.addFilter(self._make_room)
        self._terminal.write(ERASE + text)

    def end(self) -> str:
        """Return what leaves the line; nothing if none was drawn."""
        if not self._is_drawn:
            return ""
        for log in _logs():
            log.removeFilter(self._make_room)
        return "\n"

    def _make_room(self, record: LogRecord) -> bool:
        """Clear the line for what is about to be logged; in any thread, as `console.Log` is."""
        if get_ident() == self._thread:
            gevent.spawn(self._terminal.try_to_write, ERASE)
        else:
            with suppress(OSError):
                self._terminal.put(ERASE)
        return True


class Rates(LiveLine):
    """Draws what the nodes of a topology do, from its snapshots."""

    _last: dict[str, Any] | None = None

    def show(self, snapshot: dict[str, Any]) -> None:
        """Draw the rates since the last snapshot."""
        self.draw(rates(snapshot, self._last))
        self._last = snapshot


class Bar(LiveLine):
    """Draws how far work is.

    Parameters
    ----------
    terminal, quiet
        As of `LiveLine`.
    total : int, optional
        How many messages there will be, if that is known.
    """

    def __init__(self, terminal: File, total: int | None = None, quiet: bool = False) -> None:
        super().__init__(terminal, quiet)
        self._total = total
        self._meter: Meter | None = None
        self._begin()

    def wait(self, why: str) -> None:
        """Draw what the work waits for before it begins; the rates leave out the time until then.

        Other greenlets run until it is out.
        """
        self._begin()
        self.draw(_fitting(why))

    def show(self, done: int, size: int) -> None:
        """Draw how far the work is; other greenlets run until it is out.

        Parameters
        ----------
        done, size : int
            Messages so far, and the bytes of them.
        """
        self.note(done, size)
        if self.is_seen:
            if self._meter is None:
                self._meter = in_worker_thread(_meter)
            self.draw(self._line(self._meter))

    def note(self, done: int, size: int) -> None:
        """Note how far the work is, as of `show`, for the last line, which `end` returns."""
        self._looks.append((monotonic(), done, size))

    def end(self) -> str:
        """Return the last line, and what leaves it; nothing if none was drawn."""
        end = super().end()
        return f"{ERASE}{self._line(self._meter or _meter())}{end}" if end else ""

    def _begin(self) -> None:
        self._began = monotonic()
        self._looks = deque([(self._began, 0, 0)], LOOKS)

    def _line(self, meter: Meter) -> str:
        (before, first, first_size), (now, done, size) = self._looks[0], self._looks[-1]
        seconds = max(now - before, 1e-9)
        text = meter(
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
        return _fitting(text)


def rates(now: dict[str, Any], before: dict[str, Any] | None = None) -> str:
    """Return what each node received or sent between two snapshots, a second.

    Parameters
    ----------
    now, before : dict
        Snapshots as of `Topology.statistics`; since the start where there is no `before`.
    """
    seconds = now["seconds"] - (before["seconds"] if before else 0.0)
    words = [f"{now['seconds']:.0f} s"]
    for name, node in now["nodes"].items():
        old = before["nodes"][name] if before else {"sent": 0, "bytes_sent": 0}
        hertz = (node["sent"] - old["sent"]) / seconds if seconds else 0.0
        mega = (node["bytes_sent"] - old["bytes_sent"]) / MEGA / seconds if seconds else 0.0
        dropped = sum(node["dropped"].values())
        missing = (node.get("upstream") or {}).get("missing")
        lacks = f", missing {missing}" if missing else ""
        words.append(f"{name}: {hertz:.0f} Hz {mega:.1f} MB/s, dropped {dropped}{lacks}")
    return " | ".join(words)


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


def _fitting(text: str) -> str:
    return text[: _width() - 1]  # in the last column some terminals begin a new line


def _width() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or WIDTH
    except OSError:
        return WIDTH
