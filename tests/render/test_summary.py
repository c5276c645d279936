"""Summaries: the figures are those of the captures, and nothing on the wire gets around them."""

from __future__ import annotations

import json
import re
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmflow.handlers import DEFAULT
from gmflow.merging.merged import Joiner
from gmflow.message import Message
from gmflow.render.summary import Summaries, figures, kind
from gmflow.render.words import (
    many,
    named,
    printable,
    shortened,
    size,
    text_of,
    time_of,
    word,
)
from gmflow.simulate import array, eiger, raw, stream2
from tests.support.captures import captures, needs_captures, read_capture, truth

SMALL = (20, 30)


def summed_up(messages):
    """Return the lines of each message."""
    summaries = Summaries()
    return [summaries.text(parts).splitlines() for parts in messages]


def one(*parts):
    """Return the lines of a message that is the first of its stream."""
    (lines,) = summed_up([list(parts)])
    return lines


def header(**values):
    return json.dumps(values).encode()


def numbers_of(line):
    """Return least, mean and largest value, and how many pixels are masked."""
    match = re.search(r"min (\S+) +mean (\S+) +max (\S+)(?: \((\d+) masked\))?", line)
    assert match, line
    return float(match[1]), float(match[2]), float(match[3]), int(match[4] or 0)


# captures


@needs_captures
def test_pixels_of_a_real_series():
    pytest.importorskip("imagecodecs")
    known = truth("maxiv-eiger1-1m")["messages"]
    lines = summed_up(read_capture("maxiv-eiger1-1m/series14"))
    assert "series 14" in lines[0][0] and "Dectris EIGER1 Si 1M E-02-0153" in lines[0][0]
    assert "1065 x 1030" in lines[0][0] and "100000 images" in lines[0][0]
    masked = known[0]["pixel_mask"]["n_nonzero"]
    assert lines[0][1].split() == f"flatfield 1065 x 1030 mask 1065 x 1030, {masked} masked".split()
    images = [(line, about) for line, about in zip(lines, known, strict=True) if "frame" in about]
    assert len(images) >= 9
    for (line,), about in images:
        pixels = about["decoded"]
        count = pixels["count_of_dtype_max"]
        mean = pixels["sum_without_dtype_max"] / (1065 * 1030 - count)
        least, found, _, left_out = numbers_of(line)
        assert (least, left_out) == (pixels["min"], count)
        assert found == pytest.approx(mean, rel=1e-5)
        assert f"frame {about['frame']:>6}" in line
        assert "1065 x 1030 uint32  bs32-lz4<" in line


@needs_captures
def test_pixels_of_a_real_series_of_stream2():
    pytest.importorskip("imagecodecs")
    pytest.importorskip("cbor2")
    known = truth("maxiv-eiger-stream2")["messages"]
    start, *images, end = summed_up(read_capture("maxiv-eiger-stream2/series"))
    assert "stream2 start" in start[0] and "10 images of 1 s" in start[0]
    assert start[1].split()[0] == "threshold_1"
    assert "10 of 10 images" in end[0]
    for number, (lines, about) in enumerate(zip(images, known[1:-1], strict=True)):
        pixels = about["decoded"]["data"]["threshold_1"]
        masked, rest = divmod(int(pixels["sum"]), 2**32 - 1)
        least, mean, _, left_out = numbers_of(lines[0])
        assert (least, left_out) == (pixels["min"], masked)
        assert mean == pytest.approx(rest / (1065 * 1030 - masked), rel=1e-5)
        assert f"series 16 frame {number:>6}" in lines[0]
        assert "threshold_1  1065 x 1030 uint32" in lines[0]


@needs_captures
def test_images_that_were_cut_off_say_so():
    pytest.importorskip("imagecodecs")
    start, *images, end = summed_up(read_capture("maxiv-eiger2-9m-truncated/series6"))
    assert "3262 x 3108" in start[0]
    for lines in images:
        assert '"dimage-1.0"' in lines[0] and "[3108,3262]" in lines[1]
        assert [line.lstrip()[0] for line in lines].count("!") == 1
        assert "the blob has 20000 bytes" in lines[2]
    assert "3 of 3 images" in end[0]


