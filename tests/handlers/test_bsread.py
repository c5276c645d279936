"""bsread messages that are not compressed, read and written."""

import json
import pickle
import struct
from hashlib import md5
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmflow.decoder import Decoder
from gmflow.errors import DecodeError, HandlerError, MessageError
from gmflow.handlers import ENCODERS
from gmflow.handlers.bsread.bsread_message import BsreadMessage, Value
from gmflow.handlers.bsread.data_header import MAX_REMEMBERED
from gmflow.handlers.shapes import MAX_DIMENSIONS
from tests.support.bsread_wire import (
    CODES,
    OLD_CODES,
    STAMP,
    decode,
    encode,
    not_written,
    refused,
    same,
    stamp,
    wire,
)

# What a channel says


@pytest.mark.parametrize(("type_", "code"), CODES.items())
def test_scalars(type_: str, code: str) -> None:
    for encoding, order in (("little", "<"), ("big", ">"), (None, "<")):
        sent = np.array([1], order + code)
        channel = {"name": "A", "type": type_, "encoding": encoding}
        parts = wire([channel], sent.tobytes(), stamp(order))
        value = decode(parts).data["A"]
        assert type(value.value) is np.dtype(code).type
        assert value.value == 1
        assert [value.timestamp, value.timestamp_offset] == [1700000001, 5]
        assert type(value.timestamp) is int
        assert encode(decode(parts)) == parts


@pytest.mark.parametrize(("type_", "code"), OLD_CODES.items())
def test_old_type_names(type_: str, code: str) -> None:
    sent = np.array([3], code).tobytes()
    parts = wire([{"name": "A", "type": type_.upper()}], sent, stamp(), version="1.0")
    value = decode(parts).data["A"].value
    assert type(value) is np.dtype(code).type
    assert value == 3
    assert encode(decode(parts)) == parts


def test_an_unknown_old_type_is_float64() -> None:
    parts = wire([{"name": "A", "type": "enum"}], struct.pack("<d", 2.5), b"", version="1.0")
    assert decode(parts).data["A"].value == 2.5


@pytest.mark.parametrize("type_", ["long", "enum", "float16", "<f8"])
def test_an_unknown_type_is_refused(type_: str) -> None:
    reason = refused(wire([{"name": "A", "type": type_}], bytes(8), b""))
    assert reason.startswith(f"channel 'A': type '{type_}' is unknown")


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_the_default_is_a_little_endian_float64(version: str) -> None:
    parts = wire([{"name": "A"}], struct.pack("<d", 2.5), stamp(), version=version)
    assert decode(parts).data["A"].value == 2.5


def test_the_data_header_decides_on_the_type_names() -> None:
    parts = wire([{"name": "A", "type": "long"}], bytes(4), b"", version="1.0")
    as_1_1 = [parts[0].replace(b"bsr_m-1.0", b"bsr_m-1.1"), *parts[1:]]
    assert decode(as_1_1).data["A"].value == 0
    parts = wire({"channels": [{"name": "A", "type": "long"}]}, bytes(4), b"", version="1.0")
    assert decode(parts).data["A"].value == 0
    assert encode(decode(parts)) == parts


def test_encoding_of_all_channels() -> None:
    channels = [{"name": "A", "type": "integer"}, {"name": "B", "encoding": "little"}]
    header = {"htype": "bsr_d-1.0", "encoding": "big", "channels": channels}
    values = struct.pack(">i", 5), stamp(">"), struct.pack("<d", 6.0), stamp()
    message = decode(wire(header, *values, version="1.0"))
    assert [value.value for value in message.data.values()] == [5, 6.0]
    assert [value.timestamp for value in message.data.values()] == [1700000001] * 2


@pytest.mark.parametrize("text", ["", "hällo", "\udcff\udc80 is no UTF-8"])
def test_strings(text: str) -> None:
    sent = text.encode("utf-8", "surrogateescape")
    parts = wire([{"name": "S", "type": "string", "shape": [64]}], sent, stamp())
    assert decode(parts).data["S"].value == (text or None)
    assert encode(decode(parts)) == parts


