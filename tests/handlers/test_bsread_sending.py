"""The messages that a bsread sender makes, without a socket."""

import hashlib
import json
import struct
import time
from hashlib import md5
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gmflow
from gmflow.decoder import Decoder
from gmflow.errors import ConfigError, EncodeError
from gmflow.handlers.bsread.bsread_message import Value
from tests.support.bsread_wire import CODES, decode, same
from tests.support.fips import fips_md5

COMPRESSIONS = [None, "none", "lz4", "bitshuffle_lz4"]


def header_of(parts: list[bytes]) -> dict[str, Any]:
    header: dict[str, Any] = json.loads(parts[0])
    return header


def channels_of(parts: list[bytes]) -> list[dict[str, Any]]:
    channels: list[dict[str, Any]] = json.loads(parts[1])["channels"]
    return channels


def not_sent(sender: Any, data: Any = None, **more: Any) -> str:
    pulse_id = sender.pulse_id
    with pytest.raises(EncodeError) as caught:
        sender.parts(data, **more)
    assert sender.pulse_id == pulse_id
    return str(caught.value)


def test_the_hash_is_made_where_md5_is_allowed_for_no_security(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hashlib, "md5", fips_md5)
    parts = gmflow.bsread_sender({"A": 1}).parts()
    assert header_of(parts)["hash"] == md5(parts[1]).hexdigest()


def test_functions_are_called_with_the_pulse_id() -> None:
    sender = gmflow.bsread_sender({"A": lambda pulse_id: pulse_id * 2, "B": 1.5}, start_pulse_id=7)
    first, second = sender.messages(2)
    assert all(type(part) is bytes for part in first)
    assert header_of(first)["htype"] == "bsr_m-1.1"
    assert [header_of(parts)["pulse_id"] for parts in (first, second)] == [7, 8]
    assert header_of(first)["hash"] == md5(first[1]).hexdigest() == header_of(second)["hash"]
    assert first[1] is second[1]
    assert json.loads(first[1]) == {
        "htype": "bsr_d-1.1",
        "channels": [
            {"name": "A", "type": "int64", "shape": [1], "encoding": "little"},
            {"name": "B", "type": "float64", "shape": [1], "encoding": "little"},
        ],
    }
    assert [struct.unpack("<q", parts[2])[0] for parts in (first, second)] == [14, 16]
    assert struct.unpack("<d", first[4]) == (1.5,)
    assert sender.pulse_id == 9


def test_the_timestamp_is_now_or_as_given() -> None:
    sender = gmflow.bsread_sender({"A": 1})
    before = time.time_ns()
    message = decode(sender.parts())
    assert message.global_timestamp is not None and message.global_timestamp_offset is not None
    now = message.global_timestamp * 10**9 + message.global_timestamp_offset
    assert before <= now <= time.time_ns()
    value = message.data["A"]
    assert value.timestamp == message.global_timestamp
    assert value.timestamp_offset == message.global_timestamp_offset
    for given_stamp, read in (((5, 6), (5, 6)), (5, (5, 0)), (5.25, (5, 250_000_000))):
        message = decode(sender.parts(timestamp=given_stamp))
        assert (message.global_timestamp, message.global_timestamp_offset) == read
        assert (message.data["A"].timestamp, message.data["A"].timestamp_offset) == read


@pytest.mark.parametrize(
    "wrong",
    [
        *("now", (1,), (1, 2, 3), (1.5, 0), (-1, 0), -1.0, float("nan"), float("inf"), [1, 2]),
        *((1, 2_000_000_000), (1, 1_000_000_000), (1, -1), (1, 0.5), (2**64, 0)),
    ],
)
def test_wrong_timestamps(wrong: Any) -> None:
    text = not_sent(gmflow.bsread_sender({"A": 1}), timestamp=wrong)
    assert text.startswith("timestamp is ") and "nanoseconds from 0 to 999,999,999" in text


