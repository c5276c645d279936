"""array-1.0 recorded into HDF5, read with h5py alone."""

import json
from collections.abc import Sequence
from hashlib import sha256
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmflow.decoder import Decoder
from gmflow.message import Message
from tests.support.captures import needs_captures, read_capture, truth
from tests.support.full import times
from tests.support.hdf5_recorded import opened, record, texts
from tests.support.messages import parts as parts_of

h5py = pytest.importorskip("h5py")

CAPTURES = "psi-mflow-1.0.0-sender"
DATA = "entry/data"


def wire(*segments: bytes, **header: Any) -> list[bytes]:
    header = {"htype": "array-1.0", "type": "uint16", "shape": [2, 3], **header}
    return parts_of(*segments, **header)


def counted(size: int, start: int = 0) -> bytes:
    return bytes((start + index) % 251 for index in range(size))


# Real traffic


@needs_captures
def test_a_capture_is_one_stack(tmp_path: Path) -> None:
    name = "examples_sender_array-1.0"
    frames = truth(CAPTURES)["streams"][name]["frames_received"]
    parts = read_capture(f"{CAPTURES}/{name}")
    assert record(tmp_path, *parts).refused == 0
    with opened(tmp_path) as (file,):
        assert file[f"{DATA}/frame"][:].tolist() == frames
        assert file[f"{DATA}/data"].dtype == np.int32
        assert file[f"{DATA}/data"][:].tolist() == [[frame] * 10 for frame in frames]
        assert texts(file, f"{DATA}/header") == [one[0] for one in parts]


@needs_captures
def test_a_capture_of_all_types(tmp_path: Path) -> None:
    name = "forward_array-1.0_all_types"
    sent = truth(CAPTURES)["streams"][name]
    assert record(tmp_path, *read_capture(f"{CAPTURES}/{name}")).refused == 0
    with opened(tmp_path) as files:
        found = {
            json.loads(text)["frame"]: (file, row)
            for file in files
            for row, text in enumerate(texts(file, f"{DATA}/header"))
        }
        assert found.keys() == {known["header"]["frame"] for known in sent}
        for known in sent:
            file, row = found[known["header"]["frame"]]
            for number, segment in enumerate(known["segments"], 1):
                array = file[f"{DATA}/data{f'_{number}' if number > 1 else ''}"][row]
                assert [array.dtype.str, list(array.shape)] == [segment["dtype"], segment["shape"]]
                assert sha256(array.tobytes()).hexdigest() == segment["sha256"]


# Any arrays

TYPES = [
    *("bool", "int8", ">i2", "<u4", "uint64", "float16", ">f4", "float64", "float"),
    *("complex64", ">c16", "S5", "V3", "i4,f8", "(2,)u2"),
]


@st.composite
def messages(draw: st.DrawFn) -> list[bytes]:
    name = draw(st.sampled_from(TYPES))
    shape = draw(st.lists(st.integers(0, 4), max_size=3) | st.just([150, 300]))
    size = prod(shape) * np.dtype(name).itemsize
    count = draw(st.integers(0, 3))
    empty = draw(st.lists(st.integers(0, 2), max_size=1))
    seed = draw(st.integers(0, 2**32 - 1))
    most = 2 if name == "bool" else 256
    numbers = np.random.default_rng(seed)
    segments = [numbers.integers(0, most, size, np.uint8).tobytes() for _ in range(count)]
    segments = [b"" if index in empty else segment for index, segment in enumerate(segments)]
    extra = draw(st.dictionaries(st.sampled_from(["frame", "pulse_id", "tag"]), st.integers()))
    return wire(*segments, type=name, shape=shape, **extra)


@settings(max_examples=times(40, 15))
@given(st.lists(messages(), min_size=1, max_size=6))
def test_what_the_decoder_gives_is_what_is_recorded(sent: list[list[bytes]]) -> None:
    with TemporaryDirectory() as folder:
        stamped = [Message(parts=parts, received_ns=number) for number, parts in enumerate(sent, 1)]
        assert record(Path(folder), *stamped).refused == 0
        with opened(Path(folder)) as files:
            rows = {
                int(number): (file[DATA], row)
                for file in files
                for row, number in enumerate(file[DATA]["arrived"])
            }
            heads = {number: texts(group, "header")[row] for number, (group, row) in rows.items()}
            assert sorted(heads.items()) == [
                (number, parts[0]) for number, parts in enumerate(sent, 1)
            ]
            for number, parts in enumerate(sent, 1):
                check_row(*rows[number], Decoder().decode(parts))