def test_shapes_are_reversed() -> None:
    sent = np.arange(24, dtype=">u2").reshape(2, 3, 4)
    channel = {"name": "A", "type": "uint16", "shape": [4, 3, 2], "encoding": "big"}
    parts = wire([channel], sent.tobytes(), stamp(">"))
    value = decode(parts).data["A"].value
    assert value.dtype == np.dtype(">u2")
    assert value.tolist() == sent.tolist()
    assert encode(decode(parts)) == parts


def test_arrays_are_the_received_bytes() -> None:
    parts = wire([{"name": "A", "type": "uint8", "shape": [4]}], b"abcd", stamp())
    message = decode(parts)
    array = message.data["A"].value
    assert not array.flags.writeable
    received = np.frombuffer(parts[2], np.uint8)
    assert np.shares_memory(array, received)
    written = ENCODERS["bsr_m-1.1"](message)[2]
    assert np.shares_memory(np.frombuffer(written, np.uint8), received)


@pytest.mark.parametrize("shape", [[0], [3, 0]])
def test_arrays_without_elements(shape: list[int]) -> None:
    channel = {"name": "A", "type": "int16", "shape": shape}
    parts = wire([channel], b"", stamp())
    assert decode(parts).data["A"].value.shape == tuple(reversed(shape))
    assert encode(decode(parts)) == parts
    parts = wire([channel], b"", b"")
    assert decode(parts).data["A"].value is None
    assert encode(decode(parts)) == parts


@pytest.mark.parametrize("given_stamp", [b"", stamp()])
def test_no_value_consumes_its_timestamp(given_stamp: bytes) -> None:
    parts = wire([{"name": "A"}, {"name": "B"}], b"", given_stamp, struct.pack("<d", 1), b"")
    message = decode(parts)
    assert message.data["A"].value is None
    assert message.data["A"].timestamp == (1700000001 if given_stamp else None)
    assert message.data["B"].value == 1.0
    assert message.data["B"].timestamp is None
    assert message.data["B"].timestamp_offset is None
    assert encode(message) == parts


# What can't be read


def test_wrong_sizes_name_the_channel_and_the_numbers() -> None:
    channels = [{"name": "A", "type": "int16", "shape": [3]}]
    assert refused(wire(channels, bytes(5), stamp())) == (
        "channel 'A': the part has 5 bytes; shape [3] of int16 needs 6"
    )
    assert refused(wire(channels, bytes(6), bytes(8))) == (
        "channel 'A': its timestamp has 8 bytes, not 0 or 16"
    )


def test_missing_parts() -> None:
    channels = [{"name": "A"}, {"name": "B"}]
    reason = "the message has {} parts, its 2 channels need 6: channel {} has no {}"
    values = bytes(8), stamp(), bytes(8)
    assert refused(wire(channels)) == reason.format(2, "'A'", "value")
    assert refused(wire(channels, *values)) == reason.format(5, "'B'", "timestamp")
    with pytest.raises(MessageError, match="only 1 parts"):
        Decoder().decode(wire(channels)[:1])


def test_channels_without_parts_are_not_looked_at() -> None:
    channels = [{"name": "A"}, {"name": "B"}, *[{"name": "A", "type": "nonsense"}] * 100_000]
    reason = "the message has 4 parts, its 100002 channels need 200006: channel 'B' has no value"
    assert refused(wire(channels, bytes(8), stamp())) == reason


def test_one_empty_part_may_trail() -> None:
    parts = wire([{"name": "A"}], bytes(8), stamp(), b"", version="1.0")
    message = decode(parts)
    assert message.trailing_part
    assert encode(message) == parts
    assert not decode(parts[:-1]).trailing_part
    assert "has 6 parts, its 1 channels need 4" in refused([*parts, b""])
    assert "has 5 parts, its 1 channels need 4" in refused([*parts[:-1], b"x"])


def test_no_channels() -> None:
    message = decode(wire([], b"ignored", b"too", b"and this"))
    assert message.data == {}
    assert not message.trailing_part
    for rest in ([], [b""]):
        assert encode(decode(wire([], *rest))) == wire([], *rest)


