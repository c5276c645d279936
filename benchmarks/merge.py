"""How fast streams are merged: 1 to 1000 sources into a sink that counts, and mflow's Merge of 10.

    python benchmarks/merge.py

A topology of 1000 sources is compared with one of 10. That comparison decodes nothing, so that
only the merging counts; those with psi-mflow's Merge decode. One process sends to all sources.
"""

import os
from contextlib import ExitStack, redirect_stdout

from compare import Plan, Row, allow_files, contender, flood, measure, program, take_turns

SIZE = 40
COUNT = 150_000
FILL = 256
"""Messages of each source before the clocks start, and at least that many while they run: the
queues of a topology hold more than 100 messages a source, and fill and empty all at once."""

NUMBERS = (1, 2, 10, 100, 1000)


class Counter:
    """A sink's function that counts, and a loop that waits until it has counted so many."""

    def __init__(self):
        from gevent.event import Event

        self.left = 0
        self.reached = Event()

    def __call__(self, message):
        self.left -= 1
        if self.left == 0:
            self.reached.set()

    def wait(self, count):
        self.left = count
        self.reached.clear()
        self.reached.wait()


def topology(addresses, count, decode=False):
    from gmflow import Topology

    allow_files()
    addresses = addresses.split(",")
    topology, counter = Topology(), Counter()
    merged = topology.merge(*map(topology.source, addresses))
    topology.sink(merged, counter, decode=decode)
    topology.start()
    fill = FILL * len(addresses)
    counter.wait(fill)
    figures = measure(counter.wait, max(int(count), fill))
    topology.stop()
    return with_rate(figures)


def tuned_topology(addresses, count):
    from gmflow import Topology, tune_process

    assert Topology  # imported before, as what is imported is kept out of the collector's way
    tune_process()
    return topology(addresses, count)


def topology_of_values(addresses, count):
    return topology(addresses, count, decode=True)


def gmflow(addresses, count):
    import gmflow as mflow

    return by_library(mflow, addresses, count)


def psi_mflow(addresses, count):
    import mflow

    return by_library(mflow, addresses, count)


def by_library(library, addresses, count):
    merged = library.utils.Merge(*map(library.connect, addresses.split(",")))

    def loop(count):
        for _ in range(count):
            while merged.receive() is None:  # psi-mflow's never waits
                pass

    # psi-mflow's prints a number for each attempt: that must not come among the figures
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        loop(FILL)
        return with_rate(measure(loop, int(count)))


def with_rate(figures):
    return {**figures, "rate": 1 / figures["wall"]}


CONTENDERS = {
    "topology": topology,
    "tuned topology": tuned_topology,
    "topology of values": topology_of_values,
    "gmflow": gmflow,
    "psi-mflow": psi_mflow,
}


def rows(plan: Plan) -> list[Row]:
    count = plan.count(COUNT)
    yield from scaling_rows(plan, count)
    with flood(SIZE, 10, program="flood_many.py") as addresses:
        names = ("topology of values", "gmflow", "psi-mflow")
        taken = take_turns(
            plan.runs, {name: contender(__file__, name, addresses, count) for name in names}
        )
    for ours, case in (("gmflow", "Merge of 10"), ("topology of values", "topology, 10 sources")):
        yield taken.row(case, "rate", "psi-mflow", "1/s", ours, more=True)
        yield taken.row(case, "thread", "psi-mflow", ours=ours, scale=1e6)
        yield taken.row(case, "process", "psi-mflow", ours=ours, scale=1e6)


def scaling_rows(plan, count):
    commands = {}
    with ExitStack() as stack:
        for number in NUMBERS:
            addresses = stack.enter_context(flood(SIZE, number, program="flood_many.py"))
            commands[sources(number)] = contender(__file__, "topology", addresses, count)
            if number in (10, 1000):
                name = f"{sources(number)}, tuned"
                commands[name] = contender(__file__, "tuned topology", addresses, count)
        taken = take_turns(plan.runs, commands)
    for number in NUMBERS:
        if number != 10:
            ours, wanted = sources(number), 0.7 if number == 1000 else None
            case = f"merge of {ours}"
            yield taken.row(case, "rate", "10 sources", "1/s", ours, wanted, more=True)
            yield taken.row(case, "thread", "10 sources", ours=ours, scale=1e6)
            yield taken.row(case, "process", "10 sources", ours=ours, scale=1e6)

    tuned, peer = (f"{sources(number)}, tuned" for number in (1000, 10))
    yield taken.row(f"merge of {tuned}", "rate", peer, "1/s", tuned, more=True)
    yield taken.row(f"merge of {tuned}", "thread", peer, ours=tuned, scale=1e6)


def sources(number):
    return "1 source" if number == 1 else f"{number} sources"


if __name__ == "__main__":
    program(CONTENDERS, rows)
