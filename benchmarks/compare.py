"""How programs are compared: each run is a process of its own, they take turns, medians count.

A case is a module with `CONTENDERS`, functions that do the work and give their figures, and
`rows(plan)`, which has them run and says what came out. Run as a program it runs itself alone.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent

PEERS = {"psi-mflow": "mflow", "pvapy": "pvaccess", "orjson": "orjson"}
"""The packages that gmflow is compared with, and what each is imported as."""

PATIENCE = 120
"""Seconds that a run may take before it counts as hung."""


@dataclass(frozen=True)
class Plan:
    """How thorough a benchmark is.

    Parameters
    ----------
    runs : int
        Runs of each contender.
    share : float
        The share of the messages, or seconds, that a whole run has.
    """

    runs: int = 5
    share: float = 1.0

    def count(self, whole: int) -> int:
        """Return the share of a number of messages."""
        return max(1, round(whole * self.share))


QUICK = Plan(runs=2, share=0.1)


@dataclass(frozen=True)
class Row:
    """A line of the results: a figure of gmflow's beside a peer's.

    Parameters
    ----------
    case, figure, peer : str
        What was done, what was measured of it, and who it is compared with.
    ratio : float
        Above 1 gmflow is better, unless `limit` says that it is a figure to stay below.
    ours, theirs : float
        The medians, in `unit`.
    wanted : float, optional
        What the ratio should be at least, where something is wanted.
    limit : bool, optional
        `ratio` is to be `wanted` at most.
    """

    case: str
    figure: str
    peer: str
    ratio: float
    ours: float
    theirs: float
    unit: str
    wanted: float | None = None
    limit: bool = False

    @property
    def short(self) -> bool:
        """Whether it falls short of what is wanted."""
        if self.wanted is None:
            return False
        return self.ratio > self.wanted if self.limit else self.ratio < self.wanted


class Taken:
    """The figures of all runs of all contenders of one case."""

    def __init__(self) -> None:
        self._runs: dict[str, list[dict[str, float]]] = {}

    def add(self, name: str, figures: dict[str, float]) -> None:
        self._runs.setdefault(name, []).append(figures)

    def middle(self, name: str, figure: str) -> float:
        """Return the median of a contender's figure."""
        return median(run[figure] for run in self._runs[name])

    def row(
        self,
        case: str,
        figure: str,
        peer: str,
        unit: str = "µs",
        ours: str = "gmflow",
        wanted: float | None = None,
        more: bool = False,
        scale: float = 1.0,
    ) -> Row:
        """Compare two contenders round by round; `more` is for figures that are to be large."""
        pairs = zip(self._runs[ours], self._runs[peer], strict=True)
        ratios = [a[figure] / b[figure] if more else b[figure] / a[figure] for a, b in pairs]
        mine, other = self.middle(ours, figure) * scale, self.middle(peer, figure) * scale
        return Row(case, figure, peer, median(ratios), mine, other, unit, wanted)


def take_turns(runs: int, commands: dict[str, list[str]]) -> Taken:
    """Run every command so often, every other round backwards, and collect their figures."""
    taken = Taken()
    for number in range(runs):
        for name in commands if number % 2 == 0 else reversed(list(commands)):
            taken.add(name, run(commands[name]))
    return taken


def contender(case: str, name: str, *arguments: object) -> list[str]:
    """Return the command that runs one contender of a case (its ``__file__``)."""
    return [sys.executable, case, name, *map(str, arguments)]


def run(command: list[str]) -> dict[str, float]:
    """Run a command; give the figures that it prints as its last line."""
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=PATIENCE, check=True)
    figures: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return figures


@contextmanager
def beside(command: list[str]) -> Iterator[str]:
    """Have a program run beside; gives the first line that it prints, and ends it at the end."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@contextmanager
def flood(*arguments: object, program: str = "flood.py") -> Iterator[str]:
    """Have a plain sender run beside (see `flood.py` for its arguments); gives its address."""
    with beside([sys.executable, str(HERE / program), *map(str, arguments)]) as address:
        yield address


def allow_files() -> None:
    """Let this process open as many files as it may: a socket of ZeroMQ takes two or three."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def cpu_of(*processes: int) -> float:
    """Return the CPU time of processes, in seconds, by the clock that Linux keeps for each id."""
    return sum(time.clock_gettime((~process << 3) | 2) for process in processes)


def measure(loop: Callable[[int], Any], count: int) -> dict[str, float]:
    """Time ``loop(count)`` after a shorter one: seconds a message, by three clocks.

    Returns
    -------
    dict
        ``wall`` time, CPU time of this ``thread``, CPU time of the ``process``.
    """
    loop(max(1, count // 10))
    clocks = {"wall": time.perf_counter, "thread": time.thread_time, "process": time.process_time}
    began = {name: clock() for name, clock in clocks.items()}
    loop(count)
    return {name: (clock() - began[name]) / count for name, clock in clocks.items()}


def program(
    contenders: dict[str, Callable[..., dict[str, float]]],
    rows: Callable[[Plan], Iterable[Row]],
) -> None:
    """What a case does when it is run: one contender, or with no argument the whole case."""
    words = sys.argv[1:]
    if words and words[0] in contenders:
        print(json.dumps(contenders[words[0]](*words[1:])), flush=True)
    elif words in ([], ["quick"]):
        if missing := missing_packages():
            sys.exit(f"{', '.join(missing)} is not installed: pip install '.[bench]'")
        print(HEAD)
        for row in rows(QUICK if words else Plan()):
            print(line(row), flush=True)
    else:
        print(f"{sys.argv[0]} [quick]", file=sys.stderr)
        sys.exit(2)


def missing_packages() -> list[str]:
    """Return the packages of peers that are not there."""
    return [name for name, module in PEERS.items() if find_spec(module) is None]


HEAD = (
    f"{'case':<34} {'figure':<8}   {'beside':<18} {'ratio':>7} {'wanted':<14}"
    f" {'gmflow':>10} {'peer':>10}"
)


def line(row: Row) -> str:
    """Return a row as a line for a terminal."""
    sign = "<=" if row.limit else ">="
    wanted = "" if row.wanted is None else f"{sign} {row.wanted}{'  SHORT' if row.short else ''}"
    return (
        f"{row.case:<34} {row.figure:<8} / {row.peer:<18} {row.ratio:7.2f} {wanted:<14}"
        f" {row.ours:10.4g} {row.theirs:10.4g} {row.unit}"
    )
