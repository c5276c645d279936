"""Strategies of merging: what is put in comes out in order, or is counted."""

import json
from collections import Counter
from fractions import Fraction
from itertools import chain, cycle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmflow.errors import ConfigError
from gmflow.merging import Arrival, ByKey, Clock, RoundRobin, Turns
from gmflow.message import Message
from gmflow.statistics import NodeStatistics
from tests.support.messages import cbor_message
from tests.support.messages import message as json_message

NAMES = ("a", "b", "c")


def series1(series):
    edges = [{"htype": f"{edge}-1.0", "series": series} for edge in ("dheader", "dseries_end")]
    images = [{"htype": "dimage-1.0", "series": series, "frame": frame} for frame in (0, 1)]
    return [json_message(**header) for header in (edges[0], *images, edges[1])]


def series2(series):
    edges = [{"type": edge, "series_id": series} for edge in ("start", "end")]
    images = [{"image_id": frame, "series_id": series, "type": "image"} for frame in (0, 1)]
    return [cbor_message(**header) for header in (edges[0], *images, edges[1])]


SERIES = {"1": series1, "2": series2}


def message(name, key, field="pulse_id", **more):
    header = {"htype": "raw-1.0", field: key, **more}
    return Message(parts=[json.dumps(header).encode(), f"{name} {key}".encode()], source=name)


def labels(messages):
    return [bytes(one.parts[1]).decode() for one in messages]


class Choices:
    """What a test picks, by bytes drawn once: to draw each choice takes much longer."""

    def __init__(self, tape):
        self._tape = cycle(tape)

    def one_of(self, options):
        return options[next(self._tape) % len(options)]


CHOICES = st.binary(min_size=1, max_size=60).map(Choices)


class Merge:
    """A strategy with streams whose messages come when a test says so."""

    def __init__(self, strategy, names=NAMES):
        self.strategy = strategy
        self.names = names
        self.statistics = NodeStatistics()
        self.now = 0.0
        self.given = []
        self.count = 0
        strategy.start(names, self.statistics)

    def put(self, name, *keys, **more):
        self.put_all(name, [message(name, key, **more) for key in keys])

    def put_all(self, name, messages):
        self.count += len(messages)
        self.strategy.put(self.names.index(name), messages, self.now)

    def end(self, *names):
        for name in names:
            self.strategy.end(self.names.index(name), self.now)

    def take(self):
        """Return all that goes out now."""
        taken = []
        while given := self.strategy.take(7, self.now):
            taken += given
        self.given += taken
        return taken

    def sets(self):
        """Return all that goes out now as (key, streams)."""
        return [(one.data.header["value"], "".join(one.data)) for one in self.take()]

    def unmatched(self):
        """Return how many were unmatched, by stream and cause."""
        return self.statistics.unmatched

    def check_sum(self):
        joined = [len(one.data) if self.strategy.joins else 1 for one in self.given]
        lost = sum(sum(causes.values()) for causes in self.unmatched().values())
        dropped = sum(self.statistics.dropped.values())
        assert self.count == sum(joined) + lost + dropped + self.strategy.held()


