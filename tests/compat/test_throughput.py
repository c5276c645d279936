"""Throughput statistics side by side with psi-mflow's: same samples, same lines, no crash."""

import argparse
import logging
import time
from argparse import Namespace
from collections import deque

import pytest

from gmflow import throughput

theirs = pytest.importorskip("mflow.utils", reason="psi-mflow is not installed")

START = 1_700_000_000.0
STEPS = [
    (0.05, 1, 1_000),
    (0.1, 3, 9_000),
    (0.3, 40, 123_456_789),
    (0.0, 41, 123_456_800),
    (0.2, 42, 123_456_900),
    (0.21, 50, 2_000_000_000_000),
    (0.07, 51, 2_000_000_000_001),
]
"""Seconds since the last step, messages and bytes received so far."""


class Clock:
    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    return clock


def counters(messages, size):
    return Namespace(messages_received=messages, total_bytes_received=size)


@pytest.fixture(params=[theirs, throughput], ids=["mflow", "gmflow"])
def module(request):
    return request.param


def play(module, clock, steps=STEPS, **arguments):
    """Return all that can be seen of the statistics after each step."""
    clock.now = START
    statistics = module.ThroughputStatistics(**arguments)
    seen = []

    def look(answer):
        seen.append(
            (
                answer,
                statistics.get_last_sampled_statistics(),
                list(statistics.get_statistics().items()),
                list(statistics.get_statistics_raw()),
                {name: _plain(value) for name, value in vars(statistics.n).items()},
            )
        )

    look(None)
    for seconds, messages, size in steps:
        clock.now += seconds
        look(statistics.save_statistics(counters(messages, size)))
    look(statistics.flush())
    look(statistics.flush())
    return seen


def _plain(value):
    return dict(value) if isinstance(value, dict) else value


@pytest.mark.parametrize("arguments", [{}, {"sampling_interval": 0}, {"sampling_interval": 0.4}])
def test_statistics_are_the_same(clock, arguments):
    ours = play(throughput, clock, **arguments)
    assert ours == play(theirs, clock, **arguments)
    assert len(ours[-1][3]) > 1


def test_positions_defaults_and_attributes_are_the_same(module):
    buffer, namespace = deque(), argparse.Namespace()
    statistics = module.ThroughputStatistics(buffer, namespace, 0.7)
    assert statistics.get_statistics_raw() is buffer
    assert statistics.n is namespace
    assert statistics.sampling_interval == 0.7
    assert statistics.MB_FACTOR == module.ThroughputStatistics.MB_FACTOR == 1 / 10**6
    plain = module.ThroughputStatistics()
    assert plain.sampling_interval == 0.2
    assert plain.get_statistics_raw().maxlen == 100
    assert module.ThroughputStatisticsPrinter().statistics.sampling_interval == 0.2
    assert module.ThroughputStatisticsPrinter(0.5).statistics.sampling_interval == 0.5


def test_an_empty_buffer_of_the_caller_is_kept(module):
    buffer = []
    statistics = module.ThroughputStatistics(buffer=buffer)
    assert statistics.get_statistics_raw() is buffer
    assert statistics.get_last_sampled_statistics() is None


def test_public_names_are_the_same():
    for name in ("ThroughputStatistics", "ThroughputStatisticsPrinter"):
        public = [n for n in dir(getattr(theirs, name)) if not n.startswith("_")]
        assert [n for n in dir(getattr(throughput, name)) if not n.startswith("_")] == public


def printed(module, clock, capsys, steps, **arguments):
    clock.now = START
    printer = module.ThroughputStatisticsPrinter()
    for seconds, messages, size in steps:
        clock.now += seconds
        printer.save_statistics(counters(messages, size))
    printer.close(**arguments)
    return capsys.readouterr()


@pytest.mark.parametrize("arguments", [{}, {"print_summary": False}])
@pytest.mark.parametrize("steps", [STEPS, STEPS[:3], STEPS[:1], []])
def test_lines_are_the_same(clock, capsys, steps, arguments):
    ours = printed(throughput, clock, capsys, steps, **arguments)
    assert ours == printed(theirs, clock, capsys, steps, **arguments)
    assert ours.err == ""
    assert bool(ours.out) == bool(steps or not arguments)


def test_summary_is_the_same_before_the_end(clock, capsys):
    outputs = []
    for module in (theirs, throughput):
        clock.now = START
        printer = module.ThroughputStatisticsPrinter()
        printer.print_summary()
        clock.now += 3
        printer.save_statistics(counters(17, 987_654_321))
        printer.print_statistics()
        printer.print_summary()
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]
    assert "Messages received:            17 messages" in outputs[1]


def test_log_lines_are_the_same(clock, caplog):
    logged = []
    for module in (theirs, throughput):
        caplog.clear()
        with caplog.at_level(logging.INFO):
            play(module, clock)
        logged.append([(r.name, r.levelno, r.getMessage()) for r in caplog.records])
    assert logged[0] == logged[1]
    assert logged[1]


def test_nothing_received_after_all_is_no_error(clock, capsys):
    printer = throughput.ThroughputStatisticsPrinter()
    clock.now += 1
    printer.save_statistics(counters(0, 0))
    assert printer.statistics.get_statistics() == {}
    capsys.readouterr()
    printer.close()
    assert capsys.readouterr().out == "No messages received.\n" + "_" * 60 + "\n"


def test_printing_before_the_first_sample_is_no_error(clock, capsys):
    throughput.ThroughputStatisticsPrinter().print_statistics()
    line = "Data rate:      0.000 MB/s    Message rate:      0.000 Hz\n"
    assert capsys.readouterr().out == line


def test_a_clock_that_stands_or_goes_back_is_no_error(clock):
    statistics = throughput.ThroughputStatistics(sampling_interval=-5)
    assert not statistics.save_statistics(counters(1, 10))
    clock.now -= 1
    assert not statistics.save_statistics(counters(2, 20))
    assert statistics.get_statistics() == {}


class Copying:
    """A namespace in another process: returns copies of what it was assigned."""

    def __setattr__(self, name, value):
        vars(self)["_" + name] = value

    def __getattr__(self, name):
        value = vars(self)["_" + name]
        return dict(value) if isinstance(value, dict) else value


def test_state_may_live_in_another_process(clock):
    statistics = throughput.ThroughputStatistics(namespace=Copying())
    clock.now += 1
    assert statistics.save_statistics(counters(5, 500))
    assert statistics.get_statistics()["messages_received"] == 5
