"""Every benchmark beside the peers, one after the other, printed and saved as a table.

    python benchmarks/run.py [quick] [CASE ...]

The whole takes up to 15 minutes on 2 cores and is saved as results.md; `quick` has fewer and
shorter runs, up to 2 minutes, and is saved as results-quick.md. Cases that are named are run
alone and not saved. A peer that can't be installed here is left out with its case.
"""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from compare import HEAD, HERE, QUICK, Plan, Row, line, missing_packages

CASES = [
    "receive",
    "send",
    "split",
    "merge",
    "chain",
    "mixed",
    "slow",
    "images",
    "pixels",
    "decode",
    "outputs",
    "tap",
    "many",
    "record",
    "pace",
    "starting",
    "ending",
    "memory",
]  # the longest last, so that what hangs is seen early

NEEDS = {
    "receive": ["psi-mflow", "orjson"],
    "slow": ["psi-mflow", "orjson"],
    "images": ["pvapy"],
    "pixels": [],
    "decode": [],
    "outputs": [],
    "tap": [],
    "many": [],
    "pace": [],
    "ending": [],
}
"""The packages that a case needs; psi-mflow alone where it is not named."""

PACKAGES = ("gmflow", "pyzmq", "gevent", "numpy", "psi-mflow", "pvapy", "orjson", "imagecodecs")

HEADING = """\
# gmflow beside its peers

`make bench` makes this page. All run side by side in one run, each a process of its own, in
alternating order. A ratio is taken in each round, and the median of the rounds stands here: it need
not be the quotient of the two columns behind it, which are medians too; where they differ much,
the machine was noisy. Above 1 gmflow is better; with "≤" it is a figure to stay below.

| figure | is |
| --- | --- |
| wall | time a message, or of a whole program |
| thread | CPU time a message of the thread that receives or sends |
| process, cpu | CPU time a message of the whole process |
| rate, rate x2 | messages or bytes a second; on two threads together |
| p50, p99 | how late messages are received: the median, and what 99 % stay below |
| rest, blocked, resident | memory |

| peer | is |
| --- | --- |
| psi-mflow | the same program with `import mflow`, or its script |
| plain | a loop by hand on pyzmq: recv_multipart, json.loads, numpy.frombuffer |
| zmq.green, zmq.asyncio | the same loop on these |
| zmq.proxy | libzmq's own, in C |
| PvaPy | a PvaServer and a monitor, at the highest rate without a missed image |
| PvaPy, told | the same, where the server is told over a pipe of every image that was had |
| imagecodecs, bitshuffle, ... | the library alone, on the same blob in memory |

"tuned" is gmflow after `tune_process`, which the scripts call; "by parts" sends as psi-mflow does,
with a call for each part; "orjson" is gmflow[fast].
"""


def main(words: list[str]) -> int:
    plan = QUICK if "quick" in words else Plan()
    named = [word for word in words if word != "quick"]
    if unknown := [word for word in named if word not in CASES]:
        print(f"no case {unknown[0]!r}; there are {', '.join(CASES)}", file=sys.stderr)
        return 2
    began, load = time.monotonic(), os.getloadavg()[0]
    rows, failed = measure(named or CASES, plan)
    minutes = (time.monotonic() - began) / 60
    print(f"{len(rows)} figures in {minutes:.1f} minutes; short: {sum(r.short for r in rows)}")
    if not named and not failed:
        name = "results-quick.md" if plan is QUICK else "results.md"
        text = page(rows, plan, f"{minutes:.1f} minutes, load {load:.1f} at the start")
        (HERE / name).write_text(text, "utf-8")
        print(f"saved as {HERE.name}/{name}")
    return 1 if failed else 0


def measure(cases: Iterable[str], plan: Plan) -> tuple[list[Row], list[str]]:
    """Run cases; give their rows, and the names of those that failed."""
    rows: list[Row] = []
    failed = []
    missing = missing_packages()
    print(HEAD, flush=True)
    for name in cases:
        if lacking := [package for package in NEEDS.get(name, ["psi-mflow"]) if package in missing]:
            print(f"{name}: left out, {', '.join(lacking)} is not installed", flush=True)
            continue
        try:
            for row in import_module(name).rows(plan):
                rows.append(row)
                print(line(row), flush=True)
        except (subprocess.SubprocessError, ValueError, OSError) as error:
            failed.append(name)
            print(f"{name}: failed: {error}", file=sys.stderr, flush=True)
    return rows, failed


def page(rows: Iterable[Row], plan: Plan, took: str) -> str:
    """Return the results as Markdown."""
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
