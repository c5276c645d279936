"""What is missing upstream: counted as a simple reference counts it, read as a parser reads it."""

import json
from itertools import pairwise

import pytest
import zmq
from hypothesis import example, given
from hypothesis import strategies as st

from gmflow.errors import ConfigError
from gmflow.message import Message
from gmflow.sequence.tally import MAX_GAPS, RUN
from gmflow.sequence.tracker import (
    MAX_PATIENCE,
    MAX_PREDICTED_BYTES,
    MAX_SERIES,
    SequenceTracker,
)
from tests.support.captures import captures, needs_captures

COUNTS = ("missing", "duplicates", "out_of_order", "restarts")


def raw(text, *parts):
    return Message(parts=[text, *parts])


def array(frame, **entries):
    header = {"htype": "array-1.0", "type": "uint8", "shape": [4, 2], "frame": frame, **entries}
    return raw(json.dumps(header).encode(), b"12345678")


def image(series, frame):
    header = b'{"frame":%d,"hash":"%032x","htype":"dimage-1.0","series":%d}'
    return raw(header % (frame, frame * 7, series), b"{}", b"blob", b"{}")


def begin(series, images=None, **entries):
    detail = "none" if images is None else "basic"
    header = {"header_detail": detail, "htype": "dheader-1.0", "series": series}
    config = [] if images is None else [json.dumps({"nimages": images, **entries}).encode()]
    return raw(json.dumps(header).encode(), *config)


def end(series):
    return raw(b'{"htype":"dseries_end-1.0","series":%d}' % series)


def pulse(number):
    header = {"htype": "bsr_m-1.1", "pulse_id": number, "hash": "0" * 32}
    header["global_timestamp"] = {"sec": 1_700_000_000 + number // 100, "ns": number % 100 * 10**7}
    return raw(json.dumps(header).encode(), b"{}")


def follow(messages, bursts=(), step=None):
    """Follow messages, in bursts of these sizes over and over; return the snapshot."""
    followed, messages, bursts = SequenceTracker(step), list(messages), list(bursts) or [64]
    while messages:
        size = bursts[0]
        bursts.append(bursts.pop(0))
        followed.follow(messages[:size], 10.0)
        del messages[:size]
    return followed.snapshot(12.5)


def counts(snapshot):
    return tuple(snapshot[name] for name in COUNTS)


def parsed(messages):
    """Return how many of these were parsed."""
    return sum(one.parsed is not None for one in messages)


# what is counted


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([5, 6, 7, 8], (0, 0, 0, 0)),
        ([5, 6, 9], (2, 0, 0, 0)),
        ([5, 6, 9, 7], (1, 0, 1, 0)),
        ([5, 6, 9, 8, 7, 10], (0, 0, 2, 0)),
        ([5, 6, 6, 7, 5], (0, 2, 0, 0)),
        ([5, 9, 7, 7], (2, 1, 1, 0)),
        ([5, 4, 6], (0, 0, 1, 0)),  # from before it was looked at
        ([0] * 9, (0, 8, 0, 0)),
        ([0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5], (0, 0, 0, 1)),
        ([7, 8, 9, 0, 1, 2, 3], (0, 0, 0, 1)),
        ([7, 9, 0, 2, 3, 4], (2, 0, 0, 1)),
        ([100, 110, 0, 3, 6, 9], (9 + 6, 0, 0, 1)),  # it shares the stream with two others
        ([1, 2, 3, 4, 1, 2, 5], (0, 2, 0, 0)),  # too few for a restart
        ([1, 2, 3, 2, 1, 0], (0, 2, 1, 0)),  # they don't rise
        ([1, 10, 2, 3, 4, 5, 6, 7, 8, 9], (0, 0, 8, 0)),  # a whole gap that comes late
    ],
)
@pytest.mark.parametrize("bursts", [[1], [2, 3], [64]])
def test_numbers_are_told_apart(numbers, expected, bursts):
    assert counts(follow(map(array, numbers), bursts)) == expected
    assert counts(follow([array(number, series=3) for number in numbers], bursts)) == expected
    if numbers[0] != numbers[1]:
        tens = follow((pulse(10 * number + 3) for number in numbers), bursts, step=10)
        assert counts(tens) == expected


