"""How late slow streams are received beside a flood: eleven streams in the greenlets of a process.

    python benchmarks/mixed.py

The flood sends small messages as fast as they are taken, ten sources send 100 messages a second
each. What a slow source sent counts as late as it is received; what waits still when the time
is over counts with its age: a receiver that starves a source does not look the better for it.
"""

import sys
import time
from contextlib import contextmanager

from compare import HERE, Plan, Row, beside, contender, flood, program, take_turns

RATE = 100

SOURCES = 10

SECONDS = 2.0

WARM_UP = 0.3
"""Seconds before the measurement, in which everything is connected."""

SLICE = 0.005
"""Seconds a flood may go on in `zmq_green_with_sleep`."""


class Hub:
    """What is received in a process: the latencies of the slow ones, the number of the flood's.

    Parameters
    ----------
    seconds : float
        How long to measure.
    """

    def __init__(self, seconds):
        self.since = time.monotonic() + WARM_UP
        self.until = self.since + seconds
        self.late = []
        self.waiting = 0
        self.flooded = 0

    def flood(self):
        """Count a message of the flood; return True if there is still time."""
        now = time.monotonic()
        self.flooded += self.since <= now < self.until
        return now < self.until

    def tick(self, sent):
        """Note a message by the time it was sent; return True if there is still time."""
        now = time.monotonic()
        if self.since <= sent < self.until:
            self.late.append(min(now, self.until) - sent)
            self.waiting += now > self.until
        return sent < self.until

    def figures(self):
        late = sorted(self.late)
        p50, p99 = (late[int(len(late) * share)] for share in (0.5, 0.99))
        rate = self.flooded / (self.until - self.since)
        return {"p50": p50, "p99": p99, "rate": rate, "waiting": self.waiting}


def gmflow(seconds, *addresses):
    import gmflow as mflow

    def receiver(address):
        stream = mflow.connect(address)
        return lambda: stream.receive().data["data"][0]

    return in_greenlets(float(seconds), [receiver(address) for address in addresses])


def zmq_green(seconds, *addresses):
    return in_greenlets(float(seconds), [receiver_by_hand(address) for address in addresses])


def zmq_green_with_sleep(seconds, *addresses):
    """Do what one finds out to do next: give the others a turn every now and then."""
    flooding, *slow = map(receiver_by_hand, addresses)
    return in_greenlets(float(seconds), [with_sleep(flooding), *slow])


def with_sleep(receive):
    import gevent

    slept = time.monotonic()

    def receive_and_sleep():
        nonlocal slept
        if time.monotonic() - slept > SLICE:
            gevent.sleep(0)
            slept = time.monotonic()
        return receive()

    return receive_and_sleep


def receiver_by_hand(address):
    import json

    import numpy as np
    import zmq.green

    socket = zmq.green.Context.instance().socket(zmq.PULL)
    socket.set_hwm(100)
    socket.connect(address)

    def receive():
        first, data = socket.recv_multipart()
        header = json.loads(first)
        return np.frombuffer(data, header["type"]).reshape(header["shape"])

    return receive


def in_greenlets(seconds, receivers):
    """Receive in a greenlet each: the first is the flood, and the others end with the time."""
    import gevent

    hub = Hub(seconds)

    def flooding(receive):
        while hub.flood():
            receive()

    def ticking(receive):
        while hub.tick(receive()[0]):
            pass

    first, *slow = receivers
    gevent.joinall(
        [gevent.spawn(flooding, first), *(gevent.spawn(ticking, each) for each in slow)],
        raise_error=True,
    )
    return hub.figures()


def topology(seconds, *addresses):
    """Do the same by sources and sinks."""
    import gmflow

    hub, topology, ended = Hub(float(seconds)), gmflow.Topology(), set()

    def ticking(message):
        if not hub.tick(message.data["data"][0][0]):
            ended.add(message.source)
        if len(ended) == SOURCES:
            topology.stop()

    first, *slow = (topology.source(address) for address in addresses)
    topology.sink(first, lambda message: hub.flood())
    for source in slow:
        topology.sink(source, ticking)
    topology.run()
    return hub.figures()


CONTENDERS = {
    "gmflow": gmflow,
    "gmflow topology": topology,
    "zmq.green": zmq_green,
    "zmq.green, sleep(0)": zmq_green_with_sleep,
}


@contextmanager
def sources():
    """Have the flood and the slow sources run beside; gives their addresses."""
    command = [sys.executable, str(HERE / "ticking.py"), str(RATE), str(SOURCES)]
    with flood(40) as first, beside(command) as slow:
        yield [first, *slow.split()]


def rows(plan: Plan) -> list[Row]:
    with sources() as addresses:
        arguments = (SECONDS * plan.share, *addresses)
        commands = {name: contender(__file__, name, *arguments) for name in CONTENDERS}
        taken = take_turns(plan.runs, commands)
    for ours in ("gmflow", "gmflow topology"):
        yield from rows_of(ours, taken)


def rows_of(ours, taken):
    case = f"slow beside a flood, {'streams' if ours == 'gmflow' else 'topology'}"
    ms = {"ours": ours, "scale": 1e3, "unit": "ms"}
    p99 = taken.middle(ours, "p99") * 1e3
    yield Row(case, "p99, ms", "at most", p99, p99, 10, "ms", wanted=10, limit=True)
    yield taken.row(case, "p99", "zmq.green", wanted=20, **ms)
    yield taken.row(case, "p99", "zmq.green, sleep(0)", **ms)
    yield taken.row(case, "p50", "zmq.green", **ms)
    for peer in ("zmq.green", "zmq.green, sleep(0)"):
        yield taken.row(case, "rate", peer, ours=ours, more=True, scale=1e-3, unit="1000/s")


if __name__ == "__main__":
    program(CONTENDERS, rows)
