"""Which messages of a recording are replayed."""

import json

import cbor2
import pytest
import zmq

from gmflow.errors import ConfigError
from gmflow.merging.merged import Joiner
from gmflow.message import Message
from gmflow.replay.select import by_frames, by_series, numbers, numbers_of, select
from tests.support.captures import needs_captures, read_capture
from tests.support.messages import message


def stream2(**fields):
    return Message(parts=[b"\xd9\xd9\xf7" + cbor2.dumps(fields)])


def series_of(number, frames):
    return [
        message(htype="dheader-1.0", series=number),
        *(message(b"x", htype="dimage-1.0", series=number, frame=frame) for frame in frames),
        message(htype="dseries_end-1.0", series=number),
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("5", (5, 5)),
        ("0", (0, 0)),
        ("5:", (5, None)),
        (":9", (0, 9)),
        ("5:9", (5, 9)),
        ("5:5", (5, 5)),
        ("007", (7, 7)),
    ],
)
def test_ranges_have_both_their_ends(text, found):
    assert numbers(text, "--frames") == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "a",
        "-1",
        "5-9",
        "5:9:2",
        " 5",
        "5\n",
        "1.5",
        "9:5",
        "5:-1",
        "\N{ARABIC-INDIC DIGIT FIVE}",
        "1" * 5000,
    ],
)
def test_what_is_no_range_is_refused_in_a_line(text):
    with pytest.raises(ConfigError, match=r"^--frames is .*; it can be a (number|range) from") as e:
        numbers(text, "--frames")
    assert "\n" not in str(e.value)
    assert len(str(e.value)) < 300


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (message(htype="dheader-1.0", series=3), ("start", 3, "frame", None)),
        (message(htype="dimage-1.0", series=3, frame=8), ("", 3, "frame", 8)),
        (message(htype="dseries_end-1.0", series=3), ("end", 3, "frame", None)),
        (message(htype="dseries_end-1.0"), ("end", None, "frame", None)),
        (message(htype=["array-1.0"], frame=8, pulse_id=9), ("", None, "frame", 8)),
        (message(htype="bsr_m-1.1", pulse_id=9, frame=7), ("", None, "pulse_id", 9)),
        (message(htype="raw-1.0", frame="8"), ("", None, "frame", None)),
        (message(htype="raw-1.0", frame=True, series=1.0), ("", None, "frame", None)),
        (message(htype="something", series=4), ("", 4, "frame", None)),
        (Message(parts=[b"\x00binary"]), ("", None, "frame", None)),
        (Message(parts=[b""]), ("", None, "frame", None)),
        (Message(), ("", None, "frame", None)),
        (
            stream2(type="start", series_id=300, number_of_images=2),
            ("start", 300, "image_id", None),
        ),
        (
            stream2(type="image", series_id=2, series_unique_id="u", image_id=70_000),
            ("", 2, "image_id", 70_000),
        ),
        (stream2(type="end", series_id=2**40), ("end", 2**40, "image_id", None)),
        (stream2(type="other", series_id=2), ("", None, "frame", None)),
    ],
)
def test_the_numbers_of_a_message(one, expected):
    assert numbers_of(one) == expected
    frames = Message(parts=[zmq.Frame(part) for part in one.parts])
    assert numbers_of(frames) == expected
    assert numbers_of(Message(parts=[memoryview(bytes(p)) for p in one.parts])) == expected


def test_a_merged_message_has_the_numbers_of_the_first_one_in_it():
    inner = message(b"pixels", htype="dimage-1.0", series=3, frame=8)
    merged = Joiner("frame", ["a", "b"]).join(8, {1: inner})
    assert numbers_of(merged) == ("", 3, "frame", 8)
    assert numbers_of(Joiner("frame", ["c"]).join(8, {0: merged})) == ("", 3, "frame", 8)
    pulse = Joiner("pulse_id", ["a"]).join(5, {0: message(pulse_id=5)})
    assert numbers_of(pulse) == ("", None, "pulse_id", 5)


def test_merged_ones_within_one_another_without_end():
    head = json.dumps({"htype": "merged-1.0"}).encode()
    assert numbers_of(Message(parts=[head] * 50_000)) == ("", None, "frame", None)


def test_by_series():
    series = {number: series_of(number, range(3)) for number in range(5)}
    other = message(htype="bsr_m-1.1", pulse_id=2)
    every = [one for group in series.values() for one in [*group, other]]
    assert list(by_series(every, 1, 2)) == [*series[1], *series[2]]
    assert list(by_series(every, 3)) == [*series[3], *series[4]]
    assert list(by_series(every, 7)) == []


def test_by_frames_keeps_the_edges_of_series():
    start, *images, end = series_of(1, range(10))
    other, pulse = message(htype="raw-1.0"), message(pulse_id=6)
    every = [other, start, *images, pulse, end]
    assert list(by_frames(every, 5, 6)) == [start, *images[5:7], pulse, end]
    assert list(by_frames(every, 8)) == [start, *images[8:], end]
    assert list(by_frames(every)) == [start, *images, pulse, end]


def test_select_takes_both():
    one, two = series_of(1, range(4)), series_of(2, range(4))
    every = [*one, *two]
    assert list(select(every)) == every
    assert list(select(every, series=(2, 2))) == two
    assert list(select(every, frames=(0, 0))) == [*one[:2], one[-1], *two[:2], two[-1]]
    assert list(select(every, (2, None), (1, 2))) == [two[0], *two[2:4], two[-1]]


def test_no_message_is_read_ahead():
    def endless():
        yield from series_of(1, range(2))
        raise AssertionError("it was read further than it was asked for")

    taken = select(endless(), (1, 1), (0, 0))
    assert numbers_of(next(taken)).edge == "start"
    assert numbers_of(next(taken)).frame == 0


@needs_captures
@pytest.mark.parametrize(
    ("name", "series"),
    [("maxiv-eiger1-1m/series14", 14), ("maxiv-eiger-stream2/series", 16)],
)
def test_real_series(name, series):
    every = [Message(parts=parts) for parts in read_capture(name)]
    assert list(by_series(every, series, series)) == every
    assert list(by_series(every, series + 1)) == []
    kept = [numbers_of(one) for one in by_frames(every, 2, 4)]
    assert [one.frame for one in kept if not one.edge] == [2, 3, 4]
    counter = "image_id" if "stream2" in name else "frame"
    assert kept[0] == ("start", series, counter, None)
    assert {one.counter for one in kept} == {counter}
    edges = sum(bool(numbers_of(one).edge) for one in every)
    assert len(kept) == 3 + edges


@needs_captures
def test_real_pulses():
    name = "psi-bsread-2.0.2-sender/header_changes_every_2_messages"
    every = [Message(parts=parts) for parts in read_capture(name)]
    assert [numbers_of(one) for one in by_frames(every, 4001, 4003)] == [
        ("", None, "pulse_id", pulse) for pulse in (4001, 4002, 4003)
    ]