class Reference:
    """Counts what it has seen in sets, number by number."""

    def __init__(self, numbers):
        self.restarts = self.missing = self.duplicates = self.out_of_order = 0
        self._begin()
        for number in numbers:
            self._see(number)
        self._close()

    def _begin(self):
        self.seen, self.first, self.row = set(), None, []

    def _close(self):
        if self.seen:
            self.missing += max(self.seen) - self.first + 1 - len(self.seen)

    def _see(self, number):
        if not self.seen or number > max(self.seen):
            self.first = number if self.first is None else self.first
            self.seen.add(number)
            self.row = []
        elif number > self.first and number not in self.seen:
            self.seen.add(number)
            self.out_of_order += 1
        else:
            self._see_again(number)

    def _see_again(self, number):
        if self.row and number <= self.row[-1]:
            self.row = []
        self.row.append(number)
        if len(self.row) < RUN:
            if number < self.first:
                self.out_of_order += 1
            else:
                self.duplicates += 1
            return
        row = self.row
        before = sum(one < self.first for one in row[:-1])
        self.out_of_order -= before
        self.duplicates -= len(row) - 1 - before
        self.restarts += 1
        self._close()
        self._begin()
        for one in row:
            self._see(one)


@st.composite
def damaged(draw):
    """Return numbers of a sender of which some were dropped, doubled or swapped; it may restart."""
    numbers = []
    for _ in range(draw(st.integers(1, 3))):
        start, count = draw(st.integers(0, 50)), draw(st.integers(1, 60))
        numbers += range(start, start + count)
    kinds = st.sampled_from(["keep"] * 8 + ["drop", "double", "swap", "stick"])
    damage = draw(st.lists(kinds, min_size=len(numbers), max_size=len(numbers)))
    result = []
    for number, kind in zip(numbers, damage, strict=True):
        if kind != "drop":
            result.append(number)
        if kind == "double":
            result.append(number)
        if kind == "stick":
            result += [number] * draw(st.integers(2, 20))
        if kind == "swap" and len(result) > 1:
            back = draw(st.integers(2, min(6, len(result))))
            result.insert(-back, result.pop())
    return result or [0]


@given(damaged(), st.lists(st.integers(1, 64), min_size=1, max_size=5))
def test_counts_are_those_of_a_simple_reference(numbers, bursts):
    wanted = Reference(numbers)
    expected = tuple(getattr(wanted, name) for name in COUNTS)
    assert counts(follow(map(array, numbers), bursts)) == expected
    assert counts(follow((pulse(number * 7) for number in numbers), bursts, step=7)) == expected


@pytest.mark.parametrize(
    ("numbers", "step", "expected"),
    [
        ([1, 6, 5, 3], 2, (0, 1, 1, 0)),
        ([0, 10, 25, 20, 15], 10, (0, 2, 0, 0)),  # of 10 and 25 only one number could be between
        ([1, 6, 3, 5, 10], 2, (1, 1, 1, 0)),
    ],
)
def test_a_given_step_that_the_numbers_do_not_follow_makes_no_gap_larger(numbers, step, expected):
    assert counts(follow(map(array, numbers), step=step)) == expected
    assert counts(follow(map(pulse, numbers), step=step)) == expected


KINDS = st.sampled_from([None, 1, 1, 1, 2, 3, "begin", "end"])


@given(
    st.lists(st.tuples(st.integers(-3, 12), KINDS)),
    st.sampled_from([None, 1, 2, 3, 5]),
    st.sampled_from(["frame", "pulse_id"]),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
)
@example([(1, None), (6, None), (5, None), (3, None)], 2, "frame", [1])
def test_no_count_is_ever_negative(schedule, step, counter, bursts):
    messages = []
    for number, kind in schedule:
        if kind == "begin":
            messages.append(begin(1 + number % 3, number))
        elif kind == "end":
            messages.append(end(1 + number % 3))
        else:
            header = {counter: number} if kind is None else {counter: number, "series": kind}
            messages.append(raw(json.dumps(header).encode()))
    for count in range(1, len(messages) + 1):
        assert min(counts(follow(messages[:count], bursts, step))) >= 0


