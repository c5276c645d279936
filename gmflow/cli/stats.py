"""Show how much a stream brings.

Usage:
  m_stats [options] SOURCE
  m_stats -h | --help
  m_stats --version

Arguments:
  SOURCE  Where the stream comes from, tcp://HOST:PORT.

Options:
  -m MODE, --mode MODE  How it is sent, pull or sub [default: pull].
  -i SECONDS, --sampling_interval SECONDS
                        Time between two lines; 0 shows every message [default: 0.5].
  -n COUNT              End after COUNT messages.
  --json                Show counters as JSON instead: a line every SECONDS, or for every
                        message, and at the end.
  --expect-no-loss      Exit with status 1 if anything was lost: before it came here, by the
                        counters in the headers, or here.
  -h, --help            Show this text.
  --version             Show the version.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import GmflowError
from ..green.topology import Consumer, Producer, Topology
from ..message import Message
from ..statistics import Statistics
from ..throughput import ThroughputStatisticsPrinter
from .console import Console, File, printed
from .program import choice_of, number_of, run_program, run_topology
from .report import any_counter, json_line, not_sent


class LossError(GmflowError):
    """Messages were lost where none was to be."""


class _Meter(Consumer):
    """Counts messages, and prints what is said of each, or of every burst of them."""

    kind = "meter"

    def __init__(
        self, node: Producer, out: File, tell: Callable[[Statistics], Any], each: bool
    ) -> None:
        super().__init__("meter", node)
        self._out = out
        self._tell = tell
        self._each = each
        self._counted = Statistics()

    def consume(self, hand: deque[Message]) -> None:
        text = printed(self._count, hand)
        if text:
            self._out.write(text)

    def _count(self, hand: deque[Message]) -> None:
        while hand:
            message = hand.popleft()
            self.done(message)
            self._counted.messages_received += 1
            self._counted.total_bytes_received += message.size
            if self._each:
                self._tell(self._counted)
        if not self._each:  # after the last message it would show a rate of zero
            self._tell(self._counted)


def main(early: Sequence[int] = ()) -> None:
    """Run the script."""
    run_program(__doc__ or "", stats, early)


def stats(arguments: dict[str, Any], console: Console) -> None:
    """Watch a stream until it is told to stop or has brought enough messages."""
    seconds = number_of(arguments, "--sampling_interval", float, 0)
    topology = Topology()
    source = topology.source(
        arguments["SOURCE"],
        choice_of(arguments, "--mode", ("pull", "sub")),
        count=number_of(arguments, "-n", int, 1),
    )
    show = _show_json if arguments["--json"] else _show_lines
    show(topology, source, seconds, console)
    if arguments["--expect-no-loss"]:
        _expect_no_loss(topology.statistics()["nodes"], arguments["SOURCE"], console)


def _show_lines(topology: Topology, source: Producer, seconds: float, console: Console) -> None:
    """Run, and print mflow's lines and ours below them."""
    printer = ThroughputStatisticsPrinter(sampling_interval=seconds)
    topology.attach(_Meter(source, console.out, printer.save_statistics, seconds == 0))
    line = f"mflow stats started. Sampling interval is {seconds:.2f} seconds."
    run_topology(
        topology,
        console,
        first=lambda: console.out.write(f"{line}\n{'_' * 60}\n"),
    )
    console.finish(printed(printer.close) + _summary(topology.statistics()["nodes"]))


def _show_json(topology: Topology, source: Producer, seconds: float, console: Console) -> None:
    """Run, and write JSON alone."""

    def line() -> str:
        return json_line(topology.statistics())

    def each(_: Statistics) -> None:
        print(line(), end="")

    is_each = seconds == 0
    topology.attach(_Meter(source, console.out, each if is_each else lambda _: None, is_each))
    tick = None if is_each else lambda: console.out.write(line())
    run_topology(topology, console, every=seconds, tick=tick)
    console.finish(line())


def _expect_no_loss(nodes: dict[str, Any], address: str, console: Console) -> None:
    lost = _lost(nodes)
    if lost:
        words = ", ".join(f"{cause} {count}" for cause, count in lost.items())
        raise LossError(f"messages of {address} were lost: {words}")
    upstream = _upstream(nodes)
    warning = "no message came" if upstream is None else ""
    if upstream is not None and upstream["counter"] is None:
        warning = f"messages have no {any_counter()}: only losses here are seen"
    if warning:
        console.finish(err=f"m_stats: {address}: {warning}\n")


def _upstream(nodes: dict[str, Any]) -> dict[str, Any] | None:
    """Return what is known of losses upstream; None without messages."""
    upstream: dict[str, Any] | None
    (upstream,) = (node["upstream"] for node in nodes.values() if "upstream" in node)
    return upstream


def _lost(nodes: dict[str, Any]) -> dict[str, int]:
    """Return what was lost, by cause; none of these nodes leaves out anything by choice."""
    found: dict[str, int] = {}
    for node in nodes.values():
        missing = (node.get("upstream") or {}).get("missing", 0)
        for cause, count in {"missing": missing, **not_sent(node)}.items():
            if count:
                found[cause] = found.get(cause, 0) + count
    return found


def _summary(nodes: dict[str, Any]) -> str:
    """Return what is known of losses, in the form of mflow's summary; nothing without messages."""
    upstream = _upstream(nodes)
    if upstream is None:
        return ""
    lost = _lost(nodes)
    missing = lost.pop("missing", 0)
    causes = "".join(f", {cause} {count}" for cause, count in lost.items())
    by = f"messages by {upstream['counter']}" if upstream["counter"] else "known of: no counter"
    return (
        f"Missing upstream:     {missing:>10d} {by}\n"
        f"Duplicates:           {upstream['duplicates']:>10d} messages\n"
        f"Out of order:         {upstream['out_of_order']:>10d} messages\n"
        f"Restarts:             {upstream['restarts']:>10d} times\n"
        f"Lost here:            {sum(lost.values()):>10d} messages{causes}\n"
        f"Last message:         {upstream['seconds_since_last']:>10.3f} s before the end\n"
    )
