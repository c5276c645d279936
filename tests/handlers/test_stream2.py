"""DECTRIS's stream v2: real captures, every kind of array, and what is no message of it."""

from __future__ import annotations

import hashlib
import json
import struct
import sys
import tracemalloc
from dataclasses import replace
from datetime import datetime
from typing import Any

import cbor2
import numpy as np
import pytest
from cbor2 import CBORTag
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from gmflow.cborwire import SELF_DESCRIBED
from gmflow.codecs import MAX_BYTES
from gmflow.decoder import Decoder
from gmflow.deferred import SMALL, Deferred, work
from gmflow.errors import ConfigError, DecodeError, EncodeError, HeaderError, MessageError
from gmflow.green.stream.sender import value_htype
from gmflow.handlers import ENCODERS, NOT_JSON, eiger, stream2
from gmflow.handlers.series import Image, SeriesEnd, SeriesStart
from gmflow.handlers.stream2.cbor_arrays import MAX_DIMENSIONS, TAGS, TYPES, tag_of
from gmflow.handlers.stream2.cbor_map import MAX_CHANNELS, MAX_DEPTH, MAX_FIELDS
from gmflow.message import Message
from tests.support.captures import read_capture, truth

MAXIV = "maxiv-eiger-stream2"
TICKIT = "tickit-devices-0.4.1-simulator/cbor_basic"
TABLES = ("data", "flatfield", "pixel_mask", "countrate_correction_lookup_table")


def decoded(parts: list[bytes]) -> list[Any]:
    decoder = Decoder()
    return [decoder.decode([part]) for part in parts]


def cbor(value: dict[Any, Any]) -> bytes:
    return SELF_DESCRIBED + cbor2.dumps(value)


def image_message(data: Any, **fields: Any) -> bytes:
    head = {"type": "image", "series_id": 1, "image_id": 0}
    return cbor({**head, "data": data, **fields})


def typed(tag: int, data: Any, shape: Any) -> CBORTag:
    return CBORTag(40, [shape, CBORTag(tag, data)])


def packed(algorithm: Any, itemsize: Any, data: Any) -> CBORTag:
    return CBORTag(56500, [algorithm, itemsize, data])


def declaring(size: int) -> CBORTag:
    """Return packed bytes that declare a size, and have none."""
    return packed("bslz4", 4, struct.pack(">QI", size, 8192))


def refuse(part: bytes, *words: str) -> None:
    with pytest.raises(DecodeError) as error:
        Decoder().decode([part])
    for word in words:
        assert word in str(error.value)
    assert len(str(error.value)) < 500


def reference(part: bytes) -> dict[str, Any]:
    """Return a message as DECTRIS's documentation has it read."""
    compression = pytest.importorskip("dectris.compression")

    def read(tag: CBORTag, immutable: bool) -> Any:
        if tag.tag == 56500:
            algorithm, itemsize, data = tag.value
            return compression.decompress(data, algorithm, elem_size=itemsize)
        if tag.tag in TYPES:
            return np.frombuffer(tag.value, TYPES[tag.tag])
        if tag.tag in (40, 1040):
            return tag.value[1].reshape(tag.value[0], order="C" if tag.tag == 40 else "F")
        return tag

    return dict(cbor2.loads(part, tag_hook=read))


def same(array: np.ndarray, other: np.ndarray) -> bool:
    return (
        array.dtype == other.dtype
        and array.shape == other.shape
        and array.tobytes() == other.tobytes()
    )


def check_array(array: np.ndarray, known: dict[str, Any]) -> None:
    assert [array.dtype.name, list(array.shape)] == [known["ndarray"], known["shape"]]
    assert hashlib.sha256(array.tobytes()).hexdigest() == known["sha256"]
    assert not array.flags.writeable


def check_fields(header: dict[str, Any], known: dict[str, Any]) -> None:
    found = dict(header)
    for key in ("arm_date", "series_date"):
        if key in found:
            found[key] = str(datetime.fromisoformat(found[key]))
    assert found == {key: value for key, value in known.items() if key not in TABLES}


