"""The table of formats: what each says of its messages."""

import json

import cbor2
import pytest

from gmflow.formats import (
    FORMATS,
    GENERIC,
    STREAM_V1,
    STREAM_V2,
    Format,
    counter_of,
    edge_of,
    format_of,
    htype_of,
    images_announced,
    is_needed_first,
    is_series_edge,
    series_of,
    value_at,
    whole,
)
from gmflow.message import Message
from tests.support.captures import captures, needs_captures


def message(header, *parts, row=STREAM_V1):
    encode = cbor2.dumps if row.is_cbor else lambda value: json.dumps(value).encode()
    return Message(parts=[encode(header), *parts])


def of(row: Format, htype: str, /, **header) -> Message:
    """Return a message of a row; its header has a counter and a series, if the row has them."""
    own = {row.htype_key: htype, row.series: 7, **dict.fromkeys(row.counters, 3)}
    return message({**own, **header}, row=row)


EVERY = [(row, htype) for row in FORMATS for htype in row.htypes]


@pytest.mark.parametrize(("row", "htype"), EVERY)
def test_what_a_row_says_is_found(row, htype):
    one = of(row, htype)
    assert htype_of(one) == htype
    assert format_of(one) is row
    assert edge_of(one) == ("start" if htype in row.starts else "end" if htype in row.ends else "")
    assert is_series_edge(one) is (htype in row.starts + row.ends)
    assert is_needed_first(one) is (htype in row.needed_first)
    assert series_of(one) == 7
    assert counter_of(one) == ((row.counters[0], 3) if row.counters else None)


@pytest.mark.parametrize(("row", "htype"), [pair for pair in EVERY if not pair[0].is_cbor])
def test_an_htype_may_be_in_a_list_and_of_another_version(row, htype):
    one = of(row, htype, htype=[htype])
    assert (htype_of(one), format_of(one)) == (htype, row)
    assert is_series_edge(one) is (htype in row.starts + row.ends)
    other = of(row, htype, htype=htype[:-3] + "9.0")
    assert htype_of(other) == htype[:-3] + "9.0"
    assert format_of(other).starts == row.starts
    assert is_series_edge(other) is (htype in row.starts + row.ends)
    assert is_needed_first(other) is (htype in row.needed_first)


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"htype": "dheader"},
        {"htype": "mine-1.0"},
        {"htype": ["dheader-1.0", "x"]},
        {"htype": 5},
        {"type": "start", "series_id": 1},  # JSON: it is no stream v2
        {"type": "image", "image_id": 1},
    ],
)
def test_other_json_is_of_users(header):
    one = message(header)
    assert format_of(one) is GENERIC
    assert not is_series_edge(one)
    assert not is_needed_first(one)
    assert counter_of(one) is None
    assert counter_of(message({**header, "pulse_id": 4, "frame": 5})) == ("frame", 5)
    assert counter_of(message({**header, "pulse_id": 4, "frame": "5"})) == ("pulse_id", 4)
    assert series_of(message({**header, "series": "mine"})) == "mine"


@pytest.mark.parametrize(
    "header", [{}, {"htype": "dheader-1.0"}, {"type": "status"}, {"type": 5}, {"type": ["start"]}]
)
def test_other_cbor_is_of_nobody(header):
    one = message(header, row=STREAM_V2)
    assert format_of(one) is GENERIC
    assert not is_series_edge(one)
    assert htype_of(one) == ("status" if header.get("type") == "status" else "")


@pytest.mark.parametrize(
    "parts", [[], [b""], [b"[1]"], [b"no JSON"], [b"\xd9\xd9\xf7\xa1\x64type"]]
)
def test_what_has_no_header_is_of_nobody(parts):
    one = Message(parts=parts)
    assert (htype_of(one), format_of(one), edge_of(one)) == ("", GENERIC, "")
    assert series_of(one) is counter_of(one) is value_at(one, "frame") is None


@pytest.mark.parametrize("number", [True, 1.0, "1", None, 2**63, -(2**63), [1]])
def test_what_counts_nothing(number):
    assert whole(number) is None
    assert counter_of(message({"frame": number})) is None
    assert counter_of(message({"htype": "dimage-1.0", "frame": number})) is None


@pytest.mark.parametrize("number", [0, 2**63 - 1, 1 - 2**63])
def test_what_counts(number):
    assert whole(number) == number
    assert counter_of(message({"htype": "dimage-1.0", "frame": number})) == ("frame", number)


@pytest.mark.parametrize("series", [True, 1.0, None, [1], {"a": 1}])
def test_what_names_no_series(series):
    assert series_of(message({"htype": "dimage-1.0", "series": series})) is None


def test_both_streams_of_detectors_have_the_same_names():
    first = of(STREAM_V1, "dimage-1.0")
    second = of(STREAM_V2, "image")
    for one in (first, second):
        assert value_at(one, "frame") == value_at(one, "image_id") == 3
        assert value_at(one, "series") == value_at(one, "series_id") == 7
        assert value_at(one, "pulse_id") in (None, 3)
    assert value_at(message({"frame": 3}), "image_id") is None
    assert value_at(of(STREAM_V1, "dimage-1.0", image_id=9), "image_id") == 9


def test_images_that_a_start_announces():
    start = {"htype": "dheader-1.0", "series": 1}
    assert images_announced(message(start, b'{"nimages": 5, "ntrigger": 3}')) == 15
    assert images_announced(message(start, b'{"nimages": 5}')) == 5
    for config in ((), (b"",), (b"[]",), (b"{}",), (b'{"nimages": "5"}',), (b"\xff",)):
        assert images_announced(message(start, *config)) is None
    assert images_announced(message({"htype": "dimage-1.0"}, b'{"nimages": 5}')) is None
    assert images_announced(of(STREAM_V2, "start", number_of_images=4)) == 4
    assert images_announced(of(STREAM_V2, "image", number_of_images=4)) is None
    for number in (-1, "4", None, 4.0):
        assert images_announced(of(STREAM_V2, "start", number_of_images=number)) is None


@needs_captures
def test_captures_are_of_the_rows_they_are_known_as():
    known = {"stream2": STREAM_V2, "cbor": STREAM_V2, "eiger": STREAM_V1, "legacy": STREAM_V1}
    rows = {}
    for name, messages in captures():
        found = {format_of(Message(parts=parts)).name for parts in messages}
        rows[name] = found
        for word, row in known.items():
            if word in name.replace("eiger-stream2", "stream2"):
                assert found == {row.name}, name
    assert GENERIC.name not in set().union(*rows.values())
