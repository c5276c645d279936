"""Write a stream into a folder, one file for each part, or show what is in it.

Usage:
  m_dump [options] SOURCE [FOLDER]
  m_dump -h | --help
  m_dump --version

Arguments:
  SOURCE  Where the stream comes from, tcp://HOST:PORT.
  FOLDER  Where the files go, named NNNNNN_PPP.raw; without it each message is summed up.

Options:
  -m MODE, --mode MODE  How it is sent, pull or sub [default: pull].
  --raw                 Print the parts as they are, not a summary.
  -s PART, --skip PART  Leave out parts from this one on, counted from 1; a summary is of all.
  -n COUNT              End after COUNT messages.
  -h, --help            Show this text.
  --version             Show the version.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from threading import Lock
from time import monotonic
from typing import Any

from gevent import GreenletExit

from ..message import Message, Part
from ..offhub import off_hub
from ..recording.folder import is_empty, make_folder, write_message
from ..topology import Giver, Taker, Topology
from .console import Console, File
from .program import STOP_SECONDS, UsageError, choice_of, number_of, run_program, run_topology
from .report import Progress, table

PATIENCE = 0.5
"""Seconds that a stop waits for the disk, at most."""

TOGETHER = 0.05
"""Seconds that messages are summed up before they are printed with one call."""


class Writer(Taker):
    """Writes messages off the hub, one after the other; one that is stopped counts what is out."""

    def __init__(self, name: str, node: Giver) -> None:
        super().__init__(name, node)
        self._written = 0
        self._stopping = False
        self._busy = Lock()

    def consume(self, hand: deque[Message]) -> None:
        try:
            off_hub(self._write_all, deque(hand))
        except GreenletExit:
            self._stopping = True
            self.let_go()
            raise
        finally:
            while self.statistics.sent < self._written:
                self.done(hand.popleft())

    def _write_all(self, messages: deque[Message]) -> None:
        while messages:
            with self._busy:
                if self._stopping:
                    return
                self._written += self.write(messages, self._written)

    def write(self, messages: deque[Message], number: int) -> int:
        """Take some messages from the left and write them, in a native thread.

        Parameters
        ----------
        messages : deque of Message
            At least one.
        number : int
            That of the first, from 0.

        Returns
        -------
        int
            How many were taken and are written.
        """
        raise NotImplementedError

    def let_go(self) -> None:
        """Wait for the message that is being written, if that is wanted."""


class Recorder(Writer):
    """Writes messages into a folder."""

    kind = "recorder"

    def __init__(self, node: Giver, folder: str, skip: int | None) -> None:
        super().__init__(f"folder {folder}", node)
        self._folder = folder
        self._skip = skip

    def write(self, messages: deque[Message], number: int) -> int:
        write_message(self._folder, number, messages.popleft().parts, self._skip)
        return 1

    def let_go(self) -> None:
        off_hub(self._busy.acquire, True, PATIENCE)  # no half of a message stays in the folder


class Screen(Writer):
    """Prints messages; who reads them may be slow, or a stopped terminal."""

    kind = "screen"

    def __init__(self, node: Giver, out: File, text: Callable[[Sequence[Part]], str]) -> None:
        super().__init__("screen", node)
        self._out = out
        self._text = text

    def write(self, messages: deque[Message], number: int) -> int:
        texts: list[str] = []
        end = monotonic() + TOGETHER
        while messages and not self._stopping and (not texts or monotonic() < end):
            texts.append(self._text(messages.popleft().parts))
        self._out.put("".join(texts))
        return len(texts)


def main(early: Sequence[int] = ()) -> None:
    """Run the script."""
    run_program(__doc__ or "", dump, early)


def dump(arguments: dict[str, Any], console: Console) -> None:
    """Record or print a stream until it is told to stop or has brought enough messages."""
    folder, skip = arguments["FOLDER"], number_of(arguments, "--skip", int, 0)
    text = None if folder else _text(arguments["--raw"], skip)
    topology = Topology()
    source = topology.source(
        arguments["SOURCE"],
        choice_of(arguments, "--mode", ("pull", "sub")),
        count=number_of(arguments, "-n", int, 1),
    )
    warning = ""
    if text is None:
        make_folder(folder)
        if not is_empty(folder):
            warning = f"m_dump: {folder} is not empty: files may be overwritten\n"
        topology.attach(Recorder(source, folder, skip))
    else:
        topology.attach(Screen(source, console.out, text))
    progress = Progress(console.err)
    run_topology(
        topology,
        console,
        tick=lambda: progress.show(topology.statistics()),
        seconds=STOP_SECONDS - PATIENCE,
        first=lambda: console.err.write(warning),
    )
    summary = table(topology.statistics())
    if folder:
        console.finish(summary, progress.end())
    else:
        console.finish(err=progress.end() + summary)


def _text(raw: bool, skip: int | None) -> Callable[[Sequence[Part]], str]:
    """Give what makes the text of a message for the screen."""
    if raw:
        return partial(_raw, end=skip - 1 if skip else None)
    if skip:
        raise UsageError("--skip is for a FOLDER and for --raw; a summary is of all parts")
    from ..summary import Summaries  # late: it brings NumPy and the handlers

    return Summaries().text


def _raw(parts: Sequence[Part], end: int | None) -> str:
    return "".join([f"{bytes(part)!r}\n" for part in parts[:end]])
