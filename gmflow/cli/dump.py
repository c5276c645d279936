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

import os
import sys
from collections import deque
from collections.abc import Sequence
from typing import Any

from ..message import Message
from ..offhub import off_hub
from ..recording.folder import is_empty, write_message
from ..topology import Giver, Taker, Topology
from .program import choice_of, number_of, run_program, run_topology
from .report import Progress, table


class Recorder(Taker):
    """Writes messages into a folder, off the hub."""

    kind = "recorder"

    def __init__(self, node: Giver, folder: str, skip: int | None) -> None:
        super().__init__(f"folder {folder}", node)
        self._folder = folder
        self._skip = skip
        self._number = 0

    def consume(self, hand: deque[Message]) -> None:
        off_hub(self._write, list(hand))
        while hand:
            self.done(hand.popleft())

    def _write(self, messages: list[Message]) -> None:
        for message in messages:
            write_message(self._folder, self._number, message.parts, self._skip)
            self._number += 1


class Screen(Taker):
    """Prints the parts of messages, off the hub: who reads them may be slow, or a stopped terminal.

    It writes to the file itself. A thread that is stuck in `sys.stdout` at the end would hold
    its lock, and Python could not exit.
    """

    kind = "screen"

    def __init__(self, node: Giver, skip: int | None) -> None:
        super().__init__("screen", node)
        self._most = skip - 1 if skip else None
        self._file = sys.stdout.fileno()

    def consume(self, hand: deque[Message]) -> None:
        off_hub(self._print, list(hand))
        while hand:
            self.done(hand.popleft())

    def _print(self, messages: list[Message]) -> None:
        for message in messages:
            lines = [f"{bytes(part)!r}\n" for part in message.parts[: self._most]]
            text = memoryview("".join(lines).encode())
            while text:
                text = text[os.write(self._file, text) :]


def main(early: Sequence[int] = ()) -> None:
    """Run the script."""
    run_program(__doc__ or "", dump, early)


def dump(arguments: dict[str, Any], early: Sequence[int]) -> None:
    """Record or print a stream until it is told to stop or has brought enough messages."""
    folder, skip = arguments["FOLDER"], number_of(arguments, "--skip", int, 0)
    topology = Topology()
    source = topology.source(
        arguments["SOURCE"],
        choice_of(arguments, "--mode", ("pull", "sub")),
        count=number_of(arguments, "-n", int, 1),
    )
    if folder:
        if not is_empty(folder):
            print(f"m_dump: {folder} is not empty: files may be overwritten", file=sys.stderr)
        topology.attach(Recorder(source, folder, skip))
    else:
        topology.attach(Screen(source, skip))
    progress = Progress()
    run_topology(topology, early, tick=lambda: progress.show(topology.statistics()))
    progress.end()
    print(table(topology.statistics()), file=sys.stdout if folder else sys.stderr)
