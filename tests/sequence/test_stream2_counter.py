"""What is missing upstream of DECTRIS's stream v2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cbor2
import numpy as np
import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from gmflow.cborwire import encode_head
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


def plain(kind: str, series: int, number: int | None = None, uid: str = "x") -> dict[str, Any]:
    message = {"type": kind, "series_id": series, "series_unique_id": uid}
    if kind == "start":
        return message | {"number_of_images": number, "arm_date": "2026", "channels": ["a", "b"]}
    data = {"a": [[2, 3], b"pixels"]}
    return message | ({} if number is None else {"image_id": number, "data": data})


ORDERS: dict[str, Any] = {
    "as it is": lambda keys: keys,
    "sorted": sorted,
    "by length": lambda keys: sorted(keys, key=len),
    "backwards": lambda keys: list(keys)[::-1],
}


def encoded(message: dict[str, Any], order: str, indefinite: bool) -> bytes:
    members = b"".join(
        cbor2.dumps(key) + cbor2.dumps(message[key]) for key in ORDERS[order](message)
    )
    head = b"\xbf" if indefinite else encode_head(5, len(message))
    return b"\xd9\xd9\xf7" + head + members + b"\xff" * indefinite


@pytest.mark.parametrize("indefinite", [False, True])
@pytest.mark.parametrize("uid", ["", "u" * 26, "u" * 80, "u" * 5000])
@pytest.mark.parametrize("order", ORDERS)
def test_keys_in_any_order_and_ids_of_any_length(order: str, uid: str, indefinite: bool) -> None:
    numbers = [number for number in range(20) if number not in (3, 4, 11)]
    messages = [plain("start", 9, 22, uid), *(plain("image", 9, n, uid) for n in numbers)]
    parts = [encoded(one, order, indefinite) for one in [*messages, plain("end", 9, None, uid)]]
    for burst in (1, 5, 64):
        snapshot = follow(parts, burst)
        assert snapshot["counter"] == "image_id"
        assert counts(snapshot) == (5, 0, 0, 0)


@pytest.mark.parametrize("part", [bytes, memoryview, zmq.Frame])
def test_messages_that_count_on_are_not_parsed(part: Any) -> None:
    messages = [Message(parts=[part(image(7, frame))]) for frame in range(300)]
    followed = SequenceTracker()
    for first in range(0, 300, 10):
        followed.follow(messages[first : first + 10], 1.0)
    assert counts(followed.snapshot(1.0) or {}) == (0, 0, 0, 0)
    assert sum(one.parsed is not None for one in messages) == 10


ITEMS = st.tuples(
    st.sampled_from(["image"] * 8 + ["start", "end", "other"]),
    st.sampled_from([3] * 6 + [4, "4", 3.0, True, {"series_id": 3}, b"\x68image_id\x05"]),
    st.sampled_from([1] * 8 + [0, 0, 2, 40, 300, -1, "x", None]),
    st.sampled_from(["u"] * 5 + ["u" * 80, "himage_id", "\x68image_id\x07"]),
    st.sampled_from(["as it is"] * 6 + ["sorted", "backwards"]),
    st.sampled_from([False] * 5 + [True]),
)


@given(st.lists(ITEMS, max_size=40), st.integers(1, 9))
def test_what_is_read_is_what_a_parser_reads(items: list[Any], burst: int) -> None:
    parts, number = [], 0
    for kind, series, step, uid, order, indefinite in items:
        number = number + step if isinstance(step, int) else number
        shown = number if isinstance(step, int) else step
        parts.append(encoded(plain(kind, series, shown, uid), order, indefinite))
    quick = follow(parts, burst) if parts else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SequenceTracker, "_predict", lambda *_: None)
        assert quick == (follow(parts, burst) if parts else None)


@pytest.mark.parametrize("burst", [1, 3])
def test_a_number_that_is_not_the_messages_own_is_not_followed(burst: int) -> None:
    parts = []
    for number in range(1, 7):
        within = b"\x68image_id" + bytes([number])
        message = {"a": within, "type": "image", "series_id": 3, "image_id": 1}
        parts.append(encoded(message, "as it is", False))
    assert counts(follow(parts, burst)) == (0, 5, 0, 0)


@pytest.mark.parametrize("order", ["as it is", "backwards"])
@pytest.mark.parametrize("burst", [1, 3])
def test_a_series_that_stands_behind_the_number_is_followed(order: str, burst: int) -> None:
    numbers = [(3, 0), (3, 1), (3, 2), (4, 3), (4, 4), (4, 5)]
    parts = [encoded(plain("image", *pair), order, False) for pair in numbers]
    assert counts(follow(parts, burst)) == (3, 0, 0, 0)


def test_series_are_remembered_in_bounded_memory() -> None:
    followed = SequenceTracker()
    for series in range(5 * MAX_SERIES):
        followed.follow([Message(parts=[begin(series, 2)]), Message(parts=[image(series, 0)])], 1.0)
    assert len(followed._series) == MAX_SERIES