def check_row(group: Any, row: int, value: dict[str, Any]) -> None:
    arrays = value["data"]
    for index, array in enumerate(arrays):
        name = f"data_{index + 1}" if index else "data"
        if array is None or not array.size:
            assert name not in group
        else:
            recorded = group[name][row]
            assert (group[name].dtype, np.shape(recorded)) == (array.dtype, array.shape)
            assert np.asarray(recorded, array.dtype).tobytes() == array.tobytes()
    for key in "frame", "pulse_id":
        number = value["header"].get(key)
        if isinstance(number, int) and -(1 << 63) <= number < 1 << 63:
            assert group[key][row] == number
        else:
            assert key not in group


# Layouts


def recorded(folder: Path, *sent: Sequence[bytes]) -> list[dict[str, Any]]:
    """Record, and return what each file has: its datasets."""
    assert record(folder, *sent).refused == 0
    with opened(folder) as files:
        return [{name: data[:] for name, data in file[DATA].items()} for file in files]


def test_segments_stand_beside_each_other(tmp_path: Path) -> None:
    sent = [wire(counted(12, n), counted(12, n + 1), frame=n) for n in range(3)]
    (file,) = recorded(tmp_path, *sent)
    for name, index in ("data", 1), ("data_2", 2):
        assert file[name].shape == (3, 2, 3)
        assert [array.tobytes() for array in file[name]] == [parts[index] for parts in sent]


def test_empty_segments_have_a_file_of_their_own(tmp_path: Path) -> None:
    full, empty = wire(counted(12), counted(12)), wire(b"", counted(12))
    files = recorded(tmp_path, full, empty, full, empty, wire(b"", b""), wire())
    assert [sorted(name for name in file if name.startswith("data")) for file in files] == [
        ["data", "data_2"],
        ["data_2"],
        [],
        [],
    ]
    assert [len(file["arrived"]) for file in files] == [2, 2, 1, 1]


def test_layouts_that_alternate_keep_their_files(tmp_path: Path) -> None:
    described = [{"shape": [2, 3]}, {"shape": [3, 2]}, {"type": ">u2"}, {"frame": 1}, {"frame": ""}]
    files = recorded(tmp_path, *[wire(counted(12), **header) for header in described * 3])
    assert [(file["data"].shape, file["data"].dtype.str) for file in files] == [
        ((6, 2, 3), "<u2"),
        ((3, 3, 2), "<u2"),
        ((3, 2, 3), ">u2"),
        ((3, 2, 3), "<u2"),
    ]
    assert ["frame" in file for file in files] == [False, False, False, True]


def test_more_layouts_than_files_can_be_open(tmp_path: Path) -> None:
    sizes = list(range(1, 21)) * 2
    files = recorded(tmp_path, *(wire(counted(size), type="u1", shape=[size]) for size in sizes))
    found = [row.tobytes() for file in files for row in file["data"]]
    assert sorted(found) == sorted(counted(size) for size in sizes)


def test_a_float_is_what_each_segment_has_room_for(tmp_path: Path) -> None:
    segments = [np.array([1.5, 2.5], "f4"), np.array([0.1, 1e300], "f8")]
    (file,) = recorded(tmp_path, wire(*(a.tobytes() for a in segments), type="float", shape=[2]))
    assert [file[name].dtype.str for name in ("data", "data_2")] == ["<f4", "<f8"]
    assert [file[name].tobytes() for name in ("data", "data_2")] == [a.tobytes() for a in segments]


@pytest.mark.parametrize("shape", [[], [2]])
def test_a_type_of_several_fields(tmp_path: Path, shape: list[int]) -> None:
    sent = np.array([(1, 2.5), (3, 4.5)], "i4,f8")[: 2 if shape else 1]
    (file,) = recorded(tmp_path, *[wire(sent.tobytes(), type="i4,f8", shape=shape)] * 3)
    assert file["data"].shape == (3, *shape)
    assert file["data"].tobytes() == sent.tobytes() * 3


