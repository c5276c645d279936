"""What a script writes to. Nobody may be reading it: the hub never waits for it, nor does the end.

Text goes to the file itself, from a native thread for each file. A thread that is stuck in
`sys.stdout` would hold its lock, and Python could not exit.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from io import StringIO
from logging import WARNING, Handler, LogRecord, getLogger
from threading import get_ident
from typing import Any, TextIO

import gevent
from gevent import Greenlet
from gevent.event import Event
from gevent.threadpool import ThreadPool

READER_PATIENCE = 0.2
"""Seconds that the end waits for who reads, at most, once the script was told to stop."""


class File:
    """A standard file, whose texts come out whole and in order.

    Parameters
    ----------
    file : text file or None
        None, as Python has it for a file that was closed from the start, takes every text.
    """

    def __init__(self, file: TextIO | None) -> None:
        self._number = None if file is None else file.fileno()
        self._encoding = "ascii" if file is None else file.encoding
        self._thread = ThreadPool(1)
        self.is_terminal = file is not None and file.isatty()

    def write(self, text: str) -> None:
        """Write a text, or raise an `OSError`; other greenlets run until it is out."""
        error = self.try_to_write(text)
        if error is not None:
            raise error

    def try_to_write(self, text: str) -> OSError | None:
        """Write a text as `write` does, and return the error if it can't be written."""
        error: OSError | None = self._thread.apply(self._attempt, (text,))
        return error

    def put(self, text: str) -> None:
        """Write a text as `write` does, in a native thread."""
        data = memoryview(text.encode(self._encoding, "backslashreplace"))
        while data and self._number is not None:
            data = data[os.write(self._number, data) :]

    def _attempt(self, text: str) -> OSError | None:
        try:
            self.put(text)
        except OSError as error:
            return error
        return None


class Log(Handler):
    """Writes what is logged on the hub to a file, later; what a native thread logs, at once."""

    def __init__(self, file: File) -> None:
        super().__init__(WARNING)
        self._file = file
        self._thread = get_ident()
        self._written: Greenlet | None = None

    def emit(self, record: LogRecord) -> None:
        line = f"{self.format(record)}\n"
        if get_ident() == self._thread:
            self._written = gevent.spawn(self._file.try_to_write, line)
        else:  # it has no hub that a greenlet would run on
            with suppress(OSError):
                self._file.put(line)

    def last(self) -> list[Greenlet]:
        """Return what ends when all is written."""
        return [] if self._written is None else [self._written]


class Console:
    """Standard output and standard error of a script; what is logged goes there, too.

    Parameters
    ----------
    early : sequence of int, optional
        The signals that came before anyone could stop something, live.

    Attributes
    ----------
    out, err : File
        The two.
    stopping : gevent.event.Event
        Set once the script is told to stop: from then on nobody waits long for who reads.
    is_stuck : bool
        Whether a native thread is still at work in a library, so that Python could not exit.
    """

    def __init__(self, early: Sequence[int] = ()) -> None:
        self.early = early
        self.out = File(sys.stdout)
        self.err = File(sys.stderr)
        self.stopping = Event()
        self.is_stuck = False
        self._log = Log(self.err)
        getLogger().addHandler(self._log)

    def finish(self, out: str = "", err: str = "", patience: float = READER_PATIENCE) -> None:
        """Write a script's last words to the two files, and wait until they are out.

        Once told to stop, it waits `patience` seconds at most. Raise an `OSError` if they can't
        be written.
        """
        writing = self._log.last()
        for file, text in ((self.err, err), (self.out, out)):
            if text:
                writing.append(gevent.spawn(file.try_to_write, text))
                writing[-1].join(patience / 2)  # on one terminal they come in this order
        written = gevent.spawn(gevent.joinall, writing)
        gevent.wait([written, self.stopping], count=1)
        written.join(patience / 2)
        for error in filter(None, (one.value for one in writing)):
            raise error


def printed(function: Callable[..., Any], *arguments: Any) -> str:
    """Call a function that prints and does not wait on the hub; return what it prints."""
    with redirect_stdout(StringIO()) as text:
        function(*arguments)
    return text.getvalue()
