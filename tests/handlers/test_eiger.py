"""Series of DECTRIS stream v1 as arrays, whatever a detector leaves out or sends twice."""

import hashlib
import json
import logging
import re
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_st

from gmflow.decoder import Decoder
from gmflow.deferred import SMALL, Deferred, work
from gmflow.errors import DecodeError, EncodeError, HandlerError
from gmflow.green.stream.sender import value_htype
from gmflow.handlers import DEFAULT, ENCODERS, dimage_1_0, eiger, stream2
from gmflow.handlers.eiger import MAX_IMAGES
from gmflow.handlers.series import (
    MAX_FRAMES,
    MAX_SERIES,
    Image,
    SeenSeries,
    SeriesEnd,
    SeriesStart,
)
from gmflow.message import Message
from gmflow.render.summary import Summaries
from gmflow.simulate import eiger as simulated
from tests.support.captures import needs_captures, read_capture, truth
from tests.support.fips import fips_md5

SHAPE = (30, 20)
TYPES = ["uint8", "uint16", "uint32", "float32"]
ENCODINGS = [None, "<", ">"] + [
    f"{shuffle}lz4{order}" for shuffle in ("", "bs8-", "bs16-", "bs32-") for order in "<>"
]


def eiger_decoder(**arguments):
    return Decoder({**DEFAULT, **eiger.HANDLERS}, **arguments)


def decode_all(messages):
    decoder = eiger_decoder()
    return [decoder.decode(parts) for parts in messages]


def as_bytes(parts):
    return [bytes(part) for part in parts]


def a_series(images=4, series=1, detail="all", encoding="bs16-lz4<", **arguments):
    """Return the messages of a series: start, images, end."""
    plain = simulated(images, SHAPE, series=series, header_detail=detail, **arguments)
    items = decode_all(plain)
    return [
        eiger.encode(replace(item), encoding)
        if isinstance(item, Image)
        else as_bytes(eiger.encode(item))
        for item in items
    ]


def header(htype="dheader-1.0", series=1, **more):
    return json.dumps({"htype": htype, "series": series, **more}).encode()


def start(series=1, **config):
    return [header(series=series, header_detail="basic"), json.dumps(config).encode()]


def end(series=1):
    return [header("dseries_end-1.0", series)]


def an_image(frame, series=1, array=None, encoding=None, **more):
    if array is None:
        array = np.full(SHAPE, frame % 65536, "u2")
    return eiger.encode(Image(series, frame, {}, {"image": array}, **more), encoding)


def shuffled_width(encoding):
    """Return the bytes of an element that an encoding shuffles."""
    found = re.match(r"bs(\d+)", encoding or "")
    return int(found[1]) // 8 if found else 1


def counts(item):
    return (item.expected, item.seen, item.missing)


