"""A topology's mergers."""

import random
from collections import Counter
from itertools import chain

import gevent
import pytest
import zmq
from gevent.event import Event

import gmflow
from gmflow import ConfigError, Topology
from gmflow.merging import Arrival, ByKey
from gmflow.merging.merged import Merged
from tests.support.green import books, endpoint, peer, until
from tests.support.merging import numbered, push

NAMES = ("a", "b", "c")


def feeds(topology, streams):
    return [
        topology.feed([numbered(name, key) for key in keys], name=name)
        for name, keys in zip(NAMES, streams, strict=True)
    ]


def merged(strategy, streams):
    """Return what comes out of a merger of streams of keys, and the topology's books."""
    topology, out = Topology(), []
    merger = topology.merge(*feeds(topology, streams), strategy=strategy, name="merger")
    topology.sink(merger, out.append)
    topology.run()
    return out, books(topology.statistics())


class TestMerger:
    def test_joins_by_key(self):
        out, nodes = merged(ByKey(), [[1, 2, 3], [1, 3, 4], [0, 1, 3]])
        assert [set(message.data) for message in out] == [set(NAMES)] * 2
        for message, key in zip(out, (1, 3), strict=True):
            assert message.data.header["value"] == key
            assert [part.data["data"][0][0] for part in message.data.values()] == [key] * 3
        merger = nodes["merger"]
        assert (merger["received"], merger["sent"], merger["sets"]) == (9, 6, 2)
        assert merger["unmatched"] == {name: {"incomplete": 1} for name in NAMES}

    def test_sends_the_messages_of_a_key_one_after_the_other(self):
        out, nodes = merged(ByKey(flatten=True), [[1, 2], [2], [1, 2]])
        assert [message.source for message in out] == list(NAMES)
        assert nodes["merger"]["sent"] == 3
        assert "sets" not in nodes["merger"]

    def test_takes_what_comes_first(self):
        topology, out = Topology(), []
        slow = topology.feed(iter_slowly([numbered("slow", 1)]))
        fast = topology.feed(numbered("fast", key) for key in range(500))
        topology.sink(topology.merge(slow, fast, strategy=Arrival), out.append)
        topology.run()
        books(topology.statistics())
        assert [message.source for message in out[:500]] == ["feed #2"] * 500
        assert len(out) == 501

    def test_a_silent_source_holds_the_others_up_no_longer_than_the_patience(self):
        topology, out = Topology(), []
        silent = gevent.event.Event()

        def mute():
            silent.wait()
            yield numbered("c", 10_000)

        sources = [topology.feed(numbered("", key) for key in range(2000)) for _ in range(2)]
        sources.append(topology.feed(mute(), name="mute"))
        strategy = ByKey(window=16, patience=0.05, complete=False)
        topology.sink(topology.merge(*sources, strategy=strategy), out.append)
        topology.start()
        try:
            until(lambda: len(out) > 1900)
        finally:
            silent.set()
        topology.join(5)
        nodes = books(topology.statistics())
        assert len(out) == 2001
        assert nodes["merger"]["unmatched"] == {}

    def test_a_stream_is_wanted_again_while_its_channel_is_full(self):
        """Which then does not ring again."""
        topology = Topology()
        keys = [*range(32), *[None] * 2000]
        one = topology.feed([numbered("a", key) for key in keys])
        never = topology.feed(iter_never(), name="never")
        merger = topology.merge(one, never, strategy=ByKey(patience=0.05), name="merger")
        topology.sink(merger, print)
        topology.start()
        until(lambda: received(topology, "merger") == len(keys))
        topology.stop(0.2)
        assert books(topology.statistics())["merger"]["unmatched"]["feed"] == {
            "incomplete": 32,
            "no_key": 2000,
        }

    def test_what_an_order_that_fails_had_taken_still_goes_out(self):
        class Odd:
            def __init__(self):
                self.left = 20

            def next(self, streams):
                self.left -= 1
                return 0 if self.left >= 0 else 1 / 0

        topology = Topology()
        merger = topology.merge(*feeds(topology, [range(50)] * 3), strategy=Odd(), name="merger")
        topology.sink(merger, lambda message: None)
        with pytest.raises(ZeroDivisionError):
            topology.run()
        assert books(topology.statistics())["merger"]["sent"] == 20

    def test_what_waits_when_it_is_stopped_is_unmatched(self):
        topology = Topology()
        one = topology.feed([numbered("a", key) for key in range(5)])
        two = topology.feed(iter_never(), name="never")
        topology.sink(topology.merge(one, two, strategy=ByKey(patience=1000)), print)
        topology.start()
        until(lambda: topology.statistics()["nodes"]["merger"]["received"] == 5)
        topology.stop(0.2)
        unmatched = books(topology.statistics())["merger"]["unmatched"]
        assert unmatched == {"feed": {"incomplete": 5}}

    def test_what_is_held_and_due_when_it_is_killed_is_left_over(self):
        topology, waits = Topology(), Event()
        one = topology.feed([numbered("a", key) for key in range(2000)], name="one")
        some = [numbered("b", key) for key in range(300)]
        two = topology.feed(chain(some, iter_never()), name="two")
        strategy = ByKey(window=1000, patience=1000)
        merger = topology.merge(one, two, strategy=strategy, name="merger")
        topology.sink(merger, lambda message: waits.wait())
        topology.start()
        until(lambda: strategy.held() and merger.snapshot()["received"] > 500)
        topology.stop(0.2)
        counters = books(topology.statistics())["merger"]
        assert counters["unmatched"] == {}
        assert counters["left_over"] > strategy.held() > 0

    def test_forwards_sets_that_a_stream_reads(self):
        with peer(zmq.PULL) as receiver:
            topology = Topology()
            merger = topology.merge(*feeds(topology, [[1, 2], [2], [2, 3]]), strategy=ByKey())
            topology.output(merger, endpoint(receiver))
            topology.run()
            parts = receiver.recv_multipart()
        value = gmflow.Decoder().decode(parts)
        assert type(value) is Merged
        assert value.header["value"] == 2
        assert {name: one.data["data"][0].tolist() for name, one in value.items()} == {
            name: [2] for name in NAMES
        }

    @pytest.mark.parametrize("strategy", [5, "by_key", ByKey.take])
    def test_refuses_what_is_no_strategy(self, strategy):
        topology = Topology()
        with pytest.raises(ConfigError, match="strategy is"):
            topology.merge(topology.feed([]), strategy=strategy)

    def test_a_strategy_is_for_one_merger(self):
        topology, strategy = Topology(), ByKey()
        topology.merge(topology.feed([]), strategy=strategy)
        with pytest.raises(ConfigError, match="one merge"):
            topology.merge(topology.feed([]), strategy=strategy)


