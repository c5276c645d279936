"""bsread messages recorded into HDF5, read with h5py alone."""

import json
import struct
import tracemalloc
from collections import defaultdict
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmflow.codecs import bsread_codec as codec
from gmflow.decoder import Decoder
from gmflow.message import Message
from tests.support.bsread_wire import CODES, STAMP, stamp, wire
from tests.support.captures import needs_captures, read_capture, truth
from tests.support.full import times
from tests.support.hdf5_recorded import opened, record, texts

h5py = pytest.importorskip("h5py")

CAPTURES = "psi-bsread-2.0.2-sender"
UNKNOWN = -(1 << 63)

Row = tuple[int, Any, int, int]


def rows(file: Any, channel: str) -> list[Row]:
    """Return what was recorded of a channel: pulse, value, seconds and nanoseconds."""
    group = file[f"data/{channel}"]
    data = list(group["data"][:])
    if "length" in group:
        lengths = group["length"][:].tolist()
        data = [item.ljust(size, b"\0") for item, size in zip(data, lengths, strict=True)]
    names = "pulse_id", "timestamp", "timestamp_offset"
    pulses, seconds, offsets = (group[name][:].tolist() for name in names)
    return list(zip(pulses, data, seconds, offsets, strict=True))


def same(recorded: Any, value: Any) -> bool:
    if isinstance(value, str):
        return bool(recorded == value.encode("utf-8", "surrogateescape"))
    if np.shape(recorded) != value.shape or recorded.dtype != value.dtype:
        return False
    return bool(recorded.tobytes() == value.tobytes())


def scalars(pulse_id: int, *names: str, **header: Any) -> list[bytes]:
    values = [part for _ in names for part in (struct.pack("<d", pulse_id), stamp())]
    return wire([{"name": name} for name in names], *values, pulse_id=pulse_id, **header)


# Real traffic


@needs_captures
def test_captures_equal_what_was_sent(tmp_path: Path) -> None:
    for name, stream in truth(CAPTURES)["streams"].items():
        parts = read_capture(f"{CAPTURES}/{name}")
        assert record(tmp_path / name, *parts).refused == 0
        with opened(tmp_path / name) as files:
            recorded = by_pulse(files)
        for header, sent in zip(stream["main_header"], stream.get("sent", []), strict=False):
            check_sent(recorded[header["pulse_id"]], header, sent)
        check_decoded(recorded, parts)


@needs_captures
def test_a_capture_without_values_is_refused(tmp_path: Path) -> None:
    assert record(tmp_path, *read_capture("psi-swissfel-dataheader/headers_only")).refused == 1
    assert not list(tmp_path.iterdir())


def by_pulse(files: Sequence[Any]) -> dict[int, dict[str, Any]]:
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    for file in files:
        for channel in file["data"]:
            for pulse, value, *_ in rows(file, channel):
                assert channel not in found[pulse]
                found[pulse][channel] = value
    return found


def check_sent(recorded: dict[str, Any], header: dict[str, Any], sent: dict[str, Any]) -> None:
    for name, value in sent.items():
        if isinstance(value, dict) and name in recorded:
            check_value(recorded[name], value)
        elif isinstance(value, str):
            assert recorded[name] == value.encode()
        elif value is None:
            assert name not in recorded
        elif name != "pulse_id" and name in recorded:
            assert recorded[name] == value
    assert header["pulse_id"] == sent.get("pulse_id", header["pulse_id"])


def check_value(value: Any, sent: dict[str, Any]) -> None:
    if "list" in sent:
        assert value.tolist() == sent["list"]
    elif "ndarray" in sent:
        assert list(value.shape) == ([] if sent["shape"] == [1] else sent["shape"])
        assert value.dtype.newbyteorder("=") == np.dtype(sent["ndarray"]).newbyteorder("=")
        in_order = np.asarray(value, sent["ndarray"]).tobytes()
        assert sha256(in_order).hexdigest() == sent["sha256_native_c_order"]
    elif isinstance(sent["value"], str):
        assert value == sent["value"].encode()
    else:
        assert value == sent["value"]