class TestRoundRobin:
    def test_takes_in_turn(self):
        merge = Merge(RoundRobin())
        merge.put("a", 1, 2, 3)
        merge.put("c", 1, 2)
        assert labels(merge.take()) == ["a 1"]
        merge.put("b", 1, 2, 3, 4)
        assert labels(merge.take()) == ["b 1", "c 1", "a 2", "b 2", "c 2", "a 3", "b 3"]
        merge.end("c")
        merge.put("a", 4)
        assert labels(merge.take()) == ["a 4", "b 4"]
        merge.check_sum()

    def test_a_class_of_its_own_says_whose_turn_it_is(self):
        class Backwards(RoundRobin):
            def next(self, streams):
                return len(streams) - 1

        merge = Merge(Backwards())
        for name in NAMES:
            merge.put(name, 1, 2)
        assert labels(merge.take()) == ["c 1", "c 2"]
        merge.end("c")
        assert labels(merge.take()) == ["b 1", "b 2"]

    @settings(deadline=None)
    @given(CHOICES, st.lists(st.integers(0, 9), min_size=1, max_size=4))
    def test_is_the_same_however_it_comes(self, choices, counts):
        names = [str(index) for index in range(len(counts))]
        merge = Merge(RoundRobin(), names)
        left = dict(zip(names, counts, strict=True))
        while not all(stream in merge.strategy._ended for stream in range(len(counts))):
            merge.take()
            stream = choices.one_of(sorted(merge.strategy.wanted))
            name = names[stream]
            count = choices.one_of(range(min(1, left[name]), left[name] + 1))
            done = counts[stream] - left[name]
            if count:
                merge.put(name, *range(done, done + count))
            left[name] -= count
            if not left[name]:
                merge.end(name)
        merge.take()
        rounds = range(max(counts))
        expected = [f"{n} {k}" for k in rounds for n in names if k < counts[int(n)]]
        assert labels(merge.given) == expected
        assert merge.strategy.held() == 0

    def test_what_only_says_next_is_asked_each_time(self):
        class Odd:
            def next(self, streams):
                return -1

        merge = Merge(Turns(Odd()))
        merge.put("c", 1, 2)
        merge.put("a", 1)
        assert labels(merge.take()) == ["c 1", "c 2"]
        merge.end("a", "b", "c")
        assert labels(merge.take()) == ["a 1"]

    def test_is_for_one_merge(self):
        strategy = RoundRobin()
        Merge(strategy)
        with pytest.raises(ConfigError, match="one merge"):
            Merge(strategy)


def test_arrival_waits_for_nobody():
    merge = Merge(Arrival())
    merge.put("b", 1, 2)
    merge.put("c", 1)
    assert labels(merge.take()) == ["b 1", "b 2", "c 1"]
    assert merge.strategy.wanted == {0, 1, 2}
    merge.put("b", 3)
    merge.end("b")
    assert labels(merge.take()) == ["b 3"]
    assert merge.strategy.wanted == {0, 2}
    merge.check_sum()


