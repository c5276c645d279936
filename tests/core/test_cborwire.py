"""Heads of CBOR items, and the header of a message that is a map in CBOR."""

import struct
from collections.abc import Iterator
from itertools import permutations

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmflow.cborwire import (
    SELF_DESCRIBED,
    CborHeader,
    encode_head,
    head,
    is_map,
    read_header,
    skip,
)
from gmflow.message import Message
from tests.support.captures import needs_captures, read_capture

SCALARS = st.one_of(
    st.integers(-(2**64), 2**64 - 1), st.booleans(), st.none(), st.floats(), st.text(max_size=300)
)
OTHERS = st.recursive(
    st.binary(max_size=300) | SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=30),
        st.dictionaries(st.text(max_size=3), inner, max_size=30),
        st.builds(cbor2.CBORTag, st.sampled_from([40, 69, 56500]), inner),
    ),
    max_leaves=20,
)


def in_pieces(value) -> bytes:
    """Return a value in CBOR whose maps, lists, texts and bytes are of indefinite length."""
    return b"".join(_pieces_of(value))


def _pieces_of(value) -> Iterator[bytes]:
    if isinstance(value, str | bytes):
        half = len(value) // 2
        first = b"\x7f" if isinstance(value, str) else b"\x5f"
        yield first + cbor2.dumps(value[:half]) + cbor2.dumps(value[half:]) + b"\xff"
    elif isinstance(value, list):
        yield b"\x9f" + b"".join(map(in_pieces, value)) + b"\xff"
    elif isinstance(value, dict):
        members = (in_pieces(key) + in_pieces(each) for key, each in value.items())
        yield b"\xbf" + b"".join(members) + b"\xff"
    elif isinstance(value, cbor2.CBORTag):
        yield encode_head(6, value.tag) + in_pieces(value.value)
    else:
        yield cbor2.dumps(value)


def plain(message: dict) -> dict:
    """Return what a header keeps of a message."""
    kept = {key: value for key, value in message.items() if type(value) in KEPT}
    return {k: v for k, v in kept.items() if not isinstance(v, str) or len(v.encode()) <= 1024}


KEPT = (int, float, bool, str, type(None))


def same(one: dict, other: dict) -> bool:
    return repr(one) == repr(other)  # NaN is not equal to itself, and True is equal to 1


@given(st.dictionaries(st.text(max_size=40), SCALARS | OTHERS, max_size=40), st.booleans())
def test_a_header_is_what_a_parser_finds(message, tagged):
    for encode in (cbor2.dumps, in_pieces):
        data = SELF_DESCRIBED * tagged + encode(message)
        assert is_map(data)
        assert same(read_header(data), plain(message))
        assert same(read_header(memoryview(data)), plain(message))
        start = 3 * tagged
        assert skip(data, start) == len(data)
        assert skip(memoryview(data + b"more"), start) == len(data)


@given(st.dictionaries(st.text(max_size=5), SCALARS | OTHERS, max_size=10), st.data())
def test_what_is_cut_raises_value_error(message, data):
    whole = cbor2.dumps(message)
    end = data.draw(st.integers(0, len(whole) - 1))
    for read in (read_header, lambda part: skip(part, 0)):
        with pytest.raises(ValueError):
            read(whole[:end])


@given(st.binary(max_size=200))
def test_garbage_raises_value_error_alone(data):
    for part in (data, b"\xa1" + data, b"\xbf" + data, SELF_DESCRIBED + b"\xa2" + data):
        for read in (read_header, lambda part: skip(part, 0), lambda part: head(part, 0)):
            try:
                read(part)
            except ValueError:
                continue


@pytest.mark.parametrize("order", list(permutations(["type", "series_id", "data", "image_id"])))
def test_keys_come_in_any_order(order):
    values = {"type": "image", "series_id": 7, "data": {"a": [b"x" * 9, 5]}, "image_id": 300}
    message = {key: values[key] for key in order}
    assert Message(parts=[cbor2.dumps(message)]).header == plain(message)


def test_the_first_of_a_key_counts():
    assert read_header(b"\xa2\x61a\x01\x61a\x02") == {"a": 1}


def test_a_key_that_is_no_text_is_left_out():
    assert read_header(b"\xa3\x41a\x01\x61b\x02\x05\x03") == {"b": 2}


def test_a_long_text_is_left_out():
    texts = {"a": "x" * 1024, "b": "x" * 1025, "c": 1}
    for data in (cbor2.dumps(texts), in_pieces(texts)):
        assert read_header(data) == {"a": "x" * 1024, "c": 1}


@pytest.mark.parametrize(("first", "form"), [(b"\xf9", ">e"), (b"\xfa", ">f"), (b"\xfb", ">d")])
def test_floats_of_all_sizes(first, form):
    assert read_header(b"\xa1\x61a" + first + struct.pack(form, 1.5)) == {"a": 1.5}


def keys(count, head):
    return head + b"".join(b"\x64%04x\x01" % number for number in range(count))


def test_a_map_of_too_many_keys_is_no_header():
    assert len(read_header(keys(4096, b"\xb9\x10\x00"))) == 4096
    assert len(read_header(keys(4096, b"\xbf") + b"\xff")) == 4096
    for data in (keys(4097, b"\xb9\x10\x01"), keys(4097, b"\xbf") + b"\xff"):
        with pytest.raises(ValueError, match="more than 4096 keys"):
            read_header(data)


def test_a_map_of_too_many_items_is_no_header():
    def numbers(count):
        return b"\xa1\x61a\x9f" + b"\x01" * count + b"\xff"

    # the key is an item of its own only where it is long; the list and its break are one each
    assert read_header(numbers(65_534)) == {}
    with pytest.raises(ValueError, match="items"):
        read_header(numbers(65_535))
    assert skip(numbers(65_536), 0) == 65_541
    with pytest.raises(ValueError, match="items"):
        skip(numbers(65_536), 0, 65_536)


def test_what_is_nested_too_deep_is_no_header():
    def nested(depth):
        return b"\xa1\x61a" + b"\x81" * depth + b"\x01"

    assert read_header(nested(64)) == {}
    with pytest.raises(ValueError, match="deep"):
        read_header(nested(65))


@pytest.mark.parametrize(
    "part", [b"", b"\xd9\xd9\xf7", b"{}", b"\x80", b"\xf6", b"\xd9\xd9\xf7\x81"]
)
def test_what_is_no_map(part):
    assert not is_map(part)
    with pytest.raises(ValueError):
        read_header(part)


@given(st.integers(0, 7), st.integers(0, 2**64 - 1))
def test_heads_are_the_shortest_and_read_back(major, value):
    data = encode_head(major, value)
    assert head(b"x" + data, 1) == (major, value, 1 + len(data))
    if major == 0:
        assert data == cbor2.dumps(value)


@pytest.mark.parametrize("first", [0x1C, 0x1D, 0x1E, 0x1F, 0x3F, 0xDF, 0xFC, 0xFF])
def test_what_begins_no_item(first):
    with pytest.raises(ValueError):
        head(bytes([first]) + bytes(9), 0)
    with pytest.raises(ValueError):
        skip(bytes([first]) + bytes(9), 0)


@needs_captures
def test_a_detectors_messages():
    headers = [Message(parts=parts).header for parts in read_capture("maxiv-eiger-stream2/series")]
    assert all(type(header) is CborHeader for header in headers)
    assert [header["type"] for header in headers] == ["start", *["image"] * 10, "end"]
    assert [header.get("image_id") for header in headers[1:-1]] == list(range(10))
    assert headers[0]["number_of_images"] == 10
    assert {header["series_id"] for header in headers} == {16}