@pytest.mark.parametrize("prefix", [True, False])
def test_a_real_series_equals_the_truth(prefix: bool) -> None:
    known = [one["decoded"] for one in truth(MAXIV)["messages"]]
    parts = [parts[0] for parts in read_capture(f"{MAXIV}/series")]
    items = decoded(parts if prefix else [part.removeprefix(SELF_DESCRIBED) for part in parts])
    start, *images, end = items
    assert [type(item) for item in items] == [SeriesStart, *[Image] * 10, SeriesEnd]
    for item, expected in zip(items, known, strict=True):
        check_fields(item.header, expected)
        assert item.series == 16
    check_array(start.flatfield, known[0]["flatfield"]["threshold_1"])
    check_array(start.mask, known[0]["pixel_mask"]["threshold_1"])
    check_array(start.countrate_table, known[0]["countrate_correction_lookup_table"])
    assert start.config == start.header
    assert json.loads(start.appendix)["sample_name"] == "lyso"
    for frame, (image, expected) in enumerate(zip(images, known[1:11], strict=True)):
        assert image.frame == frame
        assert list(image.arrays) == ["threshold_1"]
        check_array(image.array, expected["data"]["threshold_1"])
        times = (image.real_time, image.start_time, image.stop_time)
        keys = ("real_time", "start_time", "stop_time")
        assert times == tuple(20 * expected[key][0] for key in keys)  # ticks of 50 MHz
    assert [end.expected, end.seen, end.missing] == [10, 10, 0]


def test_a_simulated_series_equals_the_reference() -> None:
    parts = [parts[0] for parts in read_capture(TICKIT)]
    start, image, *ends = decoded(parts)
    known = [reference(part) for part in parts]
    assert start.config["threshold_energy"] == known[0]["threshold_energy"]
    assert not start.flatfields and not start.masks and start.countrate_table is None
    assert same(image.array, known[1]["data"]["threshold_1"])
    assert image.array.shape == (4362, 4148)
    assert [(end.expected, end.seen, end.missing) for end in ends] == [(3, 1, 2), (0, 0, 0)]


@pytest.mark.parametrize("name", [f"{MAXIV}/series", TICKIT])
def test_a_capture_goes_out_as_it_came(name: str) -> None:
    parts = read_capture(name)
    for item, expected in zip(decoded([part for (part,) in parts]), parts, strict=True):
        assert stream2.encode(item) == expected
        assert value_htype(item) == NOT_JSON
        assert ENCODERS[NOT_JSON](item) == expected
        again = decoded(stream2.encode(replace(item)))[0]
        for field in ("series", "config", "appendix", "real_time", "start_time", "stop_time"):
            assert getattr(again, field, None) == getattr(item, field, None)
        for field in ("arrays", "flatfields", "masks"):
            for channel, array in getattr(item, field, {}).items():
                assert same(getattr(again, field)[channel], array)


def test_large_arrays_are_not_copied() -> None:
    array = np.arange(100_000, dtype="<u4").reshape(250, 400)
    start = SeriesStart(1, {}, {}, {"a": array}, {"a": array}, array[0])
    (part,) = stream2.encode(start)
    tables = decoded([part])[0]
    whole = np.frombuffer(part, np.uint8)
    for table in (tables.flatfield, tables.mask, tables.countrate_table):
        assert np.shares_memory(table, whole)
    assert same(tables.countrate_table, array[0])


def test_what_takes_long_is_left_for_later() -> None:
    array = np.zeros((300, 200), np.uint16)
    (part,) = stream2.encode(Image(1, 2, {}, {"a": array, "b": array}))
    decoder = Decoder()
    message = Message(parts=[part])
    later = decoder.begin(message)
    assert type(later) is Deferred
    assert later.size == 2 * array.nbytes > SMALL
    assert same(decoder.end([part], work(later, [part])).arrays["b"], array)
    (part,) = stream2.encode(Image(1, 2, {}, {"a": array}), "none")
    assert decoder.begin(Message(parts=[part])).size == 0


@pytest.mark.parametrize(
    ("name", "compression"),
    [*((name, "bslz4") for name in sorted(TAGS)), (">u2", "lz4"), ("<f8", "lz4"), (">i4", "none")],
)
def test_every_type_of_element(name: str, compression: str) -> None:
    array = np.arange(1200).astype(name).reshape(30, 40)
    (part,) = stream2.encode(Image(3, 7, {}, {"one": array, "two": array[::2, ::3]}), compression)
    (image,) = decoded([part])
    assert [image.series, image.frame, list(image.arrays)] == [3, 7, ["one", "two"]]
    known = reference(part)["data"]
    for channel, sent in (("one", array), ("two", array[::2, ::3])):
        assert same(image.arrays[channel], sent)
        assert same(known[channel], sent)
    with pytest.raises(ConfigError, match="several channels: take them from arrays: one, two"):
        _ = image.array