# pulse_id and its step


@pytest.mark.parametrize("step", [1, 4, 100])
def test_the_step_of_a_pulse_id_is_learnt(step):
    numbers = [start + step * n for start in (17,) for n in range(200) if n not in (60, 61, 130)]
    assert counts(follow(map(pulse, numbers))) == (3, 0, 0, 0)


def test_a_step_that_turns_out_smaller_corrects_what_was_counted():
    followed = SequenceTracker()
    for number, missing in [(0, 0), (60, 0), (180, 1), (200, 7), (220, 7), (140, 6), (250, 19)]:
        followed.follow([pulse(number)], 0.0)
        assert followed.snapshot(0.0)["missing"] == missing, number
    assert counts(followed.snapshot(0.0)) == (19, 0, 1, 0)


@given(
    st.integers(1, 100),
    st.integers(0, 1 << 40),
    st.sets(st.integers(0, 80), min_size=2),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
)
def test_what_is_missing_follows_from_the_step_in_the_end(step, start, kept, bursts):
    numbers = [start + step * one for one in sorted(kept)]
    moves = [b - a for a, b in pairwise(numbers)]
    learnt = next(g for g in range(max(moves), 0, -1) if all(move % g == 0 for move in moves))
    expected = (numbers[-1] - numbers[0]) // learnt + 1 - len(numbers)
    assert counts(follow(map(pulse, numbers), bursts)) == (expected, 0, 0, 0)
    given = (numbers[-1] - numbers[0]) // step + 1 - len(numbers)
    assert counts(follow(map(pulse, numbers), bursts, step=step)) == (given, 0, 0, 0)


def test_a_number_off_the_step_fills_no_gap():
    assert counts(follow(map(pulse, [0, 10, 30, 25]))) == (1, 1, 0, 0)
    assert counts(follow(map(pulse, [0, 10, 30, 20]))) == (0, 0, 1, 0)


def test_a_series_has_no_say_in_a_pulse_id():
    messages = [*map(pulse, range(9)), begin(3, 5), end(3), *map(pulse, range(9, 20)), begin(1)]
    assert counts(follow(messages)) == (0, 0, 0, 0)


@pytest.mark.parametrize("step", [0, -1, 1.5, True, "1"])
def test_a_step_that_is_none_is_refused(step):
    with pytest.raises(ConfigError, match="from 1 up"):
        SequenceTracker(step)


def test_a_frame_counts_by_one_and_goes_before_a_pulse_id():
    assert counts(follow([array(number) for number in range(0, 30, 3)])) == (18, 0, 0, 0)
    both = [array(number, pulse_id=100 * number * number) for number in range(20)]
    assert follow(both)["counter"] == "frame"
    assert counts(follow(both)) == (0, 0, 0, 0)
    assert counts(follow([array(number) for number in range(0, 30, 3)], step=3)) == (0, 0, 0, 0)


# series


def test_a_new_series_begins_at_frame_0():
    messages = [image(1, 40), image(1, 41), image(2, 2), image(2, 3), image(3, 0), image(3, 2)]
    assert counts(follow(messages, [1])) == counts(follow(messages)) == (3, 0, 0, 0)


def test_images_before_the_first_are_missing_if_the_series_was_seen_to_begin():
    assert counts(follow([begin(7), image(7, 2)])) == (2, 0, 0, 0)
    assert counts(follow([image(7, 2)])) == (0, 0, 0, 0)


def test_a_series_that_goes_back_is_a_restart():
    messages = [begin(5), image(5, 0), image(5, 1), begin(1), image(1, 0), image(1, 1)]
    assert counts(follow(messages)) == (0, 0, 0, 1)
    assert counts(follow([messages[n] for n in (1, 2, 4, 5)])) == (0, 0, 0, 1)


def test_the_same_series_again_is_a_restart():
    series = [begin(1, 4), *(image(1, frame) for frame in range(4)), end(1)]
    assert counts(follow(series * 3)) == (0, 0, 0, 2)