@needs_captures
@pytest.mark.parametrize(
    "stream",
    [
        "all_types__data_none__header_none",
        "all_types__data_lz4__header_lz4",
        "all_types__data_bitshuffle_lz4__header_bitshuffle_lz4",
        "big_endian_arrays__data_lz4",
    ],
)
def test_channels_of_real_bsread(stream):
    pytest.importorskip("imagecodecs")
    known = truth("psi-bsread-2.0.2-sender")["streams"][stream]
    compression = next((name for name in ("bitshuffle_lz4", "lz4") if f"data_{name}" in stream), "")
    for lines, sent, main in zip(
        summed_up(read_capture(f"psi-bsread-2.0.2-sender/{stream}")),
        known["sent"],
        known["main_header"],
        strict=True,
    ):
        assert f"pulse {main['pulse_id']}  2023-11-14 22:13:20.123456789 UTC" in lines[0]
        assert f"{len(sent)} channels" in lines[0]
        channels = {line.split()[0]: line for line in lines[1:]}
        assert channels.keys() == sent.keys()
        assert all(line.endswith(compression) for line in channels.values())
        for name, value in sent.items():
            assert_shown(channels[name], value)


def assert_shown(line, value):
    count = int(np.prod(value.get("shape", 1)))
    if "ndarray" in value and count == 1:
        assert float(line.split()[2]) == pytest.approx(value["sum"], rel=1e-5)
    elif "ndarray" in value and value["ndarray"] != "|b1":
        assert " x ".join(map(str, value["shape"])) in line
        assert np.dtype(value["ndarray"]).name in line
        assert numbers_of(line)[1] == pytest.approx(value["sum"] / count, rel=1e-5)
    elif "scalar" in value:
        assert float(line.split()[2]) == pytest.approx(value["value"], rel=1e-5)
    elif value.get("python") == "str":
        assert repr(value["value"]) in line


@needs_captures
def test_arrays_of_real_mflow():
    known = truth("psi-mflow-1.0.0-sender")["streams"]["forward_array-1.0_all_types"]
    lines = summed_up(read_capture("psi-mflow-1.0.0-sender/forward_array-1.0_all_types"))
    for (first, *more), about in zip(lines, known, strict=True):
        assert f"frame {about['header']['frame']} " in first
        segments = [segment for segment in about["segments"] if segment is not None]
        shown = [line for line in more or [first] if "an empty part" not in line]
        for line, segment in zip(shown, segments, strict=True):
            dtype = np.dtype(segment["dtype"])
            assert f"{' x '.join(map(str, segment['shape']))} {dtype.name}" in line
            if dtype.kind in "iuf" and segment.get("sum") is not None and np.prod(segment["shape"]):
                mean = segment["sum"] / np.prod(segment["shape"])
                assert numbers_of(line)[1] == pytest.approx(mean, rel=1e-4)


@needs_captures
def test_every_capture_is_summed_up_in_lines_that_are_printable():
    for name, messages in captures():
        for number, lines in enumerate(summed_up(messages)):
            assert lines[0].startswith(f"{number:>6}  "), name
            assert all(line.isprintable() for line in lines), name


# what each kind shows


def test_a_series_is_remembered():
    _, first, _, third, end = list(eiger(3, SMALL, series=7, encoding="<"))
    assert "1 image seen" in summed_up([first, end])[1][0]
    messages = list(eiger(3, SMALL, series=7))
    lines = summed_up([messages[0], first, third, messages[-1]])
    assert "2 of 3 images, 1 missing" in lines[-1][0]
    assert lines[0][0].startswith("     0  dheader-1.0 ")
    assert lines[3][0].startswith("     3  dseries_end-1.0 ")


def test_gaps_are_not_part_of_the_figures():
    _, image, _ = eiger(1, (560, 40), "uint16")
    pixels = np.frombuffer(image[2], "<u2")
    counts = pixels[pixels < 65535]
    (line,) = one(*image)
    least, mean, largest, masked = numbers_of(line)
    assert (least, largest, masked) == (counts.min(), counts.max(), 37 * 40)
    assert mean == pytest.approx(counts.mean(), rel=1e-5)