@pytest.mark.parametrize(
    ("channel", "reason"),
    [
        ({"name": "A", "shape": [-1]}, "channel 'A': shape [-1] is not"),
        ({"name": "A", "shape": 4}, "channel 'A': shape 4 is not"),
        ({"name": "A", "shape": [True]}, "channel 'A': shape [True] is not"),
        ({"name": "A", "shape": [1] * (MAX_DIMENSIONS + 1)}, "channel 'A': the shape has 65"),
        ({"name": "A", "shape": [0, 10**30]}, "channel 'A': shape [0, 1"),
        ({"name": "A", "type": 5}, "channel 'A': type 5 is not a name"),
        ({"name": "A", "encoding": ["big"]}, "channel 'A': encoding ['big'] is neither"),
        ({"name": 3}, "channel 0 has no name"),
        ("A", "channel 0 has no name"),
    ],
)
def test_wrong_channels(channel: Any, reason: str) -> None:
    assert refused(wire([channel], bytes(8), stamp())).startswith(reason)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"no JSON", "the data header (7 bytes) is not JSON"),
        (b"\xff", "the data header (1 bytes) is not JSON"),
        (b"[" * 100_000, "the data header (100000 bytes) is not JSON"),
        (b"[]", "the data header has no list of channels"),
        (b'{"channels": null}', "the data header has no list of channels"),
        (b'{"htype": ["x"], "channels": [1]}', "channel 0 has no name"),
    ],
)
def test_wrong_data_headers(header: bytes, reason: str) -> None:
    assert refused(wire(header)).startswith(reason)


def test_names_are_unique() -> None:
    channels = [{"name": "A"}, {"name": "B"}, {"name": "A"}]
    assert refused(wire(channels, *[b""] * 6)) == "channels 0 and 2 are both named 'A'"


@pytest.mark.parametrize("compression", [None, "", "none", "None"])
def test_not_compressed(compression: str | None) -> None:
    channel = {"name": "A", "compression": compression}
    parts = wire([channel], bytes(8), stamp(), dh_compression=compression)
    assert decode(parts).data["A"].value == 0
    assert encode(decode(parts)) == parts


def test_a_message_can_be_pickled() -> None:
    parts = wire([{"name": "A"}], bytes(8), stamp())
    message = pickle.loads(pickle.dumps(decode(parts)))
    assert message.data["A"].value == 0
    assert encode(message) == parts


# The main header


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"sec": 5, "ns": 6}, (5, 6)),
        ({"ns": 6, "epoch": 5}, (5, 6)),
        ({"ms": 5000, "ns_offset": 6}, (5000, 6)),
        ({"sec": 5}, (5, None)),
        ({"sec": None, "ns": None}, (None, None)),
        (None, (None, None)),
    ],
)
def test_global_timestamp(sent: Any, read: Any) -> None:
    parts = wire([], global_timestamp=sent)
    message = decode(parts)
    assert (message.global_timestamp, message.global_timestamp_offset) == read
    assert encode(message) == parts
    message.global_timestamp, message.global_timestamp_offset = 8, 9
    again = decode(encode(message))
    assert (again.global_timestamp, again.global_timestamp_offset) == (8, 9)


def test_a_global_timestamp_of_null() -> None:
    parts = wire([])
    parts[0] = parts[0].replace(json.dumps(STAMP).encode(), b"null")
    message = decode(parts)
    assert message.global_timestamp is None
    assert encode(message) == parts


@pytest.mark.parametrize(
    "wrong", [5, {}, {"ns": 1}, {"sec": "5"}, {"sec": 1.5}, {"sec": 1, "ns": []}]
)
def test_wrong_global_timestamps(wrong: Any) -> None:
    assert "global_timestamp" in refused(wire([], global_timestamp=wrong))


@pytest.mark.parametrize("wrong", [None, "7", 1.5, True])
def test_wrong_pulse_ids(wrong: Any) -> None:
    assert "pulse_id" in refused(wire([], pulse_id=wrong))


@pytest.mark.parametrize("style", [(", ", ": "), (",", ":")])
def test_texts_are_kept(style: tuple[str, str]) -> None:
    parts = wire([{"name": "A", "unit": "é", "modulo": 10}], bytes(8), stamp(), extra=[1, {}])
    for index in 0, 1:
        value = json.loads(parts[index])
        text = json.dumps(dict(reversed(value.items())), separators=style, ensure_ascii=False)
        parts[index] = text.encode() + b"\n"
    message = decode(parts)
    assert encode(message) == parts
    assert message.data_header == json.loads(parts[1])
    assert encode(message) == parts


