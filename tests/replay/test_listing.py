"""The table of a recording: what was recorded, and what is missing."""

import itertools
import json
import subprocess
import sys

import cbor2
import pytest

from gmflow.message import Message
from gmflow.render.listing_table import text_of
from gmflow.replay.listing import MAX_COUNTED, MAX_LETTERS, MAX_ROWS, Listing
from tests.support.captures import captures, needs_captures, read_capture
from tests.support.messages import message

SECOND = 10**9
START = 1_700_000_000 * SECOND  # 2023-11-14 22:13:20 UTC


def image(series, frame, source=""):
    return message(b"{}", b"x", source=source, htype="dimage-1.0", series=series, frame=frame)


def header_of(series, images, triggers=1, source=""):
    config = json.dumps({"nimages": images, "ntrigger": triggers}).encode()
    return message(config, source=source, htype="dheader-1.0", series=series)


def end_of(series, source=""):
    return message(source=source, htype="dseries_end-1.0", series=series)


def listed(messages):
    listing = Listing()
    listing.add_all(messages)
    return listing


def rows(messages):
    return listed(messages).as_dict()["numbered"]


def row(messages, *names):
    (one,) = rows(messages)
    return tuple(one[name] for name in names)


def test_an_empty_recording():
    listing = Listing()
    found = listing.as_dict()
    assert (found["messages"], found["first"], found["rate"]) == (0, None, None)
    assert text_of(listing.as_dict()).splitlines()[0] == "0 messages, 0 parts, 0 B"


def test_counts_by_htype_and_source():
    found = listed(
        [
            message(b"12345", htype="raw-1.0", source="one"),
            message(htype=["raw-1.0"], source="two"),
            message(b"1", b"2", htype="bsr_m-1.1", source="two"),
            message(key=1),
            Message(parts=[b"binary"]),
            Message(),
        ]
    ).as_dict()
    names = ("htype", "messages", "bytes", "parts", "least_parts", "most_parts")
    raw = len(b'{"htype": "raw-1.0"}')
    assert [tuple(one[name] for name in names) for one in found["htypes"]] == [
        ("raw-1.0", 2, 2 * raw + 7, 3, 1, 2),
        ("bsr_m-1.1", 1, raw + 4, 3, 3, 3),
        ("no htype", 1, 10, 1, 1, 1),
        ("not JSON", 1, 6, 1, 1, 1),
        ("no parts", 1, 0, 0, 0, 0),
    ]
    assert [(one["source"], one["messages"]) for one in found["sources"]] == [
        ("one", 1),
        ("two", 2),
        ("", 3),
    ]
    assert found["messages"] == sum(one["messages"] for one in found["htypes"])
    assert found["bytes"] == sum(one["bytes"] for one in found["sources"])
    assert found["parts"] == 8


@pytest.mark.parametrize("parts", list(itertools.permutations([1, 2, 4])))
def test_the_least_and_the_most_parts(parts):
    listing = listed(message(*[b""] * (count - 1), htype="raw-1.0") for count in parts)
    (one,) = listing.as_dict()["htypes"]
    assert (one["least_parts"], one["most_parts"]) == (1, 4)
    assert text_of(listing.as_dict()).splitlines()[-1].endswith(" 1 to 4")


def test_a_whole_series():
    messages = [header_of(3, 5, 2), *(image(3, n) for n in range(10)), end_of(3)]
    assert rows(messages) == [
        {
            "source": "",
            "series": 3,
            "counter": "frame",
            "count": 10,
            "first": 0,
            "last": 9,
            "expected": 10,
            "ended": True,
            "missing": 0,
            "duplicates": 0,
            "out_of_order": 0,
            "restarts": 0,
        }
    ]


def test_gaps_duplicates_and_disorder():
    frames = [2, 3, 3, 5, 4, 8]
    messages = [header_of(3, 12), *(image(3, n) for n in frames)]
    names = ("count", "first", "last", "missing", "duplicates", "out_of_order", "ended")
    assert row(messages, *names) == (6, 2, 8, 4, 1, 1, False)
    assert row([*messages, end_of(3)], *names) == (6, 2, 8, 7, 1, 1, True)
    assert row(messages[1:], *names) == (6, 2, 8, 2, 1, 1, False)


@pytest.mark.parametrize("count", [255, 256, 257, 775])
def test_gaps_are_found_however_long_a_series_is(count):
    missing = {10, 255, 256}
    frames = [n for n in range(count) if n not in missing]
    found = row((image(3, n) for n in frames), "missing", "last")
    assert found == (frames[-1] + 1 - len(frames), frames[-1])


def test_each_source_and_each_series_has_a_row():
    messages = [image(series, n, source) for n in range(4) for series in (1, 2) for source in "ab"]
    messages += [message(source="a", pulse_id=n) for n in (100, 110, 130, 140)]
    found = [(one["source"], one["series"], one["count"], one["missing"]) for one in rows(messages)]
    assert found == [
        ("a", 1, 4, 0),
        ("b", 1, 4, 0),
        ("a", 2, 4, 0),
        ("b", 2, 4, 0),
        ("a", None, 4, 1),
    ]


