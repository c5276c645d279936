"""Send what m_dump has written, each message whole, in its order.

Usage:
  m_replay [options] FOLDER
  m_replay -h | --help
  m_replay --version

Arguments:
  FOLDER  Where the files are, named NNNNNN_PPP.raw.

Options:
  -a ADDRESS, --address ADDRESS
                        Where to send from [default: tcp://*:9999].
  -m MODE, --mode MODE  How to send, push or pub [default: push]; pub waits for its
                        slowest subscriber.
  -h, --help            Show this text.
  --version             Show the version.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..offhub import off_hub
from ..recording.folder import list_messages, read_message
from ..topology import Topology
from .console import Console
from .program import choice_of, run_program, run_topology
from .report import Progress, table

BATCH = 16
"""Messages that are read at once."""


def main(early: Sequence[int] = ()) -> None:
    """Run the script."""
    run_program(__doc__ or "", replay, early)


def replay(arguments: dict[str, Any], console: Console) -> None:
    """Send a recording once."""
    mode = choice_of(arguments, "--mode", ("push", "pub"))
    listed = off_hub(list_messages, arguments["FOLDER"])
    topology = Topology()
    recording = topology.feed(_read(listed), name=f"folder {arguments['FOLDER']}")
    topology.output(recording, arguments["--address"], mode, when_full="block", conn_type="bind")
    progress = Progress(console.err)
    run_topology(topology, console, tick=lambda: progress.show(topology.statistics()))
    console.finish(table(topology.statistics()), progress.end())


def _read(listed: list[Any]) -> Iterator[list[bytes]]:
    for first in range(0, len(listed), BATCH):
        yield from off_hub(_read_batch, listed[first : first + BATCH])


def _read_batch(listed: list[Any]) -> list[list[bytes]]:
    return [read_message(paths) for paths in listed]