def ends(*messages):
    return [counts(item) for item in decode_all(messages) if isinstance(item, SeriesEnd)]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def assert_pixels(array, known):
    assert array.shape == tuple(known["numpy_shape_rows_cols"])
    assert array.dtype == np.dtype(known["dtype"])
    assert array.nbytes == known["nbytes"]
    assert sha256(array.tobytes()) == known["sha256_pixels"]
    assert (array.min(), array.max()) == (known["min"], known["max"])
    assert array.sum(dtype="u8") == known["sum_all"]
    largest = np.iinfo(array.dtype).max
    assert np.count_nonzero(array == largest) == known["count_of_dtype_max"]
    assert array[array != largest].sum(dtype="u8") == known["sum_without_dtype_max"]
    assert array[0, 0] == known["pixel_[0,0]"]
    assert array[-1, -1] == known["pixel_[-1,-1]"]
    assert array[0, :8].tolist() == known["first_row_first_8"]
    rows, columns = array.shape
    assert array[rows // 2, columns // 2] == known["centre_pixel"]


# Real series


@needs_captures
@pytest.mark.parametrize("copy", [True, False])
def test_the_start_of_a_real_series(copy):
    known = truth("maxiv-eiger1-1m")["messages"][0]
    parts = read_capture("maxiv-eiger1-1m/series14")[0]
    item = eiger_decoder(copy=copy).decode(parts)
    assert type(item) is SeriesStart
    assert (item.series, item.header["header_detail"]) == (14, "all")
    assert item.config["description"] == "Dectris EIGER1 Si 1M"
    assert item.appendix == known["appendix_json"]
    tables = [
        (item.flatfield, "flatfield", "<f4", parts[3]),
        (item.mask, "pixel_mask", "<u4", parts[5]),
        (item.countrate_table, "countrate_table", "<f4", parts[7]),
    ]
    for array, name, dtype, part in tables:
        assert array.shape == tuple(known[name]["numpy_shape_rows_cols"])
        assert array.dtype == dtype
        assert sha256(array.tobytes()) == known[name]["sha256"]
        assert np.count_nonzero(array) == known[name]["n_nonzero"]
        assert (array.min(), array.max()) == (known[name]["min"], known[name]["max"])
        assert not array.flags.writeable
        assert np.shares_memory(array, np.frombuffer(part, "u1")), "not copied"


@needs_captures
def test_the_images_of_a_real_series():
    known = truth("maxiv-eiger1-1m")["messages"][1:]
    messages = read_capture("maxiv-eiger1-1m/series14")
    images = decode_all(messages)[1:]
    for parts, item, expected in zip(messages[1:], images, known, strict=True):
        assert type(item) is Image
        assert (item.series, item.frame) == (14, expected["frame"])
        assert item.header["hash"] == expected["header_hash"]
        times = json.loads(parts[3])
        assert (item.real_time, item.start_time, item.stop_time) == (
            times["real_time"],
            times["start_time"],
            times["stop_time"],
        )
        assert item.appendix is None
        assert_pixels(item.array, expected["decoded"])
        assert_pixels(dimage_1_0.image(Decoder().decode(parts)), expected["decoded"])


@needs_captures
@pytest.mark.parametrize(
    ("name", "detail", "expected"),
    [
        ("legacy_basic", "basic", [(3, 1, 2), (0, 0, 0)]),  # ends twice, and was cut to one image
        ("legacy_none", "none", [(None, 1, None)]),
    ],
)
def test_the_simulator_of_tickit(name, detail, expected):
    origin = "tickit-devices-0.4.1-simulator"
    messages = read_capture(f"{origin}/{name}")
    begin, image, *ended = decode_all(messages)
    known = truth(origin)["streams"][name]
    assert begin.header["header_detail"] == detail
    assert begin.config == (known[0]["json"][1] if detail == "basic" else {})
    assert (begin.flatfield, begin.mask, begin.countrate_table) == (None, None, None)
    assert_pixels(image.array, known[1]["decoded"])
    assert_pixels(dimage_1_0.image(Decoder().decode(messages[1])), known[1]["decoded"])
    assert (image.real_time, image.start_time, image.stop_time) == (0, 0, 0)
    assert [counts(item) for item in ended] == expected


@needs_captures
def test_a_series_with_cut_blobs_fails_image_by_image(caplog):
    decoder = eiger_decoder()
    begin, *images, ended = read_capture("maxiv-eiger2-9m-truncated/series6")
    item = decoder.decode(begin)
    assert (item.flatfield, item.mask) == (None, None)  # they were cut, too
    assert item.countrate_table.shape == (1001, 2)
    assert len(item.value["part_4_raw"]) == 20000
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "the flatfield of series 6 is left out" in caplog.text
    for frame, parts in enumerate(images):
        with pytest.raises(DecodeError, match=f"frame {frame} of series 6: .*") as caught:
            decoder.decode(parts)
        assert not isinstance(caught.value, HandlerError)
        assert "the blob has 20000 bytes; its header says 75" in str(caught.value)
        assert caught.value.parts is parts
        with pytest.raises(DecodeError, match=f"frame {frame} of series 6: "):
            dimage_1_0.image(Decoder().decode(parts))
    assert counts(decoder.decode(ended)) == (3, 3, 0)
    statistics = decoder.statistics
    assert (statistics.messages_received, statistics.messages_failed) == (2, 3)


@needs_captures
@pytest.mark.parametrize(
    "name",
    [
        "maxiv-eiger1-1m/series14",
        "tickit-devices-0.4.1-simulator/legacy_basic",
        "tickit-devices-0.4.1-simulator/legacy_none",
    ],
)
@pytest.mark.parametrize("copy", [True, False])
def test_items_go_out_byte_for_byte(name, copy):
    decoder = eiger_decoder(copy=copy)
    for parts in read_capture(name):
        item = decoder.decode(parts)
        assert as_bytes(ENCODERS[value_htype(item)](item)) == parts
        assert as_bytes(eiger.encode(item)) == parts
        assert as_bytes(eiger.encode(item.value)) == parts


# The course of a series


@pytest.mark.parametrize("detail", ["all", "basic", "none"])
def test_a_whole_series(detail):
    begin, *images, ended = decode_all(a_series(5, detail=detail))
    assert [type(item) for item in (begin, ended)] == [SeriesStart, SeriesEnd]
    assert [(item.series, item.frame) for item in images] == [(1, frame) for frame in range(5)]
    assert counts(ended) == ((None, 5, None) if detail == "none" else (5, 5, 0))
    assert (begin.flatfield is not None) is (detail == "all")
    assert (begin.mask is not None) is (detail == "all")
    plain = [parts[2] for parts in simulated(5, SHAPE) if len(parts) == 4]
    for item, pixels in zip(images, plain, strict=True):
        assert np.array_equal(item.array, np.frombuffer(pixels, "<u2").reshape(SHAPE))


def test_the_work_is_left_for_later_and_can_be_done_in_any_order():
    decoder = eiger_decoder()
    begin, *images, ended = a_series(4)
    assert type(decoder.begin(Message(parts=begin))) is SeriesStart
    jobs = [decoder.begin(Message(parts=parts)) for parts in images]
    assert [type(job) for job in jobs] == [Deferred] * 4
    assert {job.size for job in jobs} == {SHAPE[0] * SHAPE[1] * 2}
    assert counts(decoder.begin(Message(parts=ended))) == (4, 4, 0)
    done = {frame: work(jobs[frame], images[frame]) for frame in (3, 0, 2, 1)}
    assert all(item.frame == frame for frame, item in done.items())
    assert all(np.array_equal(item.array, dimage_1_0.image(item.value)) for item in done.values())


def test_pixels_that_are_not_compressed_are_a_view_and_no_work():
    parts = an_image(0, array=np.zeros((300, 200), "u4"), encoding="<")
    later = eiger_decoder().begin(Message(parts=parts))
    assert later.size <= SMALL
    array = later().array
    assert np.shares_memory(array, np.frombuffer(parts[2], "u1"))
    assert not array.flags.writeable


def test_missing_images_are_counted_once_however_often_one_comes():
    messages = a_series(10)
    del messages[8], messages[3]  # frames 7 and 2
    again = messages[4]
    assert ends(*messages[:-1], again, again, messages[-1]) == [(10, 8, 2)]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"nimages": 3}, 3),
        ({"nimages": 3, "ntrigger": 4}, 12),
        ({"nimages": 0, "ntrigger": 4}, 0),
        ({"nimages": 10**15, "ntrigger": 10**3}, 10**18),
        ({}, None),
        ({"nimages": MAX_IMAGES, "ntrigger": 1}, MAX_IMAGES),
        ({"nimages": MAX_IMAGES + 1}, None),
        *(({"nimages": wrong, "ntrigger": 1}, None) for wrong in (-1, 1.0, "3", None, True)),
        *(({"nimages": 3, "ntrigger": wrong}, None) for wrong in (-1, MAX_IMAGES + 1, None, [])),
    ],
)
def test_expected_images(config, expected):
    missing = None if expected is None else max(expected - 1, 0)
    assert ends(start(**config), an_image(0), end()) == [(expected, 1, missing)]