@pytest.mark.parametrize("bursts", [[1], [3], [64]])
def test_a_start_opens_a_series_also_where_its_number_was_there_before(bursts):
    first = [begin(1, 4), *(image(1, frame) for frame in range(4)), end(1)]
    assert counts(follow([*first, begin(1, 4), image(1, 0), end(1)], bursts)) == (3, 0, 0, 1)
    assert counts(follow([*first[:-1], begin(1, 4), image(1, 0), end(1)], bursts)) == (3, 0, 0, 1)
    assert counts(follow([*first, begin(1, 2), end(1)], bursts)) == (2, 0, 0, 1)


def test_a_start_that_is_sent_again_opens_nothing():
    frames = [image(1, frame) for frame in range(9)]
    messages = [begin(1, 9), begin(1, 9), *frames[:3], begin(1, 9), *frames[5:], end(1)]
    assert counts(follow(messages)) == (2, 0, 0, 0)
    late = [image(1, 0), image(1, 2), begin(1, 9), image(1, 1), image(1, 3)]
    assert counts(follow(late)) == (0, 0, 1, 0)


def test_images_of_the_series_before_may_come_late():
    messages = [*(image(1, n) for n in (0, 1, 3)), image(2, 0), image(1, 2), image(1, 4)]
    assert counts(follow([*messages, image(2, 1)], [2])) == (0, 0, 1, 0)


@pytest.mark.parametrize("ends", [1, 2])
def test_announced_images_that_do_not_come_are_missing_at_the_end(ends):
    messages = [begin(3, 5, ntrigger=2), *(image(3, frame) for frame in range(7))]
    assert counts(follow(messages)) == (0, 0, 0, 0)
    messages += [end(3)] * ends
    assert counts(follow(messages)) == (3, 0, 0, 0)
    assert counts(follow([*messages, image(3, 8), image(3, 9), image(3, 9)])) == (1, 1, 2, 0)
    assert counts(follow([begin(4, 2), end(4), begin(5, 2), image(5, 0)])) == (2, 0, 0, 0)


@pytest.mark.parametrize(
    "config", [b"", b"[]", b"{}", b'{"nimages": null}', b'{"nimages": 4, "ntrigger": "2"}', b"\xff"]
)
def test_a_header_that_announces_nothing_adds_nothing(config):
    header = b'{"header_detail":"basic","htype":"dheader-1.0","series":3}'
    messages = [raw(header, config), image(3, 0), end(3), end(4)]
    assert counts(follow(messages)) == (0, 0, 0, 0)


@needs_captures
def test_captures_are_whole():
    seen = {}
    for name, messages in captures():
        snapshot = follow([Message(parts=parts) for parts in messages], [1, 5, 64])
        assert snapshot["duplicates"] == snapshot["restarts"] == 0, (name, snapshot)
        seen.setdefault(snapshot["counter"], []).append(name)
    assert set(seen) == {"frame", "pulse_id", "image_id"}


@pytest.mark.parametrize("step", [None, 1, 2])
def test_a_series_may_restart_before_its_first_number(step):
    frames = [image(2, frame) for frame in (0, -9, -8, -7, -6, -5)]
    assert follow([begin(1), image(1, 0), begin(2), *frames], [1], step)["restarts"] == 1


# bounds


def test_gaps_are_remembered_in_bounded_memory():
    frames = range(0, 4 * MAX_GAPS, 2)
    followed = SequenceTracker()
    followed.follow([array(frame) for frame in frames], 0.0)
    (series,) = followed._series.values()
    assert len(series.track._gaps) == MAX_GAPS
    followed.follow([array(frames[-1] - 1), array(1)], 0.0)
    assert counts(followed.snapshot(0.0)) == (len(frames) - 2, 0, 2, 0)


def test_series_are_remembered_in_bounded_memory():
    followed = SequenceTracker()
    for series in range(5 * MAX_SERIES):
        followed.follow([begin(series, 3), image(series, 0), image(series, 2), end(series)], 0.0)
    assert len(followed._series) == MAX_SERIES
    assert counts(followed.snapshot(0.0)) == (5 * MAX_SERIES, 0, 0, 0)


LONG = [
    {"frame": 1, "mask": [0] * 400},
    {"frame": 1, "text": "x" * MAX_PREDICTED_BYTES},
    {"frame": 1, "rois": [{"x": n, "y": n} for n in range(10_000)]},
]


