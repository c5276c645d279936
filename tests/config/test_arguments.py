"""A setting is checked alike in a configuration and as an argument, in one sentence.

The values are of the kinds of the schema: a setting that is new fails here until there are some,
and until both ways check them.
"""

from dataclasses import replace

import numpy as np
import pytest
import zmq

from gmflow import ByKey, ConfigError, Topology
from gmflow.config import (
    ByKeyConfig,
    FeedConfig,
    OutputConfig,
    RecorderConfig,
    SinkConfig,
    SourceConfig,
    TapConfig,
    from_arguments,
    parse,
)
from gmflow.config.schema import settings_of
from tests.support import refusals

HERE, THERE = "tcp://localhost:7777", "tcp://*:8888"
NAN, INFINITE = float("nan"), float("inf")


def gift(message):
    yield message


# what is wrong, and what is right and read as what: limits from within and from without

TEXTS = ["", 5, b"x", ["a"], "a\nb", object()], [("a b", "a b")]
TRUTHS = [1, "yes", 0.0], [(True, True), (False, False)]
SIZES = ["10", -1, 1.5, True, 2**31], [(0, 0), (2**31 - 1, 2**31 - 1)]
NUMBERS = ["1", 0, 1.5, True, INFINITE], [(1, 1), (10**9, 10**9)]
COUNTS = ["1", -1, 1.5, True, NAN, INFINITE, np.zeros((9, 9))], [(0, 0), (10**9, 10**9)]
POLICIES = [5, "", [], "drop", b"block"], [("BLOCK", "block"), ("drop_oldest", "drop_oldest")]
MAPPINGS = ["abc", 5, ["a"], {5: print}], [({}, {}), ({"a": print}, {"a": print})]

VALUES = {
    "address": ([7777, "", ["tcp://a:1"], "inproc://a\nb"], [(HERE, HERE), ("ipc://a", "ipc://a")]),
    "queue_size": SIZES,
    "linger": (["x", -2, 1.5, True, 2**31, 10**12], [(-1, -1), (2**31 - 1, 2**31 - 1)]),
    "conn_type": ([5, [], "both", ""], [("BIND", "bind"), ("connect", "connect")]),
    "name": TEXTS,
    "step": NUMBERS,
    "decode_threads": (["1", -1, 257, True], [(0, 0), (256, 256)]),
    "count": COUNTS,
    "skip": COUNTS,
    "handlers": ([*MAPPINGS[0], {"a": 5}], MAPPINGS[1]),
    "topics": ([5, [5], [None], ["a", 5], {"a": 1}], [("", ("",)), ([b"a", "b"], (b"a", "b"))]),
    "options": MAPPINGS,
    "modulo": (
        [0, "-2", "two", 2.5, 0.0, INFINITE, True],
        [(1, 1), ("7", 7), (" 07 ", 7), (2.0, 2)],
    ),
    "offset": (["1", -1, 1.5, False], [(0, 0), (9, 9)]),
    "htypes": ([[], "a-1.0", ["a", 1], [""], {"a": 1}], [(["a", "b"], ("a", "b"))]),
    "share": (
        [3, "12", [0], [0, 1, 2], [3, 3], [-1, 3], [0, 0], [False, True], [0, 2.0]],
        [([0, 1], (0, 1)), ((2, 3), (2, 3))],
    ),
    "block": NUMBERS,
    "series": TRUTHS,
    "when_full": POLICIES,
    "rate": ([0, -0.0, -5, True, "10", NAN, INFINITE, 1e6 + 1, 10**400], [(1e6, 1e6), (1, 1.0)]),
    "key": TEXTS,
    "window": (["9", 0, 2**31 + 1, True], [(1, 1), (2**31, 2**31)]),
    "patience": ([-1, "1", True, NAN, INFINITE, 3600.1], [(0, 0.0), (3600, 3600.0)]),
    "complete": TRUTHS,
    "flatten": TRUTHS,
    "messages": ([5, None, "abc", b"abc", {"a": 1}], [([], []), ((), ())]),
    "function": ([5, None, "print"], [(print, print)]),
    "decode": TRUTHS,
    "path": (["", 5, None, b"run"], [("run", "run")]),
}
MODES = {
    SourceConfig: (["push", True, None, "", b"PULL"], [("sub", "SUB"), ("Pull", "PULL")]),
    OutputConfig: (["PULL", True, None, zmq.PULL], [("pUb", "PUB"), ("push", "PUSH")]),
}

