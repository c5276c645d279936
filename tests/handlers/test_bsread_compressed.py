"""bsread messages with compressed values and data headers, read, forwarded, changed and written."""

import copy
import json
import pickle
import struct
import tracemalloc
from hashlib import md5
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmflow.codecs import MAX_BYTES
from gmflow.codecs import bsread_codec as codec
from gmflow.decoder import Decoder
from gmflow.deferred import SMALL, Deferred
from gmflow.errors import DecodeError
from gmflow.handlers.bsread.bsread_message import BsreadMessage, Value
from gmflow.handlers.bsread.data_header import MAX_TEXT
from gmflow.message import Message
from tests.support.bsread_wire import (
    CODES,
    STAMP,
    decode,
    encode,
    not_written,
    refused,
    same,
    stamp,
    wire,
)

imagecodecs = pytest.importorskip("imagecodecs")

COMPRESSIONS = ["lz4", "bitshuffle_lz4"]
LENGTH = {"<": "<I", ">": ">I"}


def lz4(plain: bytes, order: str = "<") -> bytes:
    """Compress as the senders do, without gmflow's codecs."""
    block = imagecodecs.lz4_encode(plain) if plain else b"\0"
    return struct.pack(LENGTH[order], len(plain)) + bytes(block)


def bitshuffle_lz4(array: np.ndarray[Any, Any], block_bytes: int = 8192) -> bytes:
    """Compress at least 8 elements as the senders do, a block at a time."""
    flat, size = array.reshape(-1), array.itemsize
    whole = len(flat) // 8 * 8
    blocks = b""
    for start in range(0, whole, block_bytes // size):
        plain = flat[start : min(start + block_bytes // size, whole)]
        shuffled = imagecodecs.bitshuffle_encode(
            plain.tobytes(), itemsize=size, blocksize=len(plain)
        )
        block = imagecodecs.lz4_encode(bytes(shuffled))
        blocks += struct.pack(">I", len(block)) + bytes(block)
    return struct.pack(">QI", array.nbytes, block_bytes) + blocks + flat[whole:].tobytes()


def channel(type_: str, **more: Any) -> dict[str, Any]:
    return {"name": "A", "type": type_, **more}


# Reading


KINDS = [("bool", "little"), ("int16", "big"), ("float32", "little"), ("uint64", "big")]
"""A type of each width and kind, in one of the byte orders."""


@pytest.mark.parametrize("shape", [[1], [30, 40], [0]])
@pytest.mark.parametrize(("type_", "encoding"), KINDS)
def test_lz4_in_either_order_of_its_length(type_: str, encoding: str, shape: list[int]) -> None:
    dtype = np.dtype({"little": "<", "big": ">"}[encoding] + CODES[type_])
    sent = (np.arange(np.prod(shape, dtype=int)) % 2).astype(dtype).reshape(shape[::-1])
    described = channel(type_, shape=shape, encoding=encoding, compression="lz4")
    for order in LENGTH:
        part = lz4(sent.tobytes(), order)
        parts = wire([described], part, stamp(">" if encoding == "big" else "<"))
        message = decode(parts)
        assert same(message.data["A"].value, sent)
        assert message.data["A"].timestamp == 1700000001
        assert encode(message) == parts


@pytest.mark.parametrize("block_bytes", [8192, 1024])
@pytest.mark.parametrize(("type_", "encoding"), KINDS)
def test_bitshuffle_lz4(type_: str, encoding: str, block_bytes: int) -> None:
    dtype = np.dtype({"little": "<", "big": ">"}[encoding] + CODES[type_])
    sent = (np.arange(41 * 101) % 251).astype(dtype).reshape(41, 101)
    described = channel(type_, shape=[101, 41], encoding=encoding, compression="bitshuffle_lz4")
    parts = wire([described], bitshuffle_lz4(sent, block_bytes), b"")
    message = decode(parts)
    assert same(message.data["A"].value, sent)
    assert not message.data["A"].value.flags.writeable
    assert encode(message) == parts


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("text", ["h\xe4llo", "x" * 5000, "\udcff is no UTF-8"])
def test_strings(text: str, order: str) -> None:
    plain = text.encode("utf-8", "surrogateescape")
    parts = wire([channel("string", compression="lz4")], lz4(plain, order), stamp())
    assert decode(parts).data["A"].value == text
    assert encode(decode(parts)) == parts
    shuffled = codec.encode(plain, "bitshuffle_lz4", 1, "<")
    parts = wire([channel("string", compression="bitshuffle_lz4")], shuffled, stamp())
    assert decode(parts).data["A"].value == text
    assert encode(decode(parts)) == parts


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_no_value(compression: str) -> None:
    for given_stamp in (b"", stamp()):
        parts = wire([channel("int16", compression=compression)], b"", given_stamp)
        assert decode(parts).data["A"].value is None
        assert encode(decode(parts)) == parts


@pytest.mark.parametrize("part", [bytes(4), bytes(5), bytes(12), struct.pack(">QI", 0, 8192)])
def test_a_size_of_0_is_an_empty_array(part: bytes) -> None:
    compression = COMPRESSIONS[len(part) == 12]
    for shape, expected in (([7, 8], [0]), ([1], [0]), ([5, 0], [0, 5])):
        parts = wire(
            [channel(">i4", type="int32", shape=shape, compression=compression)], part, b""
        )
        value = decode(parts).data["A"].value
        assert (value.dtype, list(value.shape)) == (np.dtype("i4"), expected)
        assert encode(decode(parts)) == parts
    parts = wire([channel("string", compression=compression)], part, b"")
    assert decode(parts).data["A"].value == ""
    assert encode(decode(parts)) == parts


def test_an_array_without_elements_needs_no_part() -> None:
    parts = wire([channel("int16", shape=[0, 3], compression="lz4")], b"", stamp())
    assert decode(parts).data["A"].value.shape == (3, 0)
    assert encode(decode(parts)) == parts


@pytest.mark.parametrize("name", ["LZ4", "Bitshuffle_LZ4"])
def test_names_in_capitals(name: str) -> None:
    part = codec.encode(bytes(8), name.lower(), 8, "<")
    text = codec.encode(wire([channel("int64", compression=name)])[1], name.lower(), 1, "<")
    parts = wire(text, part, b"", dh_compression=name)
    assert decode(parts).data["A"].value == 0
    assert encode(decode(parts)) == parts


@pytest.mark.parametrize("order", "<>")
def test_a_data_header_with_lz4(order: str) -> None:
    text = wire([channel("int16", unit="x" * 300)])[1]
    parts = wire(lz4(text, order), b"\1\0", b"", dh_compression="lz4")
    message = decode(parts)
    assert message.data["A"].value == 1
    assert message.data_header == json.loads(text)
    assert encode(message) == parts


def test_a_data_header_with_bitshuffle_lz4() -> None:
    text = wire([channel("int16", unit="x" * 300)])[1]
    part = bitshuffle_lz4(np.frombuffer(text, "u1"))
    parts = wire(part, b"\1\0", b"", dh_compression="bitshuffle_lz4")
    assert decode(parts).data_header == json.loads(text)
    assert encode(decode(parts)) == parts


def test_a_data_header_is_decompressed_when_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    inner = codec.decode

    def counted(*arguments: Any, **keywords: Any) -> Any:
        calls.append(arguments)
        return inner(*arguments, **keywords)

    monkeypatch.setattr(codec, "decode", counted)
    a, b = (lz4(wire([channel(type_)])[1]) for type_ in ("int16", "uint16"))
    decoder = Decoder()
    changed = [
        decoder.decode(wire(part, bytes(2), b"", dh_compression="lz4")).format_changed
        for part in (a, a, b, b, a, b, a)
    ]
    assert changed == [True, False, True, False, True, True, True]
    assert len(calls) == 2


def test_the_same_bytes_compressed_in_another_way_are_another_data_header() -> None:
    text = wire([channel("int16")])[1]
    decoder = Decoder()
    assert decoder.decode(wire(text, bytes(2), b"")).data["A"].value == 0
    with pytest.raises(DecodeError, match="the data header: "):
        decoder.decode(wire(text, bytes(2), b"", dh_compression="lz4"))


def later(parts: list[bytes]) -> Any:
    return Decoder().begin(Message(parts=parts))


def test_values_are_decompressed_later() -> None:
    plain = wire([channel("int16")], bytes(2), b"")
    assert type(later(plain)) is BsreadMessage
    sent = np.arange(2000, dtype="<u2")
    channels = [
        channel("uint16", shape=[2000], compression="lz4"),
        {"name": "B", "type": "float64", "shape": [3], "compression": "bitshuffle_lz4"},
        {"name": "C", "type": "string", "compression": "lz4"},
        {"name": "D", "type": "int8", "shape": [1 << 20]},
        {"name": "E", "type": "int8", "shape": [1 << 20], "compression": "lz4"},
    ]
    text = lz4(b"abc")
    values = [lz4(sent.tobytes()), codec.encode(bytes(24), "bitshuffle_lz4", 8, "<"), text]
    rest = [bytes(1 << 20), b"", b"", b""]
    work = later(wire(channels, *[part for value in values for part in (value, b"")], *rest))
    assert type(work) is Deferred
    assert work.size == 4000 + 24 + 4 * len("abc")  # E has no value
    assert work.size < SMALL
    assert [same(work().data["A"].value, sent), work().data["C"].value] == [True, "abc"]


def test_the_work_can_be_done_out_of_order() -> None:
    decoder = Decoder()
    described = [channel("int32", compression="lz4")]
    messages = [wire(described, lz4(struct.pack("<i", n)), b"", pulse_id=n) for n in range(5)]
    works = [decoder.begin(Message(parts=parts)) for parts in messages]
    done = {n: works[n]() for n in (3, 0, 4, 1, 2)}
    assert [done[n].data["A"].value for n in range(5)] == list(range(5))
    assert [done[n].format_changed for n in range(5)] == [True] + [False] * 4


# What can't be read


CUT = lz4(np.arange(100, dtype="<u2").tobytes())


@pytest.mark.parametrize(
    ("described", "part", "reason"),
    [
        (channel("uint16", shape=[100], compression="lz4"), CUT[:-1], "are not the LZ4 of 200"),
        (channel("uint16", shape=[100], compression="lz4"), CUT[:3], "3 bytes are no lz4"),
        (
            channel("uint16", shape=[99], compression="lz4"),
            CUT,
            "had 200 or 3355443200 bytes before compression; shape [99] of uint16 needs 198",
        ),
        (
            channel("uint8", shape=[30, 40], compression="lz4"),
            lz4(bytes(70)),
            "needs 1200; bsread_cpp sends the sum of the shape, not the product: the rest is lost",
        ),
        (
            channel("float64", shape=[30, 40], compression="bitshuffle_lz4"),
            codec.encode(bytes(560), "bitshuffle_lz4", 8, "<"),
            "needs 9600; bsread_cpp sends the sum of the shape, not the product: the rest is lost",
        ),
        (
            channel("float32", shape=[3, 4], compression="bitshuffle_lz4"),
            struct.pack(">QI", 48, 8192) + bytes(47),
            "bytes",
        ),
        (channel("float32", compression="bitshuffle_lz4"), bytes(7), "7 bytes are no bitshuffle"),
        (channel("string", compression="lz4"), struct.pack("<I", 9) + b"\0", "9"),
        (channel("string", compression="lz4"), b"\xff" * 99, "decode"),
        (channel("uint16", compression="zip"), b"", "compression 'zip' is unknown (known: none,"),
        (channel("uint16", compression=[4]), b"", "compression [4] is unknown"),
        (channel("uint16", compression={}), b"", "compression {} is unknown"),
    ],
)
def test_what_is_wrong_with_a_channel(described: Any, part: bytes, reason: str) -> None:
    said = refused(wire([described], part, stamp()))
    assert said.startswith("channel 'A': ")
    assert reason in said


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_lying_size_allocates_nothing(compression: str) -> None:
    size = MAX_BYTES - 8
    head = {"lz4": struct.pack("<I", size), "bitshuffle_lz4": struct.pack(">QI", size, 8192)}
    described = channel("uint8", shape=[size], compression=compression)
    parts = wire([described], head[compression] + bytes(99), b"")
    tracemalloc.start()
    try:
        assert refused(parts).startswith("channel 'A': ")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_all_values_of_a_message_are_capped() -> None:
    half = {"type": "uint8", "shape": [MAX_BYTES // 2 + 1], "compression": "lz4"}
    parts = wire([{**half, "name": "A"}, {**half, "name": "B"}], *[lz4(b"x"), b""] * 2)
    assert "all its values would be" in refused(parts)
    parts[4] = b""  # no value: the other alone is not too much
    assert refused(parts).startswith("channel 'A': ")


def test_the_limit_on_all_values_of_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    half = {"type": "uint8", "shape": [500], "compression": "lz4"}
    parts = wire([{**half, "name": "A"}, {**half, "name": "B"}], *[lz4(bytes(500)), b""] * 2)
    monkeypatch.setattr("gmflow.handlers.bsread.bsread_decoder.MAX_BYTES", 1000)
    assert [value.value.size for value in decode(parts).data.values()] == [500, 500]
    monkeypatch.setattr("gmflow.handlers.bsread.bsread_decoder.MAX_BYTES", 999)
    assert refused(parts) == "all its values would be 1000 bytes; 999 are allowed"


def test_strings_count_for_what_they_may_take() -> None:
    strings = [{"name": name, "type": "string", "compression": "lz4"} for name in "AB"]
    part = lz4(bytes(MAX_BYTES // 8 + 1))  # a str has up to four bytes for each
    assert "all its values would be" in refused(wire(strings, *[part, b""] * 2))
    few = decode(wire(strings, *[lz4("h\xe4".encode()), b""] * 2))
    assert [value.value for value in few.data.values()] == ["h\xe4", "h\xe4"]


def test_wrong_data_headers() -> None:
    text = wire([channel("int16")])[1]
    for part in (text, lz4(text)[:-1], b"\1", struct.pack("<I", 1 << 31) + bytes(9)):
        for compression in COMPRESSIONS:
            said = refused(wire(part, bytes(2), b"", dh_compression=compression))
            assert said.startswith("the data header: ")
    assert "'zip' is unknown" in refused(wire(text, bytes(2), b"", dh_compression="zip"))
    large = text + b" " * (MAX_TEXT - len(text))
    assert decode(wire(lz4(large), bytes(2), b"", dh_compression="lz4")).data["A"].value == 0
    too_large = wire(lz4(large + b" "), bytes(2), b"", dh_compression="lz4")
    assert f"{MAX_TEXT} are" in refused(too_large)


def test_the_data_header_outlives_a_value_that_can_not_be_read() -> None:
    described = [channel("uint16", shape=[100], compression="lz4")]
    full = wire(described, CUT, b"", hash="h")
    decoder = Decoder()
    decoder.decode(full)
    for part in (CUT[:-1], CUT[:2], lz4(b"x")):
        bad = [full[0], b"", part, b""]
        with pytest.raises(DecodeError) as caught:
            decoder.decode(bad)
        assert caught.value.parts is bad
        assert decoder.decode([full[0], b"", CUT, b""]).data["A"].value[99] == 99
    assert decoder.statistics.messages_failed == 3
    assert decoder.statistics.messages_received == 4


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "imagecodecs", None)
    said = refused(wire([channel("uint8", shape=[9], compression="lz4")], lz4(bytes(9)), b""))
    assert said.startswith("channel 'A': ")
    assert "gmflow[bsread]" in said
    channels = [channel("uint8", shape=[9], compression="lz4")]
    message = BsreadMessage(1, data={"A": np.zeros(9, "u1")}, data_header={"channels": channels})
    assert "gmflow[bsread]" in not_written(message)


# Forwarding what was changed, or not


def both() -> list[bytes]:
    """Return a message of two channels; their lz4 is not what gmflow would write."""
    channels = [
        channel("uint8", shape=[40], compression="lz4"),
        {"name": "B", "type": "int32", "encoding": "big", "compression": "lz4"},
    ]
    literal = struct.pack(">I", 40) + b"\xf0\x19" + bytes(40)
    return wire(channels, literal, stamp(), lz4(b"\0\0\0\5", ">"), stamp(">"))


def test_only_what_was_changed_is_compressed_again() -> None:
    parts = both()
    message = decode(parts)
    message.data["B"] = Value(6, 1, 2)
    message.pulse_id = 8
    written = encode(message)
    assert json.loads(written[0])["pulse_id"] == 8
    assert written[1:4] == parts[1:4]
    assert written[4:] == [lz4(b"\0\0\0\6", ">"), stamp(">", 1, 2)]
    message.data["A"].value = np.zeros(40, "u1")
    assert encode(message)[2] == lz4(bytes(40))


def test_a_value_changed_in_place_is_compressed_again() -> None:
    message = decode(both())
    array = message.data["A"].value
    assert not array.flags.writeable
    array.setflags(write=True)
    array[3] = 7
    assert decode(encode(message)).data["A"].value[3] == 7


def test_a_value_of_another_channel_is_not_taken_for_its_own() -> None:
    parts = both()
    message, other = decode(parts), decode(parts)
    message.data["B"] = other.data["B"]
    assert decode(encode(message)).data["B"].value == 5


def test_a_changed_data_header_compresses_all_again() -> None:
    message = decode(both())
    assert message.data_header is not None
    message.data_header["channels"][0]["compression"] = "bitshuffle_lz4"
    message.data_header["channels"][1]["compression"] = "none"
    written = encode(message)
    assert json.loads(written[0])["hash"] == md5(written[1]).hexdigest()
    assert written[2] == codec.encode(bytes(40), "bitshuffle_lz4", 1, "<")
    assert written[4] == b"\0\0\0\5"
    message.data_header = None
    assert encode(message)[2] == bytes(40)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_the_data_header_can_be_compressed_in_another_way(compression: str) -> None:
    parts = wire([channel("int16")], bytes(2), b"", hash="opaque")
    message = decode(parts)
    message.header["dh_compression"] = compression
    written = encode(message)
    assert written[1] == codec.encode(parts[1], compression, 1, "<")
    assert json.loads(written[0])["hash"] == md5(written[1]).hexdigest()
    again = decode(written)
    assert again.data_header == message.data_header
    del again.header["dh_compression"]
    plain = encode(again)
    assert plain[1] == parts[1]
    assert json.loads(plain[0])["hash"] == md5(parts[1]).hexdigest()


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
)
def test_what_a_copy_says_is_what_it_sends(duplicate: Any) -> None:
    parts = both()
    again = duplicate(decode(parts))
    array = again.data["A"].value
    if array.flags.writeable:
        array[0] = 1
    sent = decode(encode(again))
    assert sent.data["A"].value[0] == array[0]
    assert sent.data["B"].value == 5


def test_an_omitted_data_header_stays_omitted() -> None:
    text = lz4(wire([channel("int16", compression="lz4")])[1])
    full = wire(text, lz4(bytes(2)), b"", dh_compression="lz4")
    decoder = Decoder()
    decoder.decode(full)
    empty = [full[0], b"", *full[2:]]
    assert encode(decoder.decode(empty)) == empty
    unsaid = [wire(text, lz4(bytes(2)), b"")[0], b"", *full[2:]]
    assert encode(decoder.decode(unsaid)) == unsaid


# Round trips


@st.composite
def values(draw: st.DrawFn) -> tuple[dict[str, Any], Any]:
    """Return a channel and a value of it."""
    type_ = draw(st.sampled_from([*CODES, "string"]))
    encoding = draw(st.sampled_from(["little", "big"]))
    compression = draw(st.sampled_from(["none", *COMPRESSIONS]))
    shape = draw(st.just([1]) | st.lists(st.integers(0, 9) | st.just(257), max_size=3))
    described = {"name": draw(st.text()), "type": type_, "shape": shape, "encoding": encoding}
    described["compression"] = compression
    if type_ == "string":
        text = draw(st.text(max_size=20)) * draw(st.integers(1, 500))
        return described, text or (None if compression == "none" else "")
    dtype = np.dtype({"little": "<", "big": ">"}[encoding] + CODES[type_])
    size = int(np.prod(shape, dtype=int))
    seed = draw(st.binary(min_size=8, max_size=64))
    plain = (seed * (size * dtype.itemsize // len(seed) + 1))[: size * dtype.itemsize]
    if type_ == "bool":
        plain = bytes(byte % 2 for byte in plain)
    return described, np.ndarray(shape[::-1], dtype, plain)


MANY = st.lists(values(), min_size=1, max_size=4, unique_by=lambda drawn: drawn[0]["name"])


@given(MANY, st.sampled_from([None, "none", *COMPRESSIONS]))
def test_any_value_comes_back(drawn: Any, header_compression: str | None) -> None:
    header = {"htype": "bsr_m-1.1", "dh_compression": header_compression}
    data_header = {"htype": "bsr_d-1.1", "channels": [described for described, _ in drawn]}
    data = {described["name"]: Value(value, 5, 6) for described, value in drawn}
    message = BsreadMessage(7, **STAMP_ARGUMENTS, data=data, header=header, data_header=data_header)
    parts = encode(message)
    assert json.loads(parts[0])["hash"] == md5(parts[1]).hexdigest()
    again = decode(parts)
    assert again.data_header == data_header
    for described, value in drawn:
        assert same(again.data[described["name"]].value, value)
    assert encode(again) == parts


STAMP_ARGUMENTS = {"global_timestamp": STAMP["sec"], "global_timestamp_offset": STAMP["ns"]}