def test_an_appendix_is_shown():
    start, image, _ = eiger(1, SMALL)
    assert one(*start, b"user\x1b text")[-1].strip() == "appendix user\\x1b text"
    assert one(*image, b'{"a": 1}')[-1].strip() == 'appendix {"a": 1}'


def test_arrays():
    first = header(htype="array-1.0", type=">f4", shape=[2, 3], frame=5, pulse_id=9)
    values = np.arange(6, dtype=">f4")
    (line,) = one(first, values.tobytes())
    assert "frame 5  pulse_id 9" in line and "2 x 3 float32 big-endian" in line
    assert numbers_of(line) == (0, 2.5, 5, 0)
    lines = one(first, values.tobytes(), b"", values.tobytes())
    assert "3 arrays" in lines[0]
    assert [line.split()[0] for line in lines[1:]] == ["2", "an", "2"]


def test_raw_and_unknown_messages_show_header_and_sizes():
    (line,) = one(*next(raw(10485)))
    assert '{"htype": "raw-1.0", "type": "int32"' in line and line.endswith(
        "2 parts: 72 B + 10.5 kB"
    )
    (line,) = one(header(htype="jpeg-1.0", frame=3), b"pixels")
    assert line.startswith("     0  jpeg-1.0 ") and '"frame": 3' in line and "2 parts" in line
    lines = one(header(frame=3), b"pixels")
    assert "no htype" in lines[0] and "! " in lines[1]
    assert one()[0] == "     0  empty             0 parts"


@pytest.mark.parametrize("parts", [[b"\xff\x00binary"], [b""], [b"[1]"], [b"text", b"more"]])
def test_what_is_not_json_is_shown_with_the_reason(parts):
    lines = one(*parts)
    assert "not JSON" in lines[0] and lines[1].lstrip().startswith("! ")


def test_stream2_that_can_not_be_decoded_is_named_with_the_reason():
    pytest.importorskip("cbor2")
    _, (whole,), _ = stream2(1, SMALL, compression="none")
    lines = one(whole.replace(b"\x64data", b"\x64dada"))
    assert lines[0].startswith("     0  stream2 image ") and "1 part: " in lines[0]
    assert lines[1].lstrip().startswith("! frame 0 of series 1: data is ")
    lines = one(whole[:-20])
    assert lines[1].lstrip().startswith("! ")


def bsread(channels, values):
    names = [{"name": name, **about} for name, about in channels.items()]
    stamp = struct.pack("<QQ", 1_700_000_000, 5)
    parts = [
        header(
            htype="bsr_m-1.1",
            pulse_id=77,
            hash="h",
            global_timestamp={"sec": 1_700_000_000, "ns": 5},
        ),
        header(htype="bsr_d-1.1", channels=names),
    ]
    for value in values:
        parts += [value, stamp if value else b""]
    return parts


def test_channels_without_a_value_are_counted():
    parts = bsread(
        {"a": {}, "b": {"type": "string"}, "long name": {"type": "int16", "shape": [3]}},
        [struct.pack("<d", 1.5), b"", np.arange(3, dtype="<i2").tobytes()],
    )
    lines = one(*parts)
    assert "pulse 77  2023-11-14 22:13:20.000000005 UTC" in lines[0]
    assert "3 channels (1 without a value)  new data header" in lines[0]
    assert [line.strip() for line in lines[1:]] == [
        "a          float64  1.5",
        "b          -",
        "long name  3 int16  min 0     mean 1        max 2",
    ]
    assert "new data header" not in summed_up([parts, parts])[1][0]


def test_many_channels_are_cut_with_a_count():
    lines = one(*bsread({f"c{n}": {"type": "uint8"} for n in range(100)}, [b"\x01"] * 100))
    assert "100 channels" in lines[0]
    assert len(lines) == 1 + 32 + 1
    assert lines[-1].strip() == "... and 68 more"


def test_merged_messages_are_summed_up_one_by_one():
    frames = {0: Message(parts=next(array(8))), 1: Message(parts=[b"not", b"json"])}
    (merged,) = [Joiner("frame", ["left", "right", "away"]).join(3, frames)]
    lines = one(*merged.parts)
    assert "merged-1.0" in lines[0] and "frame 3" in lines[0] and "2 sources" in lines[0]
    assert lines[1].strip().startswith("left: array-1.0") and "1 x 2 int32" in lines[1]
    assert lines[2].strip().startswith("right: not JSON")
    assert lines[3].strip().startswith("! ")


