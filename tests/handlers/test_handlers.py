"""Handlers of array-1.0, raw-1.0 and DECTRIS stream v1, on messages made here."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_st

from gmflow import jsonwire
from gmflow.decoder import Decoder
from gmflow.errors import DecodeError, EncodeError, HandlerError, MessageError, UnknownHtype
from gmflow.handlers import DEFAULT, ENCODERS, NOT_JSON, eiger
from gmflow.handlers.shapes import MAX_DIMENSIONS

ALL = json.dumps(
    {"header_detail": "all", "htype": "dheader-1.0", "series": 1}, separators=(",", ":")
).encode()
TABLES = [b'{"nimages":1}', b'{"htype":"dflatfield-1.0"}', b"flat", b'{"htype":"dpixelmask-1.0"}']
TABLES += [b"mask", b'{"htype":"dcountrate_table-1.0"}', b"rate"]
IMAGE = [
    b'{"frame":3,"hash":"","htype":"dimage-1.0","series":1}',
    b'{"encoding":"<","htype":"dimage_d-1.0","shape":[2,1],"size":4,"type":"uint16"}',
    b"\x01\x00\x02\x00",
    b'{"htype":"dconfig-1.0","real_time":1,"start_time":2,"stop_time":3}',
]


def array(header: dict, *segments: bytes) -> list[bytes]:
    return [json.dumps({"htype": "array-1.0", **header}).encode(), *segments]


def decode(parts):
    return Decoder().decode(parts)


def encode(value):
    return ENCODERS[value["header"]["htype"]](value)


def test_every_htype_is_read_and_written():
    assert set(DEFAULT) == set(ENCODERS)


def json_reads(decoder, parts):
    """Decode a message, and return how often its part 0 was parsed as JSON meanwhile."""
    reads = []

    def profile(frame, event, _):
        code = frame.f_code
        if (
            event == "call"
            and code is jsonwire.loads.__code__
            and frame.f_locals["part"] is parts[0]
        ):
            reads.append(code)

    sys.setprofile(profile)
    try:
        value = decoder.decode(parts)
    finally:
        sys.setprofile(None)
    assert value is not None
    return len(reads)


ONE_OF_EACH = {
    "array-1.0": [b'{"htype":"array-1.0","type":"uint8","shape":[2]}', b"ab"],
    "raw-1.0": [b'{"htype":"raw-1.0"}', b"ab"],
    "bsr_m-1.0": [b'{"htype":"bsr_m-1.0","pulse_id":1}', b'{"channels":[]}'],
    "bsr_m-1.1": [b'{"htype":"bsr_m-1.1","pulse_id":1}', b'{"channels":[]}'],
    "dheader-1.0": [ALL, *TABLES],
    "dimage-1.0": IMAGE,
    "dseries_end-1.0": [b'{"htype":"dseries_end-1.0","series":1}'],
    "merged-1.0": [b'{"htype":"merged-1.0","key":"k","value":1,"sources":[]}'],
}


@pytest.mark.parametrize("handlers", [{}, eiger.HANDLERS])
def test_part_0_is_parsed_once(handlers):
    assert ONE_OF_EACH.keys() == DEFAULT.keys() - {NOT_JSON}
    decoder = Decoder(handlers)
    for htype, parts in ONE_OF_EACH.items():
        assert [json_reads(decoder, parts) for _ in range(2)] == [1, 1], htype


def test_what_is_added_to_the_table_later_decoders_have(monkeypatch):
    before = Decoder()
    monkeypatch.setitem(DEFAULT, "mine-1.0", lambda receiver: "mine")
    parts = [b'{"htype":"mine-1.0"}']
    assert Decoder().decode(parts) == "mine"
    with pytest.raises(UnknownHtype):
        before.decode(parts)


@given(
    numpy_st.arrays(
        dtype=st.sampled_from(["i1", "u1", "<i2", ">u2", "<f4", ">f8", "c8", "?", "S3", "<M8[ns]"]),
        shape=numpy_st.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    ),
    st.integers(1, 3),
)
def test_array_round_trip(values, segments):
    header = {"type": values.dtype.str, "shape": list(values.shape), "frame": 1}
    parts = array(header, *[values.tobytes()] * segments)
    value = decode(parts)
    assert value["header"]["frame"] == 1
    assert len(value["data"]) == segments
    for got in value["data"]:
        assert got.dtype == values.dtype
        assert got.shape == values.shape
        assert got.tobytes() == values.tobytes()
        if got.size:
            assert not got.flags.writeable
    assert encode(value) == parts


def test_array_after_array_is_read_by_its_own_header():
    decoder = Decoder()
    first = decoder.decode(array({"type": "uint8", "shape": [6]}, bytes(range(6))))
    first["header"]["shape"][0] = 3  # what a program does to its value changes nothing here
    for header, segments in [
        ({"type": "uint8", "shape": [3]}, [bytes(6)]),
        ({"type": "uint8", "shape": [6.0]}, [bytes(6)]),
        ({"type": "uint16", "shape": [6]}, [bytes(6)]),
        ({"type": "uint8", "shape": [6]}, [bytes(6), bytes(5)]),
        ({"type": "uint8", "shape": [[6]]}, [bytes(6)]),
        ({"type": ["uint8"], "shape": [6]}, [bytes(6)]),
    ]:
        with pytest.raises(DecodeError):
            decoder.decode(array(header, *segments))
        good = decoder.decode(array({"type": "uint8", "shape": [2, 3]}, bytes(range(6))))
        assert good["data"][0].tolist() == [[0, 1, 2], [3, 4, 5]]
    halves = decoder.decode(array({"type": "float", "shape": [2]}, bytes(8), bytes(16)))
    assert [segment.dtype for segment in halves["data"]] == ["float32", "float64"]


def test_array_is_sent_in_c_order():
    values = np.arange(6, dtype="i4").reshape(2, 3)
    header = {"htype": "array-1.0", "type": "int32", "shape": [3, 2]}
    parts = encode({"header": header, "data": [values.T]})
    assert bytes(parts[1]) == np.ascontiguousarray(values.T).tobytes()
    assert np.array_equal(decode(parts)["data"][0], values.T)


def test_masked_array_is_sent_with_the_values_below_the_mask():
    values = np.ma.array([1, 2, 3], mask=[False, True, False], dtype="i4")
    header = {"htype": "array-1.0", "type": "int32", "shape": [3]}
    parts = encode({"header": header, "data": [values]})
    assert decode(parts)["data"][0].tolist() == [1, 2, 3]


def test_empty_part_is_none_where_the_shape_is_not_empty():
    value = decode(array({"type": "i4", "shape": [2]}, b"", b"12345678"))
    assert value["data"][0] is None
    assert value["data"][1].shape == (2,)
    assert encode(value) == array({"type": "i4", "shape": [2]}, b"", b"12345678")


def test_float_means_what_fits():
    assert decode(array({"type": "float", "shape": [2]}, bytes(8)))["data"][0].dtype == "f4"
    assert decode(array({"type": "float", "shape": [2]}, bytes(16)))["data"][0].dtype == "f8"


def test_float_of_no_size_is_refused():
    with pytest.raises(DecodeError, match=r"shape \[2\] of float64 needs 16"):
        decode(array({"type": "float", "shape": [2]}, bytes(12)))


@pytest.mark.parametrize(
    ("header", "segment", "words"),
    [
        ({"shape": [1]}, b"1", "has no 'type'"),
        ({"type": "u1"}, b"1", "has no 'shape'"),
        ({"type": "u1", "shape": [2]}, b"1", r"1 bytes; shape \[2\] of uint8 needs 2"),
        ({"type": "u1", "shape": [-1, -1]}, b"1", "whole numbers from 0 up"),
        ({"type": "u1", "shape": [True]}, b"1", "whole numbers from 0 up"),
        ({"type": "u1", "shape": "1"}, b"1", "shape '1' is not a list"),
        ({"type": "u1", "shape": [2**63 - 1]}, b"1", f"needs {2**63 - 1}"),
        ({"type": "u1", "shape": [2**63]}, b"1", "needs more than there can be"),
        ({"type": "u1", "shape": [0, 10**30]}, b"", "shape .0, 1"),
        ({"type": "u1", "shape": [1] * (MAX_DIMENSIONS + 1)}, b"1", "65 dimensions; 64 are"),
        ({"type": "nothing", "shape": [1]}, b"1", "type 'nothing' is not a number type"),
        ({"type": "O", "shape": [1]}, b"12345678", "type 'O' is not a number type"),
        ({"type": "S0", "shape": [1]}, b"1", "type 'S0' is not a number type"),
        ({"type": ["u1"], "shape": [1]}, b"1", "type .'u1'. is not a number type"),
        ({"type": "u1,u1", "shape": [10**9, 10**9]}, b"1", "needs 2000000000000000000"),
    ],
)
def test_array_that_does_not_fit_is_an_error(header, segment, words):
    with pytest.raises(DecodeError, match=words) as caught:
        decode(array(header, segment))
    assert not isinstance(caught.value, HandlerError), "a typed reason, not a stray exception"
    assert "\n" not in str(caught.value)


def test_as_many_dimensions_as_every_numpy_has():
    (one,) = decode(array({"type": "u1", "shape": [1] * 32}, b"1"))["data"]
    assert one.shape == (1,) * 32


def test_raw_round_trip():
    header = json.dumps({"htype": "raw-1.0", "shape": [1, 2621.25]}).encode()
    parts = [header, b"a", b"", b"bc"]
    value = decode(parts)
    assert value["data"] == [b"a", None, b"bc"]
    assert encode(value) == parts


DETAILS = [("none", []), ("basic", TABLES[:1]), ("all", TABLES)]
APPENDICES = [
    ([b'{"filename": "", "rotate": 0}'], {"filename": "", "rotate": 0}),
    ([b"[1,2]"], [1, 2]),
    ([b"plain text"], b"plain text"),
    ([b"\xff\x00"], b"\xff\x00"),
    ([b""], b""),
]


@pytest.mark.parametrize(
    ("detail", "tables", "appendix", "read"),
    [(*detail, [], None) for detail in DETAILS]
    + [(*detail, *appendix) for detail, appendix in zip(DETAILS[1:] * 3, APPENDICES, strict=False)],
)
def test_dheader_round_trip(detail, tables, appendix, read):
    parts = [ALL.replace(b'"all"', b'"%s"' % detail.encode()), *tables, *appendix]
    value = decode(parts)
    assert value["header"]["header_detail"] == detail
    assert value.get("appendix") == read
    assert ("part_2" in value) is (detail != "none")
    if detail == "all":
        assert (value["part_4_raw"], value["part_6_raw"], value["part_8_raw"]) == (
            b"flat",
            b"mask",
            b"rate",
        )
    assert encode(value) == parts


@pytest.mark.parametrize("detail", [None, "some", []])
def test_unknown_header_detail_is_an_error(detail):
    header = json.dumps({"htype": "dheader-1.0", "header_detail": detail}).encode()
    with pytest.raises(DecodeError, match="header_detail"):
        decode([header])
    with pytest.raises(EncodeError, match="header_detail"):
        encode({"header": json.loads(header)})


@pytest.mark.parametrize("appendix", [[], [b"{}"], [b"acqID=test_1"]])
def test_dimage_round_trip(appendix):
    value = decode(IMAGE + appendix)
    assert value["header"]["frame"] == 3
    assert value["part_2"]["shape"] == [2, 1]
    assert value["part_3_raw"] == IMAGE[2]
    assert value["part_4"]["stop_time"] == 3
    assert encode(value) == IMAGE + appendix


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        ([], "a part is not a JSON object"),
        ({"encoding": "<", "type": "u1"}, "has no 'shape'"),
        ({"encoding": "<", "shape": [1]}, "has no 'type'"),
        ({"shape": [1], "type": "u1"}, "has no 'encoding'"),
        ({"encoding": "lz4<", "shape": [-2, 2], "type": "uint8"}, "whole numbers from 0 up"),
        ({"encoding": "<", "shape": [2, 2], "type": "uint8"}, "3 bytes; .* needs 4"),
        ({"encoding": ">", "shape": [2, 1], "type": "uint8"}, "3 bytes; .* needs 2"),
        ({"encoding": ">", "shape": [2**40, 2**40], "type": "uint16"}, "more than there can be"),
        (
            {"encoding": "<", "shape": [10**400], "type": "uint16"},
            "than there can be|whole numbers",
        ),
        ({"encoding": "<", "shape": [1], "type": "pixel"}, "type 'pixel' is not a number type"),
    ],
)
def test_image_that_describes_itself_wrongly_is_an_error(pixels, words):
    blob = b"123"
    with pytest.raises(DecodeError, match=words) as caught:
        decode([IMAGE[0], json.dumps(pixels).encode(), blob, IMAGE[3]])
    assert not isinstance(caught.value, HandlerError)
    assert len(str(caught.value)) < 300


def test_compressed_pixels_are_not_looked_into():
    pixels = {"encoding": "bs32-lz4<", "shape": [3108, 3262], "type": "uint32", "size": 755083}
    parts = [IMAGE[0], json.dumps(pixels).encode(), b"cut", IMAGE[3]]
    assert decode(parts)["part_3_raw"] == b"cut"


@pytest.mark.parametrize("whole", [IMAGE, [ALL, *TABLES], [b'{"htype":"dseries_end-1.0"}']])
def test_parts_after_the_appendix_go_out_again(whole):
    parts = [*whole, b"appendix", b"more", b""]
    assert encode(decode(parts)) == parts


@pytest.mark.parametrize("parts", [IMAGE[:n] for n in (1, 2, 3)] + [[ALL, *TABLES[:4]]])
def test_truncated_message_is_an_error(parts):
    with pytest.raises(MessageError, match="only"):
        decode(parts)


def test_json_goes_out_as_it_came_unless_changed():
    parts = [b'{"htype": "dseries_end-1.0",  "series":7.50e-05}\n']
    value = decode(parts)
    assert encode(value) == parts
    value["header"]["series"] = 8
    assert encode(value) == [b'{"htype":"dseries_end-1.0","series":8}']


@pytest.mark.parametrize("changed", [True, 1.0])
def test_a_number_of_another_kind_is_a_change(changed):
    value = decode([b'{"htype": "dseries_end-1.0", "series": 1}'])
    value["header"]["series"] = changed
    assert encode(value)[0].endswith(b'"series":%s}' % json.dumps(changed).encode())


@pytest.mark.parametrize("htype", ["array-1.0", "raw-1.0", "dimage-1.0"])
def test_value_that_lacks_a_key_can_not_be_written(htype):
    with pytest.raises(EncodeError, match="needs"):
        encode({"header": {"htype": htype}})


@pytest.mark.parametrize("htype", ["array-1.0", "raw-1.0"])
@pytest.mark.parametrize("data", [b"abc", np.zeros((2, 2)), {"a": 1}])
def test_data_must_be_a_list(htype, data):
    with pytest.raises(EncodeError, match="must be a list"):
        encode({"header": {"htype": htype}, "data": data})


@pytest.mark.parametrize("segment", [5, "abc", np.array([None])])
def test_a_segment_must_have_bytes(segment):
    with pytest.raises(EncodeError, match="a segment is"):
        encode({"header": {"htype": "array-1.0"}, "data": [segment]})