def test_an_end_that_comes_again_counts_what_came_since():
    first = [start(nimages=5), an_image(0), an_image(1), end()]
    assert ends(*first, end(), end()) == [(5, 2, 3), (0, 0, 0), (0, 0, 0)]
    late = ends(*first, an_image(3), an_image(1), end())
    assert late == [(5, 2, 3), (0, 1, -1)]
    assert [sum(column) for column in zip(*late, strict=True)] == [5, 3, 2]


def test_no_end_then_another_series():
    items = decode_all([start(nimages=9), an_image(0), *a_series(3, series=2)])
    assert [counts(item) for item in items if isinstance(item, SeriesEnd)] == [(3, 3, 0)]
    assert [item.series for item in items if isinstance(item, SeriesStart)] == [1, 2]


def test_images_of_the_series_before_may_come_late():
    late = [start(1, nimages=2), an_image(0), start(2, nimages=1), an_image(1), end(1)]
    assert ends(*late, an_image(0, 2), end(2)) == [(2, 2, 0), (1, 1, 0)]


def test_joined_late():
    messages = a_series(6)
    items = decode_all(messages[3:])
    assert [item.frame for item in items[:-1]] == [2, 3, 4, 5]
    assert counts(items[-1]) == (None, 4, None)
    assert ends(end(), end()) == [(None, 0, None), (None, 0, None)]