def test_clamped_bytes_are_bytes() -> None:
    (image,) = decoded([image_message({"a": typed(68, b"\1\2\3", [3])})])
    assert image.array.tolist() == [1, 2, 3]


NUMBERS = st.sampled_from(sorted(TAGS)).flatmap(
    lambda name: arrays(name, array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9))
)


@given(
    channels=st.dictionaries(st.text(max_size=9), NUMBERS, min_size=1, max_size=3),
    compression=st.sampled_from(["bslz4", "lz4", "none"]),
    times=st.tuples(*[st.none() | st.integers(0, 1 << 63)] * 3),
)
def test_images_come_back(channels: Any, compression: str, times: Any) -> None:
    sent = Image(1 << 40, 1 << 33, {"series_date": "2024-03-07T14:43:35Z"}, channels, *times)
    (image,) = decoded(stream2.encode(sent, compression))
    assert [image.series, image.frame] == [sent.series, sent.frame]
    assert (image.real_time, image.start_time, image.stop_time) == times
    assert image.header["series_date"] == "2024-03-07T14:43:35Z"
    assert list(image.arrays) == list(channels)
    for channel, array in channels.items():
        assert same(image.arrays[channel], array)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 64), (1 << 64) - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(user_data=JSON.filter(lambda value: value is not None))
def test_user_data_comes_back(user_data: Any) -> None:
    image = Image(1, 0, {}, {"a": np.zeros((2, 3), np.uint8)}, appendix=user_data)
    start = SeriesStart(1, {}, {}, appendix=user_data)
    for item in decoded(stream2.encode(image) + stream2.encode(start)):
        assert item.appendix == user_data


def test_a_configuration_has_every_field_of_a_detector() -> None:
    config = stream2.make_config((20, 30), np.uint16, 5, ["low", "high"], sensor_material="CdTe")
    array = np.ones((20, 30), np.float32)
    mask = np.ones((20, 30), np.uint32)
    start = SeriesStart(4, {}, config, {"low": array, "high": array}, {"low": mask, "high": mask})
    (part,) = stream2.encode(start)
    item = decoded([part])[0]
    assert {**config, "type": "start"}.items() <= item.config.items()
    assert item.config["number_of_images"] == 5
    assert item.config["sensor_material"] == "CdTe"
    assert isinstance(reference(part)["arm_date"], datetime)
    real = decoded(read_capture(f"{MAXIV}/series")[0])[0]
    assert set(real.config) - set(item.config) == {"user_data"}


def test_column_major_and_arrays_without_dimensions() -> None:
    array = np.arange(24, dtype="<u2").reshape(2, 3, 4)
    flat = CBORTag(69, array.tobytes(order="F"))
    plain = CBORTag(69, packed("lz4", 0, tag_of(array, "lz4").value[1].value.value[2]))
    data = {"f": CBORTag(1040, [[2, 3, 4], flat]), "flat": flat, "plain": plain}
    (image,) = decoded([image_message(data)])
    assert same(image.arrays["f"], array)
    assert same(image.arrays["plain"], array.reshape(-1))
    assert image.arrays["flat"].shape == (24,)


def test_items_of_indefinite_length() -> None:
    part = (
        SELF_DESCRIBED + b"\xbf\x64type\x65image\x69series_id\x01\x68image_id\x02"
        b"\x64data\xbf\x61a\xd8\x28\x82\x9f\x02\x02\xff\xd8\x40\x5f\x42\1\2\x42\3\4\xff\xff"
        b"\x69user_data\x7f\x62ab\x61c\xff\xff"
    )
    (image,) = decoded([part])
    assert image.array.tolist() == [[1, 2], [3, 4]]
    assert image.appendix == "abc"
    for end in range(len(part)):
        refuse(part[:end])


@pytest.mark.parametrize("value", ["2024-13-99", "soon", "", 5, None, [1], b"\xff", "\0" * 50])
def test_an_odd_date_costs_nothing(value: Any) -> None:
    data = {"a": typed(64, b"\1", [1, 1])}
    (image,) = decoded([image_message(data, series_date=CBORTag(0, value))])
    date = image.header["series_date"]
    assert date == (value if isinstance(value, str) else CBORTag(0, value))


