"""Generated series and pulses: independent decoders read them, a seed always makes the same."""

from __future__ import annotations

import hashlib
import json
import sys
from itertools import islice

import numpy as np
import pytest

from gmflow.decoder import Decoder
from gmflow.errors import ConfigError, EncodeError
from gmflow.handlers import DEFAULT
from gmflow.handlers import eiger as eiger_v1
from gmflow.simulate import bsread, eiger, eiger_series, stream2, stream2_series
from gmflow.simulate.pulses import read_channels

SHAPE = (37, 53)
WIDE = (560, 64)  # with a gap


def as_bytes(messages):
    return [[bytes(part) for part in parts] for parts in messages]


def plain_pixels(dtype, shape=SHAPE):
    """Return the images of a series that is not compressed."""
    _, *images, _ = eiger(3, shape, dtype, seed=4)
    return [np.frombuffer(parts[2], dtype).reshape(shape) for parts in images]


# DECTRIS stream v1


def decompressed(blob, encoding, size):
    """Decode with other software than gmflow's."""
    if encoding.startswith("bs"):
        compression = pytest.importorskip("dectris.compression")
        width = int(encoding.removeprefix("bs").partition("-")[0]) // 8
        return compression.decompress(bytes(blob), "bslz4", elem_size=width)
    if encoding.startswith("lz4"):
        block = pytest.importorskip("lz4.block")
        return block.decompress(bytes(blob), uncompressed_size=size)
    return bytes(blob)


@pytest.mark.parametrize(("dtype", "order"), [("uint8", "<"), ("uint16", ">"), ("uint32", "<")])
@pytest.mark.parametrize("how", ["", "lz4", "bs-lz4", "bs8-lz4"])
def test_eiger_encodings_hold_the_same_pixels(dtype, order, how):
    encoding = how.replace("bs-", f"bs{8 * np.dtype(dtype).itemsize}-") + order
    if how:
        pytest.importorskip("imagecodecs")
    start, *images, _ = eiger(3, SHAPE, dtype, seed=4, encoding=encoding)
    wanted = {"": "none", "lz4": "lz4"}.get(how, "bslz4")
    assert json.loads(start[1])["compression"] == wanted
    for parts, expected in zip(images, plain_pixels(dtype), strict=True):
        about = json.loads(parts[1])
        assert (about["encoding"], about["type"]) == (encoding, dtype)
        assert (about["shape"], about["size"]) == ([53, 37], len(parts[2]))
        assert json.loads(parts[0])["hash"] == hashlib.md5(parts[2]).hexdigest()
        pixels = decompressed(parts[2], encoding, expected.nbytes)
        wire = np.dtype(dtype).newbyteorder(order)
        assert np.array_equal(np.frombuffer(pixels, wire).reshape(SHAPE), expected)


def test_eiger_pixels_are_as_wide_as_what_is_shuffled():
    pytest.importorskip("imagecodecs")
    for encoding, dtype in [("bs8-lz4<", "uint8"), ("bs32-lz4>", "uint32"), ("lz4<", "uint16")]:
        about = json.loads(next(islice(eiger(1, SHAPE, encoding=encoding), 1, None))[1])
        assert about["type"] == dtype


def test_eiger_through_the_handler():
    pytest.importorskip("imagecodecs")
    decoder = Decoder({**DEFAULT, **eiger_v1.HANDLERS})
    messages = eiger_series(3, WIDE, seed=1, count=2, encoding="bs16-lz4<")
    start, *images, end = (decoder.decode(parts) for parts in islice(messages, 5))
    assert start.config["nimages"] == 3 and start.mask.any() and start.flatfield.shape == WIDE
    for image in images:
        assert np.array_equal(image.array == 65535, start.mask != 0)
    assert (end.expected, end.seen, end.missing) == (3, 3, 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"encoding": "gzip<"}, "encoding is 'gzip<'"),
        ({"encoding": "bs64-lz4<", "shape": (3, 3)}, "can't be divided by 8"),
        ({"encoding": "bs32-lz4<", "dtype": "uint16", "shape": (3, 3)}, "can't be divided by 4"),
        ({"encoding": None}, "encoding is None"),
    ],
)
def test_eiger_encodings_that_are_wrong(arguments, words):
    with pytest.raises(ConfigError, match=words):
        eiger(1, **{"shape": SHAPE, **arguments})


# DECTRIS stream v2


