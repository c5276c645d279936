"""1000 sources on one hub, merged and split to two outputs, beside 10 sources.

    python benchmarks/many.py

Every message comes by IPC, 40 bytes of data, and goes to two plain receivers. A run ends when
each source has had its share and everything is delivered; it fails if a message is missing.
Memory is what the process had at most (ru_maxrss), 1000 sources less 10, for each source: where
every queue is full, beside a plain pyzmq loop over as many sockets, and where messages are taken
as they come, 10 a second of each source.
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
FEW, MANY, CALM = 10, 1000, 10
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


def plain(addresses, count, *receivers):
    import zmq

    allow_files()
    addresses, left = addresses.split(","), int(count)
    context = zmq.Context()
    context.set(zmq.MAX_SOCKETS, 2 * len(addresses) + 10)
    sockets = [context.socket(zmq.PULL) for _ in addresses]
    for socket, address in zip(sockets, addresses, strict=True):
        socket.set_hwm(100)
        socket.connect(address)
    while left > 0:
        for socket in sockets:
            left -= taken_of(socket, zmq)
    return {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}


def taken_of(socket, zmq, most=16):
    for number in range(most):
        try:
            socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return number
    return most


CONTENDERS = {"pyzmq": plain} | {
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
            for name in CONTENDERS:
                arguments = (name, addresses, count, *receivers)
                commands[f"{name}, {number}"] = contender(__file__, *arguments)
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            sender = flood(SIZE, number, folder, CALM, program="flood_many.py")
            addresses = stack.enter_context(sender)
            arguments = ("Arrival", addresses, number * 10, *receivers)
            commands[f"calm, {number}"] = contender(__file__, *arguments)
        taken = take_turns(plan.runs, commands)
    for strategy in STRATEGIES:
        few, many = f"{strategy}, {FEW}", f"{strategy}, {MANY}"
        case = f"{strategy} of {MANY}, two outputs"
        yield taken.row(case, "rate", few, "1/s", many, wanted=0.6, more=True)
        yield memory(taken, case, strategy, 100)
    yield memory(taken, f"{MANY} sources at {CALM} Hz each", "calm", 100)
    yield memory(taken, f"pyzmq, {MANY} sockets", "pyzmq")


def memory(taken, case, name, wanted=None):
    less, more = (taken.middle(f"{name}, {number}", "peak") for number in (FEW, MANY))
    kib = (more - less) / (MANY - FEW)
    return Row(case, "memory", "a source", kib, more, less, "KiB", wanted, limit=True)


if __name__ == "__main__":
    program(CONTENDERS, rows)