SOUP = [
    *[CBORTag(tag, "2013-03-21T20:04:00Z") for tag in (0, 35, 1004)],  # dates, an expression
    *[CBORTag(tag, b"\1\2\3\4") for tag in (2, 37, 260, 56500, 64, 83)],  # numbers, addresses
    *[CBORTag(tag, [1, 2]) for tag in (4, 30, 258, 43000, 40, 1040)],  # fractions, sets, arrays
    *[CBORTag(tag, 0) for tag in (1, 25, 29, 256)],  # a date, references
    CBORTag(28, [CBORTag(29, 0)]),
    CBORTag(256, ["hello", CBORTag(25, 0)]),
    CBORTag(35, "(a+)+$"),
    CBORTag((1 << 64) - 1, CBORTag(12345, {"a": CBORTag(2, b"\1")})),
]


@pytest.mark.parametrize("value", SOUP, ids=str)
def test_other_tags_stay_inert(value: CBORTag) -> None:
    nested = {"list": [value], "map": {"deep": {"er": value}}, "plain": value}
    data = {"a": typed(64, b"\1", [1, 1])}
    (image,) = decoded([image_message(data, user_data=nested, new_field=value)])
    for found in (*image.appendix["list"], image.appendix["map"]["deep"]["er"]):
        assert type(found) is CBORTag
        assert found == value
    assert image.appendix == nested
    if value.tag:
        assert image.header["new_field"] == value
    again = decoded(stream2.encode(replace(image)))[0]
    assert again.appendix == nested
    if value.tag != 64:
        refuse(image_message({"a": value}), "array 'a'")


def test_an_array_elsewhere_can_be_had() -> None:
    array = np.arange(6, dtype="<i4").reshape(2, 3)
    data = {"a": tag_of(array, "none")}
    (image,) = decoded([image_message(data, user_data={"my": tag_of(array, "bslz4")})])
    assert same(stream2.array_of(image.appendix["my"]), array)
    with pytest.raises(DecodeError):
        stream2.array_of(CBORTag(40, 1))