def test_the_last_nanosecond_of_a_second() -> None:
    message = decode(gmflow.bsread_sender({"A": 1}).parts(timestamp=(1, np.int64(999_999_999))))
    assert (message.global_timestamp, message.global_timestamp_offset) == (1, 999_999_999)


@pytest.mark.parametrize("wrong", [-1, 1.5, "1"])
def test_wrong_pulse_ids(wrong: Any) -> None:
    assert not_sent(gmflow.bsread_sender(), pulse_id=wrong).startswith("pulse_id is ")


def test_pulse_ids_go_on_from_the_one_given() -> None:
    sender = gmflow.bsread_sender()
    given = [sender.parts(pulse_id=pulse_id) for pulse_id in (None, 100, None, np.int64(5))]
    assert [header_of(parts)["pulse_id"] for parts in given] == [0, 100, 101, 5]


def test_a_channel_is_described_by_dict_or_keywords() -> None:
    sender = gmflow.bsread_sender()
    metadata = {"type": "uint16", "shape": [4, 3], "encoding": "big", "modulo": 2, "offset": 1}
    sender.add_channel("A", np.zeros((3, 4)).astype("u2"), metadata)
    more = {"unit": "mm"}
    sender.add_channel("B", None, more, type="float32", shape=(2,), compression="lz4")
    parts = sender.parts({"B": [1, 2]}, pulse_id=1)
    assert channels_of(parts) == [
        {"name": "A", **metadata},
        {
            "name": "B",
            "type": "float32",
            "shape": [2],
            "encoding": "little",
            "compression": "lz4",
            "unit": "mm",
        },
    ]
    assert metadata == {
        "type": "uint16",
        "shape": [4, 3],
        "encoding": "big",
        "modulo": 2,
        "offset": 1,
    }
    message = decode(parts)
    assert message.data["A"].value.shape == (3, 4)
    assert message.data["B"].value.tolist() == [1.0, 2.0]


def test_modulo_and_offset() -> None:
    called = []
    sender = gmflow.bsread_sender()
    sender.add_channel("A", called.append, type="int32", modulo=3, offset=1)
    sender.add_channel("B", 5, modulo=2)
    sender.add_channel("C", modulo=2, offset=5)
    values = []
    for _ in range(6):
        message = decode(sender.parts({"C": 1.0}))
        values.append([value.value for value in message.data.values()])
    assert called == [1, 4]
    assert [b for _, b, _ in values] == [5, None, 5, None, 5, None]
    assert [c for _, _, c in values] == [None, 1, None, 1, None, 1]


def test_no_value_has_two_empty_parts() -> None:
    sender = gmflow.bsread_sender({"A": lambda pulse_id: None, "B": None})
    assert sender.parts()[2:] == [b""] * 4


def test_types_are_those_of_the_first_values() -> None:
    image = np.arange(6, dtype=">i4").reshape(2, 3)
    sender = gmflow.bsread_sender({"A": lambda pulse_id: image if pulse_id > 1 else None, "B": "b"})
    first, second, third, fourth = sender.messages(4)
    assert first[1] == second[1]
    assert channels_of(first)[0] == {
        "name": "A",
        "type": "float64",
        "shape": [1],
        "encoding": "little",
    }
    assert channels_of(third)[0] == {
        "name": "A",
        "type": "int32",
        "shape": [3, 2],
        "encoding": "big",
    }
    assert third[1] is fourth[1]
    assert header_of(third)["hash"] == md5(third[1]).hexdigest() != header_of(first)["hash"]
    decoder = Decoder()
    messages = [decoder.decode(parts) for parts in (first, second, third, fourth)]
    assert [message.format_changed for message in messages] == [True, False, True, False]
    assert same(messages[2].data["A"].value, image)


def test_a_given_type_keeps_its_byte_order_whatever_the_value_has() -> None:
    sender = gmflow.bsread_sender()
    sender.add_channel("A", np.arange(3, dtype=">i4"), type="int32")
    (channel,) = channels_of(sender.parts())
    assert (channel["shape"], channel["encoding"]) == ([3], "little")