def test_handlers_can_be_given():
    summaries = Summaries({"raw-1.0": DEFAULT["raw-1.0"]})
    assert "!" not in summaries.text(next(raw(4)))
    assert "array-1.0" in summaries.text(next(array(4)))


# figures and words


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        (np.array([1, 2, 6], "i4"), "min 1     mean 3        max 6"),
        (np.array([2**64 - 1, 0], "u8"), "min 0     mean 9.22337e+18 max 18446744073709551615"),
        (np.array([1.5, np.nan, np.inf]), "min 1.5   mean 1.5      max 1.5 (2 not finite)"),
        (np.array([np.nan, np.nan]), "all 2 not finite"),
        (np.array([1e308, 1e308]), "min 1e+308 mean inf      max 1e+308"),
        (np.array([1.25], "longdouble"), "min 1.25  mean 1.25     max 1.25"),
        (np.array([True, False, True]), "2 of 3 true"),
        (np.zeros((0, 3)), "empty"),
        (np.array([1j]), ""),
        (np.array(7, "u1"), "min 7     mean 7        max 7"),
    ],
)
def test_figures(values, shown):
    assert figures(values) == shown


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "u4"])
def test_figures_of_masked_pixels(dtype):
    largest = np.iinfo(dtype).max
    values = np.array([[3, largest], [largest, 5]], dtype)
    assert figures(values, marks_masked=True) == "min 3     mean 4        max 5 (2 masked)"
    assert f"max {largest}" in figures(values)
    assert figures(np.full(3, largest, dtype), marks_masked=True) == "all 3 masked"
    assert "masked" not in figures(np.array([-1, 127], "i1"), marks_masked=True)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["u1", ">u2", "u4", "i2", "u8", "f4", ">f8"])
def test_figures_of_large_arrays(dtype, order):
    """Larger than what is looked at together, and no multiple of it."""
    rng = np.random.default_rng(1)
    values = rng.integers(0, 100, (1531, 1201)).astype(dtype).copy(order)
    values[0, 0], values[-1, -1] = 120, 101
    is_float = values.dtype.kind == "f"
    gap = np.nan if is_float else np.iinfo(dtype).max
    values[100:600], values[-1, 5] = gap, gap
    kept = values[np.isfinite(values) if is_float else values != gap]
    what = "not finite" if is_float else "masked"
    count = values.size - kept.size
    shown = f"min 0     mean {kept.mean(dtype='f8'):<8.6g} max 120"
    if values.dtype.kind == "i":
        assert f"max {gap}" in figures(values, marks_masked=True)
    else:
        assert figures(values, marks_masked=True) == f"{shown} ({count} {what})"


@pytest.mark.parametrize("dtype", ["u2", "f4"])
def test_figures_of_large_arrays_take_little_memory(dtype):
    values = np.arange(1 << 25, dtype=dtype).reshape(1 << 12, -1)
    values[5] = np.iinfo(dtype).max if dtype == "u2" else np.nan
    tracemalloc.start()
    try:
        assert "min 0 " in figures(values, marks_masked=True)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_words():
    assert [size(n) for n in (0, 999, 1000, 27094, 999_999, 10**9, 3 * 10**12)] == [
        *("0 B", "999 B", "1.0 kB", "27.1 kB", "1.0 MB", "1.0 GB", "3000.0 GB")
    ]
    assert (many(1, "part"), many(2, "part")) == ("1 part", "2 parts")
    assert kind(np.zeros((), "i2")) == "int16"
    assert printable("a\x1b[2J\x9b\u202e\n\ud800é") == "a\\x1b[2J\\x9b\\u202e\\n\\ud800é"
    assert text_of("ä".encode() * 100, 21) == "ä" * 18 + "..."
    assert text_of(b"\xff", 9) == "b'\\xff'"
    assert time_of(1_700_000_000_123, 456) == "2023-11-14 22:13:20.123000456 UTC"
    assert time_of(None, None) == "no timestamp"
    assert time_of(-1, 2**70) == f"-1 s {2**70} ns"
    assert time_of(-(2**200), 0) == "(a number of 201 bits) s 0 ns"
    assert time_of(2**200, 0).startswith("(a number of ")
    assert word(2**128 - 1) == str(2**128 - 1)
    assert word(2**128) == "(a number of 129 bits)"
    assert [word(value) for value in ("x" * 40, "x" * 41)] == ["x" * 40, "x" * 37 + "..."]
    assert [word(value) for value in (True, None, [1], 0.5)] == ["true", "?", "(list)", "0.5"]


