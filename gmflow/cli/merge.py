"""Merge streams into one.

Usage:
  m_merge [options] -o OUTPUT SOURCE...
  m_merge -h | --help
  m_merge --version

Arguments:
  SOURCE  Where a stream comes from, tcp://HOST:PORT.

Options:
  -o OUTPUT, --output OUTPUT  Where to send from, tcp://*:PORT.
  -m MODE, --mode MODE        How the sources are sent, pull or sub [default: pull].
  --output-mode MODE          How to send, push or pub [default: push].
  --strategy STRATEGY         What goes out next: round_robin, a message of each source in
                              turn; arrival, what comes first; by_key, the messages of all
                              sources that have one key [default: round_robin].
  --json                      Write what each node did as JSON, a line each second and at
                              the end, instead of the table.
  -h, --help                  Show this text.
  --version                   Show the version.

by_key options:
  --key NAME                  The number in the header that matching messages have in common;
                              pulse_id by default.
  --window N                  How many messages of each source may wait for the others; 32 by
                              default.
  --patience SECONDS          How long a message may wait; 1 by default.
  --partial                   Send also what not every source has a message for.
  --flatten                   Send the messages of a key one after the other, unchanged, not
                              as one of htype merged-1.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..config import MERGE, parse
from ..green.topology import Topology
from .console import Console
from .program import UsageError, choice_of, number_of, run_program
from .report import run_reported


def main(early: Sequence[int] = ()) -> None:
    """Run the script."""
    run_program(__doc__ or "", merge, early)


def merge(arguments: dict[str, Any], console: Console) -> None:
    """Merge streams until told to stop."""
    topology = Topology.from_config(parse(_mapping(arguments)))
    run_reported(topology, console, as_json=arguments["--json"])


def _mapping(arguments: dict[str, Any]) -> dict[str, Any]:
    mode = choice_of(arguments, "--mode", ("pull", "sub"))
    output = {
        "address": arguments["--output"],
        "mode": choice_of(arguments, "--output-mode", ("push", "pub")),
        "conn_type": "bind",
    }
    return {
        "sources": [{"address": address, "mode": mode} for address in arguments["SOURCE"]],
        "merge": _strategy(arguments),
        "streams": [output],
    }


def _strategy(arguments: dict[str, Any]) -> dict[str, Any]:
    strategy = choice_of(arguments, "--strategy", tuple(MERGE.classes))
    values = {
        "--key": arguments["--key"],
        "--window": number_of(arguments, "--window", int, 1),
        "--patience": number_of(arguments, "--patience", float, 0),
        "--partial": arguments["--partial"] or None,
        "--flatten": arguments["--flatten"] or None,
    }
    given = {option: value for option, value in values.items() if value is not None}
    if given and strategy != "by_key":
        raise UsageError(f"{next(iter(given))} is for --strategy by_key, not for {strategy}")
    keys = {option[2:]: value for option, value in given.items()}
    if keys.pop("partial", False):
        keys["complete"] = False
    return {"strategy": strategy, **keys}
