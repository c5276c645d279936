"""Values in the headers of messages are replaced, and nothing else."""

import json
import re
import sys
from contextlib import suppress

import cbor2
import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from gmflow.cborwire import is_map, read_header
from gmflow.errors import ConfigError, DecodeError, RecordingError
from gmflow.handlers.stream2.cbor_map import read
from gmflow.jsonwire import loads
from gmflow.message import Message
from gmflow.replay.edit import MAX_LEVELS, set_in_cbor, set_in_json, setter
from tests.support.captures import capture_names, needs_captures, read_capture

TAG = b"\xd9\xd9\xf7"


def changed(part, *assignments):
    """Return the part 0 that assignments make of a part."""
    message = Message(None, "decoded", [part, b"second"], "detector", received_ns=5)
    before = message.header
    change = setter(assignments)
    result = change(message)
    assert bytes(message.parts[0]) == bytes(part)
    assert result.parts[1] is message.parts[1]
    assert (result.source, result.received_ns) == ("detector", 5)
    if change.unchanged:
        assert result is message
        return None
    assert result.data is None
    assert result.size == len(result.parts[0]) + len(b"second")
    if before:
        parse = read_header if is_map(part) else loads
        assert result.header == parse(result.parts[0])
    return bytes(result.parts[0])


@pytest.mark.parametrize(
    ("text", "assignment", "expected"),
    [
        ('{"a":1,"series":5}', "series=7", '{"a":1,"series":7}'),
        ('{"series" : 5 , "a":1}\n', "series=7", '{"series" : 7 , "a":1}\n'),
        (' {\n  "a": [1, {"series": 2}],\n  "series": 5\n}\n', "series=7", None),
        ('{"a":{"series":1},"series":[5]}', "series=7", '{"a":{"series":1},"series":7}'),
        ('{"x":"\\"series\\":5","series":5}', "series=7", '{"x":"\\"series\\":5","series":7}'),
        ('{"s\\u0065ries":5}', "series=7", '{"s\\u0065ries":7}'),
        ('{"name":"é"}', "name=abc", '{"name":"abc"}'),
        ('{"x":1}', 'x="7"', '{"x":"7"}'),
        ('{"x":1}', "x=", '{"x":""}'),
        ('{"x":1}', "x=a=b", '{"x":"a=b"}'),
        ('{"x":1}', 'x={"b": 1.50}', '{"x":{"b": 1.50}}'),
        ('{"x":1}', "x=null", '{"x":null}'),
        ('{"x":1}', "x=NaN", '{"x":"NaN"}'),
        ('{"x":1}', "x= 7 ", '{"x":7}'),
        ('{"x":1}', "x=" + "[" * 100_000, '{"x":"' + "[" * 100_000 + '"}'),
        ('{"x":1}', "x=12345678901234567890123", '{"x":12345678901234567890123}'),
        ('{"a":{"b":1, "c":2},"d":3}', "a.b=5", '{"a":{"b":5, "c":2},"d":3}'),
        ('{"a":{"b":{"c":1}}}', "a.b.c=5", '{"a":{"b":{"c":5}}}'),
        ('{"a":{"b":1}}', "a.c=5", '{"a":{"b":1,"c":5}}'),
        ('{"a": {"b": 1}}', "a.c=5", '{"a": {"b": 1, "c": 5}}'),
        ('{"a":1}', "b.c=5", '{"a":1,"b":{"c":5}}'),
        ('{\n  "a": 1\n}\n', "b=5", '{\n  "a": 1,\n  "b": 5\n}\n'),
        ("{}", "b=5", '{"b":5}'),
        ("{ }", "b=5", '{ "b":5}'),
        ('{"a":1,"a":2,"b":3}', "a=5", '{"a":1,"a":5,"b":3}'),
        ('{"pulse_id":NaN,"a":1}', "a=5", '{"pulse_id":NaN,"a":5}'),
    ],
)
def test_json(text, assignment, expected):
    expected = expected or text.replace('"series": 5', '"series": 7')
    assert changed(text.encode(), assignment) == expected.encode()
    assert changed(zmq.Frame(text.encode()), assignment) == expected.encode()
    assert changed(memoryview(text.encode()), assignment) == expected.encode()


def test_several_in_a_row():
    assert changed(b'{"a":1}', "a=3", "b.c=4", "b.d=5", "a=6") == b'{"a":6,"b":{"c":4,"d":5}}'