class TestByKey:
    def test_gives_a_key_when_all_have_it(self):
        merge = Merge(ByKey())
        merge.put("a", 1, 2)
        merge.put("b", 1)
        assert merge.sets() == []
        merge.put("c", 1, 2)
        assert merge.sets() == [(1, "abc")]
        (given,) = merge.given
        assert json.loads(given.parts[0]) == {
            "htype": "merged-1.0",
            "key": "pulse_id",
            "value": 1,
            "sources": [{"name": name, "parts": 2} for name in NAMES],
        }
        assert [bytes(part) for part in given.parts[2::2]] == [b"a 1", b"b 1", b"c 1"]
        merge.put("b", 2)
        assert merge.sets() == [(2, "abc")]
        merge.check_sum()

    def test_gives_up_a_key_past_its_patience(self):
        merge = Merge(ByKey(patience=2.0))
        merge.put("a", 1, 2)
        merge.put("b", 1, 2)
        merge.now = 1.0
        merge.put("c", 2)
        assert merge.sets() == []
        assert merge.strategy.deadline() == 2.0
        merge.now = 2.0
        assert merge.sets() == [(2, "abc")]
        assert merge.unmatched() == {"a": {"incomplete": 1}, "b": {"incomplete": 1}}
        merge.put("c", 1)
        merge.put("c", 3)
        assert merge.sets() == []
        assert merge.unmatched()["c"] == {"late": 1}
        merge.check_sum()

    def test_gives_partial_sets_where_they_will_do(self):
        merge = Merge(ByKey(patience=2.0, complete=False))
        merge.put("a", 1, 2)
        merge.put("c", 2)
        merge.now = 2.0
        assert merge.sets() == [(1, "a"), (2, "ac")]
        sources = json.loads(merge.given[0].parts[0])["sources"]
        assert sources == [{"name": n, "parts": 2 * (n == "a")} for n in NAMES]
        assert merge.unmatched() == {}
        merge.check_sum()

    def test_a_window_that_is_full_gives_up_the_lowest_key(self):
        merge = Merge(ByKey(window=3))
        merge.put("a", 1, 2, 3, 4)
        merge.put("c", 1, 2, 3, 4)
        assert merge.sets() == []
        assert merge.strategy.wanted == {1}
        merge.put("b", 2, 3)
        assert merge.sets() == []  # its 1 may still come
        merge.put("b", 4)
        assert merge.sets() == [(2, "abc"), (3, "abc"), (4, "abc")]
        assert merge.unmatched() == {"a": {"incomplete": 1}, "c": {"incomplete": 1}}
        merge.check_sum()

    def test_a_silent_stream_holds_up_a_full_window_once(self):
        merge = Merge(ByKey(window=3, patience=2.0, complete=False))
        merge.put("a", *range(9))
        merge.put("b", *range(9))
        merge.now = 1.9
        assert merge.sets() == []
        merge.now = 2.0
        assert merge.sets() == [(key, "ab") for key in range(7)]  # then nobody is full
        merge.put("a", 9, 10)
        merge.put("b", 9, 10)
        assert merge.sets() == [(7, "ab"), (8, "ab")]
        merge.put("c", 9, 10)
        assert merge.sets() == [(9, "abc"), (10, "abc")]
        merge.check_sum()

    def test_a_stream_that_has_ended_is_not_waited_for(self):
        merge = Merge(ByKey(complete=False))
        merge.put("b", 1)
        merge.end("b", "c")
        assert merge.sets() == []
        merge.put("a", 1, 2)
        assert merge.sets() == [(1, "ab"), (2, "a")]
        merge.check_sum()

    def test_a_stream_that_is_behind_holds_up_nobody_past_the_patience(self):
        merge = Merge(ByKey(window=100, patience=2.0, complete=False))
        merge.put("a", 1000)
        merge.put("c", 1000)
        for tick in range(30):
            merge.now = tick * 0.1
            merge.put("b", 500 + tick)
            merge.take()
        sets = [(one.data.header["value"], "".join(one.data)) for one in merge.given]
        assert sets[-1] == (1000, "ac")
        assert [key for key, _ in sets] == sorted(key for key, _ in sets)
        merge.check_sum()

    def test_counts_what_comes_twice(self):
        merge = Merge(ByKey())
        merge.put("a", 1, 1, 2, 3, 2)
        merge.put("b", 1, 2, 3, 3)
        merge.put("c", 1, 2, 3)
        assert merge.sets() == [(1, "abc"), (2, "abc"), (3, "abc")]
        merge.put("a", 4)
        assert merge.statistics.dropped == {"duplicate": 3}
        merge.check_sum()

    def test_what_came_too_long_ago_to_be_known_is_late_and_no_duplicate(self):
        merge = Merge(ByKey(window=3))
        for key in range(1, 7):
            for name in NAMES:
                merge.put(name, key)
            merge.take()
        merge.put("a", 5, 7)
        assert merge.take() == []
        assert (merge.statistics.dropped, merge.unmatched()) == ({"duplicate": 1}, {})
        merge.put("a", 1, 8)
        assert merge.take() == []
        assert merge.statistics.dropped == {"duplicate": 1}
        assert merge.unmatched() == {"a": {"late": 1}}
        merge.check_sum()

    def test_what_is_due_and_not_taken_yet_is_held(self):
        merge = Merge(ByKey(patience=2.0, complete=False))
        merge.put("a", 3)
        merge.put("b", 1, 2)
        assert merge.strategy.held() == 3
        merge.now = 2.0
        (first,) = merge.strategy.take(1, merge.now)  # with 3, which came first, all are due
        assert first.data.header["value"] == 1
        assert merge.strategy.held() == 2
        merge.put("b", 9)
        assert merge.strategy.held() == 3
        assert merge.sets() == [(2, "b"), (3, "a")]
        assert merge.strategy.held() == 1

    def test_what_is_doubtful_when_all_have_ended_is_lost_at_once(self):
        merge = Merge(ByKey(patience=1000))
        for name in NAMES:
            merge.put(name, 10, 11)
        assert len(merge.take()) == 2
        merge.put("a", 5)
        merge.put("b", 10)
        merge.put("c", 0, 1, 2)
        merge.end("a", "b")
        assert merge.take() == []
        assert merge.strategy.held() == 5  # all may have restarted
        merge.end("c")
        assert merge.take() == []
        assert merge.unmatched() == {"a": {"late": 1}, "c": {"late": 3}}
        assert merge.statistics.dropped == {"duplicate": 1}
        assert merge.strategy.held() == 0
        assert merge.strategy.deadline() is None
        merge.check_sum()

    def test_of_as_many_streams_ahead_as_behind_those_behind_are_out_of_step(self, caplog):
        merge = Merge(ByKey(patience=2.0, complete=False), "ab")
        merge.put("a", 1000)
        merge.now = 1.0
        merge.put("b", 1)
        merge.now = 2.0
        assert merge.sets() == [(1, "b"), (1000, "a")]
        assert merge.unmatched() == {}
        assert [record.message[:11] for record in caplog.records] == ["b is silent"]
        merge.check_sum()

    def test_restarts_when_all_do(self):
        merge = Merge(ByKey(window=5))
        for name in NAMES:
            merge.put(name, *range(4))
        assert merge.sets() == [(key, "abc") for key in range(4)]
        merge.put("a", 0, 1, 2)
        merge.put("b", 4, 0, 1, 2)
        assert merge.sets() == []
        merge.put("c", 4, 0, 1, 2)
        assert merge.sets() == [(0, "abc"), (1, "abc"), (2, "abc")]
        assert merge.unmatched() == {"b": {"incomplete": 1}, "c": {"incomplete": 1}}
        merge.check_sum()

    def test_one_that_restarts_alone_is_late(self):
        merge = Merge(ByKey(window=4, patience=2.0))
        for name in NAMES:
            merge.put(name, 10, 11)
        assert len(merge.sets()) == 2
        merge.put("a", 0, 1, 2)
        merge.put("b", 12)
        merge.put("c", 12)
        assert merge.sets() == []
        merge.now = 2.0
        assert merge.sets() == []
        assert merge.unmatched() == {
            "a": {"late": 3},
            "b": {"incomplete": 1},
            "c": {"incomplete": 1},
        }
        for name in NAMES:
            merge.put(name, 13)
        assert merge.sets() == [(13, "abc")]
        merge.check_sum()

    @pytest.mark.parametrize("complete", [True, False])
    @pytest.mark.parametrize("names", ["ab", "abc"])
    def test_a_wrong_key_costs_no_more_than_the_keys_around_it(self, names, complete):
        merge = Merge(ByKey(window=8, patience=1.0, complete=complete), names)
        for key in range(600):
            merge.now += 0.1
            for name in names:
                wrong = key == 200 and name == names[-1]
                merge.put(name, 2**40 if wrong else key)
            merge.take()
        whole = [one.data.header["value"] for one in merge.given if len(one.data) == len(names)]
        assert len(whole) > 580
        assert whole == sorted(whole)
        merge.check_sum()

    @pytest.mark.parametrize("complete", [True, False])
    def test_one_that_is_far_ahead_does_not_drag_the_others_along(self, complete):
        merge = Merge(ByKey(window=8, patience=1.0, complete=complete))
        for key in range(300):
            merge.now += 0.1
            merge.put("a", key)
            merge.put("b", key)
            if 2 in merge.strategy.wanted:
                merge.put("c", 10**6 + key)
            merge.take()
        pairs = [one for one in merge.given if len(one.data) == 2]
        assert complete or len(pairs) > 270
        assert merge.unmatched()["c"]["ahead"] > 100
        assert "late" not in merge.unmatched().get("a", {})
        merge.check_sum()

    @pytest.mark.parametrize("kind", ["restarted", "frozen", "keyless", "behind"])
    def test_one_that_talks_but_never_matches_holds_up_nobody_for_long(self, kind):
        merge = Merge(ByKey(window=16, patience=1.0, complete=False), "ab")
        sent = 0
        for tick in range(2000):
            merge.now = tick * 0.01
            key = {"restarted": tick, "frozen": 5, "keyless": None, "behind": tick}[kind]
            if 1 in merge.strategy.wanted:
                merge.put("b", key)
            if 0 in merge.strategy.wanted:
                merge.put("a", *range(10**6 + sent, 10**6 + sent + 10))
                sent += 10
            merge.take()
        assert sent > 15_000  # 16 a second, if each waited for its patience
        merge.check_sum()

    def test_one_that_restarts_alone_catches_up_as_fast_as_it_can(self):
        merge = Merge(ByKey(window=8, patience=1.0))
        for key in range(1000):
            for name in NAMES:
                merge.put(name, key)
            merge.take()
        again = 0
        for key in range(1000, 1400):
            merge.now += 0.01
            for name in "ab":
                merge.put(name, key)
            if 2 in merge.strategy.wanted:
                merge.put("c", *range(again, min(again + 10, key + 1)))
                again = min(again + 10, key + 1)
            merge.take()
        values = [one.data.header["value"] for one in merge.given]
        assert values[-150:] == list(range(1250, 1400))
        merge.check_sum()

    def test_one_that_was_silent_is_waited_for_again_once_it_keeps_up(self):
        merge = Merge(ByKey(window=4, patience=1.0))
        merge.put("a", *range(4))
        merge.put("b", *range(4))
        merge.now = 1.0
        assert merge.sets() == []
        merge.put("c", 3)
        for name in NAMES:
            merge.put(name, 4)
        assert merge.sets() == [(4, "abc")]
        merge.put("a", *range(5, 9))
        merge.put("b", *range(5, 9))
        assert merge.sets() == []
        merge.put("c", *range(5, 9))
        assert merge.sets() == [(key, "abc") for key in range(5, 9)]
        merge.check_sum()

    def test_what_has_no_key_is_counted(self, caplog):
        merge = Merge(ByKey())
        merge.put("a", "text", None, True, float("nan"), 1)
        merge.put_all("b", [Message(parts=[b"no json"]), Message(parts=[b"[]"])])
        assert merge.sets() == []
        assert merge.unmatched() == {"a": {"no_key": 4}, "b": {"no_key": 2}}
        assert [record.message for record in caplog.records] == [
            "a: a message lacks the key to match by: it has htype, pulse_id",
            "b: a message lacks the key to match by: it has nothing",
        ]
        merge.check_sum()

    def test_flatten_gives_the_messages_themselves(self):
        merge = Merge(ByKey(flatten=True))
        for name in reversed(NAMES):
            merge.put(name, 1, 2)
        assert labels(merge.take()) == ["a 1", "b 1", "c 1", "a 2", "b 2", "c 2"]
        merge.check_sum()

    def test_frames_count_within_a_series(self):
        merge = Merge(ByKey("frame"))
        for name in NAMES:
            start = {"htype": "dheader-1.0", "series": 1}
            merge.put_all(name, [Message(parts=[json.dumps(start).encode(), b"", b""])])
        for name in NAMES:
            merge.put(name, 0, 1, field="frame", series=1)
            end = Message(parts=[b'{"htype":"dseries_end-1.0","series":1}'])
            merge.put_all(name, [end]) if merge.strategy.wanted else None
            merge.put(name, 0, field="frame", series=2)
        values = [one.data.header["value"] for one in merge.take()]
        assert values == [None, 0, 1, None, 0]

    @pytest.mark.parametrize("key", ["frame", "image_id"])
    @pytest.mark.parametrize("versions", ["222", "121"])
    def test_images_of_both_of_the_detectors_streams_match(self, key, versions):
        merge = Merge(ByKey(key))
        for series in (1, 2):
            for name, version in zip(NAMES, versions, strict=True):
                merge.put_all(name, SERIES[version](series))
            expected = [(None, "abc"), (0, "abc"), (1, "abc"), (None, "abc")]
            assert merge.sets() == expected
        assert json.loads(merge.given[1].parts[0])["key"] == key
        assert merge.unmatched() == {}

    def test_another_number_of_stream2_is_a_key_too(self):
        merge = Merge(ByKey("pulse_id"))
        for name in NAMES:
            merge.put_all(name, [cbor_message(type="image", image_id=ord(name), pulse_id=5)])
        assert merge.sets() == [(5, "abc")]
        merge.put_all("a", [cbor_message(type="image", image_id=5)])
        merge.sets()
        assert merge.unmatched() == {"a": {"no_key": 1}}

    def test_a_function_gives_the_key(self):
        def turn(header):
            return header["pulse_id"] // 10, header["htype"]

        merge = Merge(ByKey(turn))
        merge.put("a", 10)
        merge.put("b", 11)
        merge.put("c", 19)
        (given,) = merge.take()
        header = json.loads(given.parts[0])
        assert (header["key"], header["value"]) == ("turn", [1, "raw-1.0"])

    def test_a_function_that_fails_gives_no_key(self, caplog):
        merge = Merge(ByKey(lambda header: header["turn"]))
        merge.put("a", 1, 2)
        merge.put("a", 3, field="turn")
        assert merge.sets() == []
        assert merge.unmatched() == {"a": {"no_key": 2}}
        assert [record.message for record in caplog.records if "KeyError: 'turn'" in record.message]
        merge.check_sum()

    @pytest.mark.parametrize("number", [np.int64, np.float32, Fraction])
    def test_numbers_of_any_kind_are_keys(self, number):
        merge = Merge(ByKey(lambda header: number(header["pulse_id"])))
        for name in NAMES:
            merge.put(name, 7)
        assert merge.sets() == [(7, "abc")]
        assert json.loads(merge.given[0].parts[0])["value"] == 7

    def test_a_number_that_others_cannot_read_is_no_key(self):
        merge = Merge(ByKey())
        merge.put("a", 10**400, -(2**63))
        merge.sets()
        assert merge.unmatched() == {"a": {"no_key": 2}}

    @pytest.mark.parametrize(
        ("arguments", "wrong"),
        [
            ({"key": ""}, "key is ''"),
            ({"key": 5}, "key is 5"),
            ({"window": 0}, "window is 0"),
            ({"window": True}, "window is True"),
            ({"patience": -1}, "patience is -1"),
            ({"patience": "1"}, "patience is '1'"),
            ({"complete": 1}, "complete is 1"),
            ({"flatten": None}, "flatten is None"),
        ],
    )
    def test_refuses_what_makes_no_sense(self, arguments, wrong):
        with pytest.raises(ConfigError, match=wrong):
            ByKey(**arguments)