def test_a_series_that_begins_again_has_a_row_of_its_own():
    once = [header_of(1, 3), *(image(1, n) for n in range(3)), end_of(1), end_of(1)]
    found = rows([*once, *once[:2], *once])
    assert [(one["count"], one["ended"], one["missing"]) for one in found] == [
        (3, True, 0),
        (4, True, 0),
    ]
    assert (found[1]["duplicates"], found[1]["restarts"]) == (0, 1)  # as m_stats has it


def test_arrays_without_a_series_and_pulses_of_a_learnt_step():
    arrays = [message(b"x", htype="array-1.0", frame=n, pulse_id=n * 7) for n in (5, 6, 8)]
    names = ("counter", "series", "count", "first", "last", "missing", "expected")
    assert row(arrays, *names) == ("frame", None, 3, 5, 8, 1, None)
    pulses = [message(htype="bsr_m-1.1", pulse_id=n) for n in (1000, 1004, 1008, 1020, 1024)]
    assert row(pulses, *names) == ("pulse_id", None, 5, 1000, 1024, 2, None)


def stream2(**fields):
    return Message(parts=[b"\xd9\xd9\xf7" + cbor2.dumps(fields)])


def test_stream2():
    start = stream2(type="start", series_id=9, number_of_images=4)
    images = [stream2(type="image", series_id=9, image_id=n, data={}) for n in (0, 1, 3)]
    listing = listed([start, *images, stream2(type="end", series_id=9)])
    names = ("series", "count", "expected", "missing", "ended")
    (one,) = listing.as_dict()["numbered"]
    assert tuple(one[name] for name in names) == (9, 3, 4, 1, True)
    htypes = [(one["htype"], one["messages"]) for one in listing.as_dict()["htypes"]]
    assert htypes == [("stream2 start", 1), ("stream2 image", 3), ("stream2 end", 1)]


def test_times():
    received_ns = [START + SECOND, START, 0, START + 2 * SECOND + 1, START + 4 * SECOND]
    listing = listed(message(b"x" * 1_000_000, received_ns=one) for one in received_ns)
    found = listing.as_dict()
    assert (found["timed"], found["first"], found["last"]) == (4, START, START + 4 * SECOND)
    assert (found["seconds"], found["rate"]) == (4.0, 0.75)
    assert text_of(listing.as_dict()).splitlines()[1:4] == [
        "from 2023-11-14 22:13:20.000000000 UTC",
        "to   2023-11-14 22:13:24.000000000 UTC, 4.000 s, 0.75 messages/s, 1.3 MB/s",
        "1 without an arrival time",
    ]


def test_one_time_gives_no_rate():
    listing = listed([message(received_ns=START)])
    assert listing.as_dict()["rate"] is None
    table = text_of(listing.as_dict())
    assert table.splitlines()[2] == "to   2023-11-14 22:13:20.000000000 UTC, 0.000 s"


def test_the_table():
    messages = [header_of(14, 9), *(image(14, n) for n in range(9) if n != 5), end_of(14)]
    listing = listed(messages)
    listing.problem = "run.mcap is cut at byte 512;\nwhat is before is here"
    assert (
        text_of(listing.as_dict())
        == """\
10 messages, 27 parts, 525 B
no arrival times
! run.mcap is cut at byte 512;\\nwhat is before is here

htype            messages  bytes  parts each
dheader-1.0             1   67 B           2
dimage-1.0              8  416 B           3
dseries_end-1.0         1   42 B           1

series  counter  numbers  count  expected  missing  duplicates  out of order  restarts  ended
14        frame   0 to 8      8         9        1           0             0         0    yes
"""
    )


def test_a_source_is_named_once_and_several_have_a_table():
    assert "source tcp://x:9\n" in text_of(listed([message(source="tcp://x:9")]).as_dict())
    text = text_of(listed([image(1, 0, "left"), message(pulse_id=7, source="right")]).as_dict())
    assert [" ".join(line.split()) for line in text.splitlines()[-8:] if line] == [
        "source messages bytes parts each",
        "left 1 51 B 3",
        "right 1 15 B 1",
        "source series counter numbers count expected missing duplicates out of order restarts"
        " ended",
        "left 1 frame 0 1 - 0 0 0 0 no",
        "right - pulse_id 7 1 - 0 0 0 0 -",
    ]


def test_the_word_source_comes_once():
    assert "\nsource tcp://x:9\n" in text_of(listed([message(source="source tcp://x:9")]).as_dict())
    text = text_of(listed([image(1, 0, "source a"), message(pulse_id=7, source="b")]).as_dict())
    assert [line.split()[0] for line in text.splitlines()[-7:] if line] == [
        *("source", "a", "b"),
        *("source", "a", "b"),
    ]


