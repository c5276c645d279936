"""A topology's statistics as text: a line that is drawn anew while it runs, a table at the end."""

from __future__ import annotations

from typing import Any

from .console import File

MEGA = 1e6


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
        """Give what leaves the line."""
        return "\n" if self._terminal.is_terminal and self._last is not None else ""


def rates(now: dict[str, Any], before: dict[str, Any] | None = None) -> str:
    """Give what each node received or sent between two snapshots, a second.

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
        words.append(f"{name}: {hertz:.0f} Hz {mega:.1f} MB/s, dropped {_dropped(node)}")
    return " | ".join(words)


def table(snapshot: dict[str, Any]) -> str:
    """Give the summary: a line for each node, in which received = sent + all the rest."""
    lines = [f"{'node':<40} {'received':>12} {'sent':>12} {'MB sent':>12} {'dropped':>12} not sent"]
    for name, node in snapshot["nodes"].items():
        why = [f"{cause} {count}" for cause, count in node["dropped"].items()]
        why += [f"{key} {node[key]}" for key in ("failed", "left_over", "missed") if node[key]]
        lines.append(
            f"{name:<40} {node['received']:>12} {node['sent']:>12}"
            f" {node['bytes_sent'] / MEGA:>12.3f} {_dropped(node):>12} {', '.join(why)}".rstrip()
        )
    lines.append(f"{snapshot['seconds']:.1f} s\n")
    return "\n".join(lines)


def _dropped(node: dict[str, Any]) -> int:
    return sum(node["dropped"].values())