@st.composite
def senders(draw, most=25):
    """Return what each stream sends: rising keys, with gaps, some twice in a row."""
    streams = []
    for _ in NAMES:
        keys = sorted(draw(st.sets(st.integers(0, most), max_size=most)))
        streams.append([k for k in keys for _ in range(draw(st.sampled_from([1, 1, 1, 2])))])
    return streams


def play(choices, merge, streams, moments=(0,)):
    """Send streams in bursts of any length, in any order, as the strategy wants them."""
    left = [list(keys) for keys in streams]
    turns = iter(range(1000))
    open_ = set(range(len(streams)))
    while open_:
        assert next(turns, None) is not None, "it goes on for ever"
        merge.take()
        merge.now += choices.one_of(moments)
        wanted = sorted(merge.strategy.wanted & open_)
        if not wanted:
            merge.now += 1000  # as the merger would, it waits for the deadline
            continue
        stream = choices.one_of(wanted)
        count = choices.one_of(range(1, 10))
        burst, left[stream] = left[stream][:count], left[stream][count:]
        if burst:
            merge.put(NAMES[stream], *burst)
        if not left[stream]:
            merge.end(NAMES[stream])
            open_.discard(stream)
        for source in merge.strategy._inputs:
            assert source.held <= merge.strategy._window
    while merge.strategy.held():
        assert next(turns, None) is not None, "it goes on for ever"
        merge.take()
        deadline = merge.strategy.deadline()
        merge.now = merge.now if deadline is None else max(merge.now, deadline)
    merge.check_sum()
    return [(one.data.header["value"], "".join(one.data)) for one in merge.given]


