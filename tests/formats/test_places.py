"""Every format of the table through every place that chooses, keeps, counts, edits or shows.

The grid is made of the table: a row that has no sample fails, and so does one that a place does
not serve. What is right stands with the samples, not in the table.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmflow.cli.report import _upstream as words_of_table
from gmflow.cli.stats import _summary as words_of_stats
from gmflow.decoder import Decoder
from gmflow.errors import DecodeError
from gmflow.filters import Filter, Htypes, filters_of
from gmflow.formats import FORMATS, format_of, title_of, value_at
from gmflow.green.channel import Channel
from gmflow.green.topology.links import Inlet
from gmflow.green.topology.rate_limit import PacedInlet
from gmflow.green.topology.tap import Newest, WhileSubscribed
from gmflow.handlers import ENCODERS, NOT_JSON, eiger
from gmflow.merging import ByKey
from gmflow.message import Message
from gmflow.recording import open_reader, open_writer
from gmflow.render.listing_table import text_of
from gmflow.render.summary import Summaries
from gmflow.replay.edit import setter
from gmflow.replay.listing import Listing
from gmflow.replay.select import select
from gmflow.sequence import SequenceTracker
from gmflow.statistics import NodeStatistics
from tests.formats.samples import (
    IMAGES,
    MAKERS,
    TAG,
    Pair,
    Sample,
    everything,
    header_of,
    map_of,
    number_of,
    sample_v2,
    shuffled,
)

SAMPLES = {
    row.name: MAKERS[row.name]() if row.name in MAKERS else [] for row in FORMATS
}  # a row without any is found by a test: it must not keep the others from running


def parts_of(messages: Sequence[Message]) -> list[list[bytes]]:
    return [list(map(bytes, message.parts)) for message in messages]


def numbers(sample: Sample, messages: Sequence[Message]) -> list[int | None]:
    return [number_of(sample, message) for message in messages]


# What chooses messages


def chosen_by_htype(sample: Sample) -> None:
    messages = sample.messages(range(3))
    middle = messages[1:-1] if sample.start else messages
    for htype, expected in zip(sample.htypes, (messages[:1], middle, messages[-1:]), strict=True):
        if htype:
            assert list(Htypes([htype]).choose(messages)) == expected
    assert list(Htypes(["other-1.0"]).choose(messages)) == []


def counted_by_modulo(sample: Sample) -> None:
    (every,) = filters_of(modulo=2)
    messages = sample.messages(range(6))
    assert list(every.choose(messages)) == messages[1::2]


def outputs(sample: Sample, filters: Sequence[Filter]) -> list[tuple[int, list[Message]]]:
    """Return what outputs get of two series, whose messages come by turns."""
    both = sample.messages(range(6), series=4), sample.messages(range(6), series=5)
    mixed = [message for pair in zip(*both, strict=True) for message in pair]
    found = []
    for one in filters:
        got = [message for start in range(0, 16, 3) for message in one.choose(mixed[start:][:3])]
        found += [(n, [each for each in got if each in ours]) for n, ours in enumerate(both)]
    return found


def assert_edges(sample: Sample, got: Sequence[Message], series: int) -> Sequence[Message]:
    """Validate that there is the start and the end of a series; return what is between."""
    if not (sample.start and sample.end):
        return got
    assert parts_of(got[:1]) == [sample.start(series)]
    assert parts_of(got[-1:]) == [sample.end(series)]
    return got[1:-1]


def shared_by_series(sample: Sample) -> None:
    filters = [filters_of(share=(place, 2), series=True)[0] for place in range(2)]
    shares = [
        numbers(sample, assert_edges(sample, got, 4 + n)) for n, got in outputs(sample, filters)
    ]
    if sample.series is None:  # all messages are of one series
        assert shares == [[0, 1, 2, 3, 4, 5], [], [], [0, 1, 2, 3, 4, 5]]
    else:
        assert shares == [[0, 2, 4], [0, 2, 4], [1, 3, 5], [1, 3, 5]]


def every_third_by_series(sample: Sample) -> None:
    found = outputs(sample, filters_of(modulo=3, series=True))
    shares = [numbers(sample, assert_edges(sample, got, 4 + n)) for n, got in found]
    if sample.series is None:
        assert shares == [[1, 4], [2, 5]]
    else:
        assert shares == [[2, 5], [2, 5]]


# What keeps messages


def kept_for_late_viewers(sample: Sample) -> None:
    nobody = WhileSubscribed(set())
    messages = [*sample.messages(range(2), 1), *sample.messages(range(3), 2)]
    expected: dict[str, Any] = {
        "start": [sample.start(2)] if sample.start else [],
        "message": [sample.message(2, 2)],
    }
    assert parts_of(nobody.choose(messages)) == expected.get(sample.needed_first, [])
    if sample.needed_first == "start":
        assert list(nobody.choose(messages[1:2])) == []


def newest_for_viewers(sample: Sample) -> None:
    got = Newest("full", lambda: 2).choose(sample.messages(range(5)))
    assert numbers(sample, assert_edges(sample, got, 1)) == [3, 4]


def displaced_from_a_channel(sample: Sample) -> None:
    channel = Channel()
    messages = sample.messages(range(3))
    assert channel.offer_all(messages, 0) == len(messages)
    assert channel.displace_image()
    assert channel.displace_image(newest=True)
    left = list(channel._messages)
    assert numbers(sample, assert_edges(sample, left, 1)) == [1]
    assert channel.displace_image()
    assert not channel.displace_image()
    assert not assert_edges(sample, list(channel._messages), 1)


def dropped_where_full(sample: Sample) -> None:
    for when_full, left in (("drop_oldest", [3, 4]), ("drop_newest", [0, 1])):
        capacity = 4 if sample.start else 2
        channel, statistics = Channel(capacity), NodeStatistics()
        inlet = Inlet(statistics, (), when_full, channel, series=True)
        inlet.accept(sample.messages(range(5)))
        got = list(channel._messages)
        assert_edges(sample, got, 1)
        images = [one for one in numbers(sample, got) if one is not None]
        expected = left
        if sample.start and when_full == "drop_newest":
            expected = [0, 1]  # the end takes the place of the last image
        assert images == expected
        assert statistics.dropped == {"full": 3}


def limited_in_rate(sample: Sample) -> None:
    statistics = NodeStatistics()
    inlet = PacedInlet(statistics, (), "drop_oldest", 1.0, series=True)
    inlet.accept(sample.messages(range(4)))
    got = list(inlet.channel._messages)
    assert numbers(sample, assert_edges(sample, got, 1)) == [3]
    assert statistics.dropped == {"rate": 3}


# What matches and counts messages


def merged_by_its_counter(sample: Sample) -> None:
    for key in (sample.counter or "value", *sample.keys):
        if key in ("series", "series_id"):
            continue
        strategy = ByKey(key)
        statistics = NodeStatistics()
        strategy.start(["a", "b"], statistics)
        for stream in range(2):
            lacking = [0, 1, 2, 3, 5] if stream else [0, 2, 3, 4, 5]
            strategy.put(stream, sample.messages(lacking, 3), 0.0)
            strategy.end(stream, 1.0)
        sets = strategy.take(100, 2.0)
        values = [one.data.header["value"] for one in sets]
        edges = [None] if sample.start and sample.counter in ("frame", "image_id") else []
        assert values == [*edges, 0, 2, 3, 5, *edges], key
        assert all(parts_of([one.data["a"]]) == parts_of([one.data["b"]]) for one in sets)
        assert [sum(one.values()) for one in statistics.unmatched.values()] == [1, 1]


def tracked(messages: Sequence[Message]) -> dict[str, Any]:
    """Return what a tracker finds in messages, in whatever bursts they come."""
    snapshots = []
    for size in (1, 3, len(messages)):
        tracker = SequenceTracker()
        for start in range(0, len(messages), size):
            tracker.follow(messages[start : start + size], 0.0)
        snapshots.append(tracker.snapshot(0.0))
    first, *others = snapshots
    assert first is not None
    assert others == [first, first]
    return first


def followed_by_its_counter(sample: Sample) -> None:
    rest = range(6, IMAGES)
    orders: list[tuple[list[int], tuple[int, ...]]] = [
        ([0, 1, 2, 3, 4, 5, *rest], (0, 0, 0, 0)),
        ([0, 1, 2, 5, *rest], (2, 0, 0, 0)),
        ([0, 1, 2, 2, 3, 4, 5, *rest], (0, 1, 0, 0)),
        ([0, 1, 3, 4, 2, 5, *rest], (0, 0, 1, 0)),
    ]
    for order, expected in orders:
        assert_tracked(sample, sample.messages(order), *expected)
    again = [*sample.messages(range(IMAGES)), *sample.messages(range(IMAGES))]
    assert_tracked(sample, again, 0, 0, 0, 1)


def assert_tracked(sample: Sample, messages: Sequence[Message], *expected: int) -> None:
    names = ("counter", "missing", "duplicates", "out_of_order", "restarts")
    snapshot = tracked(messages)
    if sample.counter is None:
        expected = (0, 0, 0, 0)
    assert tuple(snapshot[name] for name in names) == (sample.counter, *expected)


def missing_at_the_end_of_a_series(sample: Sample) -> None:
    snapshot = tracked(sample.messages(range(IMAGES - 3)))
    assert snapshot["missing"] == (3 if sample.start else 0)


def seen_in_statistics(sample: Sample) -> None:
    snapshot = tracked(sample.messages([0, 1, 2, *range(5, IMAGES)]))
    node = {"upstream": snapshot, "dropped": {}, "failed": 0, "unmatched": {}, "left_over": 0}
    lines, words = words_of_stats({"source": node}).splitlines(), words_of_table(snapshot)
    if sample.counter is None:
        assert lines[0].endswith(" 0 known of: no counter")
        assert words.startswith(": no frame, pulse_id or image_id to count by; ")
    else:
        assert lines[0].endswith(f" 2 messages by {sample.counter}")
        assert f" by {sample.counter}: missing 2, duplicates 0" in words


# What is done with recordings


def replayed_by_series(sample: Sample) -> None:
    every = {series: sample.messages(range(3), series) for series in (3, 4, 5)}
    messages = [message for series in every.values() for message in series]
    expected = [*every[4], *every[5]] if sample.series else []
    assert list(select(messages, series=(4, None))) == expected


def replayed_by_frames(sample: Sample) -> None:
    got = list(select(sample.messages(range(8)), frames=(3, 5)))
    assert numbers(sample, assert_edges(sample, got, 1)) == [3, 4, 5]


def listed(sample: Sample) -> None:
    listing = Listing()
    listing.add_all(sample.messages([0, 1, 2, 5, 6, 6], 9))
    summary = listing.as_dict()
    (row,) = summary["numbered"]
    edges = bool(sample.start)
    expected = {
        "counter": sample.counter or "frame",  # of the first message in a merged one
        "series": 9 if sample.series else None,
        "count": 6,
        "first": 0,
        "last": 6,
        "expected": IMAGES if edges else None,
        "ended": edges,
        "missing": 2 + (IMAGES - 7 if edges else 0),
        "duplicates": 1,
    }
    assert {name: row[name] for name in expected} == expected
    titles = {title_of(message) for message in sample.messages(range(1))}
    assert {one["htype"] for one in summary["htypes"]} == titles
    assert all(htype in " ".join(titles) for htype in sample.htypes)
    assert all(title in text_of(summary) for title in titles)


def with_values(sample: Sample, message: Message, **values: int) -> dict[str, Any]:
    """Return the header of a message after its values were set; validate that all else stays."""
    change = setter([f"{key}={value}" for key, value in values.items()])
    result = change(message)
    assert (change.changed, change.unchanged, change.added) == (1, 0, [])
    assert result.parts[1:] == message.parts[1:]
    header: dict[str, Any] = header_of(result)
    before = header_of(message)
    names = [sample.keys.get(key, key) for key in values]
    assert {name: header[name] for name in names} == dict(zip(names, values.values(), strict=True))
    assert list(header) == list(before)
    assert repr({**header, **{name: before[name] for name in names}}) == repr({**before})
    return header


def edited(sample: Sample) -> None:
    for number in (0, 7):
        (message,) = sample.images([number], 3)
        if sample.counter is None:
            with_values(sample, message, value=70_000)
            continue
        with_values(sample, message, **{sample.counter: 70_000})
        for key in sample.keys:
            with_values(sample, message, **{key: 5})
        if sample.series:
            with_values(sample, message, **{sample.series: 1 << 40, sample.counter: 3})
    for message in sample.messages([], 3):
        assert sample.series
        with_values(sample, message, **{sample.series: 70_000})


def read_by_either_name(sample: Sample) -> None:
    (message,) = sample.images([7], 3)
    names = {sample.counter: 7, sample.series: 3}
    for key, expected in names.items():
        if key is not None:
            others = [other for other, real in sample.keys.items() if real == key]
            assert [value_at(message, name) for name in (key, *others)] == [expected] * (
                1 + len(others)
            )


def recorded_in(sample: Sample, path: Path) -> None:
    messages = sample.messages(range(3))
    with open_writer(path) as writer:
        writer.write(messages)
    assert (writer.written, writer.refused) == (len(messages), 0)
    with open_reader(path) as reader:
        assert parts_of(list(reader.messages())) == parts_of(messages)


def test_recorded_in_hdf5_or_refused_in_words(
    sample: Sample, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("h5py")
    messages = sample.messages(range(3))
    caplog.set_level(logging.WARNING)
    with open_writer(tmp_path / "run.h5") as writer:
        writer.write(messages)
    if sample.in_hdf5:
        assert (writer.written, writer.refused) == (len(messages), 0)
        assert not caplog.records
    else:
        assert (writer.written, writer.refused) == (0, len(messages))
        assert "has no place in HDF5" in caplog.text


# What shows messages, and what decodes them


def summed_up(sample: Sample) -> None:
    summaries = Summaries()
    lines = [summaries.text(message.parts) for message in sample.messages([7], 3)]
    for text, htype in zip(lines, filter(None, sample.htypes), strict=bool(sample.start)):
        assert htype in text.splitlines()[0]
    told = "".join(lines)
    assert ("! " in told) is (not sample.htypes[1])  # without an htype nobody can read it
    assert "7" in lines[1 if sample.start else 0]
    if sample.start:
        assert [
            f"series 3{rest}" in line
            for rest, line in zip(
                ("", " frame      7", "  1 of 12 images, 11 missing"), lines, strict=True
            )
        ] == [True] * 3


def decoded_and_encoded(sample: Sample) -> None:
    decoder = Decoder({**eiger.HANDLERS, **sample.handlers})
    for message in sample.messages(range(3)):
        if not sample.htypes[1]:
            with pytest.raises(DecodeError, match="htype"):
                decoder.decode(message.parts)
            continue
        value = decoder.decode(message.parts)
        if sample.handlers:
            assert value == header_of(message)
            continue
        parts = list(map(bytes, encoder_of(message)(value)))
        if format_of(message).is_cbor:
            assert shown(decoder.decode(parts)) == shown(value)
        else:
            assert parts[1:] == message.parts[1:]
            assert header_of(Message(parts=parts)) == header_of(message)


def encoder_of(message: Message) -> Callable[[Any], list[Any]]:
    if format_of(message).is_cbor:
        return ENCODERS[NOT_JSON]
    (htype,) = np.atleast_1d(header_of(message)["htype"])
    return ENCODERS[htype]


def shown(value: Any) -> list[str]:
    """Return what a start, an image or an end is: its fields, in whatever order, and its pixels."""
    tables = [getattr(value, name, {}) for name in ("arrays", "flatfields", "masks")]
    arrays = [repr(list(array.items())) for array in tables]
    return [type(value).__name__, *arrays, *sorted(map(repr, value.header.items()))]


PLACES: list[Callable[[Sample], None]] = [
    chosen_by_htype,
    counted_by_modulo,
    shared_by_series,
    every_third_by_series,
    kept_for_late_viewers,
    newest_for_viewers,
    displaced_from_a_channel,
    dropped_where_full,
    limited_in_rate,
    merged_by_its_counter,
    followed_by_its_counter,
    missing_at_the_end_of_a_series,
    seen_in_statistics,
    replayed_by_series,
    replayed_by_frames,
    listed,
    edited,
    read_by_either_name,
    summed_up,
    decoded_and_encoded,
]


@pytest.fixture(params=[one for made in SAMPLES.values() for one in made], ids=lambda one: one.name)
def sample(request: pytest.FixtureRequest) -> Sample:
    return request.param  # type: ignore[no-any-return]


@pytest.mark.parametrize("row", FORMATS, ids=lambda row: row.name)
def test_every_row_has_samples(row: Any) -> None:
    assert row.name in MAKERS, f"the format {row.name} needs a maker in tests/formats/samples.py"
    samples = SAMPLES[row.name]
    assert samples
    for sample in samples:
        assert all(format_of(message) is row for message in sample.messages(range(2)))


def test_every_maker_is_of_a_row() -> None:
    assert sorted(MAKERS) == sorted(row.name for row in FORMATS)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_a_place(place: Callable[[Sample], None], sample: Sample) -> None:
    place(sample)


OF_ORDER = [
    shared_by_series,
    kept_for_late_viewers,
    merged_by_its_counter,
    followed_by_its_counter,
    replayed_by_series,
    replayed_by_frames,
    edited,
    summed_up,
]
"""Places that read more of a map than its name."""


@given(st.randoms(use_true_random=False), st.booleans(), st.booleans(), st.sampled_from([b"", TAG]))
@settings(max_examples=25, deadline=None)
def test_keys_come_in_any_order(random: Random, endless: bool, more: bool, tag: bytes) -> None:
    order = random.getrandbits(32)

    def write(pairs: list[Pair]) -> bytes:
        pairs = everything(pairs, order) if more else shuffled(pairs, order)
        return map_of(pairs, tag, endless)

    for place in OF_ORDER:
        place(sample_v2("in some order", write))


@pytest.mark.parametrize("name", ["run", "run.mcap"])
def test_recorded_and_read_again(sample: Sample, name: str, tmp_path: Path) -> None:
    recorded_in(sample, tmp_path / name)