@pytest.mark.parametrize(
    "part",
    [
        b"",
        b"binary",
        b"[1]",
        b"7",
        b'{"a":1',
        b'{"a":1}x',
        b'{"a":1}{"a":1}',
        b'{"a":1,}',
        b"{1:2}",
        b'{"a" 1}',
        b'{"a":"\xff"}',
        b'{"a":' + b"[" * 100_000,
        b"\xd9\xd9\xf7",
        b"\xa1",
        b"\xa2\x61a\x01",
        b"\xa1\x61a\x01\x00",
        b"\xa1\x61a\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xa1\x61a\x1c",
        b"\xa1\x61a\x1c" + bytes(16),
        b"\xa1\x61a" + b"\x81" * 100 + b"\x01",
        b"\xbf\x61a\x01",
        b"\xa1\x61a" + b"\x81" * 1000,
        b"\xa1\x61a\xff",
    ],
)
def test_what_has_no_header_is_left_as_it_is(part):
    assert changed(part, "series=7") is None


@pytest.mark.parametrize("value", ["3", '"text"', "null", "[{}]"])
@pytest.mark.parametrize("encode", [bytes.strip, lambda text: cbor2.dumps(json.loads(text))])
def test_a_key_that_leads_into_no_object_replaces_nothing(value, encode):
    part = encode(b'{"htype":%s,"b":1}' % value.encode())
    assert changed(part, "htype.x=1") is None
    assert changed(part, "b=2", "htype.x=1") is None


def test_keys_that_no_message_had():
    change = setter(["series=1", "serise=1", "b.c=1", "serise=2"])
    for part in (b'{"series":3}', cbor2.dumps({"series_id": 3}), b"[1]", b'{"b":1}'):
        change(Message(parts=[part]))
    assert (change.changed, change.unchanged) == (2, 2)
    assert change.added == ["serise", "b.c"]
    change(Message(parts=[b'{"serise":3}']))
    assert change.added == ["b.c"]


@pytest.mark.parametrize(
    "part", [b"\xa1\x61a", b"\xa1\x61a\xa1", b"\xa1\x61a\xa1\x61b", b'{"a":{"b":']
)
def test_a_header_that_is_cut_on_the_way_to_a_value_is_left_as_it_is(part):
    assert changed(part, "a.b=7") is None


def test_a_value_that_is_cut_is_left_as_it_is():
    assert changed(b"\xa1\x61a\x63xy", "a=7") is None


def test_a_key_that_is_no_text_is_another_one():
    assert changed(b"\xa2\x41a\x01\x61a\x02", "a=7") == b"\xa2\x41a\x01\x61a\x07"


@pytest.mark.parametrize(
    "key",
    [
        b"\x69series_id",
        b"\x78\x09series_id",
        b"\x7f\x66series\x63_id\xff",
        b"\x7f\x60\x78\x09series_id\xff",
    ],
)
def test_a_key_may_come_in_any_form_and_in_pieces(key):
    part = b"\xbf\x7f\x65serie\x61_\xff\x01" + key + b"\x05\x61b\x02\xff"
    assert changed(part, "series=7") == part.replace(b"\x05", b"\x07")


@pytest.mark.parametrize("piece", [b"\x41i", b"\x05", b"\x7f\x61i\xff"])
def test_a_key_whose_pieces_are_no_text_is_refused(piece):
    assert changed(b"\xa2\x7f\x61i" + piece + b"\xff\x05\x61i\x05", "i=7") is None


def test_a_message_without_parts_is_left_as_it_is():
    change = setter(["a=1"])
    message = Message()
    assert change(message) is message
    change(Message(parts=[b'{"a":2}']))
    assert change.unchanged == 1


@pytest.mark.parametrize(
    "text", ["", "a", "=5", ".a=5", "a.=5", "a..b=5", "\udcff=1", "a=\udcff", "a." * 20 + "a=1"]
)
def test_what_is_no_assignment_is_refused_in_a_line(text):
    with pytest.raises(ConfigError, match=r"^what is to be set is .*; it can be .*") as error:
        setter(["a=1", text])
    assert len(str(error.value).splitlines()) == 1


