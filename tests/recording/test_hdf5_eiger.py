"""Series of DECTRIS detectors in HDF5, read with h5py and hdf5plugin alone."""

import json
import os
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
from cbor2 import CBORTag

from gmflow.codecs import bslz4, lz4, pixels
from gmflow.decoder import Decoder
from gmflow.handlers import DEFAULT, eiger, stream2
from gmflow.handlers.series import Image, SeriesStart
from gmflow.message import Message
from gmflow.recording.hdf5 import Hdf5Writer, series_files
from gmflow.recording.hdf5 import files as files_module
from gmflow.recording.hdf5.series_files import MAX_ENDED
from gmflow.simulate import eiger as simulated
from tests.support.captures import needs_captures, read_capture, truth
from tests.support.hdf5_recorded import open_files, opened, record, texts

h5py = pytest.importorskip("h5py")
pytest.importorskip("hdf5plugin")

SHAPE = (45, 67)  # 3015 pixels: the last 7 of them stand after the last block
DATA = "entry/data/data"
DETECTOR = "entry/instrument/detector"
SPECIFIC = f"{DETECTOR}/detectorSpecific"
RECORDING = "entry/recording"
UNKNOWN = -(1 << 63)

ENCODINGS = ["<", ">"] + [
    f"{shuffle}lz4{order}" for shuffle in ("", "bs8-", "bs16-", "bs32-") for order in "<>"
]


