"""Write a stream into a folder, one file for each part, or show it.

Usage:
  m_dump [options] SOURCE [FOLDER]
  m_dump -h | --help
  m_dump --version

Arguments:
  SOURCE  Where the stream comes from, tcp://HOST:PORT.
  FOLDER  Where the files go, named NNNNNN_PPP.raw; without it the parts are printed.

Options:
  -m MODE, --mode MODE  How it is sent, pull or sub [default: pull].
  -s PART, --skip PART  Leave out parts from this one on, counted from 1.
  -n COUNT              End after COUNT messages.
  -h, --help            Show this text.
  --version             Show the version.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from threading import Lock
from typing import Any

from gevent import GreenletExit

from ..message import Message
from ..offhub import off_hub
from ..recording.folder import is_empty, make_folder, write_message
from ..topology import Giver, Taker, Topology
from .console import Console, File
from .program import STOP_SECONDS, choice_of, number_of, run_program, run_topology
from .report import Progress, table

PATIENCE = 0.5
"""Seconds that a stop waits for the disk, at most."""


class Writer(Taker):
    """Writes messages off the hub, one after the other; one that is stopped counts what is out."""

    def __init__(self, name: str, node: Giver, skip: int | None) -> None:
        super().__init__(name, node)
        self._skip = skip
        self._written = 0
        self._stopping = False
        self._busy = Lock()

    def consume(self, hand: deque[Message]) -> None:
        try:
            off_hub(self._write_all, list(hand))
        except GreenletExit:
            self._stopping = True
            self.let_go()
            raise
        finally:
            while self.statistics.sent < self._written:
                self.done(hand.popleft())

    def _write_all(self, messages: list[Message]) -> None:
        for message in messages:
            with self._busy:
                if self._stopping:
                    return
                self.write(message, self._written)
                self._written += 1

    def write(self, message: Message, number: int) -> None:
        """Write a message, in a native thread."""
        raise NotImplementedError

    def let_go(self) -> None:
        """Wait for the message that is being written, if that is wanted."""


class Recorder(Writer):
    """Writes messages into a folder."""

    kind = "recorder"

    def __init__(self, node: Giver, folder: str, skip: int | None) -> None:
        super().__init__(f"folder {folder}", node, skip)
        self._folder = folder

    def write(self, message: Message, number: int) -> None:
        write_message(self._folder, number, message.parts, self._skip)

    def let_go(self) -> None:
        off_hub(self._busy.acquire, True, PATIENCE)  # no half of a message stays in the folder


class Screen(Writer):
    """Prints the parts of messages; who reads them may be slow, or a stopped terminal."""

    kind = "screen"

    def __init__(self, node: Giver, out: File, skip: int | None) -> None:
        super().__init__("screen", node, skip)
        self._out = out

    def write(self, message: Message, number: int) -> None:
        parts = message.parts[: self._skip - 1 if self._skip else None]
        self._out.put("".join(f"{bytes(part)!r}\n" for part in parts))


def main(early: Sequence[int] = ()) -> None:
    """Run the script."""
    run_program(__doc__ or "", dump, early)


def dump(arguments: dict[str, Any], console: Console) -> None:
    """Record or print a stream until it is told to stop or has brought enough messages."""
    folder, skip = arguments["FOLDER"], number_of(arguments, "--skip", int, 0)
    topology = Topology()
    source = topology.source(
        arguments["SOURCE"],
        choice_of(arguments, "--mode", ("pull", "sub")),
        count=number_of(arguments, "-n", int, 1),
    )
    warning = ""
    if folder:
        make_folder(folder)
        if not is_empty(folder):
            warning = f"m_dump: {folder} is not empty: files may be overwritten\n"
        topology.attach(Recorder(source, folder, skip))
    else:
        topology.attach(Screen(source, console.out, skip))
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