def test_new_names_become_channels_and_missing_ones_have_no_value() -> None:
    sender = gmflow.bsread_sender({"F": lambda pulse_id: pulse_id})
    sender.parts({"A": 1})
    message = decode(sender.parts({"B": "text"}))
    values = {name: value.value for name, value in message.data.items()}
    assert values == {"F": 1, "A": None, "B": "text"}
    assert decode(sender.parts({"F": 9})).data["F"].value == 9


def test_a_value_may_have_a_timestamp_of_its_own() -> None:
    sender = gmflow.bsread_sender({"A": lambda pulse_id: Value(1, 2, 3)})
    message = decode(sender.parts({"B": Value(4, 5, 6), "C": Value(7)}, timestamp=(8, 9)))
    times = [(value.timestamp, value.timestamp_offset) for value in message.data.values()]
    assert times == [(2, 3), (5, 6), (8, 9)]


def test_values_are_copied() -> None:
    array = np.zeros(4, "u1")
    sender = gmflow.bsread_sender({"A": array})
    parts = sender.parts()
    array[:] = 1
    assert parts[2] == bytes(4)


def test_a_channel_can_be_replaced_in_its_place() -> None:
    sender = gmflow.bsread_sender({"A": 1, "B": 2})
    sender.parts()
    sender.add_channel("A", "now a text")
    message = decode(sender.parts())
    assert list(message.data) == ["A", "B"]
    assert message.data["A"].value == "now a text"


@pytest.mark.parametrize("header", COMPRESSIONS)
@pytest.mark.parametrize("data", COMPRESSIONS)
def test_compressed(data: str | None, header: str | None) -> None:
    pytest.importorskip("imagecodecs")
    wave = np.arange(1000, dtype=">u2")
    sender = gmflow.bsread_sender(
        {"wave": wave, "text": "hello", "number": 7},
        data_compression=data,
        data_header_compression=header,
    )
    sender.add_channel("plain", wave, compression="none")
    parts = sender.parts()
    used = None if data == "none" else data
    assert header_of(parts).get("dh_compression") == (None if header == "none" else header)
    assert header_of(parts)["hash"] == md5(parts[1]).hexdigest()
    message = decode(parts)
    assert message.data_header is not None
    said = [channel.get("compression") for channel in message.data_header["channels"]]
    assert [None if name == "none" else name for name in said] == [used, used, used, None]
    assert [message.data[name].value for name in ("text", "number")] == ["hello", 7]
    assert same(message.data["wave"].value, wave)
    assert parts[8] == wave.tobytes()
    assert (parts[2] == parts[8]) is (used is None)


def test_iterating_has_no_end() -> None:
    sender = gmflow.bsread_sender({"A": 1})
    assert [header_of(parts)["pulse_id"] for parts in islice(sender, 100)] == list(range(100))
    assert list(sender.messages(0)) == []


def test_without_channels() -> None:
    assert decode(gmflow.bsread_sender().parts()).data == {}


# What can't be


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"type": "long"}, "type 'long' is unknown"),
        ({"type": 5}, "type is 5; it can be string, bool, int8,"),
        ({"type": np.float16}, "type is <class 'numpy.float16'>; it can be string, bool, int8,"),
        ({"type": list}, "type is <class 'list'>; it can be string, bool, int8,"),
        ({"type": np.dtype([("x", "u2")])}, "; it can be string, bool, int8,"),
        ({"shape": 4}, "shape 4 is not"),
        ({"shape": [-1]}, "shape [-1] is not"),
        ({"shape": [np.int64(4)]}, "JSON can't say its metadata"),
        ({"encoding": "middle"}, "encoding 'middle' is neither"),
        ({"compression": "zip"}, "compression 'zip' is unknown"),
        ({"modulo": 0}, "modulo is 0; it can be a whole number from 1 up"),
        ({"modulo": 1.0}, "modulo is 1.0; it can be"),
        ({"offset": -1}, "offset is -1; it can be a whole number from 0 up"),
        ({"unit": {1}}, "JSON can't say its metadata"),
        ([1], "metadata is [1]; it can be a mapping"),
        ({5: 6}, "metadata is {5: 6}; it can be a mapping"),
    ],
)
def test_wrong_channels(metadata: Any, reason: str) -> None:
    sender = gmflow.bsread_sender({"B": 1})
    with pytest.raises(ConfigError) as caught:
        sender.add_channel("CH", 1, metadata)
    assert str(caught.value).startswith("channel 'CH': ")
    assert reason in str(caught.value)
    assert list(decode(sender.parts()).data) == ["B"]


