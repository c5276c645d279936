"""A topology's statistics as text: a table at the end, or one JSON object a line for programs.

`run_reported` is all that a script needs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

from ..formats import COUNTERS
from ..green.topology import Topology
from .console import Console
from .program import run_topology
from .progress import MEGA, Rates

MAX_NAMED = 3
"""Files of a recording that are named, besides the last one."""


def run_reported(topology: Topology, console: Console, as_json: bool = False) -> None:
    """Run a topology until it ends or is told to stop, and report on it.

    Parameters
    ----------
    topology : Topology
        What to run.
    console : Console
        What to write to. By default rates are drawn on standard error, if a person is looking,
        and at the end the table comes on standard output.
    as_json : bool, optional
        Write snapshots to standard output instead, each second and at the end (see `json_line`).
    """
    if as_json:

        def line_now() -> str:
            return json_line(topology.statistics())

        run_topology(topology, console, tick=lambda: console.out.write(line_now()))
        console.finish(line_now())
        return
    line = Rates(console.err)
    run_topology(topology, console, tick=lambda: line.show(topology.statistics()))
    console.finish(table(topology.statistics()), line.end())


def json_line(snapshot: dict[str, Any]) -> str:
    """Return a snapshot as one line of JSON: ``seconds``, and ``nodes`` by name."""
    return json.dumps(snapshot, allow_nan=False) + "\n"


def not_sent(node: dict[str, Any]) -> dict[str, int]:
    """Return what a node received and did not send, by cause."""
    unmatched = sum(sum(causes.values()) for causes in node["unmatched"].values())
    rest = {"failed": node["failed"], "unmatched": unmatched, "left_over": node["left_over"]}
    return {**node["dropped"], **{cause: count for cause, count in rest.items() if count}}


def table(snapshot: dict[str, Any]) -> str:
    """Return the summary: a line for each node, in which received = sent + all the rest.

    Below it, indented: what did not reach a source, how connections went, what a merger by key
    could not match of each stream, and what a slow subscriber missed.
    """
    nodes = snapshot["nodes"]
    width = min(40, max(map(len, nodes), default=0))
    head = f"{'received':>11} {'sent':>11} {'MB sent':>11} {'dropped':>9} not sent"
    lines = [f"{'node':<{width}} {head}"]
    for name, node in nodes.items():
        numbers = f"{node['received']:>11} {node['sent']:>11} {node['bytes_sent'] / MEGA:>11.3f}"
        why = ", ".join(f"{cause} {count}" for cause, count in not_sent(node).items())
        dropped = sum(node["dropped"].values())
        lines.append(f"{name:<{width}} {numbers} {dropped:>9} {why}".rstrip())
        lines += [f"    {line}" for line in _details(node)]
    lines.append(f"{snapshot['seconds']:.1f} s\n")
    return "\n".join(lines)


def _details(node: dict[str, Any]) -> Iterator[str]:
    if "upstream" in node:
        yield f"upstream{_upstream(node['upstream'])}"
    if "connection" in node:
        words = (f"{key.replace('_', ' ')} {count}" for key, count in node["connection"].items())
        yield f"connection: {', '.join(words)}"
    for stream, causes in node["unmatched"].items():
        words = (f"{cause} {count}" for cause, count in causes.items())
        yield f"unmatched of {stream}: {', '.join(words)}"
    if node["missed"]:
        yield f"sent, but missed by a subscriber: {node['missed']}"


def any_counter() -> str:
    """Return the counters that are known, in words."""
    return f"{', '.join(COUNTERS[:-1])} or {COUNTERS[-1]}"


def _upstream(found: dict[str, Any] | None) -> str:
    if found is None:
        return ": no message came"
    last = f"last {found['seconds_since_last']:.1f} s ago"
    if found["counter"] is None:
        return f": no {any_counter()} to count by; {last}"
    names = ("missing", "duplicates", "out_of_order", "restarts")
    words = (f"{name.replace('_', ' ')} {found[name]}" for name in names)
    return f" by {found['counter']}: {', '.join(words)}; {last}"


def counted(count: int) -> str:
    """Return how many messages, in words."""
    return f"{count} message{'s' if count != 1 else ''}"


def several(paths: Sequence[str]) -> str:
    """Name the files of a recording: the first ones, and the last."""
    names = list(map(os.path.basename, paths))
    left_out = ["..."] if len(names) > MAX_NAMED + 1 else []
    return f"in {len(names)} files: {', '.join([*names[:-1][:MAX_NAMED], *left_out, names[-1]])}"
