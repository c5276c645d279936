"""A topology's statistics as text, for an operator's terminal and for programs."""

import json

import pytest

from gmflow.cli.progress import rates
from gmflow.cli.report import json_line, not_sent, table
from gmflow.statistics import NodeStatistics

WIDTH = 100
"""Columns of an operator's terminal."""


def node(received=0, sent=0, **more):
    counters = {**NodeStatistics().snapshot(), "received": received, "sent": sent}
    return {"kind": "node", "address": "", **counters, "bytes_sent": 1000 * sent, **more}


def upstream(counter="frame", **more):
    names = ("missing", "duplicates", "out_of_order", "restarts")
    return {"counter": counter, **dict.fromkeys(names, 0), "seconds_since_last": 1.25, **more}


NODES = {
    "source tcp://127.0.0.1:9999": node(
        12_345_678_901,
        12_345_678_901,
        upstream=upstream(missing=1_234_567, duplicates=20, out_of_order=3, restarts=1),
        connection={"peers": 1, "connected": 2, "disconnected": 1, "handshake_failed": 0},
    ),
    "source tcp://127.0.0.1:9998": node(upstream=None),
    "source ipc://sock": node(7, 7, upstream=upstream(None)),
    "merger": node(
        19,
        11,
        dropped={"duplicate": 2},
        unmatched={"camera": {"late": 3, "window": 1}, "laser": {"incomplete": 2}},
    ),
    "output tcp://127.0.0.1:8888": node(101, 90, dropped={"modulo": 10}, left_over=1, missed=4),
    "sink": node(10, 9, failed=1),
}
SNAPSHOT = {"seconds": 12.34, "nodes": NODES}


def test_a_table_says_where_every_message_is():
    assert table(SNAPSHOT).splitlines() == [
        "node                           received        sent     MB sent   dropped not sent",
        "source tcp://127.0.0.1:9999 12345678901 12345678901 12345678.901         0",
        "    upstream by frame: missing 1234567, duplicates 20, out of order 3, restarts 1;"
        " last 1.2 s ago",
        "    connection: peers 1, connected 2, disconnected 1, handshake failed 0",
        "source tcp://127.0.0.1:9998           0           0       0.000         0",
        "    upstream: no message came",
        "source ipc://sock                     7           7       0.007         0",
        "    upstream: no frame, pulse_id or image_id to count by; last 1.2 s ago",
        "merger                               19          11       0.011         2"
        " duplicate 2, unmatched 6",
        "    unmatched of camera: late 3, window 1",
        "    unmatched of laser: incomplete 2",
        "output tcp://127.0.0.1:8888         101          90       0.090        10"
        " modulo 10, left_over 1",
        "    sent, but missed by a subscriber: 4",
        "sink                                 10           9       0.009         0 failed 1",
        "12.3 s",
    ]


def test_a_table_fits_a_terminal():
    assert [line for line in table(SNAPSHOT).splitlines() if len(line) > WIDTH] == []


def test_a_long_name_does_not_widen_the_other_rows():
    lines = table({"seconds": 1.0, "nodes": {"x" * 90: node(1, 1), "sink": node(1, 1)}})
    long, sink = lines.splitlines()[1:3]
    assert long.startswith("x" * 90 + " ") and len(sink) < WIDTH


def test_what_is_not_sent_adds_up():
    for name, one in NODES.items():
        assert one["received"] == one["sent"] + sum(not_sent(one).values()), name


def test_rates_are_of_the_time_between_two_snapshots():
    before = {"seconds": 1.0, "nodes": {"in": node(100, 100, upstream=upstream())}}
    now = {"seconds": 3.0, "nodes": {"in": node(700, 700, upstream=upstream(missing=5))}}
    assert rates(before) == "1 s | in: 100 Hz 0.1 MB/s, dropped 0"
    assert rates(now, before) == "3 s | in: 300 Hz 0.3 MB/s, dropped 0, missing 5"
    assert rates(now, now) == "3 s | in: 0 Hz 0.0 MB/s, dropped 0, missing 5"


def test_a_snapshot_is_one_line_of_json():
    named = {"seconds": 0.0, "nodes": {'a "name"\n': node()}}
    first, second, rest = (json_line(SNAPSHOT) + json_line(named)).split("\n")
    assert json.loads(first) == SNAPSHOT
    assert list(json.loads(second)["nodes"]) == ['a "name"\n']
    assert rest == ""


def test_what_is_no_json_is_refused():
    with pytest.raises(ValueError):
        json_line({"seconds": float("nan")})