def test_the_counters_of_the_header(tmp_path: Path) -> None:
    numbers = [0, -5, (1 << 63) - 1]
    (file,) = recorded(tmp_path, *(wire(bytes(12), frame=n, pulse_id=n + 0) for n in numbers))
    assert file["frame"].tolist() == file["pulse_id"].tolist() == numbers
    beyond, flag = wire(bytes(12), frame=1 << 63), wire(bytes(12), frame=True)
    for file in recorded(tmp_path / "beyond", beyond, flag):
        assert "frame" not in file


def test_old_headers(tmp_path: Path) -> None:
    sent = wire(counted(12), htype=["array-1.0"], endianess="big", encoding="jpg", source="cam")
    (file,) = recorded(tmp_path, sent)
    assert file["data"].dtype.str == "<u2"
    assert file["data"].tobytes() == sent[1]
    assert json.loads(file["header"].tobytes())["htype"] == ["array-1.0"]


def test_nexus_finds_the_data(tmp_path: Path) -> None:
    record(tmp_path, wire(counted(12)))
    with opened(tmp_path) as (file,):
        entry = file["entry"]
        data = entry[entry.attrs["default"]]
        assert (entry.attrs["NX_class"], data.attrs["NX_class"]) == ("NXentry", "NXdata")
        assert data[data.attrs["signal"]].shape == (1, 2, 3)


def test_large_arrays_are_a_chunk_each(tmp_path: Path) -> None:
    sent = [wire(counted(1 << 17, n), shape=[256, 256], type=">u2") for n in range(3)]
    assert record(tmp_path, *sent).refused == 0
    with opened(tmp_path) as (file,):
        data = file[f"{DATA}/data"]
        assert (data.chunks, data.compression) == ((1, 256, 256), None)
        for row, (_, part) in enumerate(sent):
            assert data.id.read_direct_chunk((row, 0, 0)) == (0, part)
            assert data[row].tobytes() == part


def test_any_buffer_is_a_part(tmp_path: Path) -> None:
    for size in 4, 1 << 17:
        shape = [size // 2]
        views = [memoryview(bytearray(part)) for part in wire(counted(size), shape=shape)]
        record(tmp_path / str(size), Message(parts=views))
        with opened(tmp_path / str(size)) as (file,):
            assert file[f"{DATA}/data"][0].tobytes() == counted(size)


# What can't be recorded


@pytest.mark.parametrize(
    ("header", "size", "problem"),
    [
        ({"type": "U5", "shape": [2]}, 40, "HDF5 has no type for <U5"),
        ({"type": "M8[ns]", "shape": [2]}, 16, "HDF5 has no type for datetime64[ns]"),
        ({"type": "u1", "shape": [1] * 32}, 1, "it has 32 dimensions; HDF5 holds 31 a row"),
        ({"type": "u1", "shape": [1 << 62]}, 8, "needs 4611686018427387904"),
        ({"type": "u1", "shape": [1 << 99]}, 8, "shape ["),
        ({"type": "object", "shape": [1]}, 8, "is not a number type"),
        ({"type": "u1", "shape": [1] * 31}, 1, None),
    ],
)
def test_what_hdf5_cannot_hold_is_refused(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    header: dict[str, Any],
    size: int,
    problem: str | None,
) -> None:
    writer = record(tmp_path, wire(bytes(size), **header), wire(counted(12)))
    assert writer.refused == (problem is not None)
    assert (problem or "") in caplog.text
    with opened(tmp_path) as files:
        assert len(files) == 1 + (problem is None)
        assert files[-1][f"{DATA}/data"][0].tobytes() == counted(12)


def test_a_huge_shape_without_a_segment_takes_nothing(tmp_path: Path) -> None:
    files = recorded(tmp_path, wire(b"", shape=[1 << 40, 1 << 20]))
    assert [sorted(file) for file in files] == [["arrived", "header", "header_end"]]


def test_too_many_segments_are_refused(tmp_path: Path) -> None:
    sent = wire(*[b"x"] * 1025, type="u1", shape=[1])
    assert record(tmp_path, sent).refused == 1
    assert not list(tmp_path.iterdir())