def picture(frame=0, dtype="u2", shape=SHAPE):
    """Return pixels that compress, unlike those of any other frame."""
    numbers = np.arange(np.prod(shape)).reshape(shape)
    return (numbers // 100 + frame).astype(dtype)


def an_image(frame, series=1, array=None, encoding="bs16-lz4<", **more):
    array = picture(frame) if array is None else array
    return eiger.encode(Image(series, frame, {}, {"image": array}, **more), encoding)


def header(htype, series=1, **more):
    return json.dumps({"htype": htype, "series": series, **more}).encode()


def start(series=1, appendix=b"", **config):
    parts = [header("dheader-1.0", series, header_detail="basic"), json.dumps(config).encode()]
    return [*parts, appendix] if appendix else parts


def end(series=1):
    return [header("dseries_end-1.0", series)]


def chunks_of(dataset):
    """Return the chunks as they are stored, each with its filter mask."""
    return [dataset.id.read_direct_chunk((row, 0, 0)) for row in range(len(dataset))]


def filters_of(dataset):
    properties = dataset.id.get_create_plist()
    return [properties.get_filter(number)[0] for number in range(properties.get_nfilters())]


def check_pixels(array, known):
    assert array.shape == tuple(known["numpy_shape_rows_cols"])
    assert array.dtype == np.dtype(known["dtype"])
    assert sha256(array.tobytes()).hexdigest() == known["sha256_pixels"]
    assert array.sum(dtype="u8") == known["sum_all"]


def stamped(messages):
    return [
        Message(parts=parts, received_ns=1_700_000_000_000_000_000 + number)
        for number, parts in enumerate(messages)
    ]


# Real series


@needs_captures
def test_a_real_series_of_stream_v1(tmp_path):
    name = "maxiv-eiger1-1m"
    messages = read_capture(f"{name}/series14")
    known = truth(name)["messages"]
    writer = record(tmp_path, *stamped(messages))
    assert (writer.written, writer.refused) == (10, 0)
    assert writer.bytes_written == sum(len(part) for parts in messages for part in parts)
    with opened(tmp_path) as (file,):
        images = file[DATA]
        assert images.shape == (9, 1065, 1030)
        assert images.chunks == (1, 1065, 1030)
        assert filters_of(images) == [32008]
        assert chunks_of(images) == [(0, parts[2]) for parts in messages[1:]]
        for array, expected in zip(images, known[1:], strict=True):
            check_pixels(array, expected["decoded"])
        assert file[f"{DETECTOR}/sequence_number"][:].tolist() == [
            one["frame"] for one in known[1:]
        ]
        for key in ("real_time", "start_time", "stop_time"):
            times = [json.loads(parts[3])[key] for parts in messages[1:]]
            assert file[f"{DETECTOR}/{key}"][:].tolist() == times
            assert file[f"{DETECTOR}/{key}"].attrs["units"] == "ns"
        assert file[f"{RECORDING}/hash"][:].tolist() == [
            one["header_hash"].encode() for one in known[1:]
        ]
        received_ns = [1_700_000_000_000_000_000 + number for number in range(1, 10)]
        assert file[f"{RECORDING}/arrived"][:].tolist() == received_ns
        assert texts(file, f"{RECORDING}/image_header") == [parts[0] for parts in messages[1:]]
        assert texts(file, f"{RECORDING}/image_appendix") == [b""] * 9
        assert file["entry/series"][()] == 14
        check_start(file, known[0], messages[0])
        check_nexus(file)


def check_start(file, known, parts):
    for path, name, part in (
        ("flatfield", "flatfield", parts[3]),
        ("pixel_mask", "pixel_mask", parts[5]),
        ("countrate_correction_table", "countrate_table", parts[7]),
    ):
        table = file[f"{DETECTOR}/{path}"][:]
        assert table.shape == tuple(known[name]["numpy_shape_rows_cols"])
        assert sha256(table.tobytes()).hexdigest() == known[name]["sha256"]
        assert table.tobytes() == part
    assert file[f"{RECORDING}/header"][()] == parts[0]
    assert file[f"{SPECIFIC}/config"][()] == parts[1]
    for key, value in json.loads(parts[1]).items():
        stored = file[f"{SPECIFIC}/{key}"][()]
        assert (stored.decode() if isinstance(value, str) else stored.tolist()) == value
    assert file[f"{RECORDING}/header_appendix"][()] == parts[8]


def check_nexus(file):
    assert file.attrs["default"] == "entry"
    assert file["entry"].attrs["NX_class"] == "NXentry"
    assert file["entry"].attrs["default"] == "data"
    assert file["entry/data"].attrs["NX_class"] == "NXdata"
    signal = file["entry/data"].attrs["signal"]
    assert isinstance(file[f"entry/data/{signal}"], h5py.Dataset)
    assert file["entry/instrument"].attrs["NX_class"] == "NXinstrument"
    assert file[DETECTOR].attrs["NX_class"] == "NXdetector"


@needs_captures
def test_a_real_series_of_stream_v2(tmp_path):
    name = "maxiv-eiger-stream2"
    messages = read_capture(f"{name}/series")
    known = [one["decoded"] for one in truth(name)["messages"]]
    writer = record(tmp_path, *stamped(messages))
    assert (writer.written, writer.refused) == (12, 0)
    with opened(tmp_path) as (file,):
        images = file[DATA]
        assert images.attrs["channel"] == "threshold_1"
        assert filters_of(images) == [32008]
        for (mask, chunk), parts in zip(chunks_of(images), messages[1:11], strict=True):
            assert mask == 0
            assert chunk in parts[0]  # the sender's bytes
            assert len(chunk) > len(parts[0]) - 400
        for array, expected in zip(images, known[1:11], strict=True):
            check_array(array, expected["data"]["threshold_1"])
        check_array(file[f"{DETECTOR}/flatfield"][:], known[0]["flatfield"]["threshold_1"])
        check_array(file[f"{DETECTOR}/pixel_mask"][:], known[0]["pixel_mask"]["threshold_1"])
        table = known[0]["countrate_correction_lookup_table"]
        check_array(file[f"{DETECTOR}/countrate_correction_table"][:], table)
        assert file[f"{DETECTOR}/sequence_number"][:].tolist() == list(range(10))
        for key in ("real_time", "start_time", "stop_time"):  # ticks of 50 MHz
            times = [20 * one[key][0] for one in known[1:11]]
            assert file[f"{DETECTOR}/{key}"][:].tolist() == times
        config = json.loads(file[f"{SPECIFIC}/config"][()])
        assert config["sensor_material"] == known[0]["sensor_material"]
        assert file[f"{SPECIFIC}/number_of_images"][()] == known[0]["number_of_images"]
        assert file[f"{RECORDING}/header_appendix"][()].decode() == known[0]["user_data"]
        assert file["entry/series"][()] == 16
        headers = [json.loads(text) for text in texts(file, f"{RECORDING}/image_header")]
        assert [one["image_id"] for one in headers] == list(range(10))
        assert len(file[f"{RECORDING}/series_end"]) == 1
        check_nexus(file)


def check_array(array, known):
    assert [array.dtype.name, list(array.shape)] == [known["ndarray"], known["shape"]]
    assert sha256(array.tobytes()).hexdigest() == known["sha256"]


@needs_captures
@pytest.mark.parametrize(
    ("name", "images", "ends"),
    [("legacy_basic", 1, 2), ("legacy_none", 1, 1), ("cbor_basic", 1, 2)],
)
def test_the_simulator_of_tickit(name, images, ends, tmp_path):
    origin = "tickit-devices-0.4.1-simulator"
    messages = read_capture(f"{origin}/{name}")
    assert record(tmp_path, *messages).written == len(messages)
    with opened(tmp_path) as (file,):
        assert len(file[DATA]) == images
        assert len(file[f"{RECORDING}/series_end"]) == ends
        if name != "cbor_basic":
            assert chunks_of(file[DATA]) == [(0, messages[1][2])]
            check_pixels(file[DATA][0], truth(origin)["streams"][name][1]["decoded"])


@needs_captures
def test_cut_images_are_refused_and_the_start_is_kept(tmp_path, caplog):
    messages = read_capture("maxiv-eiger2-9m-truncated/series6")
    writer = record(tmp_path, *messages)
    assert (writer.written, writer.refused) == (2, 3)
    with opened(tmp_path) as (file,):
        assert "data" not in file["entry"] or not len(file["entry/data"])
        assert file[f"{SPECIFIC}/config"][()] == messages[0][1]
        assert file[f"{DETECTOR}/flatfield_bytes"][:].tobytes() == messages[0][3]
        assert file[f"{DETECTOR}/pixel_mask_bytes"][:].tobytes() == messages[0][5]
        assert file[f"{DETECTOR}/countrate_correction_table"].shape == (1001, 2)
        assert len(file[f"{RECORDING}/series_end"]) == 1
    (said,) = [text for text in caplog.messages if "not in the HDF5 file" in text]
    assert "frame 0 of series 6: the blob is cut" in said


# Encodings


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "f4"])
def test_every_encoding_is_stored_as_it_came(dtype, encoding, tmp_path):
    if np.dtype(dtype).itemsize == 1 and encoding[2:4] in ("16", "32"):
        encoding = "bs8-lz4<"  # 3015 bytes are no whole number of larger elements
    if encoding.startswith("bs32") and dtype == "u2":
        encoding = "bs8-lz4<"
    arrays = [picture(frame, dtype) for frame in range(3)]
    messages = [an_image(n, array=array, encoding=encoding) for n, array in enumerate(arrays)]
    assert record(tmp_path, *messages).written == 3
    how = pixels.check(encoding)
    with opened(tmp_path) as (file,):
        images = file[DATA]
        assert images.dtype == np.dtype(dtype).newbyteorder(how.order)
        assert np.array_equal(images, arrays)
        blobs = [bytes(parts[2]) for parts in messages]
        if how.itemsize == np.dtype(dtype).itemsize or not how.compressed:
            assert filters_of(images) == ([32008] if how.compressed else [])
            assert chunks_of(images) == [(0, blob) for blob in blobs]
        elif how.itemsize:  # the filter could not read it
            assert filters_of(images) == []
        else:
            assert filters_of(images) == [32004]
            assert [chunk[16:] for _, chunk in chunks_of(images)] == blobs


