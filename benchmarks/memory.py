"""How much memory gmflow takes: at rest, at full speed, and where nobody takes what it sends.

    python benchmarks/memory.py

All figures are resident memory (VmRSS) of one process. At full speed `m_split` mirrors 1 MB
messages: what it has after 60 s is compared with what it had after 10 s.
"""

import time

from compare import Plan, Row, Taken, contender, flood, program, run, take_turns
from split import free_ports, receiver, splitter, take

SIZE = 1 << 20
EARLY, LATE, BLOCKED = 10, 60, 2
"""Seconds after which memory is looked at."""


def resident(process="self"):
    """Return the resident memory of a process, in bytes."""
    with open(f"/proc/{process}/status") as status:
        lines = dict(line.split(":", 1) for line in status)
    return 1024 * int(lines["VmRSS"].split()[0])


def gmflow_at_rest(source, stream):
    from gmflow import Topology

    topology = Topology()
    topology.output(topology.source(source), stream, conn_type="bind")
    topology.start()
    topology.join(0.1)
    figures = {"rest": resident()}
    topology.stop()
    return figures


def psi_mflow_at_rest(source, stream):
    import mflow

    opened = mflow.connect(source), mflow.connect(stream, conn_type=mflow.BIND, mode=mflow.PUSH)
    figures = {"rest": resident()}
    for each in opened:
        each.disconnect()
    return figures


def at_full_speed(source, early, late):
    with splitter("gmflow", source, 1) as (process, streams):
        socket = receiver(streams)
        take(socket, 1, False)
        time.sleep(1)  # every queue fills now: what they hold is no growth
        began, figures = time.monotonic(), {}
        for name, seconds in (("early", float(early)), ("late", float(late))):
            while time.monotonic() < began + seconds:
                take(socket, 10, False)
            figures[name] = resident(process)
    return figures


def blocked(name, source, seconds):
    with splitter(name, source, 1) as (process, _):
        time.sleep(float(seconds))
        return {"blocked": resident(process)}


CONTENDERS = {
    "gmflow at rest": gmflow_at_rest,
    "psi-mflow at rest": psi_mflow_at_rest,
    "gmflow blocked": lambda *arguments: blocked("gmflow", *arguments),
    "psi-mflow blocked": lambda *arguments: blocked("psi-mflow", *arguments),
    "gmflow at full speed": at_full_speed,
}


def turns(state, runs, *arguments) -> Taken:
    names = ("gmflow", "psi-mflow")
    return take_turns(runs, {n: contender(__file__, f"{n} {state}", *arguments) for n in names})


def rows(plan: Plan) -> list[Row]:
    mb = {"unit": "MB", "scale": 1e-6}
    addresses = [f"tcp://127.0.0.1:{port}" for port in free_ports(2)]
    yield turns("at rest", plan.runs, *addresses).row("memory at rest", "rest", "psi-mflow", **mb)
    with flood(SIZE) as source:
        taken = turns("blocked", plan.runs, source, BLOCKED * plan.share)
        yield taken.row("m_split nobody takes from, 1 MB", "blocked", "psi-mflow", **mb)
        early, late = EARLY * plan.share, LATE * plan.share
        figures = run(contender(__file__, "gmflow at full speed", source, early, late))
    before, after = figures["early"], figures["late"]
    case, peer = f"memory after {late:.0f} s of 1 MB", f"after {early:.0f} s"
    figures = after / before, after * 1e-6, before * 1e-6
    yield Row(case, "resident", peer, *figures, "MB", wanted=1.05, limit=True)


if __name__ == "__main__":
    program(CONTENDERS, rows)