def independent(part):
    """Read a message of stream v2 with plain cbor2 and DECTRIS's own library."""
    cbor2 = pytest.importorskip("cbor2")
    compression = pytest.importorskip("dectris.compression")
    types = {64: "u1", 69: "<u2", 70: "<u4", 85: "<f4"}

    def array(tag):
        content, dtype = tag.value, np.dtype(types[tag.tag])
        if isinstance(content, cbor2.CBORTag):
            assert content.tag == 56500
            how, itemsize, data = content.value
            content = compression.decompress(data, how, elem_size=itemsize or 1)
        return np.frombuffer(content, dtype)

    def plain(value):
        if isinstance(value, cbor2.CBORTag) and value.tag == 40:
            shape, tag = value.value
            return array(tag).reshape(shape)
        if isinstance(value, cbor2.CBORTag):
            return array(value)
        if hasattr(value, "items"):
            return {key: plain(one) for key, one in value.items()}
        return value

    assert part[:3] == b"\xd9\xd9\xf7"
    return plain(cbor2.loads(bytes(part)))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
@pytest.mark.parametrize("compression", ["bslz4", "lz4", "none"])
def test_stream2_holds_the_same_pixels(dtype, compression):
    pytest.importorskip("imagecodecs")
    pytest.importorskip("cbor2")
    messages = stream2(3, SHAPE, dtype, series=9, seed=4, compression=compression)
    start, *images, end = [independent(part) for (part,) in messages]
    assert [start["type"], end["type"]] == ["start", "end"]
    assert (start["number_of_images"], start["image_size_x"], start["image_size_y"]) == (3, 53, 37)
    assert list(start["channels"]) == ["threshold_1"]
    assert start["flatfield"]["threshold_1"].shape == SHAPE
    assert start["countrate_correction_lookup_table"].shape == (65536,)
    assert {message["series_id"] for message in (start, *images, end)} == {9}
    _, *plain, _ = eiger(3, SHAPE, dtype, series=9, seed=4)
    for number, (image, parts) in enumerate(zip(images, plain, strict=True)):
        assert image["image_id"] == number
        pixels = image["data"]["threshold_1"]
        assert pixels.dtype == dtype
        assert np.array_equal(pixels, np.frombuffer(parts[2], dtype).reshape(SHAPE))
        times = {
            key: int(image[key][0] * 1e9 / image[key][1]) for key in ("start_time", "real_time")
        }
        assert times == {"start_time": number * 10_000_000, "real_time": 9_990_000}


def test_stream2_channels_count_less_and_less():
    pytest.importorskip("imagecodecs")
    pytest.importorskip("cbor2")
    messages = stream2(2, WIDE, channels=["low", "high"])
    start, *images, _ = [independent(part) for (part,) in messages]
    assert start["threshold_energy"]["low"] < start["threshold_energy"]["high"]
    for image in images:
        low, high = image["data"]["low"], image["data"]["high"]
        masked = low == 65535
        assert masked.any()
        assert np.array_equal(high[masked], low[masked])
        assert np.array_equal(high[~masked], low[~masked] // 2)


def test_stream2_series_follow_one_another():
    pytest.importorskip("imagecodecs")
    pytest.importorskip("cbor2")
    decoder = Decoder()
    items = [decoder.decode(parts) for parts in stream2_series(2, SHAPE, series=5, count=2)]
    assert [item.series for item in items] == [5] * 4 + [6] * 4
    assert [item.missing for item in items if hasattr(item, "missing")] == [0, 0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"compression": "gzip"}, "compression is 'gzip'"),
        ({"channels": []}, "channels are"),
        ({"channels": ["a", "a"]}, "channels are"),
        ({"channels": [""]}, "channels are"),
        ({"dtype": "int8"}, "dtype is"),
        ({"images": -1}, "images is -1"),
        ({"frame_time": 0}, "frame_time is 0"),
    ],
)
def test_stream2_arguments_that_are_wrong(arguments, words):
    with pytest.raises(ConfigError, match=words):
        stream2(**{"images": 1, "shape": SHAPE, **arguments})


# bsread