def test_other_framings_of_simulators(tmp_path):
    arrays = [picture(frame, "u4") for frame in range(3)]
    messages = [an_image(n, array=array, encoding="bs32-lz4<") for n, array in enumerate(arrays)]
    blobs = [bytes(parts[2]) for parts in messages]
    messages[1][2] = bytes(12) + blobs[1][12:]
    messages[2][2] = blobs[2][12:]
    assert record(tmp_path, *messages).written == 3
    with opened(tmp_path) as (file,):
        assert chunks_of(file[DATA]) == [(0, blob) for blob in blobs]
        assert np.array_equal(file[DATA], arrays)


def test_one_block_that_looks_stored_is_stored(tmp_path):
    # 8 literals, 4 bytes from 8 before, 12 literals: as many bytes as they stand for.
    block = b"\x80abcdefgh\x08\0\xc0" + bytes(range(12))
    array = np.frombuffer(b"abcdefghabcd" + bytes(range(12)), "u1").reshape(4, 6)
    plain = np.zeros_like(array)
    messages = [an_image(n, array=one, encoding="lz4<") for n, one in enumerate((array, plain))]
    messages[0][2] = block
    assert record(tmp_path, *messages).written == 2
    with opened(tmp_path) as (file,):
        assert np.array_equal(file[DATA], [array, plain])


def test_encodings_may_change_within_a_series(tmp_path):
    encodings = ["bs16-lz4<", "lz4<", "<", "bs8-lz4<", "bs16-lz4<"]
    messages = [an_image(frame, encoding=encoding) for frame, encoding in enumerate(encodings)]
    assert record(tmp_path, *messages).written == 5
    with opened(tmp_path) as (file,):
        assert [mask for mask, _ in chunks_of(file[DATA])] == [0, 1, 1, 1, 0]
        assert np.array_equal(file[DATA], [picture(frame) for frame in range(5)])


def test_planes(tmp_path):
    array = picture(shape=(3, 40, 50), dtype="u4")
    record(tmp_path, an_image(0, array=array, encoding="bs32-lz4<"))
    with opened(tmp_path) as (file,):
        assert file[DATA].chunks == (1, 3, 40, 50)
        assert np.array_equal(file[DATA][0], array)