# From message to message


def run(*messages: list[bytes]) -> list[BsreadMessage]:
    decoder = Decoder()
    return [decoder.decode(parts) for parts in messages]


A, B = [{"name": "A"}], [{"name": "B", "type": "int64"}]
BODY = bytes(8), stamp()


def test_the_data_header_is_read_when_it_changes() -> None:
    messages = run(wire(A, *BODY), wire(A, *BODY), wire(B, *BODY), wire(B, *BODY), wire(A, *BODY))
    assert [message.format_changed for message in messages] == [True, False, True, False, True]
    assert [list(message.data) for message in messages] == [["A"], ["A"], ["B"], ["B"], ["A"]]


def test_new_bytes_count_even_under_the_old_hash() -> None:
    messages = run(wire(A, *BODY, hash="same"), wire(B, *BODY, hash="same"))
    assert [list(message.data) for message in messages] == [["A"], ["B"]]
    assert messages[1].format_changed


def test_hash_is_opaque_and_may_be_missing() -> None:
    first, second = run(wire(A, *BODY, hash=None), wire(A, *BODY, hash=[1]))
    assert first.hash is None
    assert second.hash == [1]
    assert not second.format_changed
    assert encode(first) == wire(A, *BODY, hash=None)


def test_an_empty_data_header_is_the_last_one() -> None:
    full = wire(A, *BODY, hash="h")
    empty = [full[0], b"", *full[2:]]
    first, second = run(full, empty)
    assert list(second.data) == ["A"]
    assert second.data_header == first.data_header
    assert not second.format_changed
    assert encode(second) == empty


def test_an_empty_data_header_needs_the_last_hash() -> None:
    full = wire(A, *BODY, hash="h")
    assert "part 1 is empty" in refused([full[0], b"", *full[2:]])
    for first, second in (("h", "i"), (None, None)):
        decoder = Decoder()
        decoder.decode(wire(A, *BODY, hash=first))
        with pytest.raises(DecodeError, match="part 1 is empty, and the hash"):
            decoder.decode(wire(b"", *BODY, hash=second))


def test_the_data_header_outlives_a_message_that_can_not_be_read() -> None:
    full = wire(A, *BODY, hash="h")
    empty = [full[0], b"", *full[2:]]
    decoder = Decoder()
    assert decoder.decode(full).format_changed
    bad = [[*empty[:2], bytes(7), b""], empty[:3], wire(b"{}"), wire(A, *BODY, pulse_id=None)]
    for parts in bad:
        with pytest.raises(DecodeError) as caught:
            decoder.decode(parts)
        assert caught.value.parts is parts
        assert not decoder.decode(empty).format_changed
    assert decoder.statistics.messages_failed == len(bad)


def test_a_change_is_told_with_the_first_message_that_can_be_read() -> None:
    decoder = Decoder()
    decoder.decode(wire(A, *BODY))
    with pytest.raises(DecodeError):
        decoder.decode(wire(B, bytes(7), stamp()))
    assert decoder.decode(wire(B, *BODY)).format_changed
    assert not decoder.decode(wire(B, *BODY)).format_changed


def test_data_headers_are_remembered_by_their_hash() -> None:
    a, b = wire(A, *BODY, hash="a"), wire(B, *BODY, hash="b")
    messages = run(a, b, [a[0], b"", *BODY], [b[0], b"", *BODY], b)
    assert [list(message.data) for message in messages] == [["A"], ["B"], ["A"], ["B"], ["B"]]
    assert [message.format_changed for message in messages] == [True, True, True, True, False]


def test_a_hash_means_the_last_data_header_that_came_with_it() -> None:
    a, b = wire(A, *BODY, hash="same"), wire(B, *BODY, hash="same")
    assert list(run(a, b, [a[0], b"", *BODY])[2].data) == ["B"]


def test_so_many_data_headers_are_remembered() -> None:
    decoder = Decoder()
    full = [wire([{"name": f"CH{n}"}], *BODY, hash=f"h{n}") for n in range(MAX_REMEMBERED + 1)]
    for parts in full:
        decoder.decode(parts)
    assert list(decoder.decode([full[1][0], b"", *BODY]).data) == ["CH1"]
    with pytest.raises(DecodeError, match="the hash 'h0' is not known"):
        decoder.decode([full[0][0], b"", *BODY])


