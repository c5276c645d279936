"""Codecs on real traffic: the blobs of detectors and bsread senders, held against what is known."""

import hashlib
import json
import re
from typing import Any

import numpy as np
import pytest

from gmflow.codecs import bslz4, pixels
from gmflow.codecs import bsread_codec as bsread
from gmflow.errors import DecodeError
from tests.support.captures import capture_names, needs_captures, read_capture, truth

pytestmark = [needs_captures, pytest.mark.usefixtures("each_library")]

SENDER = "psi-bsread-2.0.2-sender"
VALUES = re.compile(f"{SENDER}/(all_types|big_endian)__?")
TICKIT = "tickit-devices-0.4.1-simulator"


def sha256(data: Any) -> str:
    return hashlib.sha256(data).hexdigest()


def images(name: str) -> list[tuple[dict[str, Any], bytes]]:
    """Return what each image of a capture says of its blob, and the blob."""
    messages = [parts for parts in read_capture(name) if b'"dimage-1.0"' in parts[0]]
    return [(json.loads(parts[1]), parts[2]) for parts in messages]


def decode(says: dict[str, Any], blob: bytes) -> np.ndarray[Any, Any]:
    shape = tuple(reversed(says["shape"]))
    return pixels.decode(blob, says["encoding"], shape, np.dtype(says["type"]))


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("maxiv-eiger1-1m/series14", lambda: truth("maxiv-eiger1-1m")["messages"]),
        (f"{TICKIT}/legacy_basic", lambda: truth(TICKIT)["streams"]["legacy_basic"]),
        (f"{TICKIT}/legacy_none", lambda: truth(TICKIT)["streams"]["legacy_none"]),
    ],
)
def test_images(name: str, known: Any) -> None:
    expected = [message["decoded"] for message in known() if "decoded" in message]
    for (says, blob), wanted in zip(images(name), expected, strict=True):
        image = decode(says, blob)
        assert list(image.shape) == wanted["numpy_shape_rows_cols"]
        assert image.dtype.name == wanted["dtype"]
        assert sha256(image) == wanted["sha256_pixels"]
        again = pixels.encode(image, says["encoding"])
        assert len(again) < 1.1 * len(blob)
        assert np.array_equal(decode(says, again), image)


def test_images_in_the_framings_of_other_senders() -> None:
    says, blob = images("maxiv-eiger1-1m/series14")[0]
    image = decode(says, blob)
    for prefix in (bytes(12), b""):
        assert np.array_equal(decode(says, prefix + blob[12:]), image)


def test_cut_images() -> None:
    known = truth("maxiv-eiger2-9m-truncated")["messages"][1:]
    found = images("maxiv-eiger2-9m-truncated/series6")
    assert len(found) == 3
    for (says, blob), expected in zip(found, known, strict=False):
        first_cut = expected["whole_blocks_present"] + 1
        with pytest.raises(DecodeError, match=rf"cut: LZ4 block {first_cut} of 4951 has \d+ bytes"):
            decode(says, blob)


def test_whole_blocks_of_cut_images() -> None:
    known = truth("maxiv-eiger2-9m-truncated")["messages"][1:]
    for (_, blob), expected in zip(
        images("maxiv-eiger2-9m-truncated/series6"), known, strict=False
    ):
        position = 12
        for _ in range(expected["whole_blocks_present"]):
            position += 4 + int.from_bytes(blob[position : position + 4], "big")
        size = expected["whole_blocks_present"] * 8192
        content = bslz4.decode_blocks(blob[12:position], size, 4)
        assert sha256(content) == expected["sha256_of_those_pixels"]


@pytest.mark.parametrize("name", [name for name in capture_names() if VALUES.match(name)])
def test_bsread_values(name: str) -> None:
    sent = truth(SENDER)["streams"][name.rpartition("/")[2]]["sent"]
    for parts, values in zip(read_capture(name), sent, strict=True):
        how = json.loads(parts[0]).get("dh_compression", "none")
        text = parts[1] if how == "none" else bsread.decode(parts[1], how, None, "<")
        for channel, part in zip(json.loads(bytes(text))["channels"], parts[2::2], strict=True):
            check_value(channel, part, values[channel["name"]])


def check_value(channel: dict[str, Any], part: bytes, known: dict[str, Any]) -> None:
    how = channel.get("compression", "none")
    order = "<" if channel["encoding"] == "little" else ">"
    type_, shape = channel["type"], channel["shape"][::-1]
    is_text = type_ == "string"
    itemsize = 1 if is_text else np.dtype(type_).itemsize
    size = None if is_text else int(np.prod(shape)) * itemsize
    content = part if how == "none" else bsread.decode(part, how, size, order, itemsize=itemsize)
    if is_text:
        assert bytes(content).decode() == known["value"]
        return
    array = np.frombuffer(content, np.dtype(type_).newbyteorder(order)).reshape(shape)
    if "ndarray" in known:
        assert shape == known["shape"]
        assert sha256(array) == known["sha256_native_c_order"]
    else:
        expected = known["list"] if "list" in known else [known["value"]]
        assert array.tolist() == expected


def test_swissfel_data_header() -> None:
    known = truth("psi-swissfel-dataheader")
    (parts,) = read_capture(
        next(name for name in capture_names() if name.startswith("psi-swissfel-dataheader"))
    )
    text = bsread.decode(parts[1], known["main_header"]["dh_compression"], None, "<")
    assert len(text) == known["uncompressed_bytes_be64"]
    assert hashlib.md5(text).hexdigest() == known["md5_of_plain"]
    assert json.loads(bytes(text)) == known["data_header"]