BSLZ4 = tag_of(np.arange(64, dtype="<u4"), "bslz4").value[1].value.value[2]


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (5, "no typed array"),
        ({"b": 1}, "no typed array"),
        (CBORTag(83, bytes(16)), "tag 83"),
        (CBORTag(76, bytes(16)), "tag 76"),
        (CBORTag(41, [1, 2]), "tag 41"),
        (CBORTag(40, [[2, 2], [1, 2, 3, 4]]), "no typed array"),
        (CBORTag(40, [[2, 2]]), "tag 40"),
        (CBORTag(40, {"a": 1}), "tag 40"),
        (typed(64, "text", [4]), "neither bytes"),
        (typed(64, CBORTag(56501, b""), [4]), "neither bytes"),
        (typed(64, bytes(4), [5]), "4 bytes; shape [5]"),
        (typed(70, bytes(4), [4]), "needs 16"),
        (typed(64, bytes(4), 4), "shape"),
        (typed(64, bytes(4), [-4]), "shape"),
        (typed(64, bytes(1), [True]), "shape"),
        (typed(64, bytes(4), [CBORTag(2, b"\4")]), "shape"),
        (typed(64, b"", [1 << 62, 1 << 62]), "needs"),
        (typed(64, b"", [0, 1 << 63]), "shape"),
        (typed(64, b"\0", [1] * (MAX_DIMENSIONS + 1)), "33 dimensions"),
        (CBORTag(69, b"abc"), "3 bytes"),
        (typed(70, packed("zstd", 4, BSLZ4), [8, 8]), "zstd"),
        (typed(70, packed(["bslz4"], 4, BSLZ4), [8, 8]), "56500"),
        (typed(70, packed("bslz4", "4", BSLZ4), [8, 8]), "'4'"),
        (typed(70, packed("bslz4", 3, BSLZ4), [8, 8]), "3 bytes"),
        (typed(70, packed("bslz4", 1 << 63, BSLZ4), [8, 8]), "elements"),
        (typed(70, packed("bslz4", 4, "text"), [8, 8]), "56500"),
        (typed(70, packed("bslz4", 4, packed("bslz4", 4, BSLZ4)), [8, 8]), "56500"),
        (typed(70, CBORTag(56500, ["bslz4", 4]), [8, 8]), "neither"),
        (typed(70, packed("bslz4", 4, BSLZ4[:-1]), [8, 8]), "block"),
        (typed(70, packed("bslz4", 4, BSLZ4[:7]), [8, 8]), "needs 256"),
        (typed(70, packed("bslz4", 4, b""), [8, 8]), "needs 256"),
        (typed(70, packed("bslz4", 4, BSLZ4), [8, 9]), "needs 288"),
        (typed(70, declaring(MAX_BYTES), [MAX_BYTES // 4]), "is cut: its 12 bytes end before"),
        (typed(64, declaring(MAX_BYTES + 1), [MAX_BYTES + 1]), f"{MAX_BYTES} are allowed"),
    ],
)
def test_an_array_that_can_not_be_right(array: Any, words: str) -> None:
    refuse(image_message({"a": array}), "frame 0 of series 1: array 'a': ", words)
    if not isinstance(array, int | bytes):
        refuse(
            cbor({"type": "start", "series_id": 1, "flatfield": {"a": array}}), "start of", words
        )


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (cbor({}), "type is None"),
        (cbor({"type": "image"}), "series_id is None"),
        (cbor({"type": "other"}), "'other'"),
        (cbor({"type": "end", "series_id": -1}), "series_id is -1"),
        (cbor({"type": "end", "series_id": True}), "series_id is True"),
        (cbor({"type": ["end"]}), "type is ['end']"),
        (cbor({"type": "end", "series_id": CBORTag(2, b"\1")}), "series_id"),
        (cbor({"type": "image", "series_id": 1, "image_id": 0.0}), "image_id is 0.0"),
        (cbor({"type": "image", "series_id": 1, "image_id": 0}), "map of channels"),
        (image_message([1]), "map of channels"),
        (image_message({f"{n}": 1 for n in range(257)}), "257 channels"),
        (image_message({}, real_time=[1, 0]), "real_time"),
        (image_message({}, real_time=[1]), "real_time"),
        (image_message({}, stop_time="now"), "stop_time"),
        (image_message({}, start_time=[1.5, 2]), "start_time"),
        (cbor({"type": "end", "series_id": 1}) + b"\0", "1 bytes follow"),
        (cbor({"type": "end", 1: 1}), "no text"),
        (cbor({"type": "end", "series_id": 1, "more": {1: 1}}), "map key"),
        (b"\xa2\x64type\x63end\x64type\x63end", "twice"),
        (b"\xa2\x64type\x63end\x61a\xa2\x61b\x01\x61b\x01", "Duplicate"),
        (b"\xbd\x64type\x63end", "this is none"),
        (b"\xa1\x64type\xff", "break"),
        (b"\xa2\x64type\x63end\x64data\xff", "break"),
        (b"\xa1\x64type\x62\xff\xff", "CBOR"),
        (b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff", "CBOR"),
        (b"\xa1\x64type" + b"\x81" * 10_000, "depth"),
        (b"\xa1\x64data" + b"\x81" * 10_000, "depth"),
        (b"\xa1\x64data" + b"\xd8\x28" * 10_000, "depth"),
        (b"\xa1\x64data" + b"\xa1\x61a" * 10_000, "depth"),
    ],
)
def test_a_message_that_can_not_be_read(part: bytes, words: str) -> None:
    refuse(part, words)


def test_depth_and_size_of_user_data_are_free_up_to_a_limit() -> None:
    deep: Any = "bottom"
    for _ in range(MAX_DEPTH):
        deep = [deep]
    data = {"a": typed(64, b"\1", [1, 1])}
    assert decoded([image_message(data, user_data=deep)])[0].appendix == deep
    refuse(image_message(data, user_data=[deep]), "depth")
    text = "é" * 100_000
    assert decoded([image_message(data, user_data=text)])[0].appendix == text


@pytest.mark.parametrize("head", [b"\x5b", b"\x7b", b"\x9b", b"\xbb", b"\x5f\x5b", b"\x7f\x7b"])
@pytest.mark.parametrize("key", [b"\x64data", b"\x69user_data"])
def test_a_lying_size_takes_no_memory(head: bytes, key: bytes) -> None:
    part = b"\xa2\x64type\x65image" + key + head + (1 << 60).to_bytes(8, "big") + b"abc"
    Decoder().begin(Message(parts=[part]))  # what is imported and kept
    tracemalloc.start()
    try:
        refuse(part)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_more_keys_than_any_detector_sends_are_refused() -> None:
    end = {"type": "end", "series_id": 1, **{f"{key}": key for key in range(MAX_FIELDS - 2)}}
    assert len(decoded([cbor(end)])[0].header) == MAX_FIELDS
    refuse(cbor({**end, "more": 1}), f"more than {MAX_FIELDS} keys")