def test_damages_are_told_of():
    listing = listed([message()])
    listing.problem, listing.damages = "cut", ["one\n", "two"]
    assert listing.as_dict()["damages"] == ["one\n", "two"]
    assert text_of(listing.as_dict()).splitlines()[2:5] == ["! cut", "! one\\n", "! two"]


def test_nothing_on_the_wire_reaches_the_terminal_unescaped():
    evil = "\x1b[2J\n\u202e"
    text = text_of(
        listed(
            [image(1, 2, evil), message(htype=evil), message(htype=[evil], source="b")]
        ).as_dict()
    )
    assert all(line.isprintable() for line in text.splitlines())
    assert r"\x1b[2J\n\u202e" in text


def test_a_hostile_recording_takes_no_more():
    many = MAX_COUNTED + 200
    listing = listed(
        message(htype=f"h{n}", series=n, frame=2**63 - 1, source=f"s{n}" + "x" * 1000)
        for n in range(many)
    )
    found = listing.as_dict()
    assert found["messages"] == many
    for name in ("htypes", "sources", "numbered"):
        assert len(found[name]) == MAX_ROWS
        assert found["more"][name] == {"rows": MAX_COUNTED, "messages": many - MAX_ROWS}
    assert max(len(one["source"]) for one in found["sources"]) == MAX_LETTERS
    lines = text_of(listing.as_dict()).splitlines()
    assert lines.count(f"... and at least 10000 more, with {many - MAX_ROWS} messages") == 3
    assert max(map(len, lines)) < 300


def test_a_few_more_are_counted():
    text = text_of(listed(image(n // 2, n) for n in range(2 * MAX_ROWS + 6)).as_dict())
    assert text.endswith("\n... and 3 more, with 6 messages\n")


def test_a_series_that_begins_again_and_again_takes_no_more():
    again = [header_of(1, 1), end_of(1)]
    listing = listed(itertools.chain.from_iterable(itertools.repeat(again, 1000)))
    assert len(listing.as_dict()["numbered"]) == MAX_ROWS
    text_of(listing.as_dict())


@pytest.mark.parametrize(
    "part",
    [
        b"{",
        b"\xff" * 100,
        b'{"htype":{"a":1},"series":{},"frame":[1]}',
        b'{"htype":"dheader-1.0","series":99999999999999999999999999,"frame":1e400}',
        b'{"htype":"dheader-1.0","series":1}',
        b'{"htype":"dseries_end-1.0","series":-1}',
        b'{"htype":"merged-1.0"}',
        b"\xd9\xd9\xf7\xa2\x64type\x65start\x69series_id\x01",
        b"\xd9\xd9\xf7\xa2\x64type\x65start\x69series_id\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xd9\xd9\xf7",
    ],
)
@pytest.mark.parametrize("more", [(), (b'{"nimages":"9"}',), (b'{"nimages":-5}',), (b"[",)])
def test_odd_messages_are_listed(part, more):
    listing = listed([Message(parts=[part, *more], received_ns=2**63)] * 4)
    assert listing.as_dict()["messages"] == 4
    json.dumps(listing.as_dict(), allow_nan=False)
    assert all(line.isprintable() for line in text_of(listing.as_dict()).splitlines())


def test_it_can_go_on_after_a_table():
    listing = listed([image(1, 0), image(1, 1)])
    text_of(listing.as_dict())
    listing.add(image(1, 3))
    (one,) = listing.as_dict()["numbered"]
    assert (one["count"], one["missing"]) == (3, 1)


def test_it_starts_without_numpy():
    program = (
        "import sys, gmflow.replay.select, gmflow.replay.edit,"
        " gmflow.replay.faults, gmflow.replay.listing; assert 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)


@needs_captures
@pytest.mark.parametrize(
    ("name", "series", "count", "expected", "ended"),
    [
        ("maxiv-eiger1-1m/series14", 14, 9, 100_000, False),
        ("maxiv-eiger2-9m-truncated/series6", 6, 3, 3, True),
        ("maxiv-eiger-stream2/series", 16, 10, 10, True),
    ],
)
def test_real_series(name, series, count, expected, ended):
    (one,) = rows(Message(parts=parts) for parts in read_capture(name))
    found = [one[key] for key in ("series", "count", "first", "last", "expected", "ended")]
    assert found == [series, count, 0, count - 1, expected, ended]
    assert (one["missing"], one["duplicates"], one["out_of_order"]) == (0, 0, 0)


@needs_captures
def test_every_capture_is_counted():
    for _, messages in captures():
        listing = listed(Message(parts=parts) for parts in messages)
        found = listing.as_dict()
        assert found["messages"] == len(messages)
        assert found["parts"] == sum(map(len, messages))
        assert found["bytes"] == sum(len(part) for parts in messages for part in parts)
        assert all(one["missing"] == 0 or one["expected"] for one in found["numbered"])
        assert text_of(listing.as_dict()).isascii()
