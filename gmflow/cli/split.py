"""Split a stream, or several merged into one: each output gets all of it or a part.

Usage:
  m_split [options] -c CONFIG
  m_split [options] SOURCE STREAM...
  m_split -h | --help
  m_split --version

Arguments:
  SOURCE  Where the stream comes from, tcp://HOST:PORT.
  STREAM  Where to send it from, tcp://*:PORT.

Options:
  -c CONFIG, --config CONFIG  A JSON file that names the sources and the streams.
  --check                     Only check the configuration and show what it makes.
  --json                      Write what each node did as JSON, a line each second and at
                              the end, instead of the table.
  -h, --help                  Show this text.
  --version                   Show the version.

The configuration file; docs/config.md has every key:
  {"source":  {"address": "tcp://localhost:7777", "mode": "PULL", "queue_size": 100},
   "streams": [{"address": "tcp://*:8888", "mode": "PUSH", "queue_size": 100, "modulo": 10}]}
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..config import describe, load, parse
from ..green.topology import Topology
from .console import Console
from .program import UsageError, run_program
from .report import run_reported


def main(early: Sequence[int] = ()) -> None:
    """Run the script."""
    run_program(__doc__ or "", split, early)


def split(arguments: dict[str, Any], console: Console) -> None:
    """Split a stream until told to stop, or show how it would be split."""
    if arguments["--check"] and arguments["--json"]:
        raise UsageError("--json is for a run and --check runs nothing; leave one of them out")
    path = arguments["--config"]
    config = parse(_mapping(arguments)) if path is None else load(path)
    topology = Topology.from_config(config)
    if arguments["--check"]:
        console.finish(describe(config, list(topology.statistics()["nodes"])))
    else:
        run_reported(topology, console, as_json=arguments["--json"])


def _mapping(arguments: dict[str, Any]) -> dict[str, Any]:
    streams = [{"address": address, "conn_type": "bind"} for address in arguments["STREAM"]]
    return {"source": {"address": arguments["SOURCE"]}, "streams": streams}
