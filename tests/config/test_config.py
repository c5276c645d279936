"""The configuration: mflow's files load, and each mistake is one line that names it."""

import json
from dataclasses import FrozenInstanceError, asdict

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
    load,
    parse,
)
from gmflow.errors import ConfigError
from gmflow.validation import conn_type_of

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


def test_defaults():
    config = parse({"source": ONE, "streams": [OUT]})
    assert config.merge is None
    assert asdict(config.sources[0]) == {
        "address": "tcp://localhost:7777",
        "mode": "PULL",
        "queue_size": 100,
        "conn_type": "connect",
        "name": None,
        "step": None,
        "decode_threads": 1,
    }
    assert asdict(config.streams[0]) == {
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
    assert parse(with_source(conn_type="BIND")).sources[0].conn_type == "bind"


def test_configs_are_frozen():
    with pytest.raises(FrozenInstanceError):
        SourceConfig("tcp://a:1").mode = "SUB"


@pytest.mark.parametrize("given, mode", [("pull", "PULL"), ("Sub", "SUB"), ("SUB", "SUB")])
def test_source_modes(given, mode):
    assert parse(with_source(mode=given)).sources[0].mode == mode


@pytest.mark.parametrize("given, mode", [("push", "PUSH"), ("pUb", "PUB"), ("tap", "TAP")])
def test_output_modes(given, mode):
    assert parse(with_stream(mode=given)).streams[1].mode == mode


@pytest.mark.parametrize("given, modulo", [(1, 1), (1000, 1000), ("7", 7), (" 07 ", 7), (2.0, 2)])
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
    assert parse(with_source(address=address)).sources[0].address == address


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
        ({"mode": "PULL"}, "streams[1].mode is 'PULL'", "it must be PUSH, PUB or TAP"),
        ({"mode": None}, "streams[1].mode is None", "it must be PUSH, PUB or TAP"),
        ({"queue_size": -1}, "streams[1].queue_size is -1", "from 0"),
        ({"queue_size": "10"}, "streams[1].queue_size is '10'", "whole number"),
        ({"queue_size": True}, "streams[1].queue_size is True", "whole number"),
        ({"queue_size": 2**31}, "streams[1].queue_size is 2147483648", "2147483647"),
        ({"modulo": 0}, "streams[1].modulo is 0", "from 1 up"),
        ({"modulo": "-2"}, "streams[1].modulo is '-2'", "from 1 up"),
        ({"modulo": "two"}, "streams[1].modulo is 'two'", "from 1 up"),
        ({"modulo": 2.5}, "streams[1].modulo is 2.5", "from 1 up"),
        ({"modulo": 0.0}, "streams[1].modulo is 0.0", "from 1 up"),
        ({"modulo": float("inf")}, "streams[1].modulo is inf", "from 1 up"),
        ({"modulo": True}, "streams[1].modulo is True", "from 1 up"),
        ({"conn_type": "both"}, "streams[1].conn_type is 'both'", "bind or connect"),
        ({"conn_type": "connect"}, "streams[1].conn_type is 'connect'", "must be bind"),
        (
            {"when_full": "drop"},
            "streams[1].when_full is 'drop'",
            "it must be block, drop_newest or drop_oldest",
        ),
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
        (
            with_source(zzz=2),
            "source.zzz",
            "the keys are address, mode, queue_size, conn_type, name",
        ),
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
        ([], "the configuration is []; it must be an object of source, streams, sources, merge"),
        ({}, "source is missing; it or sources, a list, must be given"),
        ({"source": ONE}, "streams is missing; it must be given"),
        ({"source": {}, "streams": [OUT]}, "source.address is missing; it must be given"),
        ({"source": ONE, "streams": [{}]}, "streams[0].address is missing"),
        ({"source": "tcp://a:1", "streams": [OUT]}, "source is 'tcp://a:1'; it must be an"),
        ({"source": ONE, "streams": []}, "streams is []; it must be a list of at least one"),
        ({"source": ONE, "streams": "tcp://a:1"}, "streams is 'tcp://a:1'; it must be a list"),
        ({"source": ONE, "streams": OUT}, "streams is {'address'"),
        ({"source": ONE, "streams": [None]}, "streams[0] is None; it must be an object"),
    ],
)
def test_wrong_structure(mapping, start):
    assert refused(mapping).startswith(start)


def test_two_nodes_can_not_bind_to_one_address():
    taken = "streams[1].address is 'tcp://*:8888'; it is bound by streams[0] already; only one"
    assert refused({"source": ONE, "streams": [OUT, OUT]}).startswith(taken)
    assert "bound by source already" in refused({"source": OUT, "streams": [OUT]})
    assert parse({"source": ONE, "streams": [ONE, ONE]})


