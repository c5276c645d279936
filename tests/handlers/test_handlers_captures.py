"""Real traffic: what the handlers make of it, held against what was sent."""

import hashlib
import math
from typing import Any

import numpy as np
import pytest

from gmflow.decoder import Decoder
from gmflow.errors import DecodeError, HandlerError
from gmflow.handlers import ENCODERS, NOT_JSON
from gmflow.handlers.bsread.data_header import read_layout
from tests.support.captures import capture_names, needs_captures, read_capture, truth

pytestmark = needs_captures

BSREAD = "psi-bsread-2.0.2-sender"
ALL_SENT = [
    "all_types__data_bitshuffle_lz4__header_bitshuffle_lz4",
    "all_types__data_bitshuffle_lz4__header_none",
    "all_types__data_lz4__header_lz4",
    "all_types__data_lz4__header_none",
    "all_types__data_none__header_bitshuffle_lz4",
    "all_types__data_none__header_none",
    "big_endian_arrays__data_bitshuffle_lz4",
    "big_endian_arrays__data_lz4",
    "big_endian_arrays__data_none",
    "header_changes_every_2_messages",
]
REFUSED = {"psi-swissfel-dataheader/headers_only": ["channel 'BoolScalar' has no value"]}
"""What is wrong with the messages of a capture that can't be read; all others can."""


def decoded(name: str) -> list[Any]:
    decoder = Decoder()
    return [decoder.decode(parts) for parts in read_capture(name)]


def sha256(data: Any) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("name", capture_names())
def test_goes_out_byte_for_byte_or_is_refused(name: str) -> None:
    decoder, messages, refused = Decoder(), read_capture(name), []
    for parts in messages:
        try:
            value = decoder.decode(parts)
        except DecodeError as error:
            assert not isinstance(error, HandlerError)
            refused.append(str(error).rpartition(": ")[2])
            continue
        header = value["header"] if isinstance(value, dict) else value.header
        assert [bytes(part) for part in ENCODERS[header.get("htype", NOT_JSON)](value)] == parts
    assert refused == REFUSED.get(name, [])
    assert decoder.statistics.messages_failed == len(refused)
    assert decoder.statistics.messages_received == len(messages) - len(refused)


def test_compressed_swissfel_data_header() -> None:
    known = truth("psi-swissfel-dataheader")
    (parts,) = read_capture("psi-swissfel-dataheader/headers_only")
    layout = read_layout(parts[1], False, known["main_header"]["dh_compression"])
    assert sha256(layout.text) == known["plain_sha256"]
    assert [channel.name for channel in layout.channels] == [
        channel["name"] for channel in known["data_header"]["channels"]
    ]
    with pytest.raises(DecodeError, match="has 2 parts, its 23 channels need 48: channel 'Bool"):
        Decoder().decode(parts)


@pytest.mark.parametrize("name", ALL_SENT)
def test_bsread_values_are_those_sent(name: str) -> None:
    stream = truth(BSREAD)["streams"][name]
    messages = decoded(f"{BSREAD}/{name}")
    assert len(messages) == stream["n_messages"]
    last = None
    for message, sent, header, data_header in zip(
        messages, stream["sent"], stream["main_header"], stream["data_headers"], strict=True
    ):
        assert message.pulse_id == header["pulse_id"]
        assert message.hash == header["hash"]
        stamp = [message.global_timestamp, message.global_timestamp_offset]
        assert stamp == list(header["global_timestamp"].values())
        assert message.data_header == data_header["data_header"]
        assert message.format_changed is (message.hash != last)
        last = message.hash
        assert list(message.data) == list(sent)
        for channel, value in message.data.items():
            assert_same(value.value, sent[channel])
            assert [value.timestamp, value.timestamp_offset] == stamp


def assert_same(value: Any, sent: Any) -> None:
    if "list" in sent:
        assert value.tolist() == sent["list"]
    elif "ndarray" in sent and sent["shape"] != [1]:
        assert not value.flags.writeable
        assert [value.dtype.str, list(value.shape)] == [sent["ndarray"], sent["shape"]]
        assert sha256(value.tobytes()) == sent["sha256_native_c_order"]
        assert value.flat[0] == sent["first"]
        assert value.flat[-1] == sent["last"]
    elif "ndarray" in sent:
        assert isinstance(value, np.generic)
        assert value == sent["first"]
        assert value.dtype == np.dtype(sent["ndarray"]).newbyteorder("=")
    else:
        assert value == sent["value"]
        assert type(value) is expected_type(sent)


def expected_type(sent: dict[str, Any]) -> type:
    if "scalar" in sent:
        return np.dtype(sent["scalar"]).type
    return {"int": np.int64, "float": np.float64, "bool": np.bool_, "str": str}[sent["python"]]


def test_bsread_channels_with_compressions_of_their_own() -> None:
    name = "functions__per_channel_metadata__None_on_odd_pulses"
    stream = truth(BSREAD)["streams"][name]
    messages = decoded(f"{BSREAD}/{name}")
    for message, sent in zip(messages, stream["sent"], strict=True):
        values = {name: channel.value for name, channel in message.data.items()}
        assert message.pulse_id == sent["pulse_id"]
        assert values["ABC"] == sent["ABC"]
        assert values["ABCD"] == sent["ABCD"]
        for name in ("IMG_LZ4", "IMG_BSLZ4"):
            assert_same(values[name], sent["IMG"])
        assert values["IMG_BE"].dtype == np.dtype(">u2")
        assert np.array_equal(values["IMG_BE"], values["IMG_LZ4"])
        assert values["NO_TYPE"] == message.pulse_id
        assert values["STR"] == f"pulse {message.pulse_id}"