BESIDE = {
    "conn_type": {"address": HERE},
    "offset": {"modulo": 10},
    "block": {"share": (0, 2)},
    "series": {"modulo": 2},
}
"""Without which a setting is refused, whatever it is."""

IN_FILE_ALONE = {
    "address": ["localhost:7777", "tcp://localhost:0", "tcp://localhost:65536"],
    "mode": [zmq.PULL, zmq.PUB],
    "key": [print],
}
"""What is wrong in a file, and right or left to ZeroMQ as an argument."""


WAYS = {
    SourceConfig: ("source", {"address": HERE}),
    OutputConfig: ("output", {"address": THERE}),
    TapConfig: ("tap", {"address": THERE}),
    FeedConfig: ("feed", {"messages": []}),
    SinkConfig: ("sink", {"function": print}),
    RecorderConfig: ("recorder", {"path": "run"}),
    ByKeyConfig: ("ByKey", {}),
}


def call(config, /, **settings):
    """Pass settings as arguments."""
    name, must = WAYS[config]
    settings = {**must, **settings}
    if config is ByKeyConfig:
        return ByKey(**settings)
    topology = Topology()
    nodes = [] if config in (SourceConfig, FeedConfig) else [topology.feed([])]
    return getattr(topology, name)(*nodes, **settings)


def read(config, /, **settings):
    """Pass settings as keys of a configuration; return what is read of them."""
    keys = {**WAYS[config][1], **settings}
    source, stream, more = {"address": HERE}, {"address": "tcp://*:9999"}, {}
    if config is SourceConfig:
        source = keys
    elif config is ByKeyConfig:
        more = {"merge": {"strategy": "by_key", **keys}}
    else:
        stream = {"mode": "TAP" if config is TapConfig else "PUSH", **keys}
    whole = parse({"source": source, "streams": [stream], **more})
    return {SourceConfig: whole.sources[0], ByKeyConfig: whole.merge}.get(config, whole.streams[0])


PLACES = {SourceConfig: "source.", ByKeyConfig: "merge."}


def refused(way, config, /, **settings):
    """Return the line with which settings are refused."""
    with refusals.refused(ConfigError) as refusal:
        way(config, **settings)
    return refusal.line


def values_of(config, name):
    """Return wrong and right values of a setting; there are some for each."""
    wrong, right = MODES[config] if name == "mode" else VALUES[name]
    assert wrong and right
    return wrong, right


def each(config):
    """Return the settings of a class by name, but for what another function stands for."""
    settings = settings_of(config)
    settings.pop({TapConfig: "mode", ByKeyConfig: "strategy"}.get(config), None)
    return settings.items()


every_class = pytest.mark.parametrize("config", WAYS, ids=lambda config: config.__name__)


@every_class
def test_a_wrong_value_is_one_sentence_in_both_ways(config):
    for name, setting in each(config):
        for value in values_of(config, name)[0]:
            given = {**BESIDE.get(name, {}), name: value}
            line = f"{name} is {f'{value!r:.80}'.replace(chr(10), ' ')}; it can be "
            if value is not None or not setting.optional:
                assert refused(call, config, **given) == line + setting.argument.allowed
            if setting.key is not None:
                place = PLACES.get(config, "streams[0].")
                assert refused(read, config, **given) == place + line + setting.key.allowed


def test_what_is_allowed_is_the_same_in_both_ways():
    for config in WAYS:
        for name, setting in each(config):
            if setting.key is not None and name not in IN_FILE_ALONE:
                assert setting.argument is setting.key