@pytest.mark.parametrize("header", LONG)
def test_a_long_header_is_left_to_a_parser(header):
    messages = [raw(json.dumps({**header, "frame": frame}).encode()) for frame in range(20)]
    del messages[7]
    assert counts(follow(messages, [1, 3])) == (1, 0, 0, 0)


def test_short_headers_after_long_ones_are_hardly_ever_parsed():
    messages = [array(frame) for frame in range(10)]
    messages += [array(frame, mask=[0] * 400) for frame in range(10, 30)]
    short = [array(frame) for frame in range(30, 1000)]
    assert counts(follow(messages + short)) == (0, 0, 0, 0)
    assert parsed(short) < 64


def test_headers_that_can_not_be_predicted_are_seldom_predicted():
    followed, predictions = SequenceTracker(), 0
    for frame in range(3000):
        followed.follow([array(frame, tag=str(frame))], 0.0)
        predictions += followed._prediction is not None
    assert 10 < predictions <= 20 + 3000 // MAX_PATIENCE
    assert counts(followed.snapshot(0.0)) == (0, 0, 0, 0)


# how it is read


def test_nothing_is_known_before_the_first_message():
    followed = SequenceTracker()
    followed.follow([], 3.0)
    assert followed.snapshot(5.0) is None
    followed.follow([raw(b"no header")], 3.0)
    expected = dict.fromkeys(COUNTS, 0) | {"counter": None, "seconds_since_last": 2.0}
    assert followed.snapshot(5.0) == expected


@pytest.mark.parametrize(
    "parts", [[], [b""], [b"\xd9\xd9\xf7"], [b"[1]"], [b'{"frame": "7"}'], [b"x" * 1_000_000]]
)
def test_messages_without_a_counter_are_passed_over(parts):
    messages = [Message(parts=parts) for _ in range(5)]
    assert follow(messages)["counter"] is None
    mixed = [one for frame in range(5) for one in (array(frame), Message(parts=parts))]
    assert counts(follow(mixed, [3])) == (0, 0, 0, 0)
    assert follow(mixed)["counter"] == "frame"


@pytest.mark.parametrize(
    "make",
    [
        array,
        lambda n: raw(b'{"pulse_id": %d}' % n),
        lambda n: array(n, series=4, source="%d"),
    ],
)
@pytest.mark.parametrize("part", [bytes, memoryview, zmq.Frame])
@pytest.mark.parametrize("bursts", [[1], [64], [1, 64, 7]])
def test_headers_that_count_on_are_not_parsed(make, part, bursts):
    messages = [make(number) for number in range(1000)]
    for one in messages:
        one.parts = [part(one.parts[0]), *one.parts[1:]]
    assert counts(follow(messages, bursts)) == (0, 0, 0, 0)
    assert parsed(messages) <= 65
    with_gaps = [one for number, one in enumerate(map(make, range(1000))) if number % 100]
    assert counts(follow(with_gaps, [1])) == (9, 0, 0, 0)
    assert parsed(with_gaps) < 60


def test_messages_that_do_not_count_are_not_parsed():
    messages = [array(7) for _ in range(1000)]
    assert counts(follow(messages, [10])) == (0, 999, 0, 0)
    assert parsed(messages) == 10


def test_what_is_parsed_is_kept():
    messages = [image(4, frame) for frame in range(100)]
    assert counts(follow(messages, [7])) == (0, 0, 0, 0)
    assert parsed(messages) == 100


