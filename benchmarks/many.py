"""1000 sources on one hub, merged and split to two outputs, beside 10 sources.

    python benchmarks/many.py

Every message comes by IPC, 40 bytes of data, and goes to two plain receivers. A run ends when
each source has had its share and everything is delivered; it fails if a message is missing.
Memory is what the process had at most (ru_maxrss), 1000 sources less 10, for each source.
"""

import resource
import sys
import tempfile
import time
from contextlib import ExitStack

from compare import (
    HERE,
    Plan,
    Row,
    allow_files,
    beside,
    contender,
    flood,
    program,
    take_turns,
)

SIZE = 40
COUNT = 600_000
FEW, MANY = 10, 1000
STRATEGIES = ("Arrival", "RoundRobin")


def merged(strategy, addresses, count, *receivers):
    from gmflow import Topology, merging, tune_process

    allow_files()
    tune_process()
    addresses, count = addresses.split(","), int(count)
    topology = Topology()
    each = count // len(addresses)
    sources = [topology.source(address, count=each) for address in addresses]
    both = topology.merge(*sources, strategy=getattr(merging, strategy))
    outputs = [topology.output(both, address, conn_type="connect") for address in receivers]
    topology.start()
    began = time.perf_counter()
    topology.join()
    seconds = time.perf_counter() - began
    assert all(node.statistics.sent == count for node in (both, *outputs)), topology.statistics()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"rate": count / seconds, "peak": peak}


CONTENDERS = {
    strategy: lambda *arguments, strategy=strategy: merged(strategy, *arguments)
    for strategy in STRATEGIES
}


def rows(plan: Plan) -> list[Row]:
    count = max(plan.count(COUNT), 100 * MANY)
    with ExitStack() as stack:
        drain = [sys.executable, str(HERE / "drain.py")]
        receivers = [stack.enter_context(beside(drain)) for _ in range(2)]
        commands = {}
        for number in (FEW, MANY):
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            sender = flood(SIZE, number, folder, program="flood_many.py")
            addresses = stack.enter_context(sender)
            for strategy in STRATEGIES:
                arguments = (strategy, addresses, count, *receivers)
                commands[f"{strategy}, {number}"] = contender(__file__, *arguments)
        taken = take_turns(plan.runs, commands)
    for strategy in STRATEGIES:
        few, many = f"{strategy}, {FEW}", f"{strategy}, {MANY}"
        case = f"{strategy} of {MANY}, two outputs"
        yield taken.row(case, "rate", few, "1/s", many, wanted=0.6, more=True)
        less, more = taken.middle(few, "peak"), taken.middle(many, "peak")
        kib = (more - less) / (MANY - FEW)
        yield Row(case, "memory", "a source", kib, more, less, "KiB", wanted=100, limit=True)


if __name__ == "__main__":
    program(CONTENDERS, rows)