def test_the_start_may_come_after_images_and_again():
    begin, *images, ended = a_series(6)
    items = decode_all([images[0], begin, *images[1:3], begin, *images[3:5], ended])
    assert counts(items[-1]) == (6, 5, 1)


def test_the_same_number_again():
    # A detector that was switched off and on counts its series from 1 again.
    run = a_series(3)
    assert ends(*run, *run[:3], run[-1]) == [(3, 3, 0), (3, 2, 1)]
    unended = [start(nimages=4), an_image(0), an_image(1)]
    assert ends(*unended, start(nimages=4, photon_energy=8000), an_image(0), end()) == [(4, 1, 3)]


def test_several_receivers_share_a_series():
    begin, *images, ended = a_series(9)
    halves = [[begin, *images[::2], ended], images[1::2]]
    assert ends(*halves[0]) == [(9, 5, 4)]  # what *it* did not see
    merged = [begin, *images[::2], *images[1::2], ended]
    assert ends(*merged) == [(9, 9, 0)]


def test_a_bad_message_leaves_the_series_as_it_was():
    begin, *images, ended = a_series(5)
    bad_blob = [*images[1][:2], b"\xff" * 40, images[1][3]]
    cut = images[2][:2]  # its header is read: it came
    no_json = [header("dimage-1.0", frame=7), b"{", b"", b"{}"]
    no_frame = [header("dimage-1.0", frame="7"), *images[0][1:]]
    no_detail = [header(header_detail="some")]
    decoder = eiger_decoder()
    assert decoder.decode(begin).series == 1
    assert decoder.decode(images[0]).frame == 0
    for parts in (bad_blob, cut, no_json, no_frame, no_detail, [header("dseries_end-1.0", None)]):
        with pytest.raises(DecodeError) as caught:
            decoder.decode(parts)
        assert not isinstance(caught.value, HandlerError)
        assert caught.value.parts is parts
        assert "\n" not in str(caught.value)
    assert decoder.decode(images[3]).frame == 3
    assert counts(decoder.decode(ended)) == (5, 5, 1)  # 0, 1, 2, 3, and 7, which is none of them
    assert decoder.statistics.messages_failed == 6
    assert decoder.statistics.messages_received == 4


def test_a_message_of_another_htype_is_refused():
    with pytest.raises(DecodeError, match=r"not htype 'raw-1\.0'"):
        Decoder().decode([b'{"htype": "raw-1.0"}'], eiger.series)


def test_a_list_of_one_htype_is_read():
    decoder = eiger_decoder()
    parts = [b'{"htype": ["dseries_end-1.0"], "series": 3}']
    item = decoder.decode(parts)
    assert item.series == 3
    assert eiger.encode(item) == parts


def test_lying_numbers_take_no_memory():
    tracemalloc.start()
    try:
        seen = SeenSeries()
        for number in range(100):
            seen.begin(number, 10**18, b"")
            for frame in (0, 10**18, 100 * MAX_FRAMES, MAX_FRAMES - 1, 10**30):
                seen.add(number, frame)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 4096 * MAX_SERIES
    assert seen.end(99) == (10**18, 5, 10**18 - 5)
    assert seen.end(0) == (None, 0, None)  # forgotten


def test_a_number_that_no_detector_has_is_not_believed():
    config = b'{"nimages": %b, "ntrigger": %b}' % (b"9" * 4200, b"9" * 4200)
    begin = [b'{"header_detail":"basic","htype":"dheader-1.0","series":1}', config]
    text = Summaries()
    assert text.text(begin)
    assert "nobody knows" in text.text([b'{"htype":"dseries_end-1.0","series":1}'])