def check_decoded(recorded: dict[int, dict[str, Any]], messages: list[list[bytes]]) -> None:
    decoder = Decoder()
    for parts in messages:
        read = decoder.decode(parts)
        values = {name: one.value for name, one in read.data.items() if one.value is not None}
        assert recorded[read.pulse_id].keys() == values.keys()
        for name, value in values.items():
            assert same(recorded[read.pulse_id][name], value)


@needs_captures
def test_a_capture_has_its_headers_and_times(tmp_path: Path) -> None:
    parts = read_capture(f"{CAPTURES}/all_types__data_bitshuffle_lz4__header_bitshuffle_lz4")
    known = truth(CAPTURES)["streams"]["all_types__data_bitshuffle_lz4__header_bitshuffle_lz4"]
    record(tmp_path, *(Message(parts=one, received_ns=index) for index, one in enumerate(parts)))
    with opened(tmp_path) as (file,):
        data_header = known["data_headers"][0]["data_header"]
        assert json.loads(file["data_header"][()]) == data_header
        assert set(file["data"]) == {channel["name"] for channel in data_header["channels"]}
        messages = file["messages"]
        assert texts(file, "messages/header") == [one[0] for one in parts]
        headers = known["main_header"]
        assert messages["pulse_id"][:].tolist() == [header["pulse_id"] for header in headers]
        stamps = [list(header["global_timestamp"].values()) for header in headers]
        times = "timestamp", "timestamp_offset"
        assert np.stack([messages[f"global_{name}"] for name in times], 1).tolist() == stamps
        assert messages["arrived"][:].tolist() == list(range(len(parts)))
        for channel in file["data"].values():
            assert np.stack([channel[name] for name in times], 1).tolist() == stamps
        assert without_data(file) == []


# Any values


@st.composite
def streams(draw: st.DrawFn) -> list[list[bytes]]:
    """Draw messages of one data header, with values that are there or not."""
    channels = draw(st.lists(described(), min_size=1, max_size=4))
    channels = [{**channel, "name": f"C{index}"} for index, channel in enumerate(channels)]
    messages = []
    for pulse in range(draw(st.integers(1, 5))):
        values = [part for channel in channels for part in draw(parts_of(channel))]
        messages.append(wire(channels, *values, pulse_id=pulse))
    return messages


def described() -> st.SearchStrategy[dict[str, Any]]:
    shapes = st.lists(st.integers(1, 4), min_size=1, max_size=3)
    return st.fixed_dictionaries(
        {
            "type": st.sampled_from([*CODES, "string"]),
            "shape": shapes | st.just([1]) | st.just([200, 100]),
            "encoding": st.sampled_from(["little", "big"]),
            "compression": st.sampled_from(["none", "none", "lz4", "bitshuffle_lz4"]),
        }
    )


@st.composite
def parts_of(draw: st.DrawFn, channel: dict[str, Any]) -> tuple[bytes, bytes]:
    """Draw the two parts of a value; random bytes make any value of any type."""
    order = "<" if channel["encoding"] == "little" else ">"
    when = draw(
        st.just(b"")
        | st.tuples(*[st.integers(0, 2**64 - 1)] * 2).map(
            lambda both: struct.pack(order + "QQ", *both)
        )
    )
    if draw(st.integers(0, 4)) == 0:
        return b"", when
    if channel["type"] == "string":
        plain = draw(st.binary(max_size=200))
        size = 1
    else:
        dtype = np.dtype(CODES[channel["type"]])
        size = dtype.itemsize
        count = int(np.prod(channel["shape"]))
        seed = draw(st.integers(0, 2**32 - 1))
        most = 2 if dtype == np.bool_ else 256
        plain = np.random.default_rng(seed).integers(0, most, count * size, np.uint8).tobytes()
        if channel["compression"] != "none" and draw(st.integers(0, 4)) == 0:
            plain = b""
    if channel["compression"] == "none":
        return plain, when
    return bytes(codec.encode(plain, channel["compression"], size, order)), when


@settings(max_examples=times(40, 15))
@given(streams())
def test_what_the_decoder_gives_is_what_is_recorded(messages: list[list[bytes]]) -> None:
    decoder = Decoder()
    read = [decoder.decode(parts) for parts in messages]
    with TemporaryDirectory() as folder:
        assert record(Path(folder), *messages).refused == 0
        with opened(Path(folder)) as files:
            for index, name in enumerate(read[0].data):
                check_channel(files, index, name, read)