def test_as_many_channels_and_dimensions_as_there_may_be() -> None:
    one = typed(64, b"\1", [1] * MAX_DIMENSIONS)
    (image,) = decoded([image_message({f"{n}": one for n in range(MAX_CHANNELS)})])
    assert len(image.arrays) == MAX_CHANNELS
    assert {array.shape for array in image.arrays.values()} == {(1,) * MAX_DIMENSIONS}


def test_the_limit_on_all_arrays_of_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.zeros((10, 50), np.uint8)
    (part,) = stream2.encode(Image(1, 0, {}, {"a": array, "b": array}))
    monkeypatch.setattr("gmflow.handlers.stream2.stream2_decoder.MAX_BYTES", 1000)
    assert decoded([part])[0].arrays.keys() == {"a", "b"}
    monkeypatch.setattr("gmflow.handlers.stream2.stream2_decoder.MAX_BYTES", 999)
    refuse(part, "frame 0 of series 1: it would decode to 1000 bytes; 999 are allowed")


def open_ended(value: Any) -> bytes:
    """Write maps, lists and texts without their sizes, as CBOR may have them."""
    if isinstance(value, dict):
        pairs = (open_ended(one) for pair in value.items() for one in pair)
        return b"\xbf" + b"".join(pairs) + b"\xff"
    if isinstance(value, list):
        return b"\x9f" + b"".join(map(open_ended, value)) + b"\xff"
    if isinstance(value, str):
        pieces = (cbor2.dumps(value[at : at + 7]) for at in range(0, len(value), 7))
        return b"\x7f" + b"".join(pieces) + b"\xff"
    if isinstance(value, CBORTag) and value.tag == 40:
        return b"\xd8\x28" + open_ended(value.value)
    return cbor2.dumps(value)


@pytest.mark.parametrize("write", [cbor2.dumps, open_ended])
@pytest.mark.parametrize("order", [sorted, lambda keys: sorted(keys, reverse=True), list])
def test_keys_in_any_order_open_ends_and_ids_of_any_length(order: Any, write: Any) -> None:
    start, frames, end = series(70_000, 2)
    for size in (0, 26, 80, 3000):
        messages = []
        for part in (start, *frames, end):
            value = {**cbor2.loads(part, tag_hook=lambda tag, immutable: tag)}
            value |= {"series_unique_id": "é" * size, "number_of_images": 2}
            messages.append(write({key: value[key] for key in order(value)}))
        first, *images, last = decoded(messages)
        assert [item.header["series_unique_id"] for item in (first, *images, last)] == [
            "é" * size
        ] * 4
        assert [(image.series, image.frame) for image in images] == [(70_000, 0), (70_000, 1)]
        assert all(same(image.array, np.zeros((2, 2), "u1")) for image in images)
        assert counts(last) == (2, 2, 0)


def test_keys_that_collide_are_refused() -> None:
    keys = {(1 << 61) * (n + 1) - (n + 1): 0 for n in range(100)}  # equal hashes
    refuse(cbor({"type": "end", "series_id": 1, "user_data": keys}), "map key")


@pytest.mark.parametrize("part", [b"", b"\xd9\xd9\xf7", b"\xd9\xd9\xf7\x80", b"\x00", b"[1]", b"x"])
def test_what_is_no_map_is_no_header(part: bytes) -> None:
    decoder = Decoder()
    without = Decoder()
    del without.handlers[NOT_JSON]
    with pytest.raises(HeaderError) as error:
        decoder.decode([part])
    with pytest.raises(HeaderError) as known:
        without.decode([part])
    assert str(error.value) == str(known.value)
    assert error.value.parts == [part]
    assert decoder.statistics.messages_failed == without.statistics.messages_failed == 1


def test_a_message_of_several_parts_is_refused() -> None:
    part = cbor({"type": "end", "series_id": 1})
    with pytest.raises(MessageError, match="this has 2"):
        Decoder().decode([part, b""])
    with pytest.raises(DecodeError, match="begins with JSON"):
        Decoder().decode([b'{"htype": "end"}'], stream2.receive)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("copy", [True, False])
def test_parts_of_any_kind(kind: Any, copy: bool) -> None:
    array = np.arange(12, dtype=np.uint16).reshape(3, 4)
    (part,) = stream2.encode(Image(1, 0, {}, {"a": array}))
    image = Decoder(copy=copy).decode([kind(part)])
    assert same(image.array, array)
    assert stream2.encode(image) == [part]


