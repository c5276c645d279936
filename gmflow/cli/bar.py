"""A bar on the terminal for long work: how far it is, at which rate, and the time left.

tqdm makes its text (``gmflow[progress]``); without it the text has no bar. Nothing is written
unless a person is looking.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any

from ..offhub import off_hub
from .console import File

LOOKS = 10
"""The rates are those since so many looks at the work before."""

MEGA = 1e6
WIDTH = 80

Meter = Callable[..., str]


class Bar:
    """Draws one line over and over.

    Parameters
    ----------
    terminal : File
        Where it is drawn, if that is a terminal.
    total : int, optional
        How many messages there will be, if that is known.
    quiet : bool, optional
        Draw nothing.
    """

    def __init__(self, terminal: File, total: int | None = None, quiet: bool = False) -> None:
        self._terminal = terminal
        self._total = total
        self._is_seen = terminal.is_terminal and not quiet
        self._meter: Meter | None = None
        self._began = monotonic()
        self._looks = deque([(self._began, 0, 0)], LOOKS)

    def show(self, done: int, size: int) -> None:
        """Draw how far the work is; other greenlets run until it is out.

        Parameters
        ----------
        done, size : int
            Messages so far, and the bytes of them.
        """
        if not self._is_seen:
            return
        if self._meter is None:
            self._meter = off_hub(_meter)
        self._looks.append((monotonic(), done, size))
        self._terminal.write("\r\x1b[K" + self._line(self._meter))

    def end(self) -> str:
        """Give what leaves the line, if one is drawn."""
        return "" if self._meter is None else "\n"

    def _line(self, meter: Meter) -> str:
        (before, first, first_size), (now, done, size) = self._looks[0], self._looks[-1]
        seconds = max(now - before, 1e-9)
        return meter(
            done,
            self._total,
            now - self._began,
            ncols=_width() - 1,  # in the last column some terminals begin a new line
            ascii=" #",
            unit=" messages",
            unit_scale=True,
            rate=(done - first) / seconds,
            postfix=f"{(size - first_size) / MEGA / seconds:.1f} MB/s",
        )


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
