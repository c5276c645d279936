"""A topology's statistics as text: a line that is drawn anew while it runs, a table at the end.

Or, for programs to read, one JSON object a line. `run_reported` is all that a script needs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

from ..formats import COUNTERS
from ..green.topology import Topology
from .console import Console, File
from .program import run_topology

MEGA = 1e6

NAMED = 3
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
        Write snapshots to standard output instead, each second and at the end (see `JsonLines`).
    """
    if as_json:
        lines = JsonLines(console.out)
        run_topology(topology, console, tick=lambda: lines.show(topology.statistics()))
        console.finish(lines.text(topology.statistics()))
        return
    progress = Progress(console.err)
    run_topology(topology, console, tick=lambda: progress.show(topology.statistics()))
    console.finish(table(topology.statistics()), progress.end())


class JsonLines:
    """Writes snapshots to a file, one JSON object a line: ``seconds``, and ``nodes`` by name.

    ``lines = JsonLines(console.out)``; ``lines.show(topology.statistics())`` while it runs, and
    ``console.finish(lines.text(topology.statistics()))`` at the end.

    Parameters
    ----------
    file : File
        Where they go.
    """

    def __init__(self, file: File) -> None:
        self._file = file

    def show(self, snapshot: dict[str, Any]) -> None:
        """Write a snapshot; other greenlets run until it is out."""
        self._file.write(self.text(snapshot))

    @staticmethod
    def text(snapshot: dict[str, Any]) -> str:
        """Return a snapshot's line."""
        return json.dumps(snapshot, allow_nan=False) + "\n"


class Progress:
    """Draws one line on the terminal, if a person is looking, from snapshots of a topology."""

    def __init__(self, terminal: File) -> None:
        self._terminal = terminal
        self._last: dict[str, Any] | None = None

    def show(self, snapshot: dict[str, Any]) -> None:
        """Draw the rates since the last snapshot over the last line."""
        if self._terminal.is_terminal:
            self._terminal.write("\r\x1b[K" + rates(snapshot, self._last))
        self._last = snapshot

    def end(self) -> str:
        """Return what leaves the line."""
        return "\n" if self._terminal.is_terminal and self._last is not None else ""


def not_sent(node: dict[str, Any]) -> dict[str, int]:
    """Return what a node received and did not send, by cause."""
    unmatched = sum(sum(causes.values()) for causes in node["unmatched"].values())
    rest = {"failed": node["failed"], "unmatched": unmatched, "left_over": node["left_over"]}
    return {**node["dropped"], **{cause: count for cause, count in rest.items() if count}}


def rates(now: dict[str, Any], before: dict[str, Any] | None = None) -> str:
    """Return what each node received or sent between two snapshots, a second.

    Parameters
    ----------
    now, before : dict
        Snapshots as of `Topology.statistics`; since the start where there is no `before`.
    """
    seconds = now["seconds"] - (before["seconds"] if before else 0.0)
    words = [f"{now['seconds']:.0f} s"]
    for name, node in now["nodes"].items():
        old = before["nodes"][name] if before else {"sent": 0, "bytes_sent": 0}
        hertz = (node["sent"] - old["sent"]) / seconds if seconds else 0.0
        mega = (node["bytes_sent"] - old["bytes_sent"]) / MEGA / seconds if seconds else 0.0
        missing = (node.get("upstream") or {}).get("missing")
        lacks = f", missing {missing}" if missing else ""
        words.append(f"{name}: {hertz:.0f} Hz {mega:.1f} MB/s, dropped {_dropped(node)}{lacks}")
    return " | ".join(words)


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
        lines.append(f"{name:<{width}} {numbers} {_dropped(node):>9} {why}".rstrip())
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


def _dropped(node: dict[str, Any]) -> int:
    return sum(node["dropped"].values())


def several(paths: Sequence[str]) -> str:
    """Name the files of a recording: the first ones, and the last."""
    names = list(map(os.path.basename, paths))
    left_out = ["..."] if len(names) > NAMED + 1 else []
    return f"in {len(names)} files: {', '.join([*names[:-1][:NAMED], *left_out, names[-1]])}"
