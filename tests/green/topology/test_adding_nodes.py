"""A node is added whole or not at all, and what it can't be told is one line that says so."""

import json

import pytest
import zmq
from gevent.event import Event

import gmflow
from gmflow import ByKey, ConfigError, Topology
from gmflow.green.topology import Inlet, Sink
from gmflow.message import Message
from gmflow.statistics import NodeStatistics
from tests.support import refusals
from tests.support.green import endpoint, peer

ADDRESS = "inproc://nobody"
COUNT = 1000  # more than a queue that nobody reads has room for


@pytest.fixture
def topology():
    topology = Topology()
    yield topology
    topology.stop(0.2)


def arrays(go=None):
    header = json.dumps({"htype": "array-1.0", "type": "uint8", "shape": [1]}).encode()
    for number in range(COUNT):
        if go is not None:
            go.wait(5)
        yield [header, bytes([number % 256])]


def gift(message):
    yield message


REFUSED = {
    "sink of no function": lambda t, feed: t.sink(feed, 5),
    "generator sink with an argument": lambda t, feed: t.sink(feed, gift),
    "sink with a wrong name": lambda t, feed: t.sink(feed, print, name=["a"]),
    "output with a wrong policy": lambda t, feed: t.output(feed, ADDRESS, when_full="x"),
    "output with a wrong rate": lambda t, feed: t.output(feed, ADDRESS, rate=0),
    "tap with a wrong rate": lambda t, feed: t.tap(feed, ADDRESS, rate="5"),
    "merger of a node twice": lambda t, feed: t.merge(t.feed([]), feed, feed),
    "merger with a node of another topology": lambda t, feed: t.merge(feed, Topology().feed([])),
    "sink whose name is taken": lambda t, feed: t.attach(Sink("feed", feed, print)),
    "sink of another topology": lambda t, feed: Topology().attach(Sink("s", feed, print)),
}


@pytest.mark.parametrize("add", REFUSED.values(), ids=REFUSED)
def test_a_node_that_is_refused_takes_no_messages(add):
    topology, got = Topology(), []
    feed = topology.feed(arrays(), name="feed")
    with pytest.raises(ConfigError):
        add(topology, feed)
    assert feed.splitter.inlets == []
    topology.sink(feed, got.append, decode=False)
    for node in list(topology._nodes.values()):  # those that were made for the one refused
        if node.kind == "feed" and node is not feed:
            topology.sink(node, print)
    topology.start()
    assert topology.join(5)
    assert len(got) == COUNT
    assert {message.data for message in got} == {None}


LATE = {
    "sink": lambda t, feed: t.sink(feed, print),
    "output": lambda t, feed: t.output(feed, ADDRESS),
    "tap": lambda t, feed: t.tap(feed, ADDRESS),
    "merger": lambda t, feed: t.merge(feed),
    "node of one's own": lambda t, feed: t.attach(Sink("own", feed, print)),
}


@pytest.mark.parametrize("add", LATE.values(), ids=LATE)
def test_a_node_that_comes_too_late_takes_no_messages(topology, add):
    go, got = Event(), []
    feed = topology.feed(arrays(go))
    topology.sink(feed, got.append, decode=False)
    topology.start()
    with pytest.raises(ConfigError, match="has started"):
        add(topology, feed)
    go.set()
    assert topology.join(5)
    assert len(got) == COUNT
    assert {message.data for message in got} == {None}


def test_the_strategy_of_a_refused_merger_is_still_free(topology):
    strategy, got = ByKey(), []
    feed = topology.feed([])
    topology.sink(feed, print)
    topology.start()
    with pytest.raises(ConfigError, match="has started"):
        topology.merge(feed, strategy=strategy)
    other = Topology()
    feed = other.feed(arrays())
    for nodes in ((feed, feed), (feed, None), (feed, topology.feed)):
        with pytest.raises(ConfigError):
            other.merge(*nodes, strategy=strategy)
    with pytest.raises(ConfigError, match="name is 5"):
        other.merge(feed, strategy=strategy, name=5)
    other.sink(other.merge(feed, strategy=strategy), got.append, decode=False)
    other.run()
    assert other.statistics()["nodes"]["merger"]["unmatched"] == {"feed": {"no_key": COUNT}}


