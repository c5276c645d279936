"""Every benchmark beside the peers, one after the other, printed and saved as a table.

    python benchmarks/run.py [quick | CASE ...]

The whole takes up to 10 minutes on 2 cores and is saved as results.md; `quick` has fewer and
shorter runs, up to 2 minutes, and is saved as results-quick.md. Cases that are named are run
alone and not saved.
"""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from compare import HERE, QUICK, Plan, Row, line

CASES = [
    "receive",
    "send",
    "split",
    "merge",
    "chain",
    "mixed",
    "slow",
    "images",
    "starting",
    "memory",
]  # the longest last, so that what hangs is seen early

PACKAGES = ("gmflow", "pyzmq", "gevent", "numpy", "psi-mflow", "pvapy", "orjson")

HEADING = """\
# gmflow beside its peers

Ratios of medians taken round by round, in one run, in alternating order; above 1 gmflow is
better, except where at most something is wanted. `make bench` makes this page; `process` and
`thread` are CPU times, of the whole process and of the thread that works, `wall` is time.
"""


def main(words: list[str]) -> int:
    plan = QUICK if words == ["quick"] else Plan()
    began, load = time.monotonic(), os.getloadavg()[0]
    rows, failed = measure([] if words == ["quick"] else words, plan)
    minutes = (time.monotonic() - began) / 60
    print(f"{len(rows)} figures in {minutes:.1f} minutes; short: {sum(r.short for r in rows)}")
    if words in ([], ["quick"]) and not failed:
        name = "results-quick.md" if plan is QUICK else "results.md"
        text = page(rows, plan, f"{minutes:.1f} minutes, load {load:.1f} at the start")
        (HERE / name).write_text(text, "utf-8")
        print(f"saved as {HERE.name}/{name}")
    return 1 if failed else 0


def measure(cases: list[str], plan: Plan) -> tuple[list[Row], list[str]]:
    """Run cases, all by default; give their rows, and the names of those that failed."""
    rows: list[Row] = []
    failed = []
    for name in cases or CASES:
        case = import_module(name)
        missing = [need for need in getattr(case, "NEEDS", ()) if find_spec(need) is None]
        if missing:
            print(f"{name}: left out, {', '.join(missing)} is not installed", flush=True)
            continue
        try:
            for row in case.rows(plan):
                rows.append(row)
                print(line(row), flush=True)
        except (subprocess.SubprocessError, ValueError, OSError) as error:
            failed.append(name)
            print(f"{name}: failed: {error}", file=sys.stderr, flush=True)
    return rows, failed


def page(rows: Iterable[Row], plan: Plan, took: str) -> str:
    """Give the results as Markdown."""
    lines = [HEADING, *about(plan, took), ""]
    lines += ["| case | figure | beside | ratio | wanted | gmflow | peer | unit |"]
    lines += ["| --- | --- | --- | ---: | ---: | ---: | ---: | --- |"]
    for row in rows:
        wanted = "" if row.wanted is None else f"{'≤' if row.limit else '≥'} {row.wanted:g}"
        ratio = f"**{row.ratio:.2f}**" if row.short else f"{row.ratio:.2f}"
        lines.append(
            f"| {row.case} | {row.figure} | {row.peer} | {ratio} | {wanted}"
            f" | {row.ours:.4g} | {row.theirs:.4g} | {row.unit} |"
        )
    return "\n".join([*lines, "", "Bold: short of what is wanted.", ""])


def about(plan: Plan, took: str) -> list[str]:
    """Say on what it was run."""
    import zmq

    versions = ", ".join(f"{name} {version_of(name)}" for name in PACKAGES)
    return [
        f"- {time.strftime('%Y-%m-%d')}; medians of {plan.runs} runs; {took}",
        f"- {processor()}, {os.cpu_count()} cores; {platform.system()} {platform.release()}",
        f"- Python {platform.python_version()}, libzmq {zmq.zmq_version()}, {versions}",
    ]


def processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in text.splitlines() if "model name" in line]
    return names[0] if names else platform.machine()


def version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