def test_an_error_is_short_whatever_size_is_declared():
    parts = an_image(0)
    about = {"encoding": "lz4<", "shape": [2, 2], "type": "uint8", "size": 10**4000}
    parts[1:3] = [json.dumps(about).encode(), b"junk"]
    with pytest.raises(DecodeError, match="its header says 1000") as raised:
        Decoder(eiger.HANDLERS).decode(parts)
    assert len(str(raised.value)) < 400


def test_so_many_series_are_remembered():
    seen = SeenSeries()
    for number in range(MAX_SERIES):
        seen.begin(number, 1, b"")
        seen.add(number, 0)
    assert seen.end(0) == (1, 1, 0)  # it was used last now, and 1 the longest ago
    seen.begin(MAX_SERIES, 1, b"")
    assert seen.end(1) == (None, 0, None)
    assert seen.end(0) == (0, 0, 0)


def test_the_last_frame_that_is_told_apart():
    seen = SeenSeries()
    seen.begin(1, MAX_FRAMES - 1, b"")
    for frame in (MAX_FRAMES - 2, MAX_FRAMES - 2, MAX_FRAMES - 1, MAX_FRAMES - 1):
        seen.add(1, frame)
    assert seen.end(1) == (MAX_FRAMES - 1, 2, MAX_FRAMES - 2)  # one of them is none of those
    for _ in range(2):
        seen.add(1, MAX_FRAMES)  # each message counts
    assert seen.end(1) == (0, 2, 0)


def test_lying_series_do_not_push_out_the_one_that_runs():
    seen = SeenSeries()
    seen.begin(1, 30, b"")
    for frame in range(30):
        seen.add(1, frame)
        seen.add(1000 + frame, 0)
    assert seen.end(1) == (30, 30, 0)


def test_a_lying_frame_is_none_of_those_expected():
    far = [an_image(frame) for frame in (10**18, 3)]
    assert ends(start(nimages=3), an_image(0), *far, end()) == [(3, 3, 2)]


@given(
    st.lists(st.integers(0, 50) | st.integers(0, 2**70)),
    st.none() | st.integers(0, 40) | st.integers(0, 2**70),
)
def test_what_was_seen_is_a_set(frames, expected):
    seen = SeenSeries()
    seen.begin(1, expected, b"")
    for frame in frames:
        seen.add(1, frame)
    near = {frame for frame in frames if frame < MAX_FRAMES}
    far = [frame for frame in frames if frame >= MAX_FRAMES]  # each counts
    count = len(near) + len(far)
    if expected is None:
        missing = None
    elif expected <= 40:
        missing = expected - len([frame for frame in near if frame < expected])
    else:
        missing = max(expected - count, 0)
    if expected is None or expected <= 40 or expected >= MAX_FRAMES:
        assert seen.end(1) == (expected, count, missing)


# Deviants


def test_tables_are_known_by_their_place_not_their_htype():
    parts = a_series(0)[0]
    parts[2] = parts[2].replace(b"dflatfield-1.0", b"flatfield-1.0")  # tickit's simulator
    (item,) = decode_all([parts])
    assert item.flatfield.shape == SHAPE


@pytest.mark.parametrize(
    ("about", "blob"),
    [
        ({"shape": [20, 30], "type": "float32"}, bytes(2399)),
        ({"shape": [20, 30], "type": "float32"}, bytes(2401)),
        ({"shape": [20, 30], "type": "nothing"}, bytes(2400)),
        ({"shape": [20, 30]}, bytes(2400)),
        ({"shape": [600], "type": "float32"}, bytes(2400)),
        ({"shape": [20, 30, 1], "type": "float32"}, bytes(2400)),
        ({"shape": [-20, -30], "type": "float32"}, bytes(2400)),
        ({"shape": [0, 10**30], "type": "float32"}, b""),
        ({}, bytes(2400)),
    ],
)
def test_a_table_that_does_not_fit_is_left_out(about, blob, caplog):
    parts = a_series(1)[0]
    for index in (2, 4, 6):
        wrong = [*parts[:index], json.dumps(about).encode(), blob, *parts[index + 2 :]]
        caplog.clear()
        (item,) = decode_all([wrong])
        tables = [item.flatfield, item.mask, item.countrate_table]
        assert [table is None for table in tables] == [index == 2, index == 4, index == 6]
        assert item.value[f"part_{index + 2}_raw"] == blob
        (record,) = caplog.records
        assert "of series 1 is left out: " in record.message
        assert as_bytes(eiger.encode(item)) == wrong


