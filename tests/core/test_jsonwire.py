"""JSON in and out of parts, by each of the parsers that may be there: both read the same."""

from __future__ import annotations

import json
import math
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from gmflow import jsonwire as jsontext


def reader(name):
    """Return `loads` as it is with or without orjson."""
    if name == "orjson":
        pytest.importorskip("orjson", reason="orjson is not installed")
        return jsontext._reader()
    kept = sys.modules.get("orjson", jsontext)
    sys.modules["orjson"] = None
    try:
        return jsontext._reader()
    finally:
        sys.modules.pop("orjson")
        if kept is not jsontext:
            sys.modules["orjson"] = kept


@pytest.fixture(params=["json", "orjson"])
def loads(request):
    return reader(request.param)


def test_the_module_uses_orjson_where_it_is_installed():
    assert ("orjson" in jsontext.loads.__name__) == (find_spec("orjson") is not None)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, zmq.Frame])
def test_any_kind_of_part(loads, kind):
    assert loads(kind(b'{"htype": "a", "shape": [2, 3]}')) == {"htype": "a", "shape": [2, 3]}


@pytest.mark.parametrize(
    "text, value",
    [
        (' {"a": 1} \n', {"a": 1}),
        ('{"a": 1, "a": 2}', {"a": 2}),
        ("[1e400, -1e400]", [math.inf, -math.inf]),
        ("[Infinity, -Infinity]", [math.inf, -math.inf]),
        ('"\\ud800"', "\ud800"),
        ('"\\u00e9é"', "éé"),
        ("-0", 0),
        ("18446744073709551615", 2**64 - 1),
        ("null", None),
        ("[" * 500 + "]" * 500, None),
    ],
)
def test_what_json_of_the_standard_library_reads(loads, text, value):
    assert loads(text.encode()) == json.loads(text)
    if value is not None:
        assert loads(text.encode()) == value


def test_nan(loads):
    assert math.isnan(loads(b'{"a": NaN}')["a"])


@pytest.mark.parametrize(
    "part",
    [b"", b"{", b'{"a": 1} x', b"{'a': 1}", b"\xff", b'"\xed\xa0\x80"', b"[" * 100_000, b"[01]"],
)
def test_what_is_no_json_is_a_value_error(loads, part):
    with pytest.raises(ValueError) as caught:
        loads(part)
    assert "\n" not in str(caught.value)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_both_read_what_python_writes(value):
    part = json.dumps(value).encode()
    for name in ("json", "orjson") if find_spec("orjson") else ("json",):
        assert reader(name)(part) == value


@given(st.binary(max_size=40))
def test_both_read_or_refuse_the_same_bytes(part):
    if find_spec("orjson") is None:
        pytest.skip("orjson is not installed")
    read = []
    for name in ("json", "orjson"):
        try:
            read.append(reader(name)(part))
        except ValueError:
            read.append(ValueError)
    assert np.array_equal(*(np.array([value], object) for value in read)) or read[0] != read[0]
