"""When m_replay sends: at the gaps of the recording, faster, or evenly.

How exactly depends on the machine: see benchmarks/pace.py.
"""

import re
import signal
import time

import pytest
import zmq

from gmflow.cli.playback import Recorded
from gmflow.message import Message
from tests.support.recordings import record
from tests.support.scripts import (
    DEADLINE,
    complaints,
    free_address,
    is_bound,
    proc_only,
    row,
    until,
)

BEGIN = 1_700_000_000_000_000_000
MILLI = 1_000_000
EARLY = 0.2
"""Seconds by which a message may seem early, since the first was received late."""

GAPS = [0, 0, 1, 150, 2, 0, 0, 0, 90, 5, 200, 0.2, 0.3, 100]
DUE = [sum(GAPS[: n + 1]) / 1000 for n in range(len(GAPS))]
WHOLE = DUE[-1]


def messages_at(gaps):
    """Return messages, and times with these gaps in milliseconds before each."""
    times = [BEGIN + int(sum(gaps[: n + 1]) * MILLI) for n in range(len(gaps))]
    return [[b"%d" % n] for n in range(len(gaps))], times


@pytest.fixture
def recording(tmp_path):
    return record(tmp_path / "run.mcap", *messages_at(GAPS))


@pytest.fixture
def timed(scripts, peers):
    """Run m_replay with a receiver; return when each message was received, after the first."""

    def run(path, count, *arguments):
        address = free_address()
        script = scripts.start("m_replay", "-a", address, *arguments, path)
        pull = peers.open(zmq.PULL, address)
        times = []
        for _ in range(count):
            pull.receive()
            times.append(time.monotonic())
        result = script.wait()
        assert result.status == 0, result
        assert row(result.out, "output").sent == count
        return [each - times[0] for each in times]

    return run


def assert_due(times, due):
    """Validate that no message came early; how late each is, is a matter of the machine."""
    assert max(wanted - got for got, wanted in zip(times, due, strict=True)) < EARLY


@pytest.mark.parametrize("name", ["folder", "run.mcap"])
def test_the_gaps_of_the_recording(timed, tmp_path, name):
    path = record(tmp_path / name, *messages_at(GAPS))
    assert_due(timed(path, len(GAPS), "--pace"), DUE)


def test_slower(timed, recording):
    times = timed(recording, len(GAPS), "--speed", 0.5)
    assert_due(times, [2 * due for due in DUE])


def test_faster(timed, tmp_path):
    path = record(tmp_path / "run.mcap", *messages_at([0, 100_000, 200_000]))
    assert_due(timed(path, 3, "--pace", "--speed", 1000), [0, 0.1, 0.3])


def test_an_even_rate(timed, recording):
    times = timed(recording, len(GAPS), "--rate", 20)
    assert_due(times, [n / 20 for n in range(len(GAPS))])


def test_a_rate_that_one_wait_for_each_could_not_keep(timed, tmp_path):
    path = record(tmp_path / "run.mcap", [[b"%d" % n] for n in range(5000)])
    assert_due(timed(path, 5000, "--rate", 10_000), [n / 10_000 for n in range(5000)])


def test_rounds_go_on_with_the_mean_gap(timed, tmp_path):
    path = record(tmp_path / "run.mcap", *messages_at([0, 100, 300]))
    assert_due(timed(path, 6, "--pace", "--loop", 2), [0, 0.1, 0.4, 0.6, 0.7, 1.0])


def test_a_part_of_it_begins_at_once(timed, recording):
    begin = 3
    times = timed(recording, len(GAPS) - begin, "--pace", "--first", begin)
    assert_due(times, [due - DUE[begin] for due in DUE[begin:]])


def test_a_clock_that_was_set_back(timed, tmp_path):
    path = record(tmp_path / "run.mcap", *messages_at([0, 200, -3_600_000, 200]))
    assert_due(timed(path, 4, "--pace"), [0, 0.2, 0.2, 0.4])


def due(times, speed=1.0):
    """Return when messages that came at these milliseconds are due."""
    messages = (Message(received_ns=BEGIN + int(time * MILLI)) for time in times)
    return [message.received_ns / MILLI for message in Recorded(speed).stamp(messages)]


