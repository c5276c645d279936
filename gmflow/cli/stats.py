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
  -h, --help            Show this text.
  --version             Show the version.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from ..message import Message
from ..statistics import Statistics
from ..throughput import ThroughputStatisticsPrinter
from ..topology import Giver, Taker, Topology
from .console import Console, File, printed
from .program import choice_of, number_of, run_program, run_topology


class Meter(Taker):
    """Counts messages and prints how many come, as mflow's m_stats does."""

    kind = "meter"

    def __init__(self, node: Giver, seconds: float, out: File) -> None:
        super().__init__("meter", node)
        self._out = out
        self._each = seconds == 0
        self._counted = Statistics()
        self.printer = ThroughputStatisticsPrinter(sampling_interval=seconds)

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
                self.printer.save_statistics(self._counted)
        if not self._each:  # after the last message it would show a rate of zero
            self.printer.save_statistics(self._counted)


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
    meter = topology.attach(Meter(source, seconds, console.out))
    line = f"mflow stats started. Sampling interval is {seconds:.2f} seconds."
    run_topology(
        topology,
        console,
        first=lambda: console.out.write(f"{line}\n{'_' * 60}\n"),
    )
    console.finish(printed(meter.printer.close))