@every_class
def test_a_right_value_is_read_alike_in_both_ways(config):
    for name, setting in each(config):
        for value, meant in values_of(config, name)[1]:
            given = {**BESIDE.get(name, {}), name: value}
            as_argument = from_arguments(config, {**WAYS[config][1], **given})
            got = getattr(as_argument, name)
            assert (name, got, type(got)) == (name, meant, type(meant))
            call(config, **given)
            if setting.key is not None:
                assert read(config, **given) == as_argument


@every_class
def test_none_is_what_holds_by_default_but_not_in_a_file(config):
    for name, setting in each(config):
        if not setting.optional:
            assert refused(call, config, **{name: None}).startswith(f"{name} is None; it can be ")
        else:
            call(config, **{name: None})
            got = from_arguments(config, {**WAYS[config][1], name: None})
            usual = from_arguments(config, WAYS[config][1])
            assert got == (usual if name != "rate" else replace(usual, rate=None))
        if setting.key is not None:
            line = refused(read, config, **{name: None})
            assert line.endswith(f"{name} is None; it can be {setting.key.allowed}")


@pytest.mark.parametrize("name", IN_FILE_ALONE)
def test_what_a_file_alone_can_not_say(name):
    for value in IN_FILE_ALONE[name]:
        config = {"key": ByKeyConfig, "mode": OutputConfig if value == zmq.PUB else SourceConfig}
        assert f"{name} is {value!r:.80}; it can be" in refused(
            read, config.get(name, SourceConfig), **{name: value}
        )
        call(config.get(name, SourceConfig), **{name: value})


CONTRADICTIONS = [
    ({"offset": 1}, "offset is 1; it must be less than modulo, which is 1"),
    ({"modulo": 2, "offset": 2}, "offset is 2; it must be less than modulo, which is 2"),
    ({"block": 5}, "block is 5; it goes with share, which is missing"),
    (
        {"series": True},
        "series is True; it goes with share, modulo, rate or a when_full that drops,"
        " which are missing",
    ),
    (
        {"series": True, "when_full": "block", "mode": "PUB"},
        "series is True; it goes with share, modulo, rate or a when_full that drops,"
        " which are missing",
    ),
    *(
        (
            {"rate": 10, "when_full": policy},
            f"when_full is '{policy}'; it can be drop_oldest beside rate, which always keeps"
            " the newest message",
        )
        for policy in ("block", "drop_newest")
    ),
    (
        {"conn_type": "connect"},
        "conn_type is 'connect'; it can be bind alone, as tcp://*:8888 names no host",
    ),
]


@pytest.mark.parametrize("given, line", CONTRADICTIONS)
def test_settings_that_contradict_one_another(given, line):
    assert refused(call, OutputConfig, **given) == line
    assert refused(read, OutputConfig, **given) == f"streams[0].{line}"


@pytest.mark.parametrize(
    "given",
    [
        {"modulo": 2, "offset": 1},
        {"share": (0, 1), "series": True},
        {"share": [2, 3], "block": 10},
        {"rate": 0.1, "when_full": "drop_oldest"},
        {"rate": 10, "series": True, "when_full": "block"},
        {"series": True, "mode": "PUB"},
        {"series": True, "when_full": "drop_oldest"},
        {"conn_type": "connect", "address": "tcp://localhost:1"},
    ],
)
def test_settings_that_go_with_one_another(given):
    call(OutputConfig, **given)
    assert read(OutputConfig, **given) == from_arguments(OutputConfig, {"address": THERE, **given})


def test_a_refused_node_is_not_there():
    topology = Topology()
    with pytest.raises(ConfigError):
        topology.source(HERE, queue_size=-1)
    assert topology.statistics()["nodes"] == {}


def test_a_configuration_is_not_checked_again(monkeypatch):
    config = parse(
        {
            "source": {"address": HERE},
            "streams": [{"address": THERE}, {"address": "tcp://*:1", "mode": "TAP"}],
        }
    )
    monkeypatch.setattr("gmflow.green.topology.topology.from_arguments", None)
    nodes = Topology.from_config(config).statistics()["nodes"]
    assert [node["kind"] for node in nodes.values()] == ["source", "output", "tap"]