def test_a_first_line_names_the_htype_in_a_column():
    assert named("raw", "rest") == named(["raw"], "rest") == "raw" + " " * 15 + "rest"
    assert named("x" * 24, "rest") == "x" * 24 + "  rest"
    assert named("x" * 25, "rest") == "x" * 21 + "...  rest"
    assert named(["a", "b"], "rest") == named([], "rest") == "(list)" + " " * 12 + "rest"


def test_many_lines_are_shortened():
    lines = [f"{n}" for n in range(34)]
    assert shortened(lines[:32]) == lines[:32]
    assert shortened(lines[:33]) == [*lines[:32], "... and 1 more"]
    assert shortened(lines) == [*lines[:32], "... and 2 more"]


# what nobody should send

EVIL = "\x1b]0;owned\x07\x1b[2J\r\n\x9b31m\u202e"


@pytest.mark.parametrize(
    "parts",
    [
        [header(htype=EVIL)],
        [header(htype="array-1.0", type="u1", shape=[1], frame=EVIL), b"\0"],
        [header(htype="array-1.0", type=EVIL, shape=[1]), b"\0"],
        [EVIL.encode()],
        [b"\x1b[2J" + bytes(range(256))],
        bsread({EVIL: {"type": "string"}}, [EVIL.encode()]),
        bsread({"a": {"type": EVIL}}, [b"\0"]),
        [header(htype="dheader-1.0", header_detail=EVIL, series=1)],
        [
            header(htype="dheader-1.0", header_detail="basic", series=1),
            header(description=EVIL, nimages=EVIL, bit_depth_image=[EVIL]),
            EVIL.encode(),
        ],
        [
            header(htype="dimage-1.0", series=1, frame=2, hash=EVIL),
            header(encoding=EVIL, shape=[1, 1], size=1, type="uint8"),
            b"\0",
            header(),
        ],
        [
            header(htype="merged-1.0", key=EVIL, value=EVIL, sources=[{"name": EVIL, "parts": 1}]),
            b"x",
        ],
    ],
)
def test_control_characters_do_not_reach_the_terminal(parts):
    text = Summaries().text(parts)
    assert text.endswith("\n")
    lines = text[:-1].split("\n")
    assert all(line.isprintable() for line in lines), text
    assert lines[0].startswith("     0  ")
    assert "\\x1b" in text


HTYPES = ["array-1.0", "raw-1.0", "bsr_m-1.1", "bsr_m-1.0", "dheader-1.0", "dimage-1.0"]
HTYPES += ["dseries_end-1.0", "merged-1.0", "other"]
KEYS = ["type", "shape", "frame", "series", "header_detail", "pulse_id", "global_timestamp", "hash"]
KEYS += ["channels", "sources", "key", "value", "encoding", "size", "nimages", "description", "sec"]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.sampled_from(["uint8", "float64", "<", "lz4<", "all", "basic", "none", "string", 2**200]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6)
PARTS = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"", b"\0" * 8, b"\0" * 16, b"\xa1dtypeeimage", b"\xd9\xd9\xf7\xa0"]),
    OBJECTS.map(lambda value: json.dumps(value).encode()),
)
MESSAGES = st.builds(
    lambda htype, value, more: [json.dumps({**value, "htype": htype}).encode(), *more],
    st.sampled_from(HTYPES),
    OBJECTS,
    st.lists(PARTS, max_size=6),
) | st.lists(PARTS, max_size=4)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(MESSAGES, min_size=1, max_size=4))
def test_no_message_makes_it_fail(messages):
    summaries = Summaries()
    for parts in messages:
        text = summaries.text(parts)
        lines = text[:-1].split("\n")
        assert len(lines) < 100
        assert all(line.isprintable() and len(line) < 4000 for line in lines)
    summaries.close()