@settings(deadline=None, max_examples=200)
@given(CHOICES, senders(), st.integers(1, 6))
def test_every_key_of_all_comes_out_once_and_complete(choices, streams, window):
    merge = Merge(ByKey(window=window, patience=500))
    sets = play(choices, merge, streams)
    everywhere = sorted(set.intersection(*map(set, streams)))
    assert sets == [(key, "abc") for key in everywhere]
    doubled = sum(len(keys) - len(set(keys)) for keys in streams)
    assert sum(merge.statistics.dropped.values()) == doubled
    for name, keys in zip(NAMES, streams, strict=True):
        alone = len(set(keys)) - len(everywhere)
        assert sum(merge.unmatched().get(name, {}).values()) == alone


@settings(deadline=None, max_examples=200)
@given(CHOICES, senders(), st.integers(1, 6))
def test_every_key_of_one_comes_out_once_where_partial_sets_will_do(choices, streams, window):
    merge = Merge(ByKey(window=window, patience=500, complete=False))
    sets = play(choices, merge, streams)
    owners = dict.fromkeys(sorted(set.union(*map(set, streams))), "")
    for name, keys in zip(NAMES, streams, strict=True):
        for key in set(keys):
            owners[key] += name
    assert sets == list(owners.items())


@settings(deadline=None, max_examples=200)
@given(CHOICES, senders(), st.booleans(), st.integers(1, 6))
def test_with_little_patience_keys_stay_in_order_and_whole(choices, streams, complete, window):
    merge = Merge(ByKey(window=window, patience=3, complete=complete))
    sets = play(choices, merge, streams, moments=(0, 1, 2, 5))
    keys = [key for key, _ in sets]
    assert keys == sorted(set(keys))
    for key, owners in sets:
        assert all(key in streams[NAMES.index(name)] for name in owners)
        assert len(owners) == 3 or not complete


