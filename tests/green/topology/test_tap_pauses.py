"""A tap rests after it has worked, and what attends to its viewers ends with it."""

import sys
from collections import deque

import gevent
import pytest
import zmq
from gevent import GreenletExit
from gevent.event import Event

from gmflow import Topology
from gmflow.green.topology import tap as module
from gmflow.green.topology.tap import MAX_REST, SHARE, Subscriptions, Tap
from gmflow.message import Message
from tests.support.green import books, peer, until


class Clock:
    """A clock that goes on by some seconds whenever it is looked at."""

    def __init__(self, step):
        self.now, self.step = 100.0, step

    def __call__(self):
        self.now += self.step
        return self.now


@pytest.fixture
def tapped():
    """Return a topology whose feed waits until it is told to go, and its tap, started."""
    go, topology = Event(), Topology()

    def messages():
        go.wait(10)
        yield [b"last"]

    tap = topology.tap(topology.feed(messages()), "tcp://127.0.0.1:*", name="tap")
    topology.start()
    yield topology, tap, go
    go.set()
    topology.stop(1)
    books(topology.statistics())


def rests(monkeypatch, tap, seconds):
    """Return for how long a tap rests after work that took so many seconds."""
    found = []
    with monkeypatch.context() as patch:
        patch.setattr(module, "monotonic", Clock(seconds))
        patch.setattr(module.gevent, "sleep", found.append)
        tap.statistics.received += 1
        tap.consume(deque([Message(parts=[b"x"])]))
    return found


@pytest.mark.parametrize("seconds", [0.0, MAX_REST * SHARE / 2, MAX_REST * SHARE])
def test_it_rests_so_long_that_its_work_is_a_small_share(monkeypatch, tapped, seconds):
    _, tap, _ = tapped
    assert rests(monkeypatch, tap, seconds) == [pytest.approx(seconds / SHARE)]


@pytest.mark.parametrize("seconds", [MAX_REST * SHARE * 1.01, 10.0])
def test_it_never_rests_for_long(monkeypatch, tapped, seconds):
    _, tap, _ = tapped
    assert rests(monkeypatch, tap, seconds) == [pytest.approx(MAX_REST)]


def test_it_does_not_rest_once_its_stream_has_ended(monkeypatch, tapped):
    topology, tap, go = tapped
    go.set()
    assert topology.join(5)
    assert tap.inlet.channel.closed
    monkeypatch.setattr(tap, "_look", lambda: None)  # its socket is closed
    assert rests(monkeypatch, tap, 1.0) == []


@pytest.fixture
def attending(monkeypatch):
    """Return how each attendant of a tap has ended."""
    ends, attend = [], Tap._attend

    def noted(self, node):
        try:
            attend(self, node)
        finally:
            ends.append(sys.exc_info()[0])

    monkeypatch.setattr(Tap, "_attend", noted)
    return ends


def test_the_attendant_is_stopped_with_its_tap(attending):
    topology, go = Topology(), Event()

    def messages():
        go.wait(10)
        yield [b"last"]

    tap = topology.tap(topology.feed(messages()), "tcp://127.0.0.1:*")
    topology.start()
    with peer(zmq.SUB, tap.address):
        until(lambda: tap.snapshot()["subscriptions"] == 1)
        assert attending == []
        go.set()
        assert topology.join(5)
    assert attending == [GreenletExit]


def test_an_attendant_that_fails_ends_the_tap(attending, monkeypatch):
    def fail(self, notice):
        raise ValueError("no notice")

    def forever():
        gevent.sleep(60)
        yield [b"x"]

    topology = Topology()
    tap = topology.tap(topology.feed(forever()), "tcp://127.0.0.1:*")
    monkeypatch.setattr(Subscriptions, "note", fail)
    topology.start()
    with peer(zmq.SUB, tap.address), pytest.raises(ValueError, match="no notice"):
        topology.join(10)
    assert len(attending) == 1