def values_of(parts):
    """Return a message's values by channel, read with other software than gmflow's."""
    block = pytest.importorskip("lz4.block")
    compression = pytest.importorskip("dectris.compression")
    main = json.loads(parts[0])
    assert main["hash"] == hashlib.md5(parts[1]).hexdigest()
    about = parts[1]
    if main.get("dh_compression") == "bitshuffle_lz4":
        about = compression.decompress(about, "bslz4", elem_size=1)
    elif main.get("dh_compression") == "lz4":
        about = block.decompress(about[4:], uncompressed_size=int.from_bytes(about[:4], "little"))
    channels = json.loads(about)["channels"]
    assert len(parts) == 2 + 2 * len(channels)
    values = {}
    for channel, part in zip(channels, parts[2::2], strict=True):
        order = ">" if channel.get("encoding") == "big" else "<"
        is_text = channel["type"] == "string"
        dtype = np.dtype("u1" if is_text else channel["type"]).newbyteorder(order)
        if not part:
            values[channel["name"]] = None
            continue
        if channel.get("compression") == "bitshuffle_lz4":
            part = compression.decompress(part, "bslz4", elem_size=dtype.itemsize)
        elif channel.get("compression") == "lz4":
            part = block.decompress(part[4:], uncompressed_size=int.from_bytes(part[:4], "little"))
        array = np.frombuffer(part, dtype)
        values[channel["name"]] = (
            array.tobytes().decode() if is_text else array.reshape(channel["shape"][::-1])
        )
    return main, values


CHANNELS = (
    "a,b:int8[7],c:uint16[4x6]:big,d:bool[5],e:float32[2x3x4],f:uint64,"
    "g:string,h:int32[100]:modulo=3:offset=1"
)


@pytest.mark.parametrize("compression", ["none", "lz4", "bitshuffle_lz4"])
def test_bsread_values_are_the_same_however_they_are_sent(compression):
    if compression != "none":
        pytest.importorskip("imagecodecs")
    plain = [values_of(parts) for parts in bsread(CHANNELS, 4, seed=3)]
    sent = [values_of(parts) for parts in bsread(CHANNELS, 4, seed=3, compression=compression)]
    for pulse, ((main, values), (_, expected)) in enumerate(zip(sent, plain, strict=True)):
        assert main["htype"] == "bsr_m-1.1" and main["pulse_id"] == pulse
        assert main["global_timestamp"] == {"sec": 1_700_000_000, "ns": pulse * 10_000_000}
        assert values.keys() == expected.keys()
        for name, value in values.items():
            assert np.array_equal(value, expected[name]), name
        assert values["g"] == f"g {pulse}"
        assert (values["h"] is None) == (pulse % 3 != 1)
        shapes = {name: np.shape(values[name]) for name in "abcdef"}
        assert shapes == {"a": (1,), "b": (7,), "c": (4, 6), "d": (5,), "e": (2, 3, 4), "f": (1,)}


def test_bsread_values_are_waves_that_change():
    messages = list(bsread("profile:uint16[2048],small:int8[300],x", 50))
    values = [values_of(parts)[1] for parts in messages]
    profiles = np.stack([value["profile"] for value in values])
    assert len({profile.tobytes() for profile in profiles}) == 50
    assert 30 < profiles.min() < 60 and 140 < profiles.max() < 170
    assert -70 < values[0]["small"].min() < -40 and 40 < values[0]["small"].max() < 70
    assert len({float(value["x"][0]) for value in values}) == 50


def test_bsread_goes_on_from_any_pulse():
    later = as_bytes(bsread("a,b:string", 2, start_pulse_id=3))
    assert as_bytes(bsread("a,b:string", 5))[3:] == later


@pytest.mark.parametrize(
    "stream",
    [
        lambda seed: bsread(CHANNELS, 5, seed),
        lambda seed: bsread("a:int16[64]:bitshuffle_lz4", 5, seed, compression="lz4"),
        lambda seed: eiger(3, SHAPE, seed=seed, encoding="bs16-lz4<"),
        lambda seed: stream2(3, SHAPE, seed=seed, channels=["a", "b"]),
    ],
)
def test_the_same_seed_gives_the_same_bytes(stream):
    pytest.importorskip("imagecodecs")
    pytest.importorskip("cbor2")
    assert as_bytes(stream(1)) == as_bytes(stream(1))
    assert as_bytes(stream(1)) != as_bytes(stream(2))


# channels as text