@pytest.mark.parametrize("text", [b"plain text", b"\xff\xfe", b'{"a": 1}', b"3"])
def test_appendix(text):
    begin, first, *_ = a_series(1)
    parsed = {b'{"a": 1}': {"a": 1}, b"3": 3}.get(text, text)
    for item in decode_all([[*begin, text], [*first, text]]):
        assert item.appendix == parsed
        assert as_bytes(eiger.encode(item))[-1] == text


@pytest.mark.parametrize("wrong", [None, "1", 1.5, [1], 10**30])
def test_times_that_are_no_numbers(wrong):
    parts = an_image(0)
    parts[3] = json.dumps({"start_time": wrong, "real_time": 5}).encode()
    (item,) = decode_all([parts])
    assert (item.real_time, item.stop_time) == (5, None)
    assert item.start_time in (None, 10**30)  # what a reader of JSON makes of it


# image()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"type": "float64"}, "type is 'float64'; it can be uint8, uint16, uint32, float32"),
        ({"type": "<u2"}, "type is '<u2'"),
        ({"type": ["uint16"]}, "type is .'uint16'.; it can be"),
        ({"shape": [600]}, "1 dimensions; an image has 2 or 3"),
        ({"shape": [20, 30, 1, 1]}, "4 dimensions; an image has 2 or 3"),
        ({"shape": [20, 31]}, "declares 1200 bytes, 1240 are expected"),
        ({"shape": [20, -30]}, "not a list of whole numbers"),
        ({"shape": [10**9, 10**9]}, "frame 5 of series 2"),
        ({"shape": [0, 10**30]}, "frame 5 of series 2"),
        ({"encoding": "zip<"}, "zip<"),
        ({"encoding": 7}, "encoding is 7"),
        ({"encoding": ["<"]}, "encoding"),
    ],
)
def test_image_says_what_is_wrong_with_which_frame(change, match):
    value = Decoder().decode(an_image(5, 2))
    value["part_2"].update(change)
    with pytest.raises(DecodeError, match=match) as caught:
        dimage_1_0.image(value)
    assert str(caught.value).startswith("frame 5 of series 2: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [None, {}, [], {"part_2": 1}, {"part_2": {}, "part_3_raw": b""}])
def test_image_of_no_image(value):
    with pytest.raises(DecodeError, match=r"is no dimage-1\.0 value"):
        dimage_1_0.image(value)


def test_sizes_that_lie_do_not_matter_where_the_blob_is_right():
    value = Decoder().decode(an_image(5, 2))
    for size in (0, 10**18, "many", None):
        value["part_2"]["size"] = size
        assert (dimage_1_0.image(value) == 5).all()
    del value["part_2"]["size"]
    assert (dimage_1_0.image(value) == 5).all()


# Writing


@given(
    array=st.sampled_from(["u1", "<u2", ">u2", "<u4", ">u4", "<f4", ">f4"]).flatmap(
        lambda name: numpy_st.arrays(
            name,
            numpy_st.array_shapes(min_dims=2, max_dims=3, min_side=0, max_side=40),
            elements=numpy_st.from_dtype(np.dtype(name), allow_nan=False),
        )
    ),
    encoding=st.sampled_from(ENCODINGS),
    frame=st.integers(0, 2**40),
    times=st.tuples(*[st.none() | st.integers(0, 2**50)] * 3),
    appendix=st.none() | st.dictionaries(st.text(), st.integers(-5, 5)) | st.text().map(str.encode),
    transposed=st.booleans(),
)
def test_images_come_back(array, encoding, frame, times, appendix, transposed):
    if transposed:
        array = array.T  # not contiguous
    assume(not array.nbytes % shuffled_width(encoding))
    image = Image(3, frame, {}, {"image": array}, *times, appendix)
    parts = eiger.encode(image, encoding)
    (item,) = decode_all([parts])
    assert (item.series, item.frame) == (3, frame)
    assert (item.real_time, item.start_time, item.stop_time) == times
    assert item.array.shape == array.shape
    assert item.array.dtype == array.dtype.newbyteorder(">" if ">" in (encoding or "") else "<")
    assert np.array_equal(item.array, array)
    if isinstance(appendix, bytes):
        assert as_bytes(parts)[4] == appendix
    else:
        assert item.appendix == appendix
    about = item.value["part_2"]
    assert about["shape"] == list(array.shape[::-1])
    assert about["size"] == len(parts[2])
    assert about["encoding"] == encoding or encoding is None
    assert as_bytes(eiger.encode(item)) == as_bytes(parts)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_of_every_type(encoding):
    for name, shape in zip(TYPES, [(31, 33), (7, 5, 3), (3, 4097), (128, 64)], strict=True):
        array = np.random.default_rng(2).integers(0, 200, shape).astype(name)
        if array.nbytes % shuffled_width(encoding):
            with pytest.raises(EncodeError, match=f"{array.nbytes} bytes"):
                an_image(0, array=array, encoding=encoding)
            continue
        item = decode_all([an_image(0, array=array, encoding=encoding)])[0]
        assert np.array_equal(item.array, array)


def test_other_pixels_under_the_same_header():
    (item,) = decode_all([[*an_image(4, real_time=7, start_time=8, stop_time=9), b'{"x":1}']])
    changed = replace(item, arrays={"image": item.array * 2})
    (again,) = decode_all([eiger.encode(changed)])
    assert (again.array == 8).all()
    assert (again.series, again.frame, again.appendix) == (1, 4, {"x": 1})
    assert (again.real_time, again.start_time, again.stop_time) == (7, 8, 9)
    assert again.value["part_2"]["encoding"] == "bs16-lz4<"


@pytest.mark.parametrize("detail", ["all", "basic", "none"])
def test_a_start_and_an_end_are_written_as_the_detector_does(detail):
    messages = a_series(2, detail=detail)
    for parts in (messages[0], messages[-1]):
        (item,) = decode_all([parts])
        assert as_bytes(eiger.encode(replace(item))) == parts


def test_a_replaced_start_keeps_what_was_not_replaced():
    parts = [*a_series(1)[0], b"mine"]
    (came,) = decode_all([parts])
    (again,) = decode_all([eiger.encode(replace(came, config={**came.config, "nimages": 7}))])
    assert again.config == {**came.config, "nimages": 7}
    assert again.appendix == b"mine"
    for name in ("flatfield", "mask", "countrate_table"):
        assert np.array_equal(getattr(again, name), getattr(came, name))
    assert again.header == came.header


def test_what_else_is_in_a_header_stays():
    parts = an_image(4)
    parts[0] = header("dimage-1.0", 1, frame=4, hash="", run="night")
    (came,) = decode_all([parts])
    written = json.loads(eiger.encode(replace(came, frame=5))[0])
    assert (written["run"], written["frame"]) == ("night", 5)
    assert written["hash"] == hashlib.md5(parts[2]).hexdigest()


def test_the_hash_is_made_where_md5_is_allowed_for_no_security(monkeypatch):
    monkeypatch.setattr(hashlib, "md5", fips_md5)
    (came,) = decode_all([an_image(4)])
    written = json.loads(eiger.encode(replace(came, frame=5))[0])
    assert written["hash"] == fips_md5(an_image(4)[2], usedforsecurity=False).hexdigest()


@pytest.mark.parametrize("encoding", [">", "lz4<", "bs16-lz4>"])
def test_an_encoding_is_obeyed_of_an_image_that_came(encoding):
    for first in ("<", "lz4<", "bs16-lz4<"):
        (came,) = decode_all([an_image(4, encoding=first, real_time=7)])
        parts = eiger.encode(came, encoding)
        assert as_bytes(parts) == as_bytes(an_image(4, encoding=encoding, real_time=7))
        assert json.loads(parts[1])["encoding"] == encoding
    started = [header(header_detail="none", odd=1)]
    assert eiger.encode(decode_all([started])[0], encoding) == started
    with pytest.raises(EncodeError, match="is for an Image"):
        eiger.encode(came.value, encoding)


def test_items_of_stream_v2_leave_their_fields_behind():
    array, table = np.arange(12, dtype="u2").reshape(3, 4), np.ones((3, 4), "f4")
    config = {"number_of_images": 1, "x": 2}
    v2 = [
        SeriesStart(7, {"series_unique_id": "u"}, config, appendix={"user": 1}),
        SeriesStart(7, {}, config, {"a": table}, {"a": table}, np.ones((5, 2), "f4")),
        Image(7, 2, {"series_date": "2024"}, {"a": array}, 1, 2, 3, {"user": 2}),
        SeriesEnd(7, {"odd": 1}),
    ]
    decoder = Decoder()
    came = [decoder.decode(stream2.encode(item)) for item in v2]
    messages = [as_bytes(eiger.encode(item)) for item in came]
    assert [json.loads(parts[0]) for parts in messages[::3]] == [
        {"header_detail": "basic", "htype": "dheader-1.0", "series": 7},
        {"htype": "dseries_end-1.0", "series": 7},
    ]
    assert json.loads(messages[0][1]) == config
    assert json.loads(messages[0][2]) == {"user": 1}
    assert json.loads(messages[1][1]) == {**config, "channels": ["a"]}
    assert json.loads(messages[2][0]).keys() == {"frame", "hash", "htype", "series"}
    _, start, image, _ = decode_all(messages)
    assert np.array_equal(start.flatfield, table)
    assert np.array_equal(image.array, array)
    assert (image.real_time, image.appendix) == (1, {"user": 2})


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"header": {}}, "a header with htype dheader-1.0, dimage-1.0, dseries_end-1.0; .* {}"),
        ({}, "this one's header is None"),
        ({"header": {"htype": "dimage-1.0"}}, "a dimage-1.0 value needs 'part_2'"),
        (
            Image(1, 0, {}, np.zeros(SHAPE, "u2")),
            "frame 0 of series 1: arrays is of ndarray; .*map",
        ),
        (Image(1, 0, {}, None), "arrays is of NoneType"),
        (SeriesStart(1, {}, flatfields=np.zeros(SHAPE)), "series 1: flatfields is of ndarray"),
        (7, "int can't be written; it can be a SeriesStart"),
    ],
)
def test_what_it_takes_is_said(item, words):
    with pytest.raises(EncodeError, match=words) as caught:
        eiger.encode(item)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"type": None}, "type None is not a number type"),
        ({"shape": "20x30"}, "shape '20x30' is not a list"),
        ({"shape": None}, "shape None"),
    ],
)
def test_an_image_whose_header_is_odd_is_named(change, words):
    parts = an_image(5, 2)
    parts[1] = json.dumps({**json.loads(parts[1]), **change}).encode()
    for decoder in (Decoder(), eiger_decoder()):
        with pytest.raises(DecodeError, match=f"^frame 5 of series 2: {words}"):
            decoder.decode(parts)
        assert decoder.statistics.messages_failed == 1
    parts[0] = header("dimage-1.0", 2)  # without a frame
    with pytest.raises(DecodeError, match=f"^{words}"):
        Decoder().decode(parts)


@pytest.mark.parametrize(
    "item",
    [
        Image(1, 0, {}, {}),
        Image(1, 0, {}, {"one": np.zeros(SHAPE, "u2"), "two": np.zeros(SHAPE, "u2")}),
        Image(1, 0, {}, {"image": np.zeros(SHAPE, "f8")}),
        Image(1, 0, {}, {"image": np.zeros(600, "u2")}),
        SeriesStart(1, {}, masks={"image": np.zeros(SHAPE, "u4")}),
        {"header": {"htype": "raw-1.0"}, "data": []},
        {"header": {"htype": []}},
        None,
    ],
)
def test_what_is_no_series_can_not_be_written(item):
    with pytest.raises(EncodeError):
        eiger.encode(item)


@pytest.mark.parametrize("encoding", ["zip<", "lz4", "bs16-lz4", ""])
def test_an_encoding_that_does_not_exist(encoding):
    with pytest.raises(EncodeError, match=f"encoding '{encoding}' can't be written"):
        an_image(0, encoding=encoding)
