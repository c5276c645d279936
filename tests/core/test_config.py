"""m_split's configuration: mflow's files load, and each mistake is one line that names it."""

import json
import re
from dataclasses import FrozenInstanceError, asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmflow.config import (
    OutputConfig,
    SourceConfig,
    SplitConfig,
    conn_type_of,
    load,
    parse,
)
from gmflow.errors import ConfigError

SOURCE = {"address": "tcp://localhost:7777"}
OUTPUT = {"address": "tcp://*:8888"}


def with_source(**keys):
    return {"source": SOURCE | keys, "streams": [OUTPUT]}


def with_stream(**keys):
    return {"source": SOURCE, "streams": [{"address": "tcp://a:1"}, OUTPUT | keys]}


def refused(mapping):
    with pytest.raises(ConfigError) as caught:
        parse(mapping)
    text = str(caught.value)
    assert text.isprintable()
    return text


def test_mflows_split_example_loads(tmp_path):
    path = tmp_path / "split.json"
    path.write_text(
        """{
    "source": {"address": "tcp://localhost:7777", "mode": "PULL", "queue_size": 10},
    "streams": [
        {"address": "tcp://*:8888", "mode": "PUSH"},
        {"address": "tcp://*:9999", "mode": "PUB"}
    ]
}"""
    )
    assert load(path) == SplitConfig(
        SourceConfig("tcp://localhost:7777", "PULL", 10, "connect"),
        (
            OutputConfig("tcp://*:8888", "PUSH", 100, 1, "bind", None),
            OutputConfig("tcp://*:9999", "PUB", 100, 1, "bind", None),
        ),
    )


def test_mflows_filter_example_loads(tmp_path):
    path = tmp_path / "filter.json"
    source = {"address": "tcp://localhost:7777", "mode": "PULL", "queue_size": 10}
    streams = [
        {"address": "tcp://*:8888", "mode": "PUSH"},
        {"address": "tcp://*:9999", "mode": "PUSH", "modulo": 10000},
    ]
    path.write_text(json.dumps({"source": source, "streams": streams}))
    config = load(str(path))
    assert config.source.queue_size == 10
    assert [stream.modulo for stream in config.streams] == [1, 10000]


def test_defaults():
    config = parse({"source": SOURCE, "streams": [OUTPUT]})
    assert asdict(config.source) == {
        "address": "tcp://localhost:7777",
        "mode": "PULL",
        "queue_size": 100,
        "conn_type": "connect",
    }
    assert asdict(config.streams[0]) == {
        "address": "tcp://*:8888",
        "mode": "PUSH",
        "queue_size": 100,
        "modulo": 1,
        "conn_type": "bind",
        "when_full": None,
    }


@pytest.mark.parametrize(
    "address, conn_type",
    [
        ("tcp://*:9999", "bind"),
        ("tcp://0.0.0.0:9999", "connect"),
        ("tcp://localhost:9999", "connect"),
        ("ipc:///run/stream", "connect"),
        ("inproc://name", "connect"),
    ],
)
def test_conn_type_of(address, conn_type):
    assert conn_type_of(address) == conn_type
    assert SourceConfig(address).conn_type == OutputConfig(address).conn_type == conn_type


def test_given_conn_type_wins():
    assert OutputConfig("tcp://host:1", conn_type="bind").conn_type == "bind"
    assert parse(with_source(conn_type="BIND")).source.conn_type == "bind"


def test_configs_are_frozen():
    with pytest.raises(FrozenInstanceError):
        SourceConfig("tcp://a:1").mode = "SUB"


@pytest.mark.parametrize("given, mode", [("pull", "PULL"), ("Sub", "SUB"), ("SUB", "SUB")])
def test_source_modes(given, mode):
    assert parse(with_source(mode=given)).source.mode == mode


@pytest.mark.parametrize("given, mode", [("push", "PUSH"), ("pUb", "PUB")])
def test_output_modes(given, mode):
    assert parse(with_stream(mode=given)).streams[1].mode == mode