def test_as_many_levels_as_are_allowed():
    path = ".".join("abcdefghijklmnop"[:MAX_LEVELS])
    text = changed(b"{}", f"{path}=1")
    assert text.count(b"{") == MAX_LEVELS
    assert json.loads(text)["a"]["b"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = st.text(st.sampled_from('ab"\\é {}:,'), min_size=1, max_size=3)
OBJECTS = st.dictionaries(KEYS, JSON | st.dictionaries(KEYS, JSON, max_size=3), max_size=5)
STYLES = st.fixed_dictionaries(
    {
        "indent": st.none() | st.integers(0, 3),
        "separators": st.sampled_from([None, (",", ":"), (" , ", "\t:\n")]),
        "ensure_ascii": st.booleans(),
    }
)


MARK = "\x01marked\x01"


def marked(header, path):
    """Return a copy of an object with `MARK` as the value at a path."""
    first, *rest = path
    inner = header.get(first)
    new = marked(inner if isinstance(inner, dict) else {}, rest) if rest else MARK
    return {**header, first: new}


def with_set(header, path, value):
    """Return a copy of an object with a value at a path."""
    first, *rest = path
    if not rest:
        return {**header, first: value}
    return {**header, first: with_set(header.get(first, {}), rest, value)}


def leads_into_none(header, path):
    """Return True if a path leads into what is there and is no object."""
    for name in path:
        if not isinstance(header, dict):
            return True
        if name not in header:
            return False
        header = header[name]
    return False


def is_added(header, path):
    """Return True if a path leads to a key that an object doesn't have."""
    for name in path:
        if not isinstance(header, dict):
            return False
        if name not in header:
            return True
        header = header[name]
    return False


def is_insertion(before, after):
    """Return True if a text or bytes came of another by something put in at one place."""
    pairs = zip(before, after, strict=False)
    same = next((i for i, (one, other) in enumerate(pairs) if one != other), len(before))
    return after[:same] + after[same + len(after) - len(before) :] == before


PATHS = st.lists(KEYS, min_size=1, max_size=3)


@given(OBJECTS, PATHS, JSON, JSON, STYLES, st.sampled_from(["", " ", "\r\n"]))
def test_a_json_value_is_replaced_and_not_a_byte_else(header, path, old, new, style, around):
    text = around + json.dumps(marked(header, path), **style) + around
    mark, old, new = json.dumps(MARK), json.dumps(old), json.dumps(new, **style)
    result = set_in_json(text.replace(mark, old), path, new)
    assert result == (text.replace(mark, new), True)


@given(OBJECTS, PATHS, JSON, STYLES)
def test_json_is_as_if_it_had_been_set_in_the_object(header, path, value, style):
    text = json.dumps(header, **style)
    if leads_into_none(header, path):
        with pytest.raises(ValueError, match="no JSON object"):
            set_in_json(text, path, json.dumps(value))
        return
    result, was_there = set_in_json(text, path, json.dumps(value))
    assert json.loads(result) == with_set(header, path, value)
    assert was_there != is_added(header, path)
    if not was_there:
        assert is_insertion(text, result)


CBOR = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.binary(max_size=300)
    | st.builds(cbor2.CBORTag, st.just(40), st.lists(st.binary(max_size=9))),
    lambda inner: (
        st.lists(inner, max_size=30) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
MAPS = st.dictionaries(
    KEYS | st.integers(), CBOR | st.dictionaries(KEYS, CBOR, max_size=30), max_size=30
)


def encoded(value, indefinite):
    return cbor2.dumps(value, indefinite_containers=indefinite)


@given(MAPS, PATHS, CBOR, CBOR, st.booleans(), st.sampled_from([b"", TAG]))
def test_a_cbor_value_is_replaced_and_not_a_byte_else(header, path, old, new, indefinite, tag):
    part = tag + encoded(marked(header, path), indefinite)
    mark, old, new = cbor2.dumps(MARK), encoded(old, indefinite), cbor2.dumps(new)
    result = set_in_cbor(part.replace(mark, old), path, new)
    assert result == (part.replace(mark, new), True)


@given(MAPS, PATHS, CBOR, st.booleans(), st.sampled_from([b"", TAG]))
def test_cbor_is_as_if_it_had_been_set_in_the_map(header, path, value, indefinite, tag):
    part = tag + encoded(header, indefinite)
    if leads_into_none(header, path):
        with pytest.raises(ValueError, match="no map"):
            set_in_cbor(memoryview(part), path, cbor2.dumps(value))
        return
    result, was_there = set_in_cbor(memoryview(part), path, cbor2.dumps(value))
    assert was_there != is_added(header, path)
    assert result.startswith(tag)
    assert cbor2.loads(result.removeprefix(tag)) == cbor2.loads(
        cbor2.dumps(with_set(header, path, value))
    )
    if indefinite and not was_there:
        assert is_insertion(part, result)


def map_in(part):
    """Return the map that a part holds as the decoder of stream v2 reads it; None for none."""
    try:
        return read(part)
    except DecodeError:
        return None


@st.composite
def damaged_maps(draw):
    """Return a map in CBOR, whole or with one byte changed, cut, or followed by others."""
    data = bytearray(encoded(draw(MAPS), draw(st.booleans())))
    where = draw(st.integers(0, len(data) - 1))
    data[where] ^= draw(st.sampled_from([0, 0, 1, 0x20, 0xFF]))
    return bytes(data[: draw(st.sampled_from([len(data), where]))]) + draw(st.binary(max_size=2))


@given(st.binary(max_size=40) | damaged_maps(), PATHS)
def test_any_bytes_are_a_map_or_refused(data, path):
    for part in (data, b"\xa1" + data, b"\xa3\x61a" + data):
        header = map_in(part)
        if header is None:
            with suppress(ValueError):
                assert b"\x00" in set_in_cbor(part, path, b"\x00")[0]
        elif leads_into_none(header, path):
            with pytest.raises(ValueError, match=r"."):
                set_in_cbor(part, path, b"\x00")
        else:
            result, was_there = set_in_cbor(part, path, b"\x00")
            assert repr(map_in(result)) == repr(with_set(header, path, 0))
            assert was_there != is_added(header, path)


@given(st.text(max_size=40), PATHS)
def test_any_text_is_an_object_or_refused(text, path):
    for header in (text, "{" + text, '{"a":' + text + "}"):
        try:
            known = json.loads(header)
        except ValueError:
            known = None
        if isinstance(known, dict) and not leads_into_none(known, path):
            assert isinstance(json.loads(set_in_json(header, path, "0")[0]), dict)
        else:
            with pytest.raises(ValueError, match=r"."):
                set_in_json(header, path, "0")


@pytest.mark.parametrize("fields", [1, 23, 24, 255, 256, 65_535, 65_536])
def test_a_map_of_any_size_grows(fields):
    header = {f"key{n}": n for n in range(fields)}
    result = changed(TAG + cbor2.dumps(header), "more=1")
    assert result == TAG + cbor2.dumps({**header, "more": 1})


def test_stream2_has_the_same_names():
    image = {"type": "image", "series_id": 3, "image_id": 4, "user_data": {"series": 1}}
    result = changed(TAG + cbor2.dumps(image), "series=70000", "frame=0", "user_data.series=2")
    assert result == TAG + cbor2.dumps(
        {"type": "image", "series_id": 70000, "image_id": 0, "user_data": {"series": 2}}
    )


@pytest.mark.parametrize("value", ["abc", '"7"', "-1.5", "true", "null", '{"a":[1,"x"]}'])
def test_a_value_is_the_same_in_both(value):
    in_json = json.loads(changed(b'{"x":1}', f"x={value}"))
    assert cbor2.loads(changed(cbor2.dumps({"x": 1}), f"x={value}")) == in_json


def test_what_can_not_be_written_in_cbor_is_said_in_a_line():
    with pytest.raises(ConfigError, match="can't be set in stream v2") as error:
        setter(['x="\\ud800"'])
    assert "\n" not in str(error.value)


def test_without_cbor2_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "cbor2", None)
    change = setter(["x=7"])
    assert change(Message(parts=[b'{"x":1}'])).header == {"x": 7}
    with pytest.raises(RecordingError, match=r"gmflow\[stream2\]"):
        change(Message(parts=[b"\xa1\x61x\x01"]))


@needs_captures
@pytest.mark.parametrize("name", capture_names())
def test_real_messages_with_another_series(name):
    change = setter(["series=1234567"])
    for parts in read_capture(name):
        head = parts[0]
        result = bytes(change(Message(parts=parts)).parts[0])
        if head[:1] == b"{":
            text, number = re.subn(rb'("series" *: *)\d+', rb"\g<1>1234567", head)
            if number:
                assert result == text
            assert json.loads(result) == {**json.loads(head), "series": 1234567}
        else:
            where = head.index(b"\x69series_id") + 10
            old = cbor2.dumps(cbor2.loads(head)["series_id"])
            assert result == head[:where] + cbor2.dumps(1234567) + head[where + len(old) :]
    assert change.unchanged == 0
