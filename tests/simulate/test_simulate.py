"""The generated streams: their parts as real senders write them, their pixels as real ones look."""

import hashlib
import json
from itertools import islice

import numpy as np
import pytest

from gmflow.errors import ConfigError
from gmflow.handlers import DEFAULT
from gmflow.receiver import Receiver
from gmflow.simulate import array, eiger, eiger_series, raw

SMALL = (120, 100)
GAPPED = (560, 1050)


def read(htype, parts):
    assert json.loads(bytes(parts[0]))["htype"] == htype
    receiver = Receiver()
    receiver.load(parts)
    value = DEFAULT[htype](receiver)
    assert not receiver.has_more()
    return value


def pixels(parts):
    about = json.loads(parts[1])
    return np.frombuffer(parts[2], about["type"]).reshape(about["shape"][::-1])


def as_bytes(messages):
    return [[bytes(part) for part in parts] for parts in messages]


def test_raw_is_mflows_stream():
    first, second = raw(10485, count=2)
    assert first[0] == b'{"htype": "raw-1.0", "type": "int32", "shape": [1, 2621.25], "frame": 0}'
    assert json.loads(second[0])["frame"] == 1
    assert first[1] == bytes(10485)
    assert second[1] is first[1]


def test_raw_shape_is_a_float_even_where_it_is_whole():
    assert b'"shape": [1, 2.0]' in next(raw(8))[0]


@pytest.mark.parametrize("stream", [raw(4), array(4), eiger_series(0, (1, 1))])
def test_streams_are_endless_by_default(stream):
    assert len(list(islice(stream, 2000))) == 2000


@pytest.mark.parametrize("size, length", [(0, 0), (3, 0), (4, 1), (4099, 1024)])
def test_array_fits_its_header(size, length):
    value = read("array-1.0", next(array(size)))
    assert value["header"]["shape"] == [1, length]
    assert value["data"][0].dtype == np.int32
    assert value["data"][0].shape == (1, length)


def test_array_content_changes_and_is_reproducible():
    messages = as_bytes(array(4096, count=300, seed=5))
    assert len({parts[1] for parts in messages}) == 300
    assert [json.loads(parts[0])["frame"] for parts in messages] == list(range(300))
    assert messages == as_bytes(array(4096, count=300, seed=5))
    assert messages[0][1] != bytes(next(array(4096, seed=6))[1])


def test_array_draws_and_copies_nothing_for_a_message():
    first, second = array(4096, count=2)
    assert np.shares_memory(np.frombuffer(first[1], "u1"), np.frombuffer(second[1], "u1"))


def test_series_has_a_header_its_images_and_an_end():
    header, *images, end = eiger(3, SMALL, series=7)
    assert [len(parts) for parts in (header, *images, end)] == [8, 4, 4, 4, 1]
    assert header[0] == b'{"header_detail":"all","htype":"dheader-1.0","series":7}'
    assert [read("dimage-1.0", parts)["header"]["frame"] for parts in images] == [0, 1, 2]
    assert {read("dimage-1.0", parts)["header"]["series"] for parts in images} == {7}
    assert end == [b'{"htype":"dseries_end-1.0","series":7}']
    assert read("dseries_end-1.0", end)


@pytest.mark.parametrize("detail, count", [("none", 1), ("basic", 2), ("all", 8)])
def test_header_detail(detail, count):
    parts = next(eiger(1, SMALL, header_detail=detail))
    assert len(parts) == count
    assert read("dheader-1.0", parts)["header"]["header_detail"] == detail


def test_configuration_describes_the_series():
    configuration = read("dheader-1.0", next(eiger(12, SMALL, "uint32", frame_time=0.5)))["part_2"]
    expected = {
        "nimages": 12,
        "ntrigger": 1,
        "bit_depth_image": 32,
        "x_pixels_in_detector": 100,
        "y_pixels_in_detector": 120,
        "frame_time": 0.5,
        "wavelength": 1.0,
    }
    assert expected.items() <= configuration.items()
    assert 0 < configuration["count_time"] < 0.5
    assert 0 < configuration["beam_center_x"] < 100
    assert 0 < configuration["beam_center_y"] < 120


def test_tables_are_declared_as_they_are():
    value = read("dheader-1.0", next(eiger(0, GAPPED)))
    assert value["part_3"] == {"htype": "dflatfield-1.0", "shape": [1050, 560], "type": "float32"}
    assert value["part_5"] == {"htype": "dpixelmask-1.0", "shape": [1050, 560], "type": "uint32"}
    assert value["part_7"]["htype"] == "dcountrate_table-1.0"
    assert value["part_7"]["type"] == "float32"
    two, length = value["part_7"]["shape"]
    assert two == 2
    assert len(value["part_4_raw"]) == len(value["part_6_raw"]) == 560 * 1050 * 4
    rates = np.frombuffer(value["part_8_raw"], "<f4").reshape(length, 2)
    assert (np.diff(rates[:, 0]) > 0).all()
    assert (rates[1:, 1] < rates[1:, 0]).all()