def series(number: int, images: int) -> tuple[bytes, list[bytes], bytes]:
    array = np.zeros((2, 2), np.uint8)
    config = stream2.make_config(array.shape, array.dtype, images)
    (start,) = stream2.encode(SeriesStart(number, {}, config))
    (end,) = stream2.encode(SeriesEnd(number, {}))
    frames = [stream2.encode(Image(number, n, {}, {"a": array}))[0] for n in range(images)]
    return start, frames, end


def counts(item: Any) -> tuple[int | None, int, int | None]:
    assert type(item) is SeriesEnd
    return item.expected, item.seen, item.missing


def test_an_end_says_what_came() -> None:
    start, frames, end = series(1, 5)
    other, _, _ = series(2, 5)
    assert counts(decoded([start, *frames, end])[-1]) == (5, 5, 0)
    assert counts(decoded([start, frames[1], frames[1], frames[4], end])[-1]) == (5, 2, 3)
    assert counts(decoded([*frames[2:], end])[-1]) == (None, 3, None)
    assert counts(decoded([start, frames[0], other, frames[1], end])[-1]) == (5, 2, 3)
    assert [counts(one) for one in decoded([start, *frames, end, end])[-2:]] == [
        (5, 5, 0),
        (0, 0, 0),
    ]


def test_a_bad_message_forgets_nothing() -> None:
    start, frames, end = series(1, 3)
    lying = image_message({"a": typed(70, packed("bslz4", 4, BSLZ4[:-1]), [8, 8])}, image_id=2)
    decoder = Decoder()
    decoder.decode([start])
    for part in (b"rubbish", frames[0][:-1], start[:99], lying, b""):
        with pytest.raises(DecodeError):
            decoder.decode([part])
    decoder.decode([frames[0]])
    assert counts(decoder.decode([end])) == (3, 2, 1)  # the lying one came
    statistics = decoder.statistics
    assert (statistics.messages_received, statistics.messages_failed) == (3, 5)


def test_fields_that_simulators_leave_empty_stay_fields() -> None:
    fields = {"flatfield": None, "pixel_mask": [], "countrate_correction_lookup_table": None}
    (start,) = decoded([cbor({"type": "start", "series_id": 1, **fields})])
    assert fields.items() <= start.config.items()
    assert start.flatfield is start.mask is start.countrate_table is None


@pytest.mark.parametrize("action", ["decode", "encode"])
def test_the_library_is_missing(action: str, monkeypatch: pytest.MonkeyPatch) -> None:
    part = cbor({"type": "end", "series_id": 1})
    monkeypatch.setitem(sys.modules, "cbor2", None)
    with pytest.raises((DecodeError, EncodeError), match=r"gmflow\[stream2\]"):
        Decoder().decode([part]) if action == "decode" else stream2.encode(SeriesEnd(1, {}))


def test_the_library_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    part = cbor({"type": "end", "series_id": 1})
    monkeypatch.setattr(cbor2, "CBORDecoder", object)
    with pytest.raises(DecodeError, match=r"too old .*gmflow\[stream2\]"):
        Decoder().decode([part])


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"header": {}}, "no item"),
        (Image(1, 0, {}, {"a": np.zeros(3, bool)}), "array of bool"),
        (Image(1, 0, {}, {"a": np.zeros(3, "c8")}), "complex64"),
        (Image(1, 0, {}, {"a": np.array(["x"])}), "array of"),
        (Image(1, 0, {"bad": object()}, {}), "can't be written"),
        (
            Image(1, 0, {}, np.zeros((2, 3), "u2")),
            "frame 0 of series 1: arrays is of ndarray; .*map",
        ),
        (Image(1, 0, {}, None), "arrays is of NoneType"),
        (
            SeriesStart(1, {}, masks=np.zeros((2, 3), "u4")),
            "start of series 1: masks is of ndarray",
        ),
    ],
)
def test_what_can_not_be_written(item: Any, words: str) -> None:
    with pytest.raises(EncodeError, match=words):
        stream2.encode(item)


@pytest.mark.parametrize("compression", ["gzip", ""])
def test_no_such_compression(compression: str) -> None:
    with pytest.raises(EncodeError, match=f"'{compression}'; it can be bslz4, lz4, none"):
        stream2.encode(Image(1, 0, {}, {"a": np.zeros(3, np.uint8)}), compression)


