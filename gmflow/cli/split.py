"""Split a stream: every output gets every message, or every n-th.

Usage:
  m_split [options] -c CONFIG
  m_split [options] SOURCE STREAM...
  m_split -h | --help
  m_split --version

Arguments:
  SOURCE  Where the stream comes from, tcp://HOST:PORT.
  STREAM  Where to send it from, tcp://*:PORT.

Options:
  -c CONFIG, --config CONFIG  A JSON file that names the source and the streams.
  -h, --help                  Show this text.
  --version                   Show the version.

The configuration file:
  {"source":  {"address": "tcp://localhost:7777", "mode": "PULL", "queue_size": 100},
   "streams": [{"address": "tcp://*:8888", "mode": "PUSH", "queue_size": 100, "modulo": 10}]}
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..topology import Topology
from .console import Console
from .program import run_program, run_topology
from .report import Progress, table


def main(early: Sequence[int] = ()) -> None:
    """Run the script."""
    run_program(__doc__ or "", split, early)


def split(arguments: dict[str, Any], console: Console) -> None:
    """Split a stream until told to stop."""
    topology = Topology.from_config(arguments["--config"] or _config(arguments))
    progress = Progress(console.err)
    run_topology(topology, console, tick=lambda: progress.show(topology.statistics()))
    console.finish(table(topology.statistics()), progress.end())


def _config(arguments: dict[str, Any]) -> dict[str, Any]:
    streams = [{"address": address, "conn_type": "bind"} for address in arguments["STREAM"]]
    return {"source": {"address": arguments["SOURCE"]}, "streams": streams}
