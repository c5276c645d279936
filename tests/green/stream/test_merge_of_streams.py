"""`Merge` of streams in a program's own loop."""

import gevent
import pytest
import zmq

import gmflow
from gmflow import ConfigError
from gmflow.merging import Arrival, ByKey, RoundRobin
from tests.support.green import endpoint, peer
from tests.support.merging import push


def test_by_key():
    with peer(zmq.PUSH) as one, peer(zmq.PUSH) as two:
        addresses = endpoint(one), endpoint(two)
        streams = [gmflow.connect(a, receive_timeout=2000) for a in addresses]
        merge = gmflow.tools.Merge(*streams, receive_strategy=ByKey(window=4))
        push(one, [1, 2, 3])
        push(two, [2, 2, 3])
        for key in (2, 3):
            message = merge.receive()
            assert set(message.data) == set(addresses)
            assert message.data.header["value"] == key
            values = [one.data["data"][0][0] for one in message.data.values()]
            assert values == [key, key]
        assert merge.receive(block=False) is None
        assert merge.statistics.dropped == {"duplicate": 1}
        merge.disconnect()


def test_arrival_gives_what_is_there():
    with peer(zmq.PUSH) as one, peer(zmq.PUSH) as two:
        streams = [gmflow.connect(endpoint(s), receive_timeout=50) for s in (one, two)]
        merge = gmflow.tools.Merge(*streams, receive_strategy=Arrival)
        assert merge.receive() is None  # each stream's time-out
        push(two, [1, 2])
        streams_were = [merge.receive().data["header"]["pulse_id"] for _ in range(2)]
        assert streams_were == [1, 2]
        merge.disconnect()


def test_others_run_while_it_waits():
    with peer(zmq.PUSH) as one, peer(zmq.PUSH) as two:
        streams = [gmflow.connect(endpoint(s)) for s in (one, two)]
        merge = gmflow.tools.Merge(*streams, receive_strategy=Arrival())
        gevent.spawn_later(0.05, push, two, [7])
        message = merge.receive()
        assert message.data["header"]["pulse_id"] == 7
        merge.disconnect()


def test_each_has_a_strategy_of_its_own():
    one, two = gmflow.tools.Merge(), gmflow.tools.Merge()
    assert one.receive_strategy is not two.receive_strategy
    assert type(one.receive_strategy) is RoundRobin


def test_patience_does_not_pass_while_the_program_is_busy():
    with peer(zmq.PUSH) as one, peer(zmq.PUSH) as two:
        streams = [gmflow.connect(endpoint(s), receive_timeout=2000) for s in (one, two)]
        merge = gmflow.tools.Merge(*streams, receive_strategy=ByKey(patience=0.05))
        push(one, range(5))
        push(two, range(5))
        for key in range(5):
            assert merge.receive().data.header["value"] == key
            gevent.sleep(0.1)
        merge.disconnect()


def test_streams_are_connected_first():
    merge = gmflow.tools.Merge(gmflow.Stream(), receive_strategy=Arrival)
    with pytest.raises(gmflow.ConnectError, match="connect all of them first"):
        merge.receive()


def test_no_address_comes_twice():
    with peer(zmq.PUSH) as one:
        stream = gmflow.connect(endpoint(one))
        merge = gmflow.tools.Merge(stream, stream, receive_strategy=Arrival)
        for _ in range(2):
            with pytest.raises(ConfigError, match="one address"):
                merge.receive()
        stream.disconnect()


def test_patience_passes_without_a_message():
    with peer(zmq.PUSH) as one, peer(zmq.PUSH) as two:
        streams = [gmflow.connect(endpoint(s)) for s in (one, two)]
        strategy = ByKey(patience=0.05, complete=False)
        merge = gmflow.tools.Merge(*streams, receive_strategy=strategy)
        push(one, [1])
        message = merge.receive()
        assert list(message.data) == [endpoint(one)]
        merge.disconnect()