def check_channel(files: list[Any], index: int, name: str, read: list[Any]) -> None:
    found = iter([row for file in files for row in rows(file, name)])
    rest = [row for file in files for row in without_data(file) if row[0] == index]
    others = iter(rest)
    for message in read:
        value = message.data[name]
        told = [signed(value.timestamp), signed(value.timestamp_offset)]
        has_data = value.value is not None and (isinstance(value.value, str) or value.value.size)
        if has_data:
            pulse, data, *times = next(found)
            assert [pulse, *times] == [message.pulse_id, *told]
            assert same(data, value.value)
        elif value.value is not None or value.timestamp is not None:
            expected = (index, message.pulse_id, *told, value.value is not None)
            assert next(others) == expected
    assert not list(found)
    assert not list(others)


def signed(number: int | None) -> int:
    return UNKNOWN if number is None else int(np.uint64(number).astype(np.int64))


def without_data(file: Any) -> list[tuple[Any, ...]]:
    names = "channel", "pulse_id", "timestamp", "timestamp_offset", "is_empty"
    columns = (file[f"without_data/{name}"][:].tolist() for name in names)
    return list(zip(*columns, strict=True))


# Gaps and times


def test_a_channel_has_rows_for_its_values_alone(tmp_path: Path) -> None:
    channels = [{"name": "FAST"}, {"name": "SLOW", "type": "int32", "modulo": 10}]
    messages = []
    for pulse in range(30):
        slow = (struct.pack("<i", pulse), stamp()) if pulse % 10 == 0 else (b"", b"")
        fast = struct.pack("<d", pulse), stamp()
        messages.append(wire(channels, *fast, *slow, pulse_id=pulse))
    record(tmp_path, *messages)
    with opened(tmp_path) as (file,):
        assert [pulse for pulse, *_ in rows(file, "FAST")] == list(range(30))
        assert [row[:2] for row in rows(file, "SLOW")] == [(0, 0), (10, 10), (20, 20)]
        assert without_data(file) == []


def test_a_time_without_a_value_is_kept(tmp_path: Path) -> None:
    channels = [{"name": "A"}, {"name": "B"}]
    record(tmp_path, wire(channels, bytes(8), b"", b"", stamp(), pulse_id=5))
    with opened(tmp_path) as (file,):
        assert rows(file, "A") == [(5, 0.0, UNKNOWN, UNKNOWN)]
        assert rows(file, "B") == []
        assert without_data(file) == [(1, 5, 1700000001, 5, False)]


def test_an_unknown_time_is_no_time_to_numpy(tmp_path: Path) -> None:
    parts = wire([{"name": "A"}], bytes(8), b"", global_timestamp=None)
    record(tmp_path, parts)
    with opened(tmp_path) as (file,):
        for path in "messages/global_timestamp", "data/A/timestamp":
            assert np.isnat(file[path][:].astype("datetime64[s]")).all()


@pytest.mark.parametrize(
    "header",
    [
        {"pulse_id": 1 << 63},
        {"pulse_id": -(1 << 63) - 1},
        {"global_timestamp": {"sec": 1, "ns": -(1 << 63) - 1}},
    ],
)
def test_numbers_beyond_64_bits_are_refused(tmp_path: Path, header: dict[str, Any]) -> None:
    good = scalars(1, "A")
    assert record(tmp_path, wire([{"name": "A"}], bytes(8), stamp(), **header), good).refused == 1
    with opened(tmp_path) as (file,):
        assert [row[:2] for row in rows(file, "A")] == [(1, 1.0)]
        assert texts(file, "messages/header") == [good[0]]


def test_a_message_that_is_refused_leaves_nothing(tmp_path: Path) -> None:
    channels = [{"name": "A"}, {"name": "B", "type": "string"}]
    good = wire(channels, bytes(8), stamp(), b"text", stamp())
    cut = [*good[:2], bytes(7), stamp(), b"text", stamp()]
    long = [*good[:4], bytes((1 << 20) + 1), stamp()]
    writer = record(tmp_path, good, cut, long, good)
    assert (writer.written, writer.refused) == (2, 2)
    with opened(tmp_path) as (file,):
        assert len(rows(file, "A")) == len(rows(file, "B")) == len(file["messages/arrived"]) == 2


