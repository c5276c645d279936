"""Merging order, splitting choice, statistics and errors."""

from __future__ import annotations

import json

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from gmflow.errors import ConfigError, ConnectError, GmflowError, SendTimeout
from gmflow.filters import Modulo
from gmflow.merging import RoundRobinStrategy
from gmflow.statistics import NodeStatistics, Statistics
from gmflow.validation import conn_type_of, has_wrong_port


def merged(streams: list[list[str]]) -> list[str]:
    """Merge lists as a merger does: a stream that has nothing left leaves."""
    strategy, streams, order = RoundRobinStrategy(), [list(s) for s in streams], []
    while streams:
        index = strategy.next(streams)
        if streams[index]:
            order.append(streams[index].pop(0))
        else:
            streams.pop(index)
            strategy.leave(index)
    return order


def test_round_robin_takes_turns():
    assert merged([["a1", "a2"], ["b1", "b2"], ["c1", "c2"]]) == [
        "a1",
        "b1",
        "c1",
        "a2",
        "b2",
        "c2",
    ]


def test_round_robin_goes_on_in_turn_when_a_stream_ends():
    assert merged([["a1"], ["b1", "b2", "b3"], ["c1", "c2"]]) == [
        "a1",
        "b1",
        "c1",
        "b2",
        "c2",
        "b3",
    ]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6))
def test_round_robin_equals_taking_by_rounds(lengths):
    streams = [[f"{index}.{turn}" for turn in range(n)] for index, n in enumerate(lengths)]
    rounds = [s[turn] for turn in range(max(lengths)) for s in streams if turn < len(s)]
    assert merged(streams) == rounds


@given(st.integers(1, 7), st.lists(st.integers(0, 9), max_size=8))
def test_modulo_chooses_every_nth_whatever_the_bursts(modulo, bursts):
    choice, numbers, chosen = Modulo(modulo), iter(range(1, 1000)), []
    for burst in bursts:
        chosen += choice.choose([next(numbers) for _ in range(burst)])
    assert chosen == [n for n in range(1, sum(bursts) + 1) if n % modulo == 0]


def test_snapshots_are_plain_data():
    node = NodeStatistics()
    node.drop("full", 2)
    node.drop("full")
    node.drop("modulo", 0)
    assert json.loads(json.dumps(node.snapshot()))["dropped"] == {"full": 3}
    assert json.loads(json.dumps(Statistics().snapshot()))["messages_received"] == 0


def test_errors_are_what_mflow_programs_catch():
    assert issubclass(ConnectError, RuntimeError)
    assert issubclass(ConfigError, ValueError)
    error = SendTimeout("too slow")
    assert isinstance(error, zmq.Again)
    assert isinstance(error, GmflowError)
    assert error.errno == zmq.EAGAIN
    assert str(error) == "too slow"


@pytest.mark.parametrize(
    ("address", "conn_type", "wrong"),
    [
        ("tcp://*:9999", "bind", False),
        ("tcp://127.0.0.1:*", "bind", False),
        ("tcp://127.0.0.1:9999", "connect", False),
        ("tcp://host:99999", "connect", True),
        ("tcp://*:0", "bind", False),
        ("tcp://*:65536", "bind", True),
        ("tcp://127.0.0.1:0", "connect", True),
        ("tcp://127.0.0.1:-1", "connect", True),
        ("tcp://127.0.0.1:", "connect", True),
        ("tcp://[::1]:80", "connect", False),
        ("tcp://*:-1", "bind", True),
        ("ipc:///tmp/x", "connect", False),
    ],
)
def test_addresses(address, conn_type, wrong):
    assert conn_type_of(address) == conn_type
    assert has_wrong_port(address, conn_type == "bind") is wrong
