"""How fast this checkout is beside another version of gmflow, both installed: no row may fall back.

    python benchmarks/versions.py OTHER [CASE ...]

OTHER is a checkout of the other version, with a virtual environment `.venv` in it in which it is
installed (``make bench QUICK=1`` there makes one). The contenders of each case are run in turn
with this Python and checkout, and with the other's; a ratio above 1 says that this one is better.
"""

import sys
from pathlib import Path

from compare import HERE, Taken, flood, take_turns

RUNS = 7

SMALL, MEDIUM, LARGE = 40, 4_096, 1 << 20

RECEIVE = {SMALL: 100_000, MEDIUM: 80_000, LARGE: 1_500}
SPLIT = {(SMALL, 1): 150_000, (SMALL, 3): 60_000, (LARGE, 1): 1_500, (LARGE, 3): 800}
MERGE = {"topology": 150_000, "topology of values": 150_000, "gmflow": 150_000}
RECORD = {"topology": (LARGE, 2_000), "m_dump small": (1_000, 300_000)}
FOLDER = {"m_dump folder": (1_000, 30_000)}


def receive(other: Path):
    for size, count in RECEIVE.items():
        with flood(size) as address:
            taken = turns(other, "receive.py", "gmflow", address, count)
        yield f"receive {size} B", taken, {"thread": False, "wall": False}


def split(other: Path):
    for (size, outputs), count in SPLIT.items():
        with flood(size) as source:
            taken = turns(other, "split.py", "gmflow", source, size, outputs, count)
        yield f"m_split 1 -> {outputs}, {size} B", taken, {"rate": True, "cpu": False}


def merge(other: Path):
    for name, count in MERGE.items():
        with flood(SMALL, 10, program="flood_many.py") as addresses:
            taken = turns(other, "merge.py", name, addresses, count)
        yield f"merge of 10, {name}", taken, {"rate": True, "thread": False}


def record(other: Path):
    taken = turns(other, "record.py", "topology", RECORD["topology"][1])
    yield "record 1 MB, topology", taken, {"rate": True}
    for name, (size, count) in {"m_dump small": RECORD["m_dump small"], **FOLDER}.items():
        with flood(size) as source:
            taken = turns(other, "record.py", name, count, source)
        yield f"record {size} B, {name}", taken, {"rate": True}


CASES = {"receive": receive, "split": split, "merge": merge, "record": record}


def turns(other: Path, case: str, name: str, *arguments: object) -> Taken:
    """Run a contender of both versions in turn."""
    words = [name, *map(str, arguments)]
    here = [sys.executable, str(HERE / case), *words]
    there = [str(other / ".venv" / "bin" / "python"), str(other / "benchmarks" / case), *words]
    return take_turns(RUNS, {"gmflow": here, "before": there})


def main() -> None:
    if len(sys.argv) < 2 or not set(sys.argv[2:]) <= set(CASES):
        sys.exit(f"{sys.argv[0]} OTHER [{' '.join(CASES)} ...]")
    other = Path(sys.argv[1]).resolve()
    print(f"{'case':<34} {'figure':<8} {'ratio':>7} {'this':>10} {'other':>10}")
    for name in sys.argv[2:] or CASES:
        for case, taken, figures in CASES[name](other):
            for figure, more in figures.items():
                row = taken.row(case, figure, "before", scale=1 if more else 1e6, more=more)
                print(
                    f"{case:<34} {figure:<8} {row.ratio:7.2f} {row.ours:10.4g} {row.theirs:10.4g}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