def damaged(blob):
    """Return ways in which a blob with its header can be wrong, and what is said of it."""
    return [
        (blob[:-20], "is cut"),
        (blob[:-9], "5 bytes follow the last block, 14 are expected"),
        (blob[: len(blob) // 2], "is cut"),
        (blob[:13], "is cut"),
        (blob[:5], "header alone has 12"),
        (b"", "header alone has 12"),
        (blob + b"x", "follow the last block"),
        (bytes(6) + b"\1\1" + blob[8:], "the blob declares 257 bytes, 6030 are expected"),
        (blob[:8] + b"\0\0\x20\1" + blob[12:], "a multiple of 16 is needed"),
        (blob[:8] + b"\0\0\0\0" + blob[12:], "blocks of 0 bytes"),
        (blob[:12] + b"\xff" * 4 + blob[16:], "is cut"),
    ]


def test_what_is_damaged_is_refused(tmp_path, caplog):
    good = [an_image(frame) for frame in range(2)]
    wrong = damaged(bytes(good[0][2]))
    for number, (blob, reason) in enumerate(wrong):
        folder = tmp_path / str(number)
        caplog.clear()
        bad = [good[0][0], good[0][1], blob, good[0][3]]
        writer = record(folder, bad, good[0], bad, good[1])
        assert (writer.written, writer.refused) == (2, 2)
        assert [reason in text for text in caplog.messages] == [True], (reason, caplog.messages)
        assert "frame 0 of series 1: " in caplog.text
        with opened(folder) as (file,):
            assert np.array_equal(file[DATA], [picture(0), picture(1)])
            assert file[f"{DETECTOR}/sequence_number"][:].tolist() == [0, 1]


def changed(parts, part, **values):
    value = {**json.loads(parts[part]), **values}
    return [json.dumps(value).encode() if n == part else one for n, one in enumerate(parts)]


@pytest.mark.parametrize(
    ("part", "values", "reason"),
    [
        (0, {"frame": -1}, "frame is -1"),
        (0, {"frame": 1 << 64}, "frame is 1"),
        (0, {"series": "1"}, "series is '1'"),
        (1, {"encoding": "bs16-lz5<"}, "encoding 'bs16-lz5<' is unknown"),
        (1, {"type": "uint64"}, "type is 'uint64'"),
        (1, {"shape": [67]}, "dimensions"),
        (1, {"shape": [67, 0]}, "0"),
        (1, {"shape": [67, 46]}, "declares 6030 bytes, 6164 are expected"),
        (1, {"shape": [1 << 40, 1 << 40]}, "can be stored"),
        (3, {"start_time": 1 << 63}, "start_time is 9223372036854775808"),
    ],
)
def test_what_makes_no_sense_is_refused(part, values, reason, tmp_path, caplog):
    good = an_image(7)
    writer = record(tmp_path, changed(good, part, **values), good)
    assert (writer.written, writer.refused) == (1, 1)
    assert reason in caplog.text
    with opened(tmp_path) as (file,):
        assert file[f"{DETECTOR}/sequence_number"][:].tolist() == [7]


# The course of series


@pytest.mark.parametrize("detail", ["all", "basic", "none"])
def test_a_whole_series(detail, tmp_path):
    messages = [list(map(bytes, parts)) for parts in simulated(5, SHAPE, header_detail=detail)]
    assert record(tmp_path, *messages).written == 7
    with opened(tmp_path) as (file,):
        assert file[DATA].shape == (5, *SHAPE)
        assert ("pixel_mask" in file[DETECTOR]) is (detail == "all")
        assert ("config" in file[SPECIFIC]) is (detail != "none")
        assert file[f"{RECORDING}/header"][()] == messages[0][0]
        assert len(file[f"{RECORDING}/series_end"]) == 1


def test_order_holes_and_doubles_stay_as_they_came(tmp_path):
    frames = [3, 1, 1, 9]
    record(tmp_path, *[an_image(frame) for frame in frames])
    with opened(tmp_path) as (file,):
        assert file[f"{DETECTOR}/sequence_number"][:].tolist() == frames
        assert np.array_equal(file[DATA], [picture(frame) for frame in frames])


def test_appendices_and_times_that_were_not_sent(tmp_path):
    first = an_image(0, real_time=5, start_time=7)
    appendices = [b"", b'{"a": 1}', b"plain", b"\xff\0\xfe", b"x" * 100_000]
    images = [an_image(n) + ([one] if one else []) for n, one in enumerate(appendices)]
    record(tmp_path, start(appendix=b"\xff\0"), *images, first)
    with opened(tmp_path) as (file,):
        assert texts(file, f"{RECORDING}/image_appendix") == [*appendices, b""]
        assert file[f"{RECORDING}/header_appendix"][:].tobytes() == b"\xff\0"
    bare = changed(an_image(0), 3)
    bare[3] = b'{"htype": "dconfig-1.0", "start_time": 4, "stop_time": "soon"}'
    record(tmp_path / "bare", bare)
    with opened(tmp_path / "bare") as (file,):
        found = [file[f"{DETECTOR}/{key}_time"][0] for key in ("real", "start", "stop")]
        assert found == [UNKNOWN, 4, UNKNOWN]


def test_a_hash_that_is_too_long_is_left_out_of_its_column_alone(tmp_path):
    hashes = ["", "a" * 32, "ü" * 17, "é"]
    messages = [changed(an_image(n), 0, hash=one) for n, one in enumerate(hashes)]
    record(tmp_path, *messages)
    with opened(tmp_path) as (file,):
        assert file[f"{RECORDING}/hash"][:].tolist() == [b"", b"a" * 32, b"", "é".encode()]
        headers = texts(file, f"{RECORDING}/image_header")
        assert [json.loads(text)["hash"] for text in headers] == hashes


def test_a_configuration_of_any_kind(tmp_path):
    config = {
        "a/b": 1, ".": 2, "": 3, "text": "µ", "list": [1, 2.5], "rows": [[1, 2], [3, 4]],
        "ragged": [[1], [2, 3]], "big": 1 << 70, "none": None, "map": {"a": 1}, "config": 5,
        "empty": [], "words": ["a"], "flag": True, "nan": float("nan"),
    }  # fmt: skip
    record(tmp_path, start(**config), an_image(0))
    with opened(tmp_path) as (file,):
        assert json.loads(file[f"{SPECIFIC}/config"][()]).keys() == config.keys()
        keys = {"a%2Fb", "%2E", "%", "text", "list", "rows", "flag", "nan", "config"}
        assert set(file[SPECIFIC]) == keys
        assert file[f"{SPECIFIC}/rows"][:].tolist() == [[1, 2], [3, 4]]
        assert file[f"{SPECIFIC}/text"][()].decode() == "µ"


def test_a_configuration_that_is_nested_too_deeply(tmp_path):
    deep = 1.0
    for _ in range(33):
        deep = [deep]
    writer = record(tmp_path, start(fits=deep[0], deep=deep, deeper=[deep], last=1), an_image(0))
    assert writer.refused == 0
    with opened(tmp_path) as (file,):
        assert set(file[SPECIFIC]) == {"config", "fits", "last"}
        assert json.loads(file[f"{SPECIFIC}/config"][()])["deep"] == deep


def test_a_start_begins_a_file_but_not_if_it_comes_again(tmp_path):
    first = start(nimages=3)
    again = [first, an_image(0), first, an_image(1), end()]
    record(tmp_path, *again, first, an_image(0), end(), start(2), an_image(0, 2))
    with opened(tmp_path) as files:
        assert [len(file[DATA]) for file in files] == [2, 1, 1]
        assert [int(file["entry/series"][()]) for file in files] == [1, 1, 2]


def test_another_start_of_a_series_that_did_not_end_begins_a_file(tmp_path):
    record(tmp_path, start(a=1), an_image(0), start(a=2), an_image(0), an_image(1))
    with opened(tmp_path) as files:
        assert [len(file[DATA]) for file in files] == [1, 2]
        assert [file[f"{SPECIFIC}/a"][()] for file in files] == [1, 2]


def start_of_all(mask=0, flatfield=1, appendix=b"", places=2):
    """Return a start with tables of 4 rows and some columns."""
    tables = [
        ("dflatfield-1.0", [places, 4], np.full((4, places), flatfield, "f4")),
        ("dpixelmask-1.0", [places, 4], np.full((4, places), mask, "u4")),
        ("dcountrate_table-1.0", [2, 3], np.zeros((3, 2), "f4")),
    ]
    parts = [header("dheader-1.0", header_detail="all"), b'{"a": 1}']
    for htype, shape, table in tables:
        about = {"htype": htype, "shape": shape, "type": table.dtype.name}
        parts += [json.dumps(about).encode(), table.tobytes()]
    return parts + ([appendix] if appendix else [])


@pytest.mark.parametrize(
    "other",
    [{"mask": 1}, {"flatfield": float("nan")}, {"appendix": b"x"}, {"places": 3}],
    ids=["mask", "flatfield", "appendix", "shape"],
)
def test_a_start_that_differs_in_any_part_is_another_one(other, tmp_path):
    starts = [start_of_all(), start_of_all(**other), start_of_all(**other)]
    record(tmp_path, *[parts for n, one in enumerate(starts) for parts in (one, an_image(n))])
    with opened(tmp_path) as files:
        frames = [file[f"{DETECTOR}/sequence_number"][:].tolist() for file in files]
        assert frames == [[0], [1, 2]]
        masks = [file[f"{DETECTOR}/pixel_mask"][:] for file in files]
        assert [mask[0, 0] for mask in masks] == [0, other.get("mask", 0)]
        appendices = ["header_appendix" in file[RECORDING] for file in files]
        assert appendices == [False, "appendix" in other]


def sent(source, *messages):
    return [Message(parts=parts, source=source) for parts in messages]


def test_detectors_are_told_apart_by_their_sources(tmp_path):
    messages = sent("one", start(a=1)) + sent("two", start(a=2))
    for frame in range(5):
        messages += sent("one", an_image(frame)) + sent("two", an_image(frame + 10))
    messages += sent("one", end()) + sent("two", an_image(15), end())
    assert record(tmp_path, *messages).refused == 0
    with opened(tmp_path) as files:
        assert [file[f"{SPECIFIC}/a"][()] for file in files] == [1, 2]
        frames = [file[f"{DETECTOR}/sequence_number"][:].tolist() for file in files]
        assert frames == [list(range(5)), list(range(10, 16))]
        assert [len(file[f"{RECORDING}/series_end"]) for file in files] == [1, 1]


def test_several_receivers_of_one_detector_share_its_series(tmp_path):
    messages = sent("one", start(a=1), an_image(0)) + sent("two", an_image(1), end())
    messages += (
        sent("two", start(2, a=1)) + sent("one", an_image(0, 2)) + sent("two", an_image(1, 2))
    )
    messages += sent("one", end(2)) + sent("two", an_image(2, 2))
    again = [sent(source, start(3, a=1)) for source in ("one", "two")]  # as with SUB
    messages += [*again[0], *again[1], *sent("one", an_image(0, 3)), *sent("two", an_image(1, 3))]
    assert record(tmp_path, *messages).refused == 0
    with opened(tmp_path) as files:
        frames = [file[f"{DETECTOR}/sequence_number"][:].tolist() for file in files]
        assert frames == [[0, 1], [0, 1, 2], [0, 1]]
        assert all("config" in file[SPECIFIC] for file in files)


def test_a_start_that_comes_late_holds_for_all_receivers_of_its_detector(tmp_path):
    late = sent("two", an_image(0)) + sent("one", start(a=1), an_image(1))
    messages = late + sent("two", an_image(2), end())
    messages += sent("two", start(a=2)) + sent("one", an_image(0)) + sent("two", an_image(1))
    assert record(tmp_path, *messages).refused == 0
    with opened(tmp_path) as files:
        frames = [file[f"{DETECTOR}/sequence_number"][:].tolist() for file in files]
        assert frames[:2] == [[0], [1, 2]]
        assert ["config" in file[SPECIFIC] for file in files] == [False, True, True]


def test_starts_that_say_nothing_are_not_taken_for_one(tmp_path):
    bare = [header("dheader-1.0", header_detail="none")]
    messages = sent("one", bare) + sent("two", bare)
    messages += sent("one", an_image(0)) + sent("two", an_image(1))
    record(tmp_path, *messages)
    with opened(tmp_path) as files:
        assert [file[f"{DETECTOR}/sequence_number"][:].tolist() for file in files] == [[0], [1]]


def test_joined_late_and_images_after_the_end(tmp_path):
    record(tmp_path, an_image(4), an_image(5), end(), an_image(3))
    with opened(tmp_path) as (file,):
        assert file[f"{DETECTOR}/sequence_number"][:].tolist() == [4, 5, 3]
        assert len(file[f"{RECORDING}/series_end"]) == 1
        assert "header" not in file[RECORDING]


def test_series_of_two_detectors_alternate(tmp_path):
    messages = [start(1, a=1), start(2, a=2)]
    for frame in range(20):
        messages += [
            an_image(frame, 1),
            an_image(frame, 2, picture(frame, "u4", (20, 30)), "bs32-lz4<"),
        ]
    record(tmp_path, *messages, end(1), end(2))
    with opened(tmp_path) as files:
        assert [file[DATA].shape for file in files] == [(20, *SHAPE), (20, 20, 30)]
        assert [len(file[f"{RECORDING}/series_end"]) for file in files] == [1, 1]


def test_another_shape_or_type_begins_the_next_file_with_the_same_start(tmp_path):
    other = [picture(1, "u4"), picture(2, "u2", (10, 10))]
    record(
        tmp_path,
        start(a=1),
        an_image(0),
        an_image(1, array=other[0], encoding="<"),
        an_image(2, array=other[1]),
        an_image(3),
    )
    with opened(tmp_path) as files:
        assert [file[f"{SPECIFIC}/a"][()] for file in files] == [1, 1, 1]
        frames = [file[f"{DETECTOR}/sequence_number"][:].tolist() for file in files]
        assert frames == [[0, 3], [1], [2]]


def test_more_series_than_files_can_be_open(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(files_module, "MAX_OPEN", 6)
    count = 9
    rounds = [an_image(frame, series) for frame in range(2) for series in range(count)]
    writer = record(tmp_path, *[start(series) for series in range(count)], *rounds)
    assert writer.refused == 0
    with opened(tmp_path) as files:
        found = [
            (int(file["entry/series"][()]), frame)
            for file in files
            if "data" in file["entry"]
            for frame in file[f"{DETECTOR}/sequence_number"][:].tolist()
        ]
    assert sorted(found) == [(series, frame) for series in range(count) for frame in range(2)]
    with opened(tmp_path) as files:
        assert all("header" in file[RECORDING] for file in files)
    assert caplog.text.count("more layouts or series alternate than files can be open") == 1


def test_many_detectors_alternate(tmp_path, caplog):
    count = 20
    rounds = [an_image(frame, series) for frame in range(3) for series in range(count)]
    writer = record(tmp_path, *[start(series, a=series) for series in range(count)], *rounds)
    with opened(tmp_path) as files:
        assert [len(file[DATA]) for file in files] == [3] * count
        assert [file[f"{SPECIFIC}/a"][()] for file in files] == list(range(count))
        assert writer.paths == [file.filename for file in files]
    assert not caplog.records


def test_ended_series_do_not_stay_open(tmp_path):
    writer = Hdf5Writer(tmp_path / "run.h5")
    for series in range(1, 3 * MAX_ENDED):
        messages = [start(series), an_image(0, series), end(series)]
        writer.write([Message(parts=parts) for parts in messages])
        assert open_files() <= MAX_ENDED + 2
    writer.close()
    assert writer.refused == 0


def test_masks_are_let_go_when_they_are_too_many(tmp_path, monkeypatch):
    monkeypatch.setattr(series_files, "MAX_START_BYTES", 100)
    starts = [changed(start_of_all(mask=series), 0, series=series) for series in (1, 2)]
    images = [an_image(frame, series) for frame in (0, 1) for series in (1, 2)]
    assert record(tmp_path, *starts, *images).refused == 0
    with opened(tmp_path) as files:
        found = [
            (
                int(file["entry/series"][()]),
                int(file[f"{DETECTOR}/pixel_mask"][0, 0]),
                "data" in file["entry"],
            )
            for file in files
            if "pixel_mask" in file[DETECTOR]
        ]
        assert found == [(1, 1, False), (2, 2, True)]


def test_a_start_is_safe_before_an_image_comes(tmp_path):
    path = tmp_path / "run.h5"
    writer = Hdf5Writer(path)
    writer.write([Message(parts=start(nimages=5))])
    assert not path.exists()
    writer.commit()
    assert writer.written == 1
    with h5py.File(path) as file:
        assert file[f"{SPECIFIC}/nimages"][()] == 5
        assert "data" not in file["entry"]
    made = path.stat()
    writer.commit()
    assert os.path.samestat(path.stat(), made)  # nothing is written again
    writer.write([Message(parts=end(), received_ns=3)])
    writer.commit()
    with h5py.File(path) as file:
        assert file[f"{RECORDING}/series_end"][:].tolist() == [3]
    writer.write([Message(parts=an_image(0))])
    writer.commit()
    with h5py.File(path) as file:
        assert file[f"{SPECIFIC}/nimages"][()] == 5
        assert np.array_equal(file[DATA], [picture(0)])
        assert file[f"{RECORDING}/series_end"][:].tolist() == [3]
    writer.close()
    assert writer.paths == [str(path)]
    assert [file.name for file in tmp_path.iterdir()] == ["run.h5"]


def test_an_end_of_nothing_is_refused(tmp_path, caplog):
    writer = record(tmp_path, end(5))
    assert (writer.written, writer.refused) == (0, 1)
    assert "series 5 ends, and no file of it is open" in caplog.text
    assert not list(tmp_path.iterdir())


# Stream v2


def v2_messages(*images, compression="bslz4", **start_fields):
    begin = SeriesStart(3, {}, stream2.make_config(SHAPE, np.uint16, 2), **start_fields)
    messages = [begin, *images]
    return [stream2.encode(one, compression) for one in messages]


@pytest.mark.parametrize("compression", ["bslz4", "lz4", "none"])
@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u4", "<u8", "<f4", ">f8", "<i2", "<f2"])
def test_every_type_and_compression_of_stream_v2(dtype, compression, tmp_path):
    arrays = [picture(frame, dtype) for frame in range(2)]
    images = [Image(3, frame, {}, {"one": array}) for frame, array in enumerate(arrays)]
    messages = v2_messages(*images, compression=compression)
    assert record(tmp_path, *messages).written == 3
    number = {"bslz4": [32008], "lz4": [32004], "none": []}[compression]
    with opened(tmp_path) as (file,):
        assert file[DATA].dtype == dtype
        assert np.array_equal(file[DATA], arrays)
        assert filters_of(file[DATA]) == number
        for (mask, chunk), (part,) in zip(chunks_of(file[DATA]), messages[1:], strict=True):
            assert mask == 0
            assert chunk in part


def test_channels_masks_and_users_data(tmp_path):
    channels = {"low": picture(1), "high/er": picture(2, "u4", (9, 8)), "größte": picture(3)}
    masks = {"low": picture(4, "u4"), "high/er": picture(5, "u4")}
    image = Image(3, 6, {}, channels, 10, 20, None, {"a": [1, b"\xff"], "b": "ü"})
    messages = v2_messages(image, masks=masks, appendix="sample 1")
    assert record(tmp_path, *messages).written == 2
    with opened(tmp_path) as (file,):
        data = file["entry/data"]
        assert data.attrs["signal"] == "low"
        assert data.attrs["auxiliary_signals"].tolist() == ["high%2Fer", "größte"]
        assert data["high%2Fer"].attrs["channel"] == "high/er"
        for name, array in zip(("low", "high%2Fer", "größte"), channels.values(), strict=True):
            assert np.array_equal(data[name], [array])
        assert np.array_equal(file[f"{DETECTOR}/pixel_mask/low"], masks["low"])
        assert np.array_equal(file[f"{DETECTOR}/pixel_mask/high%2Fer"], masks["high/er"])
        assert [file[f"{DETECTOR}/{key}_time"][0] for key in ("real", "start", "stop")] == [
            10,
            20,
            UNKNOWN,
        ]
        assert file[f"{RECORDING}/header_appendix"][()] == b"sample 1"
        (user_data,) = texts(file, f"{RECORDING}/image_appendix")
        assert json.loads(user_data) == {"a": [1, {"bytes": "ff"}], "b": "ü"}


def test_other_channels_begin_the_next_file(tmp_path):
    images = [Image(3, 0, {}, {"a": picture(0)}), Image(3, 1, {}, {"b": picture(1)})]
    record(tmp_path, *v2_messages(*images, replace(images[0], frame=2)))
    with opened(tmp_path) as files:
        found = [file[f"{DETECTOR}/sequence_number"][:].tolist() for file in files]
        assert found == [[0, 2], [1]]


def tagged_image(**data):
    from gmflow.handlers.stream2.cbor_map import write

    return [write({"type": "image", "series_id": 3, "image_id": 1, "data": data})]


def test_what_no_filter_reads_is_decoded(tmp_path):
    array = np.arange(24, dtype="<u4").reshape(2, 3, 4)
    column_major = CBORTag(1040, [[2, 3, 4], CBORTag(70, array.tobytes("F"))])
    narrow = CBORTag(56500, ["bslz4", 2, bslz4.encode(array, 2)])
    bits = CBORTag(40, [[2, 3, 4], CBORTag(70, narrow)])
    record(tmp_path, tagged_image(a=column_major, b=bits))
    with opened(tmp_path) as (file,):
        for name in "ab":
            assert np.array_equal(file[f"entry/data/{name}"][0], array)
            assert filters_of(file[f"entry/data/{name}"]) == []


@pytest.mark.parametrize("algorithm", ["bslz4", "lz4"])
def test_what_is_damaged_in_stream_v2_is_refused(algorithm, tmp_path, caplog):
    array = picture()
    blob = bytes(bslz4.encode(array, 2) if algorithm == "bslz4" else lz4.encode_hdf5(array))
    good, wrong = [
        tagged_image(
            a=CBORTag(40, [list(SHAPE), CBORTag(69, CBORTag(56500, [algorithm, 2, data]))])
        )
        for data in (blob, blob[:-20])
    ]
    writer = record(tmp_path, wrong, good, tagged_image())
    assert (writer.written, writer.refused) == (1, 2)
    assert "frame 1 of series 3: array 'a': the blob is cut" in caplog.text
    assert "frame 1 of series 3: it has no channels" in caplog.text
    with opened(tmp_path) as (file,):
        assert np.array_equal(file[DATA], [array])


def test_the_handlers_give_the_same(tmp_path):
    """What is stored is what a stream with these handlers returns."""
    images = [Image(3, frame, {}, {"a": picture(frame)}, 5, 6, 7) for frame in range(3)]
    messages = v2_messages(*images)
    record(tmp_path, *messages, *[an_image(frame) for frame in range(3)])
    decoder = Decoder({**DEFAULT, **eiger.HANDLERS})
    given = [decoder.decode(parts) for parts in messages[1:]]
    with opened(tmp_path) as (first, second):
        for row, image in enumerate(given):
            assert np.array_equal(first[DATA][row], image.array)
            assert first[f"{DETECTOR}/real_time"][row] == image.real_time
        for row in range(3):
            assert np.array_equal(second[DATA][row], decoder.decode(an_image(row)).array)