@pytest.mark.parametrize("word", ["compresion", "unit", "dtype"])
def test_keywords_that_mean_nothing(word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        gmflow.bsread_sender().add_channel("CH", 1, **{word: "lz4"})
    assert str(caught.value) == (
        f"channel 'CH': {word} is unknown; there are type, shape, encoding, compression, modulo,"
        f" offset, and metadata={{'{word}': ...}} for what else the data header shall say"
    )


@pytest.mark.parametrize(
    ("given", "name", "encoding"),
    [
        (np.uint16, "uint16", "little"),
        (np.dtype("<f4"), "float32", "little"),
        (np.dtype(">i4"), "int32", "big"),
        (np.bool_, "bool", "little"),
        (float, "float64", "little"),
        (str, "string", "little"),
    ],
)
def test_a_type_of_numpy_or_python(given: Any, name: str, encoding: str) -> None:
    sender = gmflow.bsread_sender()
    sender.add_channel("A", type=given)
    (channel,) = channels_of(sender.parts())
    assert (channel["type"], channel["encoding"]) == (name, encoding)
    sender.add_channel("A", None, {"type": given, "encoding": "little"})
    assert channels_of(sender.parts())[0]["encoding"] == "little"


def test_a_shape_that_is_the_wrong_way_round() -> None:
    sender = gmflow.bsread_sender()
    sender.add_channel("CH", np.zeros((480, 640), "u2"), type="uint16", shape=[480, 640])
    assert not_sent(sender) == (
        "channel 'CH': the value has shape (480, 640), the channel (640, 480); "
        "bsread says [columns, rows], the fastest first: the channel's shape would be [640, 480]"
    )
    sender.add_channel("CH", np.zeros((2, 3)), shape=[2, 4])
    assert "bsread says" not in not_sent(sender)


@pytest.mark.parametrize(
    ("type_", "exact", "wrong", "shown"),
    [
        ("float32", [2**24, -(2**24), 2**62, 3 * 2**40, -(2**63)], 2**24 + 1, "16777217"),
        ("float32", np.array([0, 2**31], "u4"), np.uint32(2**32 - 1), "4294967295"),
        ("float32", np.array([-(2**31)], "i4"), np.int32(-(2**31) + 1), "-2147483647"),
        ("float64", [2**53, 2**53 + 2], 2**53 + 1, "9007199254740993"),
        ("float64", np.array([2**63], "u8"), np.uint64(2**64 - 1), "18446744073709551615"),
        ("float64", [-(2**63)], 2**63 - 1, "9223372036854775807"),
    ],
)
def test_whole_numbers_are_not_rounded(type_: str, exact: Any, wrong: Any, shown: str) -> None:
    sender = gmflow.bsread_sender()
    sender.add_channel("CH", type=type_, shape=[len(exact)])
    sent = decode(sender.parts({"CH": exact})).data["CH"].value
    assert [int(number) for number in np.atleast_1d(sent)] == [int(number) for number in exact]
    sender.add_channel("CH", type=type_)
    text = not_sent(sender, {"CH": wrong})
    assert text == f"channel 'CH': {shown} can't be sent as {type_} without being rounded"
    sender.add_channel("CH", type=type_, shape=[2])
    assert f" {shown} can't" in not_sent(sender, {"CH": np.array([wrong, wrong])})


def test_floats_are_rounded() -> None:
    sender = gmflow.bsread_sender()
    sender.add_channel("CH", 0.1, type="float32")
    assert decode(sender.parts()).data["CH"].value == np.float32(0.1)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"start_pulse_id": -1}, "start_pulse_id is -1; it can be a whole number from 0 up"),
        ({"data_compression": "zip"}, "data_compression: compression 'zip' is unknown"),
        ({"data_header_compression": 4}, "data_header_compression: compression 4 is unknown"),
        ({"channels": ["A"]}, "channels is ['A']; it can be a mapping"),
        ({"channels": {5: 1}}, "channels is {5: 1}; it can be a mapping"),
    ],
)
def test_wrong_settings(settings: Any, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        gmflow.bsread_sender(**settings)
    assert reason in str(caught.value)
    with pytest.raises(ConfigError, match="count is -1"):
        gmflow.bsread_sender().messages(-1)
    with pytest.raises(ConfigError, match="channel 5: its name is not a str"):
        gmflow.bsread_sender().parts({5: 1})


@pytest.mark.parametrize(
    ("first", "wrong"),
    [
        (1, 1.5),
        (1, "text"),
        ("text", 1),
        ([1, 2], [1, 2, 3]),
        (1.0, [1.0, 2.0]),
        (1, 2**64),
        (1, b""),
    ],
)
def test_a_value_that_is_not_what_the_first_one_was(first: Any, wrong: Any) -> None:
    sender = gmflow.bsread_sender()
    sender.parts({"CH": first})
    assert not_sent(sender, {"CH": wrong}).startswith("channel 'CH': ")
    assert decode(sender.parts({"CH": first})).pulse_id == 1


@pytest.mark.parametrize("wrong", [b"x", 1j, object(), {"a": 1}, [[1], [1, 2]], np.float16(1)])
def test_a_first_value_without_a_type(wrong: Any) -> None:
    sender = gmflow.bsread_sender({"CH": lambda pulse_id: wrong})
    assert not_sent(sender).startswith("channel 'CH': ")
    sender.add_channel("CH", 1)
    assert decode(sender.parts()).data["CH"].value == 1


def test_a_function_that_fails_names_its_channel() -> None:
    def fails(pulse_id: int) -> float:
        return 1 / (pulse_id - 1)

    sender = gmflow.bsread_sender({"A": 1, "CH": fails})
    messages = iter(sender)
    next(messages)
    with pytest.raises(EncodeError, match=r"^channel 'CH': its function failed: Zero") as caught:
        next(messages)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert sender.pulse_id == 1
    assert header_of(sender.parts(pulse_id=2))["pulse_id"] == 2


# Any


@given(
    st.sampled_from([*CODES, "string"]),
    st.just([1]) | st.lists(st.integers(0, 5), max_size=3),
    st.sampled_from(["little", "big"]),
    st.sampled_from(COMPRESSIONS),
    st.sampled_from(COMPRESSIONS),
    st.booleans(),
    st.integers(0, 2**63),
)
def test_any_channel_is_read_as_it_was_given(
    type_: str,
    shape: list[int],
    encoding: str,
    compression: str | None,
    header_compression: str | None,
    described: bool,
    pulse_id: int,
) -> None:
    pytest.importorskip("imagecodecs")
    sender = gmflow.bsread_sender(data_header_compression=header_compression)
    value: Any = "text " * len(shape)
    if type_ != "string":
        dtype = np.dtype({"little": "<", "big": ">"}[encoding] + CODES[type_])
        value = (np.arange(np.prod(shape, dtype=int)) % 2).astype(dtype).reshape(shape[::-1])
    metadata = {"type": type_, "shape": shape, "encoding": encoding} if described else {}
    sender.add_channel("A", value, metadata, compression=compression)
    message = decode(sender.parts(pulse_id=pulse_id))
    assert message.pulse_id == pulse_id
    if isinstance(value, np.ndarray) and not shape and not described:
        value = value.reshape(1)
    if value == "" if isinstance(value, str) else False:
        value = None if compression in (None, "none") else ""
    assert same(message.data["A"].value, value)