def test_tables_of_several_channels_are_by_channel() -> None:
    table = np.zeros((2, 3), np.uint32)
    start = SeriesStart(1, {}, {}, {"a": table, "b": table}, {"a": table, "b": table})
    with pytest.raises(ConfigError, match="take them from flatfields: a, b"):
        _ = start.flatfield
    with pytest.raises(ConfigError, match="take them from masks: a, b"):
        _ = start.mask
    with pytest.raises(ConfigError, match="frame 2 of series 1 has no channels"):
        _ = Image(1, 2, {}, {}).array


def test_replaced_pixels_go_out_and_the_rest_stays() -> None:
    array = np.arange(12, dtype="<u2").reshape(3, 4)
    sent = Image(1, 5, {"new": 7}, {"a": array}, 9, None, 3, {"x": 1})
    (came,) = decoded(stream2.encode(sent))
    assert came.value is not None
    with pytest.raises((TypeError, ValueError), match="value"):  # by the version of Python
        replace(came, value=None)
    (again,) = decoded(stream2.encode(replace(came, arrays={"a": array * 2})))
    assert same(again.array, array * 2)
    assert (again.series, again.frame, again.appendix, again.header["new"]) == (1, 5, {"x": 1}, 7)
    assert (again.real_time, again.start_time, again.stop_time) == (9, None, 3)


def test_a_replaced_start_keeps_its_tables() -> None:
    table = np.arange(6, dtype="<f4").reshape(2, 3)
    config = stream2.make_config((2, 3), "u2", 4)
    start = SeriesStart(1, {}, config, {"a": table}, {"a": table.astype("<u4")}, table[0], "mine")
    (came,) = decoded(stream2.encode(start))
    (again,) = decoded(stream2.encode(replace(came, series=2)))
    assert (again.series, again.appendix) == (2, "mine")
    assert again.config == {**came.config, "series_id": 2}
    for name in ("flatfield", "mask", "countrate_table"):
        assert same(getattr(again, name), getattr(came, name))


@pytest.mark.parametrize("compression", ["bslz4", "lz4", "none"])
def test_a_compression_is_obeyed_of_an_image_that_came(compression: str) -> None:
    array = np.arange(1200, dtype="<u4").reshape(30, 40)
    image = Image(1, 0, {}, {"a": array})
    for first in ("bslz4", "lz4", "none"):
        (came,) = decoded(stream2.encode(image, first))
        assert stream2.encode(came, compression) == stream2.encode(image, compression)
        assert same(decoded(stream2.encode(came, compression))[0].array, array)
    (end,) = decoded([part := cbor({"type": "end", "series_id": 1, "odd": 1})])
    assert stream2.encode(end, compression) == [part]


def test_items_of_stream_v1_leave_their_headers_behind() -> None:
    v1 = Decoder({**eiger.HANDLERS})
    array = np.arange(12, dtype="<u2").reshape(3, 4)
    table = np.ones((3, 4), np.float32)
    rates = np.ones((5, 2), np.float32)
    items = [
        SeriesStart(7, {}, {"nimages": 1}, {"a": table}, {"a": table}, rates, {"user": [1]}),
        Image(7, 2, {}, {"a": array}, 1, 2, 3, {"user": [2]}),
        SeriesEnd(7, {}),
    ]
    came = [v1.decode(eiger.encode(item)) for item in items]
    parts = [stream2.encode(item)[0] for item in came]
    foreign = {"htype", "frame", "hash", "series", "header_detail"}
    for part in parts:
        assert not foreign & cbor2.loads(part).keys()
    start, image, end = decoded(parts)
    assert same(start.flatfield, table)
    assert (start.config["nimages"], start.appendix) == (1, {"user": [1]})
    assert (image.series, image.frame, image.appendix) == (7, 2, {"user": [2]})
    assert (image.real_time, image.start_time, image.stop_time) == (1, 2, 3)
    assert same(image.array, array)
    assert end.series == 7


def test_an_odd_time_is_said_of_which_frame() -> None:
    data = {"a": typed(64, b"\1", [1, 1])}
    refuse(image_message(data, real_time=[1, 0]), "frame 0 of series 1: real_time is [1, 0]")


def test_only_items_do_without_an_htype() -> None:
    assert value_htype(Image(1, 0, {"htype": "dimage-1.0"}, {})) == "dimage-1.0"
    with pytest.raises(EncodeError):
        value_htype({"header": {"type": "image"}})