def test_changing_one_data_header_leaves_the_others() -> None:
    first, second = run(wire(A, *BODY), wire(A, *BODY))
    assert first.data_header is not None
    first.data_header["channels"][0]["name"] = "X"
    assert second.data_header == json.loads(wire(A)[1])
    assert encode(second) == wire(A, *BODY)


# Writing what was received and changed


def test_attributes_go_into_the_header() -> None:
    parts = wire(A, *BODY, global_timestamp={"epoch": 1, "ns": 2})
    message = decode(parts)
    message.pulse_id, message.hash = 8, "new"
    message.global_timestamp, message.global_timestamp_offset = 3, 4
    written = encode(message)
    expected = json.loads(parts[0])
    expected |= {"hash": "new", "pulse_id": 8, "global_timestamp": {"epoch": 3, "ns": 4}}
    assert written[0] == json.dumps(expected).encode()
    assert written[1:] == parts[1:]


def test_a_global_timestamp_can_be_cleared() -> None:
    message = decode(wire(A, *BODY))
    message.global_timestamp = message.global_timestamp_offset = None
    assert decode(encode(message)).global_timestamp is None


def test_a_changed_data_header_gets_a_new_hash() -> None:
    message = decode(wire(A, *BODY))
    assert message.data_header is not None
    message.data_header["channels"][0]["type"] = "float32"
    written = encode(message)
    assert json.loads(written[1])["channels"] == [{"name": "A", "type": "float32"}]
    assert json.loads(written[0])["hash"] == md5(written[1]).hexdigest()
    assert written[2] == bytes(4)


def test_a_changed_data_header_is_not_omitted() -> None:
    full = wire(A, *BODY, hash="h")
    _, message = run(full, [full[0], b"", *full[2:]])
    assert message.data_header is not None
    message.data_header["channels"][0]["unit"] = "m"
    assert b"unit" in encode(message)[1]


def test_channels_can_be_added_once_the_data_header_is_dropped() -> None:
    message = decode(wire(A, *BODY))
    message.data["N"] = np.int16(3)
    assert not_written(message).startswith("channel 'N' is not in the data header")
    message.data_header = None
    again = decode(encode(message))
    assert again.data["N"].value == 3
    assert again.data["N"].timestamp == STAMP["sec"]
    assert again.data["A"].timestamp == 1700000001


def test_channels_can_not_just_go_missing() -> None:
    message = decode(wire(A, *BODY))
    del message.data["A"]
    assert not_written(message) == "channel 'A' has no entry in data: give it Value()"
    message.data["A"] = Value()
    assert encode(message)[2:] == [b"", b""]


def test_a_data_header_of_the_users() -> None:
    channels = [{"name": "A", "type": "int16", "shape": (2,), "encoding": "big"}]
    header = {"htype": "bsr_d-1.1", "channels": channels}
    message = BsreadMessage(1, data={"A": [1, 2]}, data_header=header)
    parts = encode(message)
    assert parts[1] == json.dumps(header).encode()
    assert json.loads(parts[0])["hash"] == md5(parts[1]).hexdigest()
    assert parts[2:] == [b"\0\1\0\2", b""]


def test_a_received_data_header_for_a_message_of_the_users() -> None:
    received = decode([part + b"\n" for part in wire(A)[:2]] + list(BODY))
    message = BsreadMessage(1, data={"A": 1.0}, data_header=received.data_header)
    parts = encode(message)
    assert parts[1] == wire(A)[1] + b"\n"
    assert json.loads(parts[0])["hash"] == md5(parts[1]).hexdigest()