@settings(deadline=None, max_examples=200)
@given(CHOICES, st.lists(senders(6), min_size=2, max_size=3), st.integers(14, 20))
def test_all_that_restart_are_matched_again(choices, rounds, window):
    # it shows within the window, and while no stream passes where it was before
    begun = [[[0, 1, 2, *(k + 3 for k in keys), 99] for keys in streams] for streams in rounds]
    merge = Merge(ByKey(window=window, patience=500))
    sets = play(choices, merge, [list(chain(*keys)) for keys in zip(*begun, strict=True)])
    expected = [sorted(set.intersection(*map(set, streams))) for streams in begun]
    assert [key for key, _ in sets] == list(chain(*expected))


@settings(deadline=None, max_examples=200)
@given(
    CHOICES,
    st.lists(st.lists(st.integers(0, 12), max_size=30), min_size=3, max_size=3),
    st.booleans(),
    st.integers(1, 5),
)
def test_whatever_comes_is_accounted_for(choices, streams, complete, window):
    merge = Merge(ByKey(window=window, patience=3, complete=complete))
    sets = play(choices, merge, streams, moments=(0, 1, 4))
    sent = [Counter(keys) for keys in streams]
    for key, owners in sets:
        for name in owners:
            sent[NAMES.index(name)][key] -= 1
    assert all(count >= 0 for counter in sent for count in counter.values())


def test_the_clock_of_a_merge_goes_on_only_while_somebody_looks():
    real = iter([100.0, 100.004, 160.0, 160.005, 170.0, 170.001])
    clock = Clock(lambda: next(real))
    assert clock.now() == pytest.approx(0.004)
    assert clock.now() == pytest.approx(0.014)  # the process stood still for a minute
    assert clock.until(0.020) == pytest.approx(0.001)  # 5 ms later
    clock.skip()
    assert clock.now() == pytest.approx(0.020)
    assert clock.until(None) is None