def test_bs_simulate() -> None:
    messages = decoded(f"{BSREAD}/bs_simulate_cli_channels")
    assert [message.pulse_id for message in messages] == list(range(6))
    for pulse, message in enumerate(messages):
        values = {name: channel.value for name, channel in message.data.items()}
        assert values["ABC"] == pulse
        assert type(values["ABC"]) is np.int32
        assert [values[name] for name in ("ABCD", "ABCDF", "XYZ")] == [
            factor * pulse for factor in (10.0, 100.0, 200.0)
        ]
        assert values["XYZW"] == "hello"[: pulse % 5 + 1]
        assert values["WWW"].tolist() == [1, 2, 3, 4]
        wave = [math.sin(3.1415 * i / 200 + pulse / 100) for i in range(30)]
        assert values["WAVE"].tolist() == wave
        assert values["IMAGE"].tolist() == [[1, 2, 3, 4], [1, 2, 3, 4]]


def test_mflow_generated_arrays() -> None:
    name = "examples_sender_array-1.0"
    frames = truth("psi-mflow-1.0.0-sender")["streams"][name]["frames_received"]
    messages = decoded(f"psi-mflow-1.0.0-sender/{name}")
    assert [message["header"]["frame"] for message in messages] == frames
    for frame, message in zip(frames, messages, strict=True):
        (array,) = message["data"]
        assert array.dtype == np.int32
        assert array.tolist() == [frame] * 10


def test_mflow_arrays_of_all_types() -> None:
    name = "forward_array-1.0_all_types"
    sent = truth("psi-mflow-1.0.0-sender")["streams"][name]
    messages = decoded(f"psi-mflow-1.0.0-sender/{name}")
    for message, known in zip(messages, sent, strict=True):
        assert message["header"] == known["header"]
        for array, segment in zip(message["data"], known["segments"], strict=True):
            assert [array.dtype.str, list(array.shape)] == [segment["dtype"], segment["shape"]]
            assert sha256(array.tobytes()) == segment["sha256"]


def test_mflow_raw() -> None:
    name = "generate_raw-1.0"
    known = truth("psi-mflow-1.0.0-sender")["streams"][name]
    messages = decoded(f"psi-mflow-1.0.0-sender/{name}")
    assert [message["header"] for message in messages] == known["headers"]
    for message, sizes in zip(messages, known["part_sizes"], strict=True):
        assert message["data"] == [bytes(size) for size in sizes[1:]]


def test_eiger_1m_header() -> None:
    known = truth("maxiv-eiger1-1m")["messages"][0]
    value = decoded("maxiv-eiger1-1m/series14")[0]
    assert value["header"]["header_detail"] == "all"
    for key, name in (("3", "flatfield"), ("5", "pixel_mask"), ("7", "countrate_table")):
        assert value[f"part_{key}"] == known[name]["declared"]
        assert sha256(value[f"part_{int(key) + 1}_raw"]) == known[name]["sha256"]
    assert value["appendix"] == known["appendix_json"]


def test_eiger_1m_images() -> None:
    known = truth("maxiv-eiger1-1m")["messages"][1:]
    images = decoded("maxiv-eiger1-1m/series14")[1:]
    for image, expected in zip(images, known, strict=True):
        assert image["header"]["frame"] == expected["frame"]
        assert image["header"]["hash"] == expected["header_hash"]
        assert image["part_2"]["shape"] == expected["declared_shape_x_y"]
        assert image["part_2"]["encoding"] == expected["encoding"]
        assert hashlib.md5(image["part_3_raw"]).hexdigest() == expected["blob_md5"]
        assert image["part_4"]["htype"] == "dconfig-1.0"
        assert "appendix" not in image


def test_eiger_9m() -> None:
    known = truth("maxiv-eiger2-9m-truncated")["messages"]
    header, *images, end = decoded("maxiv-eiger2-9m-truncated/series6")
    assert header["header"] == known[0]["header"]
    assert header["part_2"] == known[0]["detector_config"]
    assert header["appendix"] == known[0]["appendix"]
    assert [header["part_3"], header["part_5"], header["part_7"]] == [
        known[0][f"part_{index}"] for index in (2, 4, 6)
    ]
    for image, expected in zip(images, known[1:4], strict=True):
        assert image["header"] == expected["header"]
        assert image["part_2"] == expected["dimage_d"]
        assert len(image["part_3_raw"]) == expected["blob_bytes_present"]
        assert image["part_4"] == expected["dconfig"]
        assert image["appendix"] == {}
    assert end == {"header": {"htype": "dseries_end-1.0", "series": 6}}


@pytest.mark.parametrize("name", ["legacy_basic", "legacy_none"])
def test_tickit(name: str) -> None:
    origin = "tickit-devices-0.4.1-simulator"
    known = truth(origin)["streams"][name]
    values = decoded(f"{origin}/{name}")
    for value, expected in zip(values, known, strict=True):
        found = [part for part in value.values() if isinstance(part, dict)]
        assert found == expected["json"]
        if "part_3_raw" in value:
            assert len(value["part_3_raw"]) == expected["part_sizes"][2]


def test_a_bad_message_leaves_nothing_behind() -> None:
    good = read_capture(f"{BSREAD}/{ALL_SENT[0]}")
    decoder = Decoder()
    assert decoder.decode(good[0]).format_changed
    with pytest.raises(DecodeError):
        decoder.decode(good[1][:-1])
    assert list(map(bytes, ENCODERS["bsr_m-1.1"](decoder.decode(good[1])))) == good[1]