# Strings


def strings(*values: bytes) -> list[list[bytes]]:
    channels = [{"name": "S", "type": "string"}]
    return [wire(channels, value, stamp(), pulse_id=pulse) for pulse, value in enumerate(values, 1)]


def test_strings_that_grow_begin_the_next_file(tmp_path: Path) -> None:
    values = [b"short", b"x" * 64, b"y" * 65, b"z" * 128, b"s", b"z" * 70_000, b"after"]
    record(tmp_path, *strings(*values))
    with opened(tmp_path) as files:
        assert [file["data/S/data"].dtype.str for file in files] == ["|S64", "|S128", "|S131072"]
        assert [row[1] for file in files for row in rows(file, "S")] == values
        assert [file["data/S/data"].asstr("utf-8")[0] for file in files[:1]] == ["short"]


def test_any_bytes_come_back(tmp_path: Path) -> None:
    values = ["hällo".encode(), b"\xff\xfe no UTF-8", b"end\0\0", b"\0", b"in\0side"]
    record(tmp_path, *strings(*values))
    with opened(tmp_path) as (file,):
        assert [row[1] for row in rows(file, "S")] == values
        assert file["data/S/data"].attrs["encoding"] == "utf-8"


# Layouts


def test_other_channels_begin_the_next_file(tmp_path: Path) -> None:
    record(tmp_path, scalars(1, "A"), scalars(2, "A", "B"), scalars(3, "A"), scalars(4, "B", "A"))
    with opened(tmp_path) as files:
        assert [list(file["messages/pulse_id"][:]) for file in files] == [[1, 3], [2], [4]]
        assert [set(file["data"]) for file in files] == [{"A"}, {"A", "B"}, {"A", "B"}]


def test_another_type_or_shape_begins_the_next_file(tmp_path: Path) -> None:
    described = [
        {"name": "A", "type": "int16", "shape": [2, 3]},
        {"name": "A", "type": "int16", "shape": [3, 2]},
        {"name": "A", "type": "int16", "shape": [3, 2], "encoding": "big"},
    ]
    values = [(bytes(12), stamp()), (bytes(12), stamp()), (bytes(12), stamp(">"))]
    pairs = list(zip(described, values, strict=True))
    record(tmp_path, *(wire([channel], *value) for channel, value in [*pairs, *pairs]))
    with opened(tmp_path) as files:
        datasets = [file["data/A/data"] for file in files]
        assert [data.shape for data in datasets] == [(2, 3, 2), (2, 2, 3), (2, 2, 3)]
        assert [data.dtype.str for data in datasets] == ["<i2", "<i2", ">i2"]


def test_senders_are_told_apart(tmp_path: Path) -> None:
    both = [scalars(1, "A", hash="same"), scalars(1, "B", hash="same")]
    short = [[parts[0], b"", *parts[2:]] for parts in both]
    sources = "tcp://one:9999", "tcp://two:9999"
    pairs = [*zip(both, sources, strict=True), *zip(short, sources, strict=True)]
    writer = record(tmp_path, *(Message(parts=parts, source=source) for parts, source in pairs))
    assert writer.refused == 0
    with opened(tmp_path) as files:
        assert [set(file["data"]) for file in files] == [{"A"}, {"B"}]
        assert [len(file["messages/pulse_id"]) for file in files] == [2, 2]


def test_more_layouts_than_files_can_be_open(tmp_path: Path) -> None:
    names = [f"C{index}" for index in range(20)]
    record(tmp_path, *(scalars(1, name) for name in names), *(scalars(2, name) for name in names))
    with opened(tmp_path) as files:
        found = [
            (name, pulse)
            for file in files
            for name in file["data"]
            for pulse, *_ in rows(file, name)
        ]
    assert sorted(found) == sorted((name, pulse) for name in names for pulse in (1, 2))


def test_messages_without_channels(tmp_path: Path) -> None:
    record(tmp_path, wire([]), wire([], b"what follows is ignored"))
    with opened(tmp_path) as (file,):
        assert file["messages/pulse_id"][:].tolist() == [7, 7]
        assert not len(file["data"])


# Names