def test_a_node_gets_messages_from_when_it_is_added(topology):
    feed, got = topology.feed(arrays()), []
    sink = Sink("own", feed, got.append)
    assert feed.splitter.inlets == []
    assert topology.attach(sink) is sink
    assert feed.splitter.inlets == [sink.inlet]
    topology.run()
    assert [int(message.data["data"][0][0]) for message in got[:3]] == [0, 1, 2]


def test_a_node_is_added_once(topology):
    feed = topology.feed([])
    sink = topology.sink(feed, print)
    with pytest.raises(ConfigError, match="'sink' already"):
        topology.attach(sink)
    assert feed.splitter.inlets == [sink.inlet]


# wrong values; those of each setting are tested in tests/config/test_arguments.py


def refused(function, *arguments, **options):
    """Return the line with which a call is refused."""
    with refusals.refused(ConfigError) as refusal:
        function(*arguments, **options)
    return refusal.line


STREAM = {
    "topics": [None, 5, [5], [None]],
    "options": ["abc", 5, ["a"], {5: 1}],
    "queue_size": ["10", None, -1, 1.5, True, 2**40],
    "linger": ["x", None, -2, 1.5, True, 10**12],
}


@pytest.mark.parametrize("key", STREAM)
def test_what_a_stream_can_not_be_told(key):
    for value in STREAM[key]:
        line = refused(gmflow.connect, "tcp://127.0.0.1:1", mode=zmq.SUB, **{key: value})
        assert line.startswith(f"{key} is ")


def test_other_things_that_are_refused_in_one_line(topology):
    feed = topology.feed([], name="a")
    for name in (5, ["a"], b"x", "", "a\nb"):
        assert refused(topology.merge, feed, name=name).startswith(f"name is {name!r}; it can be ")
    assert refused(topology.merge, feed, feed).startswith("'a' is given twice")
    line = refused(topology.sink, feed, gift)
    assert line.endswith("a generator sink takes no argument, it gets messages from yield")
    assert refused(topology.sink, print, print).startswith("<built-in function print> passes no")
    for config in (5, 0, None, [], b"x"):
        line = refused(Topology.from_config, config)
        assert line.startswith(f"the configuration is {config!r}; it can be ")
    assert list(topology.statistics()["nodes"]) == ["a"]


def test_an_option_that_is_too_large_is_refused_at_the_start(topology):
    source = topology.source("tcp://127.0.0.1:*", options={"RCVHWM": 10**12})
    topology.sink(source, print)
    assert refused(topology.start).startswith("options: RCVHWM can't be 1000000000000")


def test_what_is_allowed_is_taken(topology):
    with peer(zmq.PUSH) as push, peer(zmq.PUSH) as nobody:
        address, other = endpoint(push), endpoint(nobody)
        handlers = {"raw-1.0": lambda receiver: receiver.next()}
        source = topology.source(address, count=2, handlers=handlers, options=None, name="a b")
        silent = topology.source(other, count=0, topics="", name="a b")
        got = []
        topology.sink(topology.merge(source, silent), got.append, decode=False)
        topology.start()
        for index in range(2):
            push.send_multipart([b"{}", b"%d" % index])
        assert topology.join(5)
        assert [bytes(message.parts[1]) for message in got] == [b"0", b"1"]
        assert {"a b", "a b #2"} < set(topology.statistics()["nodes"])


# counted exactly


class Every:
    """Chooses every other message."""

    cause = "every"

    def choose(self, messages):
        return messages[::2]


class Failing:
    """Fails."""

    cause = "failing"

    def choose(self, messages):
        raise ValueError("no choice")


def test_a_choice_that_fails_leaves_the_node_as_it_was():
    statistics = NodeStatistics()
    before = statistics.snapshot()
    inlet = Inlet(statistics, [Every(), Failing()])
    with pytest.raises(ValueError, match="no choice"):
        inlet.accept([Message(None, n, [b"x"]) for n in range(4)])
    assert statistics.snapshot() == before
    assert len(inlet.channel) == 0