@pytest.mark.parametrize("given, modulo", [(1, 1), (1000, 1000), ("7", 7), (" 07 ", 7)])
def test_modulo_as_mflow_reads_it(given, modulo):
    assert parse(with_stream(modulo=given)).streams[1].modulo == modulo


@pytest.mark.parametrize("given", ["block", "drop_newest", "drop_oldest"])
def test_when_full(given):
    assert parse(with_stream(when_full=given)).streams[1].when_full == given


@pytest.mark.parametrize(
    "address",
    [
        "tcp://host.psi.ch:1",
        "tcp://10.0.0.1:65535",
        "tcp://[::1]:5555",
        "tcp://[fe80::1%eth0]:5555",
        "tcp://eth0:5555",
        "tcp://192.168.1.17:5555;192.168.1.1:5556",
        "ipc:///run/with space",
        "ipc://@abstract",
        "inproc://a",
    ],
)
def test_addresses(address):
    assert parse(with_source(address=address)).source.address == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "localhost:7777",
        "tcp://localhost",
        "tcp://localhost:",
        "tcp://:7777",
        "tcp://localhost:0",
        "tcp://localhost:65536",
        "tcp://localhost:http",
        "tcp://local host:7777",
        "tcp://a:1:2",
        "tcp:/localhost:7777",
        "tcp://localhost:7777/",
        "tcp://localhost:7777\n",
        "udp://localhost:7777",
        "ipc://",
        "inproc://",
        "inproc://a\nb",
        "inproc://a\ud800",
        7777,
        None,
        ["tcp://localhost:7777"],
    ],
)
def test_wrong_addresses(address):
    text = refused(with_source(address=address))
    assert text.startswith(f"source.address is {address!r}; ")
    assert "tcp://host:port" in text


@pytest.mark.parametrize(
    "keys, place, allowed",
    [
        ({"mode": "PULL"}, "streams[1].mode is 'PULL'", "PUSH or PUB"),
        ({"mode": None}, "streams[1].mode is None", "PUSH or PUB"),
        ({"queue_size": -1}, "streams[1].queue_size is -1", "from 0"),
        ({"queue_size": "10"}, "streams[1].queue_size is '10'", "whole number"),
        ({"queue_size": True}, "streams[1].queue_size is True", "whole number"),
        ({"queue_size": 2**31}, "streams[1].queue_size is 2147483648", "2147483647"),
        ({"modulo": 0}, "streams[1].modulo is 0", "from 1 up"),
        ({"modulo": "-2"}, "streams[1].modulo is '-2'", "from 1 up"),
        ({"modulo": "two"}, "streams[1].modulo is 'two'", "from 1 up"),
        ({"modulo": 2.5}, "streams[1].modulo is 2.5", "from 1 up"),
        ({"modulo": True}, "streams[1].modulo is True", "from 1 up"),
        ({"conn_type": "both"}, "streams[1].conn_type is 'both'", "bind or connect"),
        ({"conn_type": "connect"}, "streams[1].conn_type is 'connect'", "must be bind"),
        ({"when_full": "drop"}, "streams[1].when_full is 'drop'", "block or drop_newest"),
    ],
)
def test_wrong_values_of_an_output(keys, place, allowed):
    text = refused(with_stream(**keys))
    assert text.startswith(place)
    assert allowed in text


def test_wrong_mode_of_the_source():
    assert refused(with_source(mode="push")) == "source.mode is 'push'; it must be PULL or SUB"


@pytest.mark.parametrize(
    "mapping, place, hint",
    [
        (with_stream(mod="PUB"), "streams[1].mod (value 'PUB')", "did you mean mode?"),
        (with_stream(queuesize=1), "streams[1].queuesize", "did you mean queue_size?"),
        (with_source(modulo=2), "source.modulo", "did you mean mode?"),
        (with_source(zzz=2), "source.zzz", "the keys are address, mode, queue_size, conn_type"),
        (with_source(**{"a\nb": 2}), "source.a\\nb", "the keys are"),
        (with_source() | {"stream": []}, "stream (value [])", "did you mean streams?"),
    ],
)
def test_unknown_keys(mapping, place, hint):
    text = refused(mapping)
    assert text.startswith(place)
    assert hint in text