@pytest.mark.parametrize(
    ("channel", "value"),
    [
        ({"type": "int8"}, 128),
        ({"type": "uint8"}, -1),
        ({"type": "uint64"}, np.int64(-1)),
        ({"type": "int64"}, np.uint64(2**63)),
        ({"type": "int32"}, 1.0),
        ({"type": "bool"}, 1),
        ({"type": "float32"}, 1e300),
        ({"type": "float64"}, "1"),
        ({"type": "float64"}, 1j),
        ({"type": "float64"}, 10**400),
        ({"type": "string"}, 1),
        ({"type": "string"}, "\ud800"),
        ({"shape": [2]}, [1.0]),
        ({"shape": [2]}, [[1.0], [1.0, 2.0]]),
        ({"shape": [2, 3]}, np.zeros((2, 3))),
        ({}, [1.0, 2.0]),
        ({}, np.datetime64(5, "s")),
    ],
)
def test_values_that_do_not_fit_their_channel(channel: dict[str, Any], value: Any) -> None:
    header = {"htype": "bsr_d-1.1", "channels": [{"name": "CH", **channel}]}
    message = BsreadMessage(1, data={"CH": value}, data_header=header)
    assert not_written(message).startswith("channel 'CH': ")


@pytest.mark.parametrize(
    ("channel", "value", "written"),
    [
        ({"type": "int8"}, -128, b"\x80"),
        ({"type": "int8"}, 127, b"\x7f"),
        ({"type": "uint64"}, 2**64 - 1, b"\xff" * 8),
        ({"type": "uint64"}, np.int64(1), b"\1" + bytes(7)),
        ({"type": "float32", "encoding": "big"}, 1, struct.pack(">f", 1)),
        ({"type": "float32"}, float("inf"), struct.pack("<f", float("inf"))),
        ({"type": "int16", "shape": [2, 1]}, np.array([[1, 2]], ">i2"), b"\1\0\2\0"),
        ({"type": "int16", "shape": [2]}, np.arange(4, dtype="<i2")[::2], b"\0\0\2\0"),
        ({"type": "uint8", "shape": []}, np.array(3, "u1"), b"\3"),
        ({"type": "uint8"}, np.array([3], "u1"), b"\3"),
        ({"type": "int8"}, True, b"\1"),
        ({"type": "int8", "shape": [0]}, np.empty(0, "i8"), b""),
        ({"type": "string"}, "é", "é".encode()),
        ({"type": "string"}, np.str_("x"), b"x"),
    ],
)
def test_values_that_fit(channel: dict[str, Any], value: Any, written: bytes) -> None:
    header = {"htype": "bsr_d-1.1", "channels": [{"name": "CH", **channel}]}
    assert encode(BsreadMessage(1, data={"CH": value}, data_header=header))[2] == written


@pytest.mark.parametrize("wrong", [(-1, 0), (1.5, 0), (1, 2**64), (1, "x")])
def test_wrong_timestamps(wrong: Any) -> None:
    message = BsreadMessage(1, data={"A": Value(1.0, *wrong)})
    assert not_written(message).startswith(f"channel 'A': timestamp {wrong}: ")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"pulse_id": None}, "the header of pulse None"),
        ({"pulse_id": 1.0}, "the header of pulse 1.0"),
        ({"hash": {1}}, "the header of pulse 7"),
        ({"global_timestamp": "now"}, "the header of pulse 7"),
        ({"data_header": {"channels": {1}}}, "the data header can't be written"),
        ({"data_header": {}}, "the data header has no list of channels"),
        ({"data_header": {"channels": [{"name": "A", "compression": "zip"}]}}, "'zip' is unknown"),
        ({"header": {"htype": "bsr_m-1.1", "dh_compression": "zip"}}, "'zip' is unknown"),
        ({"header": {"htype": "bsr_m-1.1", "global_timestamp": {"s": 1}}}, "has none of sec"),
        ({"header": {"htype": "bsr_m-1.1", "global_timestamp": 5}}, "the header of pulse 7"),
    ],
)
def test_wrong_headers(change: dict[str, Any], reason: str) -> None:
    message = decode(wire(A, *BODY))
    for name, value in change.items():
        setattr(message, name, value)
    assert reason in not_written(message)


# Writing what the user built