@pytest.mark.parametrize(
    ("name", "link"),
    [
        ("SARES11-LSCP-FNS:CH0:VAL_GET", "SARES11-LSCP-FNS:CH0:VAL_GET"),
        ("A/B", "A%2FB"),
        ("A%2FB", "A%252FB"),
        (".", "%2E"),
        ("..", ".."),
        ("a.b", "a.b"),
        ("", "%"),
        ("a\0b", "a%00b"),
        ("é", "é"),
        ("long" * 20_000, "long" * 20_000),
        ("\udcff", "%ED%B3%BF"),
    ],
)
def test_names(tmp_path: Path, name: str, link: str) -> None:
    assert record(tmp_path, scalars(3, name, "other")).refused == 0
    with opened(tmp_path) as (file,):
        assert set(file["data"]) == {link, "other"}
        assert rows(file, link)[0][:2] == (3, 3.0)
        assert unquote(link, errors="surrogatepass") == (name or "%")
        kept = file["data"][link].attrs["name"]
        assert kept == (link if name in ("a\0b", "\udcff") else name)
        assert json.loads(file["data_header"][()])["channels"][0]["name"] == name


def test_names_that_look_alike_stay_apart(tmp_path: Path) -> None:
    names = ["A/B", "A%2FB", "A%252FB", "A", "", "%", "%25"]
    record(tmp_path, scalars(3, *names))
    with opened(tmp_path) as (file,):
        assert len(file["data"]) == len(names)


# What is hostile


@pytest.mark.parametrize(
    ("channel", "problem"),
    [
        ({"shape": [1 << 40]}, "too large for a chunk"),
        ({"shape": [1 << 16, 1 << 16]}, "too large for a chunk"),
        ({"shape": [1] * 32 + [2]}, "33 dimensions"),
    ],
)
def test_what_hdf5_cannot_hold_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, channel: dict[str, Any], problem: str
) -> None:
    parts = wire([{"name": "HUGE", **channel}], b"", b"")
    assert record(tmp_path, parts, scalars(1, "A")).refused == 1
    assert problem in caplog.text
    assert "HUGE" in caplog.text
    with opened(tmp_path) as (file,):
        assert list(file["data"]) == ["A"]


def test_large_shapes_without_values_take_no_memory(tmp_path: Path) -> None:
    channels = [{"name": f"C{index}", "shape": [1 << 14, 1 << 14]} for index in range(50)]
    tracemalloc.start()
    try:
        assert record(tmp_path, wire(channels, *[b""] * 100)).refused == 0
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
    finally:
        tracemalloc.stop()
    assert (tmp_path / "run.h5").stat().st_size < 1 << 22


def test_too_many_channels_are_refused(tmp_path: Path) -> None:
    names = [f"C{index}" for index in range((1 << 12) + 1)]
    assert record(tmp_path, scalars(1, *names)).refused == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shape", [[0], [3, 0]])
def test_channels_without_elements_have_no_data(tmp_path: Path, shape: list[int]) -> None:
    channels = [{"name": "NONE", "shape": shape}]
    record(tmp_path, wire(channels, b"", stamp(), pulse_id=4))
    with opened(tmp_path) as (file,):
        assert "data" not in file["data/NONE"]
        assert file["data/NONE/pulse_id"][:].tolist() == [4]
        assert file["data/NONE/timestamp"][:].tolist() == [1700000001]


def test_large_images_are_the_bytes_that_were_sent(tmp_path: Path) -> None:
    image = np.random.default_rng(7).integers(0, 1 << 16, (256, 512)).astype(">u2")
    channel = {"name": "CAM", "type": "uint16", "shape": [512, 256], "encoding": "big"}
    record(tmp_path, *[wire([channel], image.tobytes(), stamp(">"))] * 2)
    with opened(tmp_path) as (file,):
        data = file["data/CAM/data"]
        assert (data.chunks, data.dtype.str) == ((1, 256, 512), ">u2")
        assert data.id.read_direct_chunk((1, 0, 0))[1] == image.tobytes()
        assert np.array_equal(data[1], image)


def test_the_global_timestamp(tmp_path: Path) -> None:
    record(tmp_path, scalars(1, "A"))
    with opened(tmp_path) as (file,):
        assert file["messages/global_timestamp"][:].tolist() == [STAMP["sec"]]
        assert file["messages/global_timestamp_offset"][:].tolist() == [STAMP["ns"]]