def test_another_form_is_learnt_in_time():
    old, new = [array(n) for n in range(50)], [array(n, tag="new") for n in range(50, 1000)]
    assert counts(follow(old + new, [5])) == (0, 0, 0, 0)
    assert parsed(new) <= 20


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=4)
    | st.sampled_from(['{"frame": 3}', "%d", "%", "\\", '"', "\0", "frame", "é"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=4,
)
keys = st.sampled_from(["frame", "series", "pulse_id", "htype", "hash", "%d", "a b", "é", 'q"'])
styles = st.fixed_dictionaries(
    {
        "separators": st.sampled_from([(", ", ": "), (",", ":"), (" ,\n", " : ")]),
        "ensure_ascii": st.booleans(),
        "sort_keys": st.booleans(),
    }
)
odd = st.sampled_from(
    [
        b"",
        b"{}",
        b"{",
        b"null",
        b'{"frame": 4}\0{"frame": 5}',
        b'{"x": {"frame": 4}}',
        b'{"frame": 4, "frame": 5}',
        b'{"fr\\u0061me": 6}',
        b'{"frame": 04}',
        b'{"frame": 4} x',
        b'{"frame": 4, "x": "\xff"}',
        b'{"frame": 123456789012345678901234567890}',
        b'{"frame": -4}',
        b'{"frame": 4.0}',
        b' {"frame": 7}\n',
        b'{"htype": "dheader-1.0", "series": 2}',
        b'{"htype": "dseries_end-1.0", "series": 2}',
        b"x" * 5000,
    ]
)


TWO_SERIES = [
    b'{"frame": %d, "series": %d}' % (frame, series)
    for frame, series in [*((frame, 2) for frame in range(6)), (6, 2), (4, 1), (5, 2)]
]
"""A series, an image of the one before, and a double that is numbered as its next one."""


@st.composite
def streams(draw):
    """Return headers of one form that count on, and others, odd ones too, among them."""
    form = draw(st.dictionaries(keys, values, max_size=4))
    style = draw(styles)
    counter, step = draw(st.sampled_from(["frame", "pulse_id"])), draw(st.integers(1, 3))
    number, texts = draw(st.integers(0, 1000)), []
    for kind in draw(
        st.lists(st.sampled_from(["next"] * 9 + ["same"] * 3 + ["skip", "other", "odd"]))
    ):
        header = dict(form)
        if kind == "odd":
            texts.append(draw(odd))
            continue
        if kind == "other":
            header[draw(keys)] = draw(values)
        number += {"same": 0, "skip": 3}.get(kind, 1) * step
        texts.append(json.dumps({**header, counter: number}, **style).encode())
    return texts


@given(streams(), st.lists(st.integers(1, 9), min_size=1, max_size=4))
@example([b'{"frame": 1}', b'{"frame": 2}', b'{"x": {"frame": 3}}', b'{"frame": 4}'] * 3, [1])
@example([b'{"frame": 1}', b'{"frame": 2}\0{"frame": 3}', b"", b'{"frame": 4}'] * 3, [2])
@example([b'{"frame": 1}', b'{"frame": 2}', b'{"frame": 3}\0{"frame": 4}', b""], [2])
@example([b'{"frame": 1, "frame": 1}', b'{"frame": 2, "frame": 7}'], [1])
@example([*(b'{"frame": %d, "series": 1}' % n for n in range(4)), *TWO_SERIES], [1] * 10 + [2])
@example([b'{"frame": 1, "series": 1}', b'{"frame": 2, "series": 1.0}'] * 3, [1])
@example([b'{"series": 1.5, "frame": 1}', b'{"series": 1, "frame": 2}'] * 3, [1])
@example([b'{"frame": 0}', b'{"frame": 1}', b'{"frame": "%d"}', b'{"frame": 3}'], [1])
@example([b'{"frame": %d}' % n for n in [*range(9), 5, 6, *[8] * 20, 9, 10, 11]], [1, 3])
@example([b'{"a": "%%d", "frame": %d}' % n for n in range(40)], [4])
@example([b'{"a": {"frame": %d}, "frame": 1}' % n for n in range(1, 6)], [1])
@example([b'{"fr\\u0061me": 1, "a": {"frame": %d}}' % n for n in range(1, 6)], [1])
def test_what_is_read_is_what_a_parser_reads(texts, bursts):
    quick = follow(map(raw, texts), bursts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SequenceTracker, "_predict", lambda *_: None)
        assert quick == follow(map(raw, texts), bursts)


@pytest.mark.parametrize("step", [1 << 63, 10**30])
def test_a_step_beyond_every_counter_ends_no_stream(step):
    cbor2 = pytest.importorskip("cbor2")
    images = [raw(cbor2.dumps({"type": "image", "series_id": 1, "image_id": n})) for n in range(9)]
    assert follow(images, [1], step)["counter"] == "image_id"