def test_channels_are_read_from_text():
    assert read_channels("a, b:uint8[3x4]:lz4:big ,c:string:modulo=10:offset=2") == [
        {"name": "a", "type": "float64", "shape": [1], "encoding": "little"},
        {"name": "b", "type": "uint8", "shape": [4, 3], "encoding": "big", "compression": "lz4"},
        {
            "name": "c",
            "type": "string",
            "shape": [1],
            "encoding": "little",
            "modulo": 10,
            "offset": 2,
        },
    ]
    (channel,) = read_channels("S10-PBPG050.X_1:uint16")
    assert channel["name"] == "S10-PBPG050.X_1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("d:lz4", {"compression": "lz4"}),
        ("d:none:big", {"compression": "none", "encoding": "big"}),
        ("d:big", {"encoding": "big"}),
        ("d::modulo=2", {"modulo": 2}),
        ("d:modulo=2:offset=1", {"modulo": 2, "offset": 1}),
        ("d[512x1024]", {"shape": [1024, 512]}),
        ("d[7]:lz4", {"shape": [7], "compression": "lz4"}),
        ("d[7]:uint8", {"shape": [7], "type": "uint8"}),
        ("d:[512x1024]", {"shape": [1024, 512]}),
        ("d:[7]:big", {"shape": [7], "encoding": "big"}),
        ("d:String:lz4", {"type": "String", "compression": "lz4"}),
    ],
)
def test_all_but_the_name_of_a_channel_can_be_left_out(text, said):
    plain = {"name": "d", "type": "float64", "shape": [1], "encoding": "little"}
    assert read_channels(text) == [{**plain, **said}]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "channel '' has no name"),
        ("a,,b", "channel '' has no name"),
        (":uint8", "channel ':uint8' has no name"),
        ("a:int8,b:int7", "channel 'b:int7': 'int7' is neither a type"),
        ("a:lzz4", "'lzz4' is neither a type"),
        ("a:int8[3x]", "channel 'a:int8[3x]': 'int8[3x]' can't be read"),
        ("a[-3]:int8", "'a[-3]' can't be read"),
        ("a:int8[4", "'int8[4' can't be read"),
        ("a:int8:gzip", "'gzip' is none of none, lz4, bitshuffle_lz4, little, big, modulo=N"),
        ("a:lz4:int8", "'int8' is none of"),
        ("a[2]:int8[2]", "'int8[2]' says a shape, and so does 'a[2]'"),
    ],
)
def test_a_channel_that_cannot_be_read_is_shown_by_its_piece_with_an_example(text, words):
    with pytest.raises(ConfigError) as caught:
        read_channels(text)
    assert words in str(caught.value)
    assert str(caught.value).endswith("; one looks like image:uint16[512x1024]:lz4")


def test_channels_are_read_from_a_data_header():
    (parts,) = bsread(CHANNELS, 1)
    channels = json.loads(parts[1])["channels"]
    for text in (parts[1].decode(), json.dumps(channels)):
        assert as_bytes(bsread(text, 3)) == as_bytes(bsread(CHANNELS, 3))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,a", "are both named 'a'"),
        ("a:int8:modulo=0", "modulo 0"),
        ("a:int8:modulo=2:offset=2", "offset 2"),
        ("a:float64[99999x99999]", "bytes"),
        ("[]", "no channels"),
        ("[1]", "no name"),
        ("{}", "no list of channels"),
        ("[", "no JSON"),
        ('[{"name": "a", "shape": [-1]}]', "shape"),
        ('[{"name": "a", "modulo": "x"}]', "modulo 'x'"),
        ('[{"name": "a", "compression": "zip"}]', "compression 'zip'"),
    ],
)
def test_channels_that_are_wrong(text, words):
    with pytest.raises(ConfigError, match=words):
        bsread(text)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"compression": "gzip"}, "compression 'gzip'"),
        ({"count": -1}, "count is -1"),
        ({"seed": -1}, "seed is -1"),
        ({"start_pulse_id": 1.5}, "start_pulse_id is 1.5"),
    ],
)
def test_bsread_arguments_that_are_wrong(arguments, words):
    with pytest.raises(ConfigError, match=words):
        bsread(**arguments)


# extras


@pytest.mark.parametrize(
    ("stream", "library", "extra"),
    [
        (lambda: eiger(1, SHAPE, encoding="lz4<"), "imagecodecs", "eiger"),
        (lambda: stream2(1, SHAPE), "imagecodecs", "eiger"),
        (lambda: stream2(1, SHAPE, compression="none"), "cbor2", "stream2"),
        (lambda: bsread("a:int8:lz4"), "imagecodecs", "bsread"),
        (lambda: bsread("a", compression="lz4"), "imagecodecs", "bsread"),
    ],
)
def test_an_extra_that_is_missing_is_named_at_once(monkeypatch, stream, library, extra):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(EncodeError, match=rf"gmflow\[{extra}\]"):
        stream()


def test_what_is_not_compressed_needs_no_extra(monkeypatch):
    for library in ("imagecodecs", "cbor2"):
        monkeypatch.setitem(sys.modules, library, None)
    assert len(list(eiger(2, SHAPE))) == len(list(bsread(count=4))) == 4
    assert len(list(eiger(2, SHAPE, encoding=">"))) == 4
