"""What is missing upstream of DECTRIS's stream v2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from gmflow.handlers import stream2
from gmflow.handlers.series import Image, SeriesEnd, SeriesStart
from gmflow.message import Message
from gmflow.sequence.tracker import MAX_SERIES, SequenceTracker
from tests.support.captures import read_capture

PIXELS = np.arange(1200, dtype=np.uint16).reshape(30, 40)
TABLE = {"a": np.ones((30, 40), np.float32)}


def begin(series: int, images: int, detail: str = "all") -> bytes:
    config = stream2.make_config(PIXELS.shape, PIXELS.dtype, images)
    tables = TABLE if detail == "all" else {}
    return stream2.encode(SeriesStart(series, {}, config, tables, tables))[0]


def image(series: int, frame: int) -> bytes:
    return stream2.encode(Image(series, frame, {}, {"a": PIXELS[: frame % 30 + 1]}))[0]


def end(series: int) -> bytes:
    return stream2.encode(SeriesEnd(series, {}))[0]


def follow(parts: Sequence[Any], burst: int = 64) -> dict[str, Any]:
    followed = SequenceTracker()
    for first in range(0, len(parts), burst):
        messages = [Message(parts=[part]) for part in parts[first : first + burst]]
        followed.follow(messages, 1.0)
    snapshot = followed.snapshot(1.0)
    assert snapshot is not None
    return snapshot


def counts(snapshot: dict[str, Any]) -> tuple[int, ...]:
    return tuple(snapshot[key] for key in ("missing", "duplicates", "out_of_order", "restarts"))


@pytest.mark.parametrize("detail", ["all", "basic"])
@pytest.mark.parametrize("burst", [1, 7, 64])
def test_images_that_do_not_come_are_missing(detail: str, burst: int) -> None:
    came = [frame for frame in range(2, 290) if frame not in (9, 100, 101)]
    parts = [begin(7, 300, detail), *(image(7, frame) for frame in came), end(7), end(7)]
    snapshot = follow(parts, burst)
    assert snapshot["counter"] == "image_id"
    assert counts(snapshot) == (15, 0, 0, 0)


@given(
    frames=st.lists(st.integers(0, 1 << 33), min_size=1, max_size=30, unique=True).map(sorted),
    series=st.integers(0, (1 << 63) - 1),
    burst=st.integers(1, 9),
)
def test_numbers_of_any_width_are_read(frames: list[int], series: int, burst: int) -> None:
    expected = frames[-1] + 1 - len(frames) - frames[0]
    assert counts(follow([image(series, n) for n in frames], burst)) == (expected, 0, 0, 0)


def test_late_ones_duplicates_and_other_series() -> None:
    frames = [(1, 0), (1, 2), (1, 1), (2, 0), (1, 3), (1, 3)]
    assert counts(follow([begin(1, 4), *(image(*one) for one in frames)])) == (0, 1, 1, 0)


@pytest.mark.parametrize("part", [bytes, memoryview, zmq.Frame])
@pytest.mark.parametrize("prefix", [True, False])
def test_parts_of_any_kind(part: Any, prefix: bool) -> None:
    parts = [begin(1, 5), image(1, 1), image(1, 4), end(1)]
    assert counts(follow([part(one if prefix else one[3:]) for one in parts])) == (3, 0, 0, 0)


def test_captures() -> None:
    real = [part for (part,) in read_capture("maxiv-eiger-stream2/series")]
    assert counts(follow(real, 5)) == (0, 0, 0, 0)
    assert counts(follow([*real[:4], *real[6:]])) == (2, 0, 0, 0)
    cut = [part for (part,) in read_capture("tickit-devices-0.4.1-simulator/cbor_basic")]
    assert counts(follow(cut)) == (2, 0, 0, 0)  # it announces 3, and 1 was kept


def test_other_cbor_is_passed_over() -> None:
    others = [b"\xa0", b"\xd9\xd9\xf7\xa1\x61a\x01", b"\xa1\x64type\x65image", b"\xbf", b""]
    assert follow(others, 1)["counter"] is None
    parts = [part for frame in range(5) for part in (image(1, frame), *others)]
    assert counts(follow(parts, 3)) == (0, 0, 0, 0)


def test_a_start_that_lies_adds_nothing() -> None:
    start = begin(1, 5)
    for lie in (start[:-9], start.replace(b"number_of_images", b"number_of_imagex")):
        assert counts(follow([lie, image(1, 0), end(1)])) == (0, 0, 0, 0)


def test_a_stream_of_json_is_not_looked_into_for_cbor() -> None:
    json = [b'{"frame": %d}' % frame for frame in range(3)]
    snapshot = follow([*json, image(1, 5), image(1, 9), b'{"frame": 4}'], 1)
    assert snapshot["counter"] == "frame"
    assert counts(snapshot) == (1, 0, 0, 0)


def test_series_are_remembered_in_bounded_memory() -> None:
    followed = SequenceTracker()
    for series in range(5 * MAX_SERIES):
        followed.follow([Message(parts=[begin(series, 2)]), Message(parts=[image(series, 0)])], 1.0)
    assert len(followed._tracks) == MAX_SERIES
    assert len(followed._totals) <= MAX_SERIES