@pytest.mark.parametrize(
    "mapping, text",
    [
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
def test_nodes_with_something_of_one_another(mapping, text):
    assert refused(mapping).startswith(text)


# several sources


def test_several_sources_are_merged_in_turn():
    config = parse(with_sources(ONE, ONE | {"name": "two", "mode": "sub", "step": 100}))
    assert config.merge == MergeConfig("round_robin")
    assert [source.name for source in config.sources] == [None, "two"]
    assert config.sources[1].step == 100


def test_a_list_of_one_source_is_one_source():
    assert parse(with_sources(ONE)) == parse({"source": ONE, "streams": [OUT]})


@pytest.mark.parametrize(
    "given, merge",
    [
        ({}, MergeConfig("round_robin")),
        ({"strategy": "ARRIVAL"}, MergeConfig("arrival")),
        ({"strategy": "by_key"}, ByKeyConfig("by_key", "pulse_id", 32, 1.0, True, False)),
        (
            {
                "strategy": "by_key",
                "key": "frame",
                "window": 1,
                "patience": 0,
                "complete": False,
                "flatten": True,
            },
            ByKeyConfig("by_key", "frame", 1, 0.0, False, True),
        ),
    ],
)
def test_merge(given, merge):
    assert parse(with_merge(**given)).merge == merge


BY_KEY = {"strategy": "by_key"}


@pytest.mark.parametrize(
    "mapping, text",
    [
        (
            with_sources(ONE, source=ONE),
            "sources (value [{'address': 'tcp://localhost:7777'}]) is given beside source; leave"
            " one of them out",
        ),
        (with_sources(), "sources is []; it must be a list of at least one source"),
        (with_sources() | {"sources": ONE}, "sources is {'address': 'tcp://localhost:7777'}; it"),
        (with_sources(ONE, {}), "sources[1].address is missing; it must be given"),
        (with_sources(ONE, {"adress": 1}), "sources[1].adress (value 1) is not a known key; did"),
        (with_sources(ONE, ONE | {"step": 0}), "sources[1].step is 0; it must be a whole number"),
        (with_sources(ONE, ONE | {"step": 1.5}), "sources[1].step is 1.5; it must be a whole"),
        (with_sources(ONE, ONE | {"name": ""}), "sources[1].name is ''; it must be a text"),
        (with_sources(ONE, ONE | {"name": "a\n"}), "sources[1].name is 'a\\n'; it must be a text"),
        (with_sources(ONE, ONE | {"name": 7}), "sources[1].name is 7; it must be a text"),
        (with_merge() | {"merge": "by_key"}, "merge is 'by_key'; it must be an object of strategy"),
        (
            with_merge(strategy="newest"),
            "merge.strategy is 'newest'; it must be round_robin, arrival or by_key",
        ),
        (
            with_merge(strategy="arrival", key="frame"),
            "merge.key (value 'frame') is not for strategy arrival; it goes with by_key",
        ),
        (with_merge(window=3), "merge.window (value 3) is not for strategy round_robin; it goes"),
        (
            with_merge(**BY_KEY, windw=3),
            "merge.windw (value 3) is not a known key; did you mean win",
        ),
        (with_merge(**BY_KEY, key=""), "merge.key is ''; it must be a text that is not empty"),
        (with_merge(**BY_KEY, key=None), "merge.key is None; it must be a text that is not empty"),
        (with_merge(**BY_KEY, window=0), "merge.window is 0; it must be a whole number from 1 up"),
        (with_merge(**BY_KEY, window="9"), "merge.window is '9'; it must be a whole number"),
        (
            with_merge(**BY_KEY, patience=-1),
            "merge.patience is -1; it must be a number of seconds from 0 to 3600",
        ),
        (with_merge(**BY_KEY, patience=float("nan")), "merge.patience is nan; it must be a number"),
        (with_merge(**BY_KEY, patience=float("inf")), "merge.patience is inf; it must be a number"),
        (with_merge(**BY_KEY, patience=True), "merge.patience is True; it must be a number"),
        (with_merge(**BY_KEY, patience="1"), "merge.patience is '1'; it must be a number"),
        (with_merge(**BY_KEY, complete=1), "merge.complete is 1; it must be true or false"),
        (with_merge(**BY_KEY, flatten="no"), "merge.flatten is 'no'; it must be true or false"),
    ],
)
def test_wrong_sources_and_mergers(mapping, text):
    assert refused(mapping).startswith(text)


# what goes to a stream


@pytest.mark.parametrize(
    "keys, values",
    [
        ({"modulo": "10", "offset": 9}, {"modulo": 10, "offset": 9}),
        ({"htypes": ["a-1.0", "b-1.0"]}, {"htypes": ("a-1.0", "b-1.0")}),
        ({"share": [2, 3], "block": 10}, {"share": (2, 3), "block": 10}),
        ({"share": (0, 1), "series": True}, {"share": (0, 1), "series": True}),
        ({"modulo": 2, "series": True}, {"modulo": 2, "series": True}),
        ({"rate": 10, "series": True, "when_full": "block"}, {"rate": 10.0, "when_full": "block"}),
        ({"rate": 0.1}, {"rate": 0.1}),
        ({"series": True, "mode": "PUB"}, {"series": True, "when_full": "drop_newest"}),
        ({"series": True, "when_full": "drop_oldest"}, {"series": True}),
        ({"name": "viewer"}, {"name": "viewer"}),
        ({"mode": "PUB"}, {"when_full": "drop_newest"}),
        ({"mode": "PUB", "when_full": "BLOCK"}, {"when_full": "block"}),
    ],
)
def test_choices_of_an_output(keys, values):
    output = parse(with_stream(**keys)).streams[1]
    assert type(output) is OutputConfig
    assert {name: getattr(output, name) for name in values} == values


def test_a_tap():
    (tap,) = parse({"source": ONE, "streams": [TAP]}).streams
    assert tap == TapConfig("tcp://*:8889", "TAP", 10, "bind", None, 20.0)
    keys = {"rate": 5, "queue_size": 3, "conn_type": "bind", "name": "viewers"}
    (tap,) = parse({"source": ONE, "streams": [TAP | keys]}).streams
    assert tap == TapConfig("tcp://*:8889", "TAP", 3, "bind", "viewers", 5.0)


@pytest.mark.parametrize(
    "keys, text",
    [
        ({"offset": 1}, "offset is 1; it must be less than modulo, which is 1"),
        ({"modulo": 2, "offset": 2}, "offset is 2; it must be less than modulo, which is 2"),
        ({"modulo": 2, "offset": -1}, "offset is -1; it must be a whole number from 0 up"),
        ({"modulo": 2, "offset": "1"}, "offset is '1'; it must be a whole number from 0 up"),
        ({"htypes": []}, "htypes is []; it must be a list of at least one text"),
        ({"htypes": "dimage-1.0"}, "htypes is 'dimage-1.0'; it must be a list of"),
        ({"htypes": ["dimage-1.0", 1]}, "htypes is ['dimage-1.0', 1]; it must be a list of"),
        ({"htypes": [""]}, "htypes is ['']; it must be a list of at least one text"),
        ({"share": [3, 3]}, "share is [3, 3]; it must be a list [i, n] of two whole numbers"),
        ({"share": [-1, 3]}, "share is [-1, 3]; it must be a list [i, n]"),
        ({"share": [0, 0]}, "share is [0, 0]; it must be a list [i, n]"),
        ({"share": [0]}, "share is [0]; it must be a list [i, n]"),
        ({"share": [0, 1, 2]}, "share is [0, 1, 2]; it must be a list [i, n]"),
        ({"share": [False, True]}, "share is [False, True]; it must be a list [i, n]"),
        ({"share": "12"}, "share is '12'; it must be a list [i, n]"),
        ({"share": 3}, "share is 3; it must be a list [i, n]"),
        ({"share": [0, 2], "block": 0}, "block is 0; it must be a whole number from 1 up"),
        ({"block": 5}, "block is 5; it goes with share, which is missing"),
        ({"series": "yes"}, "series is 'yes'; it must be true or false"),
        ({"series": True}, "series is True; it goes with share, modulo, rate or a when_full"),
        ({"rate": 0}, "rate is 0; it must be a number of messages a second above 0 and up to"),
        ({"rate": -0.0}, "rate is -0.0; it must be a number"),
        ({"rate": -5}, "rate is -5; it must be a number"),
        ({"rate": float("nan")}, "rate is nan; it must be a number"),
        ({"rate": float("inf")}, "rate is inf; it must be a number"),
        ({"rate": 10**400}, "rate is 1000"),
        ({"rate": "10"}, "rate is '10'; it must be a number"),
        (
            {"rate": 10, "when_full": "block"},
            "when_full is 'block'; it must be drop_oldest beside rate, which always keeps",
        ),
        ({"rat": 10}, "rat (value 10) is not a known key; did you mean rate?"),
        ({"mode": "TAP", "rate": 0}, "rate is 0; it must be a number of messages a second above"),
        ({"mode": "TAP", "rate": None}, "rate is None; it must be a number"),
        ({"mode": "TAP", "zzz": 1}, "zzz (value 1) is not a known key; the keys are address, mode"),
    ],
)
def test_wrong_choices_of_a_stream(keys, text):
    assert refused(with_stream(**keys)).startswith(f"streams[1].{text}")


@pytest.mark.parametrize(
    "keys",
    [
        {"modulo": 2},
        {"offset": 0},
        {"htypes": ["a"]},
        {"share": [0, 2]},
        {"block": 1},
        {"series": False},
        {"when_full": "block"},
    ],
)
def test_a_tap_chooses_nothing(keys):
    ((name, value),) = keys.items()
    text = f"streams[1].{name} (value {value!r}) is not for mode TAP; it goes with PUSH or PUB"
    assert refused(with_stream(mode="tap", **keys)) == text


def test_long_values_are_cut():
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


def test_a_key_that_is_there_twice_is_refused(tmp_path):
    path = tmp_path / "split.json"
    path.write_text('{"source": {"address": "ipc://a", "address": "ipc://b"}, "streams": []}')
    with pytest.raises(ConfigError, match=r"address \(value 'ipc://b'\) is given twice in one"):
        load(path)