def test_json_is_compact_with_sorted_keys():
    header, image, end = eiger(1, SMALL)
    for part in (*header[:3], header[4], header[6], image[0], image[1], image[3], end[0]):
        value = json.loads(part)
        assert part == json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def test_image_parts_fit_the_blob():
    _, first, second, _ = eiger(2, SMALL, frame_time=0.25)
    about = json.loads(second[1])
    assert about["encoding"] == "<"
    assert about["type"] == "uint16"
    assert about["shape"] == [100, 120]
    assert about["size"] == len(second[2]) == 100 * 120 * 2
    assert json.loads(second[0])["hash"] == hashlib.md5(second[2]).hexdigest()
    times, before = json.loads(second[3]), json.loads(first[3])
    assert all(type(times[key]) is int for key in ("real_time", "start_time", "stop_time"))
    assert times["stop_time"] - times["start_time"] == times["real_time"]
    assert times["start_time"] - before["start_time"] == 250_000_000
    assert before["stop_time"] < times["start_time"]


def test_same_seed_gives_the_same_bytes():
    assert as_bytes(eiger(20, SMALL, seed=3)) == as_bytes(eiger(20, SMALL, seed=3))
    other = as_bytes(eiger(1, SMALL, seed=4))
    assert other[1][2] != as_bytes(eiger(1, SMALL, seed=3))[1][2]


def test_frames_do_not_depend_on_how_many_were_asked_for():
    assert as_bytes(eiger(2, SMALL))[1:3] == as_bytes(eiger(9, SMALL))[1:3]


def test_series_follow_one_another_and_are_the_same_alone():
    messages = as_bytes(eiger_series(2, SMALL, series=5, seed=1, count=3))
    alone = [as_bytes(eiger(2, SMALL, series=number, seed=1)) for number in (5, 6, 7)]
    assert messages == alone[0] + alone[1] + alone[2]
    assert alone[0][1][2] != alone[1][1][2]


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((1, 1), "uint8"), ((1, 7), "uint16"), ((516, 3), "uint32"), ((3, 1033), "uint8")],
)
def test_any_shape_and_dtype(shape, dtype):
    _, *images, _ = eiger(40, shape, dtype)
    assert len(images) == 40
    for parts in images:
        assert pixels(parts).shape == shape
        assert pixels(parts).dtype == dtype


def test_gaps_and_only_gaps_hold_the_largest_value():
    header, *images, _ = eiger(3, GAPPED, "uint8")
    mask = np.frombuffer(header[5], "<u4").reshape(GAPPED) != 0
    rows, columns = mask.all(axis=1), mask.all(axis=0)
    assert list(np.flatnonzero(rows)) == list(range(514, 551))
    assert list(np.flatnonzero(columns)) == list(range(1030, 1040))
    assert (mask == (rows[:, None] | columns)).all()
    for parts in images:
        assert ((pixels(parts) == 255) == mask).all()


def test_pixels_look_like_diffraction():
    header, *images, _ = eiger(60, (500, 500))
    configuration = json.loads(header[1])
    y, x = np.indices((500, 500)) + 0.5
    x, y = x - configuration["beam_center_x"], y - configuration["beam_center_y"]
    radius = np.hypot(x, y) / 250
    clear = (abs(y) > 10) | (x < 0)
    stack = np.stack([pixels(parts) for parts in images])
    level = np.median(stack, axis=0)

    def around(r):
        return level[clear & (abs(radius - r) < 0.01)].mean()

    assert around(0.04) < 2  # the beam stop
    assert around(0.15) > around(0.25) > around(0.45) > around(0.65)
    for ring in (0.35, 0.55, 0.78):
        assert around(ring) > 1.5 * max(around(ring - 0.06), around(ring + 0.06))


def test_noise_is_that_of_counted_photons():
    _, *images, _ = eiger(200, (60, 60), seed=2)
    stack = np.stack([pixels(parts) for parts in images]).astype(float)
    lit = stack.mean(axis=0) > 3
    ratio = stack.var(axis=0)[lit] / stack.mean(axis=0)[lit]
    assert 0.7 < np.median(ratio) < 1.3


def test_spots_come_and_go():
    _, *images, _ = eiger(30, (300, 300), "uint32")
    bright = [set(np.flatnonzero(pixels(parts) > 100)) for parts in images]
    assert all(bright)
    assert bright[0] & bright[1]
    assert not bright[0] & bright[20]


@pytest.mark.parametrize(
    "arguments, named",
    [
        ({"images": -1}, "images"),
        ({"images": 1.5}, "images"),
        ({"frame_time": 1e6}, "frame_time"),
        ({"shape": (0, 4)}, "rows"),
        ({"shape": (4, 0)}, "columns"),
        ({"shape": (4, 4, 4)}, "shape"),
        ({"dtype": "float32"}, "dtype"),
        ({"series": -1}, "series"),
        ({"seed": -1}, "seed"),
        ({"header_detail": "most"}, "header_detail"),
        ({"frame_time": 9e-7}, "frame_time"),
    ],
)
def test_wrong_arguments_are_named_at_once(arguments, named):
    with pytest.raises(ConfigError, match=f"^{named} is "):
        eiger(**{"images": 1, "shape": SMALL} | arguments)


def test_the_shortest_and_the_longest_frame_time():
    for frame_time in (1e-6, 999_999.0):
        *_, image, _ = eiger(2, SMALL, frame_time=frame_time)
        times = json.loads(image[3])
        assert times["start_time"] == round(frame_time * 1e9)
        assert times["stop_time"] - times["start_time"] == times["real_time"]


@pytest.mark.parametrize("stream", [raw, array])
def test_wrong_sizes_and_counts_are_named_at_once(stream):
    with pytest.raises(ConfigError, match=r"^size is -1"):
        stream(-1)
    with pytest.raises(ConfigError, match=r"^count is -1"):
        stream(1, count=-1)