@pytest.mark.parametrize(
    "mapping, start",
    [
        ([], "the configuration is []; it must be an object of source, streams"),
        ({}, "source is missing"),
        ({"source": SOURCE}, "streams is missing"),
        ({"source": {}, "streams": [OUTPUT]}, "source.address is missing"),
        ({"source": SOURCE, "streams": [{}]}, "streams[0].address is missing"),
        ({"source": "tcp://a:1", "streams": [OUTPUT]}, "source is 'tcp://a:1'; it must be an"),
        ({"source": SOURCE, "streams": []}, "streams is []; it must be a list of at least one"),
        ({"source": SOURCE, "streams": "tcp://a:1"}, "streams is 'tcp://a:1'; it must be a list"),
        ({"source": SOURCE, "streams": OUTPUT}, "streams is {'address'"),
        ({"source": SOURCE, "streams": [None]}, "streams[0] is None; it must be an object"),
    ],
)
def test_wrong_structure(mapping, start):
    assert refused(mapping).startswith(start)


def test_two_nodes_can_not_bind_to_one_address():
    assert re.match(
        r"streams\[1\]\.address is .*bound by streams\[0\]",
        refused({"source": SOURCE, "streams": [OUTPUT, OUTPUT]}),
    )
    assert "bound by source" in refused({"source": OUTPUT, "streams": [OUTPUT]})
    assert parse({"source": SOURCE, "streams": [SOURCE, SOURCE]})


def test_long_values_are_cut():
    assert len(refused(with_source(mode="x" * 10000))) < 200


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["source", "streams", "address", "mode", "modulo"]) | st.text(),
                inner,
                max_size=3,
            )
        ),
    )
)
def test_anything_else_is_one_line(value):
    refused(value)
    refused({"source": value, "streams": [OUTPUT]})
    refused({"source": SOURCE, "streams": [value]})


@given(value=st.text() | st.integers() | st.none(), key=st.sampled_from(["mode", "modulo"]))
def test_a_value_is_read_or_refused(value, key):
    try:
        config = parse(with_stream(**{key: value}))
    except ConfigError as error:
        assert str(error).startswith(f"streams[1].{key} is ")
    else:
        assert config.streams[1].modulo >= 1
        assert config.streams[1].mode in ("PUSH", "PUB")


def load_text(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "split.json"
    path.write_bytes(text.encode(encoding))
    try:
        return load(path)
    except ConfigError as error:
        assert str(error).startswith(f"{path}: ")
        return str(error)[len(f"{path}: ") :]


def test_broken_json_says_where(tmp_path):
    text = load_text(tmp_path, '{\n  "source": {},\n  "streams": [,]\n}')
    assert text.startswith("is not JSON: ")
    assert text.endswith("in line 3, column 15")


def test_problems_in_a_file_name_the_file(tmp_path):
    assert load_text(tmp_path, "{}").startswith("source is missing")


def test_byte_order_mark_is_no_problem(tmp_path):
    assert load_text(tmp_path, json.dumps(with_source()), "utf-8-sig") == parse(with_source())


@pytest.mark.parametrize(
    "text, encoding",
    [("{}", "utf-16"), ("[" * 100000, "ascii"), ("1" * 5000, "ascii"), ("", "ascii")],
)
def test_other_files_are_refused(tmp_path, text, encoding):
    assert isinstance(load_text(tmp_path, text, encoding), str)


def test_files_that_can_not_be_read(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.json: can't be read: No such file"):
        load(tmp_path / "nowhere.json")
    with pytest.raises(ConfigError, match="can't be read: "):
        load(tmp_path)
