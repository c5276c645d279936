"""The configuration: mflow's files load, and each mistake is one line that names its place.

What each value can be is tested in test_arguments.py.
"""

import json
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmflow.config import (
    MERGE,
    OUTPUT,
    SOURCE,
    ByKeyConfig,
    MergeConfig,
    OutputConfig,
    SourceConfig,
    TapConfig,
    TopologyConfig,
    describe,
    load,
    parse,
)
from gmflow.config.schema import keys_of
from gmflow.errors import ConfigError
from gmflow.validation import conn_type_of
from tests.support import refusals

ONE = {"address": "tcp://localhost:7777"}
OUT = {"address": "tcp://*:8888"}
TAP = {"address": "tcp://*:8889", "mode": "TAP"}
KEYS = ["source", "sources", "merge", "streams", *SOURCE, *MERGE, *OUTPUT]


def with_source(**keys):
    return {"source": ONE | keys, "streams": [OUT]}


def with_stream(**keys):
    return {"source": ONE, "streams": [{"address": "tcp://a:1"}, OUT | keys]}


def with_sources(*sources, **keys):
    return {"sources": list(sources), "streams": [OUT], **keys}


def with_merge(**keys):
    return with_sources(ONE, ONE, merge=keys)


def refused(mapping):
    with refusals.refused(ConfigError) as refusal:
        parse(mapping)
    return refusal.line


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
    assert load(path) == TopologyConfig(
        (SourceConfig("tcp://localhost:7777", "PULL", 10, "connect"),),
        None,
        (
            OutputConfig("tcp://*:8888", "PUSH", 100, "bind", when_full="block"),
            OutputConfig("tcp://*:9999", "PUB", 100, "bind", when_full="drop_newest"),
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
    assert config.sources[0].queue_size == 10
    assert [stream.modulo for stream in config.streams] == [1, 10000]


def keys(config):
    return {name: getattr(config, name) for name in keys_of(type(config))}


def test_defaults():
    config = parse({"source": ONE, "streams": [OUT]})
    assert config.merge is None
    assert keys(config.sources[0]) == {
        "address": "tcp://localhost:7777",
        "mode": "PULL",
        "queue_size": 100,
        "conn_type": "connect",
        "name": None,
        "step": None,
        "decode_threads": 1,
    }
    assert keys(config.streams[0]) == {
        "address": "tcp://*:8888",
        "mode": "PUSH",
        "queue_size": 100,
        "conn_type": "bind",
        "name": None,
        "modulo": 1,
        "offset": 0,
        "htypes": None,
        "share": None,
        "block": 1,
        "series": False,
        "when_full": "block",
        "rate": None,
    }


def test_conn_type_of():
    assert conn_type_of("tcp://*:9999") == conn_type_of("tcp://127.0.0.1:*") == "bind"
    for address in ("tcp://0.0.0.0:9999", "ipc:///run/stream", "inproc://name"):
        assert conn_type_of(address) == "connect"
    for address in ("tcp://*:9999", "tcp://localhost:9999"):
        conn_type = conn_type_of(address)
        configs = SourceConfig(address), OutputConfig(address), TapConfig(address)
        assert [config.conn_type for config in configs] == [conn_type] * 3


def test_given_conn_type_wins():
    assert OutputConfig("tcp://host:1", conn_type="bind").conn_type == "bind"
    assert parse(with_source(conn_type="BIND")).sources[0].conn_type == "bind"


def test_configs_are_frozen():
    with pytest.raises(FrozenInstanceError):
        SourceConfig("tcp://a:1").mode = "SUB"
    with pytest.raises(FrozenInstanceError):
        parse(with_source()).merge = MergeConfig()


ADDRESSES = [
    "tcp://host.psi.ch:1",
    "tcp://10.0.0.1:65535",
    "tcp://[::1]:5555",
    "tcp://[fe80::1%eth0]:5555",
    "tcp://eth0:5555",
    "tcp://192.168.1.17:5555;192.168.1.1:5556",
    "ipc:///run/with space",
    "ipc://@abstract",
    "inproc://a",
]
WRONG_ADDRESSES = [
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
    "inproc://a\ud800",
]


def test_addresses():
    for address in ADDRESSES:
        assert parse(with_source(address=address)).sources[0].address == address
    for address in WRONG_ADDRESSES:
        text = refused(with_source(address=address))
        assert text.startswith(f"source.address is {address!r}; it can be tcp://host:port")


@pytest.mark.parametrize(
    "mapping, line",
    [
        (with_stream(mod="PUB"), "streams[1].mod (value 'PUB') is not a known key; did you mean"),
        (with_stream(rat=10), "streams[1].rat (value 10) is not a known key; did you mean rate?"),
        (with_source(modulo=2), "source.modulo (value 2) is not a known key; did you mean mode?"),
        (
            with_source(zzz=2),
            "source.zzz (value 2) is not a known key; the keys are address, mode, queue_size,"
            " conn_type, name, step, decode_threads",
        ),
        (with_source(**{"a\nb": 2}), "source.a\\nb (value 2) is not a known key; the keys are"),
        (with_source() | {"stream": []}, "stream (value []) is not a known key; did you mean str"),
        (with_merge(strategy="by_key", windw=3), "merge.windw (value 3) is not a known key; did"),
        (with_stream(mode="TAP", zzz=1), "streams[1].zzz (value 1) is not a known key; the keys"),
        (with_source(linger=1), "source.linger (value 1) is not a known key; the keys are"),
        (with_source(count=1), "source.count (value 1) is not a known key; "),
    ],
)
def test_unknown_keys(mapping, line):
    assert refused(mapping).startswith(line)


@pytest.mark.parametrize(
    "mapping, line",
    [
        ([], "the configuration is []; it can be an object of source, streams, sources, merge"),
        ({}, "source is missing; it or sources, a list, must be given"),
        ({"source": ONE}, "streams is missing; it must be given"),
        ({"source": {}, "streams": [OUT]}, "source.address is missing; it must be given"),
        ({"source": ONE, "streams": [{}]}, "streams[0].address is missing"),
        ({"source": "tcp://a:1", "streams": [OUT]}, "source is 'tcp://a:1'; it can be an object"),
        ({"source": ONE, "streams": []}, "streams is []; it can be a list of at least one output"),
        ({"source": ONE, "streams": "tcp://a:1"}, "streams is 'tcp://a:1'; it can be a list"),
        ({"source": ONE, "streams": OUT}, "streams is {'address'"),
        ({"source": ONE, "streams": [None]}, "streams[0] is None; it can be an object of address"),
        (
            {"source": ONE, "sources": [ONE], "streams": [OUT]},
            "sources (value [{'address': 'tcp://localhost:7777'}]) is given beside source; leave",
        ),
        (with_sources(), "sources is []; it can be a list of at least one source"),
        (with_sources(ONE, {}), "sources[1].address is missing; it must be given"),
        (with_sources(ONE, ONE | {"step": 0}), "sources[1].step is 0; it can be a whole number"),
        (with_merge() | {"merge": "by_key"}, "merge is 'by_key'; it can be an object of strategy"),
        (with_merge(strategy="best"), "merge.strategy is 'best'; it can be round_robin, arrival"),
        (
            with_merge(strategy="arrival", key="frame"),
            "merge.key (value 'frame') is not for strategy arrival; it goes with by_key",
        ),
        (with_merge(window=3), "merge.window (value 3) is not for strategy round_robin; it goes"),
        (with_stream(mode="XPUB"), "streams[1].mode is 'XPUB'; it can be PUSH, PUB or TAP"),
    ],
)
def test_wrong_structure(mapping, line):
    assert refused(mapping).startswith(line)


@pytest.mark.parametrize(
    "mapping, line",
    [
        (
            {"source": ONE, "streams": [OUT, OUT]},
            "streams[1].address is 'tcp://*:8888'; it is bound by streams[0] already; only one",
        ),
        (
            {"source": OUT, "streams": [OUT]},
            "streams[0].address is 'tcp://*:8888'; it is bound by source already",
        ),
        (with_sources(OUT, OUT), "sources[1].address is 'tcp://*:8888'; it is bound by sources[0]"),
        (with_sources(ONE, OUT), "streams[0].address is 'tcp://*:8888'; it is bound by sources[1]"),
        (
            {"source": ONE, "streams": [OUT, TAP | OUT | {"mode": "TAP"}]},
            "streams[1].address is 'tcp://*:8888'; it is bound by streams[0]",
        ),
        (
            with_sources(ONE | {"name": "a"}, ONE | {"name": "a"}),
            "sources[1].name is 'a'; it is the name of sources[0] already",
        ),
        (
            {"source": ONE | {"name": "a"}, "streams": [OUT, TAP | {"name": "a"}]},
            "streams[1].name is 'a'; it is the name of source already",
        ),
    ],
)
def test_nodes_with_something_of_one_another(mapping, line):
    assert refused(mapping).startswith(line)


def test_nodes_may_connect_to_one_address_and_have_no_name():
    assert parse({"source": ONE, "streams": [ONE, ONE]})
    names = [ONE | {"name": "a"}, ONE | {"name": "b"}]
    assert [source.name for source in parse(with_sources(*names)).sources] == ["a", "b"]


# several sources


def test_several_sources_are_merged_in_turn():
    config = parse(with_sources(ONE, ONE | {"name": "two", "mode": "sub", "step": 100}))
    assert config.merge == MergeConfig("round_robin")
    assert [source.name for source in config.sources] == [None, "two"]
    assert config.sources[1].step == 100


def test_a_list_of_one_source_is_one_source():
    assert parse(with_sources(ONE)) == parse({"source": ONE, "streams": [OUT]})


def test_one_source_may_have_a_merger():
    assert parse(with_sources(ONE, merge={})).merge == MergeConfig()


def test_mergers():
    by_key = {"strategy": "by_key"}
    more = {"key": "frame", "window": 1, "patience": 0, "complete": False, "flatten": True}
    for told, merge in (
        ({}, MergeConfig("round_robin")),
        ({"strategy": "ARRIVAL"}, MergeConfig("arrival")),
        (by_key, ByKeyConfig("by_key", "pulse_id", 32, 1.0, True, False)),
        (by_key | more, ByKeyConfig("by_key", "frame", 1, 0.0, False, True)),
    ):
        assert parse(with_merge(**told)).merge == merge


# what goes to a stream


@pytest.mark.parametrize(
    "given, values",
    [
        ({"modulo": "10", "offset": 9}, {"modulo": 10, "offset": 9}),
        ({"share": (0, 1), "series": True}, {"share": (0, 1), "series": True}),
        ({"rate": 10, "series": True, "when_full": "block"}, {"rate": 10.0, "when_full": "block"}),
        ({"series": True, "mode": "PUB"}, {"series": True, "when_full": "drop_newest"}),
        ({"mode": "PUB", "when_full": "BLOCK"}, {"when_full": "block"}),
        ({"name": "viewer", "block": 1, "share": [0, 2]}, {"name": "viewer", "block": 1}),
    ],
)
def test_choices_of_an_output(given, values):
    output = parse(with_stream(**given)).streams[1]
    assert type(output) is OutputConfig
    assert {name: getattr(output, name) for name in values} == values


def test_a_key_that_is_given_counts_also_where_it_is_the_default():
    line = "streams[1].block is 1; it goes with share, which is missing"
    assert refused(with_stream(block=1)) == line
    paced = with_stream(rate=1, when_full="block")
    assert refused(paced).startswith("streams[1].when_full is 'block'; it can be drop_oldest")


def test_a_tap():
    (tap,) = parse({"source": ONE, "streams": [TAP]}).streams
    assert tap == TapConfig("tcp://*:8889", "TAP", 10, "bind", None, 20.0)
    given = {"rate": 5, "queue_size": 3, "conn_type": "bind", "name": "viewers", "mode": "tap"}
    (tap,) = parse({"source": ONE, "streams": [TAP | given]}).streams
    assert tap == TapConfig("tcp://*:8889", "TAP", 3, "bind", "viewers", 5.0)


def test_a_tap_chooses_nothing():
    for name in sorted(set(keys_of(OutputConfig)) - set(keys_of(TapConfig))):
        text = f"streams[1].{name} (value 0) is not for mode TAP; it goes with PUSH or PUB"
        assert refused(with_stream(mode="tap", **{name: 0})) == text


# what a person is shown


def test_a_configuration_is_shown_node_by_node():
    config = parse(
        {
            "source": ONE,
            "streams": [
                OUT | {"share": [0, 2], "htypes": ["a-1.0"]},
                TAP | {"rate": 2.5, "name": "t"},
            ],
        }
    )
    assert (
        describe(config, ["in", "out", "t"])
        == """\
in
    goes to         out, t
    address         tcp://localhost:7777
    mode            PULL
    queue_size      100
    conn_type       connect
    step            1 for frame, learnt for pulse_id
    decode_threads  1

out
    comes from      in
    address         tcp://*:8888
    mode            PUSH
    queue_size      100
    conn_type       bind
    modulo          1
    offset          0
    htypes          ["a-1.0"]
    share           [0, 2]
    block           1
    series          false
    when_full       block
    rate            no limit

t
    comes from      in
    address         tcp://*:8889
    mode            TAP
    queue_size      10
    conn_type       bind
    rate            2.5
"""
    )


def test_what_is_merged_is_shown_to_go_through_the_merger():
    shown = describe(parse(with_merge()), ["one", "two", "merger", "out"])
    ways = [
        line.split() for line in shown.splitlines() if line.startswith(("    goes", "    comes"))
    ]
    assert ways == [
        ["goes", "to", "merger"],
        ["goes", "to", "merger"],
        ["goes", "to", "out"],
        ["comes", "from", "merger"],
    ]
    assert "merger\n    goes to         out\n    strategy        round_robin\n\nout" in shown


# anything else


def test_long_values_and_keys_are_cut():
    key = "\x1f" * 10000
    assert refused(with_stream(**{key: "x" * 10000})).startswith("streams[1].\\x1f\\x1f")
    assert len(refused(with_source(mode="x" * 10000))) < 200


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from([*KEYS]) | st.text(),
                inner,
                max_size=3,
            )
        ),
    )
)
def test_anything_else_is_one_line(value):
    refused(value)
    refused({"source": value, "streams": [OUT]})
    refused({"source": ONE, "streams": [value]})


@given(value=st.text() | st.integers() | st.none(), key=st.sampled_from(["mode", "modulo"]))
def test_a_value_is_read_or_refused(value, key):
    try:
        config = parse(with_stream(**{key: value}))
    except ConfigError as error:
        assert str(error).startswith(f"streams[1].{key} is ")
    else:
        stream = config.streams[1]
        assert stream.mode in ("PUSH", "PUB", "TAP")
        assert stream.mode == "TAP" or stream.modulo >= 1  # a tap has none


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
    for path in (5, None, b"x"):
        with pytest.raises(ConfigError, match=r"^the configuration is .*; it can be the path of a"):
            load(path)
    with pytest.raises(ConfigError, match=r"nowhere\.json: can't be read: No such file"):
        load(tmp_path / "nowhere.json")
    with pytest.raises(ConfigError, match="can't be read: "):
        load(tmp_path)


def test_a_key_that_is_there_twice_is_refused(tmp_path):
    path = tmp_path / "split.json"
    path.write_text('{"source": {"address": "ipc://a", "address": "ipc://b"}, "streams": []}')
    with pytest.raises(ConfigError, match=r"address \(value 'ipc://b'\) is given twice in one"):
        load(path)