def test_a_message_of_the_users() -> None:
    image = np.arange(6, dtype=">u2").reshape(2, 3)
    data = {"X": 1.5, "I": Value(image, 8, 9), "N": None, "T": "text"}
    parts = encode(BsreadMessage(5, 6, 7, data=data))
    header = {"htype": "bsr_d-1.1", "channels": [
        {"name": "X", "type": "float64", "shape": [1], "encoding": "little"},
        {"name": "I", "type": "uint16", "shape": [3, 2], "encoding": "big"},
        {"name": "N", "type": "float64", "shape": [1], "encoding": "little"},
        {"name": "T", "type": "string", "shape": [1], "encoding": "little"},
    ]}  # fmt: skip
    assert json.loads(parts[0]) == {
        "htype": "bsr_m-1.1",
        "hash": md5(parts[1]).hexdigest(),
        "pulse_id": 5,
        "global_timestamp": {"sec": 6, "ns": 7},
    }
    assert json.loads(parts[1]) == header
    assert parts[2:] == [
        *(struct.pack("<d", 1.5), stamp("<", 6, 7)),
        *(image.tobytes(), stamp(">", 8, 9)),
        *(b"", b""),
        *(b"text", stamp("<", 6, 7)),
    ]


def test_without_a_global_timestamp() -> None:
    parts = encode(BsreadMessage(5, data={"X": 1.5}))
    assert "global_timestamp" not in json.loads(parts[0])
    assert parts[3] == b""


def test_version_1_0_of_the_users() -> None:
    message = BsreadMessage(5, 6, data={"X": 1.5}, header={"htype": "bsr_m-1.0"})
    parts = encode(message)
    assert json.loads(parts[0])["global_timestamp"] == {"epoch": 6, "ns": 0}
    assert json.loads(parts[1])["htype"] == "bsr_d-1.0"
    assert decode(parts).data["X"].value == 1.5


@pytest.mark.parametrize(
    ("value", "type_", "shape"),
    [
        (True, "bool", [1]),
        (np.bool_(True), "bool", [1]),
        (7, "int64", [1]),
        (2**63, "uint64", [1]),
        (np.int8(7), "int8", [1]),
        (np.float32(7), "float32", [1]),
        (np.float64(7), "float64", [1]),
        (np.str_("7"), "string", [1]),
        (np.array(7, "u4"), "uint32", [1]),
        ([1, 2], "int64", [2]),
        ([[1.0, 2.0, 3.0]], "float64", [3, 1]),
        ([], "float64", [0]),
    ],
)
def test_derived_channels(value: Any, type_: str, shape: list[int]) -> None:
    parts = encode(BsreadMessage(1, 2, data={"A": value}))
    (channel,) = json.loads(parts[1])["channels"]
    assert [channel["type"], channel["shape"]] == [type_, shape]
    assert np.array_equal(decode(parts).data["A"].value, value)


@pytest.mark.parametrize(
    "value", [2**64, -(2**63) - 1, 1j, b"x", ["a"], [[1], [1, 2]], np.float16(1)]
)
def test_values_without_a_type(value: Any) -> None:
    assert not_written(BsreadMessage(1, data={"CH": value})).startswith("channel 'CH': ")


def test_names_are_text() -> None:
    assert not_written(BsreadMessage(1, data={5: 1})).startswith("channel 5: ")  # type: ignore


def test_the_built_message_is_left_as_it_is() -> None:
    message = BsreadMessage(5, 6, 7, data={"X": 1.5})
    encode(message)
    assert message.header == {"htype": "bsr_m-1.1"}
    assert message.data == {"X": 1.5}
    assert message.data_header is None
    assert message.hash is None


# Properties

SECONDS = st.integers(0, 2**64 - 1)


@st.composite
def channels(draw: st.DrawFn) -> tuple[dict[str, Any], Any, bytes, bytes]:
    """Return a channel, its value as it must be read, and its two parts."""
    type_ = draw(st.sampled_from([*CODES, "string"]))
    shape = draw(st.just([1]) | st.lists(st.integers(0, 4), max_size=4))
    encoding = draw(st.sampled_from(["little", "big"]))
    order = {"little": "<", "big": ">"}[encoding]
    times = draw(st.none() | st.tuples(SECONDS, SECONDS))
    given_stamp = stamp(order, *times) if times else b""
    channel = {"name": draw(st.text()), "type": type_, "shape": shape, "encoding": encoding}
    if type_ == "string":
        part = draw(st.binary(max_size=20))
        value = part.decode("utf-8", "surrogateescape") if part else None
        return channel, value, part, given_stamp
    dtype = np.dtype(order + CODES[type_])
    size = int(np.prod(shape, dtype=int)) * dtype.itemsize
    part = draw(st.just(b"") | st.binary(min_size=size, max_size=size))
    if type_ == "bool":
        part = bytes(byte % 2 for byte in part)
    if not part and (size or not given_stamp):
        return channel, None, part, given_stamp
    return channel, np.ndarray(shape[::-1], dtype, part), part, given_stamp