@pytest.mark.parametrize(
    "times, expected",
    [
        ([0, 10, -20, 20, -10, 30], [0, 10, 10, 20, 20, 30]),  # two sources, one of them behind
        ([10, 0, 30, 20, 50, 40], [0, 0, 20, 20, 40, 40]),
        ([0, 500, -500, 1000], [0, 500, 500, 1000]),
        ([0, 500, -501, 0], [0, 500, 500, 1001]),  # a clock that was set back
        ([0, 100, -3_600_000, -3_599_900], [0, 100, 100, 200]),
    ],
)
def test_times_that_step_back(times, expected):
    assert due(times) == expected
    assert due(times, 2.0) == [each / 2 for each in expected]


def test_two_sources_take_as_long_as_they_took():
    times = [n + (n % 2) * -30 for n in range(1000)]
    assert due(times)[-1] == max(times)


def test_messages_without_a_time_come_with_those_before():
    messages = [Message(received_ns=time) for time in (0, BEGIN, 0, BEGIN + MILLI, 0)]
    assert [each.received_ns for each in Recorded(1.0).stamp(iter(messages))] == [
        0,
        0,
        0,
        MILLI,
        MILLI,
    ]


def test_reordered_messages_take_no_longer(timed, recording):
    times = timed(recording, len(GAPS), "--pace", "--reorder", 1, "--seed", 1)
    assert times[-1] > WHOLE - EARLY


@proc_only
def test_the_time_runs_once_somebody_is_there(scripts, peers, tmp_path):
    address = free_address()
    path = record(tmp_path / "run.mcap", *messages_at([0, 300, 300]))
    script = scripts.start("m_replay", "--pace", "-a", address, path)
    until(lambda: is_bound(address))
    script.until_idle(0.8)
    pull = peers.open(zmq.PULL, address)
    pull.receive()
    began = time.monotonic()
    pull.receive_all(2)
    assert time.monotonic() - began > 0.6 - EARLY
    assert script.wait().status == 0


@proc_only
def test_a_receiver_that_is_slower_is_told_of(scripts, peers, tmp_path):
    """What is late goes on at once; nothing is lost."""
    address = free_address()
    messages, times = messages_at([1] * 300)
    path = record(tmp_path / "run.mcap", [[*parts, bytes(100_000)] for parts in messages], times)
    script = scripts.start("m_replay", "--pace", "-a", address, path)
    pull = peers.open(zmq.PULL, address, RCVHWM=1, RCVBUF=4096).until_met()
    pull.receive()
    script.until_idle(0.5)
    assert [parts[0] for parts in pull.receive_all(299)] == [b"%d" % n for n in range(1, 300)]
    result = script.wait()
    assert result.status == 0
    (late,) = re.findall(r"^messages were sent up to ([\d.]+) s after they were due$", result.err)
    assert 0.1 < float(late) < DEADLINE


def test_a_stop_in_a_long_gap(scripts, peers, tmp_path):
    address = free_address()
    path = record(tmp_path / "run.mcap", *messages_at([0, 10, 3_600_000, 10]))
    script = scripts.start("m_replay", "--pace", "-a", address, path)
    assert peers.open(zmq.PULL, address).receive_all(2) == [[b"0"], [b"1"]]
    result = script.end(signal.SIGTERM)
    assert (result.status, complaints(result.err)) == (0, "")
    assert row(result.out, "output").sent == 2


@proc_only
def test_a_stop_while_nobody_is_there(scripts, recording):
    address = free_address()
    script = scripts.start("m_replay", "--pace", "-a", address, recording)
    until(lambda: is_bound(address))
    script.until_idle()
    result = script.end(signal.SIGINT)
    assert result.status == 0
    assert complaints(result.err) in ("", f"waiting for a receiver at {address}\n")
    assert row(result.out, "output").sent == 0


def test_publishes_at_a_rate(scripts, peers, tmp_path):
    path, address = (
        record(tmp_path / "run.mcap", [[b"%d" % n] for n in range(10_000)]),
        free_address(),
    )
    script = scripts.start("m_replay", "-m", "pub", "--rate", 100, "-a", address, path)
    numbers = [int(number) for (number,) in peers.open(zmq.SUB, address).receive_all(20)]
    assert numbers == list(range(numbers[0], numbers[0] + 20))
    assert script.end().status == 0