def iter_slowly(messages):
    gevent.sleep(0.1)
    yield from messages


def iter_never():
    gevent.event.Event().wait()
    yield [b"never"]


def disturbed(keys, seed):
    """Return a sender's keys: 2 % are dropped, 2 % doubled."""
    chance = random.Random(seed)
    for key in keys:
        if chance.random() >= 0.02:
            yield key
            if chance.random() < 0.02:
                yield key


def test_three_senders_of_which_one_is_restarted():
    """2 % dropped, 2 % doubled, and one sender starts again 20 keys before where it ended."""
    last, cut = 3000, 1500
    sent = [list(disturbed(range(last), 1)), list(disturbed(range(last), 2))]
    before, after = list(disturbed(range(cut), 3)), list(disturbed(range(cut - 20, last), 4))
    topology, out = Topology(), []
    with peer(zmq.PUSH) as one, peer(zmq.PUSH) as two, peer(zmq.PUSH) as three:
        address = endpoint(three)
        sources = [
            topology.source(endpoint(s), name=n) for s, n in zip((one, two), "ab", strict=True)
        ]
        sources.append(topology.source(address, name="c", options={"RECONNECT_IVL": 10}))
        merger = topology.merge(*sources, strategy=ByKey(window=32, patience=2), name="merger")
        topology.sink(merger, out.append)
        topology.start()
        senders = [gevent.spawn(push, s, k) for s, k in zip((one, two), sent, strict=True)]
        push(three, before)
        until(lambda: received(topology, "c") == len(before))
        three.close(0)
        with peer_at(zmq.PUSH, address) as again:
            push(again, after)
            gevent.joinall(senders, 20, raise_error=True)
            total = sum(map(len, (*sent, before, after)))
            until(lambda: received(topology, "merger") == total, 20)
            topology.stop(5)
    topology.join()
    node = books(topology.statistics())["merger"]
    everywhere = set(sent[0]) & set(sent[1]) & (set(before) | set(after))
    assert [message.data.header["value"] for message in out] == sorted(everywhere)
    assert all(set(message.data) == set("abc") for message in out)
    streams = {"a": sent[0], "b": sent[1], "c": before + after}
    doubled = sum(n - 1 for keys in streams.values() for n in Counter(keys).values())
    alone = len(set(streams["c"]) - everywhere)
    assert node["dropped"]["duplicate"] + sum(node["unmatched"]["c"].values()) == doubled + alone
    for name in "ab":
        assert sum(node["unmatched"][name].values()) == len(set(streams[name]) - everywhere)


def received(topology, name):
    return topology.statistics()["nodes"][name]["received"]


def peer_at(kind, address):
    """Return a plain socket bound to an address that another has just left."""
    from contextlib import contextmanager

    @contextmanager
    def bound():
        context = zmq.Context()
        socket = context.socket(kind)
        try:
            with gevent.Timeout(5):
                while True:
                    try:
                        socket.bind(address)
                        break
                    except zmq.ZMQError:
                        gevent.sleep(0.01)
            yield socket
        finally:
            socket.close(0)
            context.term()

    return bound()