MESSAGES = st.lists(channels(), min_size=1, max_size=5, unique_by=lambda drawn: drawn[0]["name"])


def parts_of(drawn: list[tuple[dict[str, Any], Any, bytes, bytes]]) -> list[bytes]:
    values = [part for _, _, *parts in drawn for part in parts]
    return wire([channel for channel, *_ in drawn], *values)


@given(MESSAGES, st.booleans())
def test_any_message_is_read_and_written_again(drawn: Any, trailing: bool) -> None:
    parts = parts_of(drawn) + [b""] * trailing
    message = decode(parts)
    assert list(message.data) == [channel["name"] for channel, *_ in drawn]
    for read, (channel, sent, _, given_stamp) in zip(message.data.values(), drawn, strict=True):
        assert same(read.value, sent)
        order = ">" if channel["encoding"] == "big" else "<"
        times = struct.unpack(order + "QQ", given_stamp) if given_stamp else (None, None)
        assert (read.timestamp, read.timestamp_offset) == times
    assert encode(message) == parts


@given(MESSAGES)
def test_any_values_are_written_and_read_again(drawn: Any) -> None:
    sent = {channel["name"]: value for channel, value, *_ in drawn}
    again = decode(encode(BsreadMessage(1, 2, 3, data=sent)))
    for name, value in sent.items():
        if isinstance(value, np.ndarray) and value.shape == ():
            value = value.reshape(1)
        assert same(again.data[name].value, value)
        assert again.data[name].timestamp == (None if value is None else 2)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
    | st.sampled_from([*CODES, *OLD_CODES, "string", "big", "lz4", "bsr_d-1.0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)  # fmt: skip


def mutate_json(draw: st.DrawFn, part: bytes) -> bytes:
    """Put another value, or none, somewhere into a JSON object."""
    whole = node = json.loads(part)
    while True:
        key = draw(st.sampled_from(range(len(node)) if isinstance(node, list) else sorted(node)))
        if isinstance(node[key], list | dict) and node[key] and draw(st.booleans()):
            node = node[key]
            continue
        if key == "htype" or draw(st.booleans()):
            node[key] = node[key] if key == "htype" and node is whole else draw(JSON)
        else:
            del node[key]
        return json.dumps(whole).encode()


@st.composite
def mutated(draw: st.DrawFn) -> list[bytes]:
    parts = parts_of(draw(MESSAGES))
    for _ in range(draw(st.integers(1, 2))):
        index = draw(st.integers(0, len(parts) - 1))
        kind = draw(st.sampled_from(["json", "cut", "other", "drop", "double", "flip"]))
        part = parts[index]
        if kind == "json":
            try:
                parts[index % 2] = mutate_json(draw, parts[index % 2])
            except (ValueError, IndexError, TypeError):
                parts.append(b"")
        elif kind == "cut":
            parts[index] = part[: draw(st.integers(0, len(part)))]
        elif kind == "other":
            parts[index] = draw(st.binary(max_size=20))
        elif kind == "drop" and len(parts) > 1:
            del parts[index]
        elif kind == "double":
            parts.insert(index, part)
        elif part:
            at = draw(st.integers(0, len(part) - 1))
            parts[index] = part[:at] + bytes([draw(st.integers(0, 255))]) + part[at + 1 :]
    return parts


STREAMS = st.lists(
    st.tuples(st.just(True), MESSAGES.map(parts_of)) | st.tuples(st.just(False), mutated()),
    min_size=1,
    max_size=4,
)


@given(STREAMS)
def test_no_message_can_do_worse_than_be_refused(stream: list[tuple[bool, list[bytes]]]) -> None:
    decoder = Decoder()
    for whole, parts in stream:
        try:
            message = decoder.decode(parts)
        except HandlerError as error:
            raise AssertionError(f"the handler failed on {parts}") from error
        except DecodeError:
            assert not whole
            continue
        if message.data and not any(type(v.value) is np.bool_ for v in message.data.values()):
            assert encode(message) == parts
