"""m_split with its configuration: what --check shows, what --json writes, what the keys do."""

import json

import pytest
import zmq

from gmflow.config import MERGE, OUTPUT, SOURCE
from tests.support.scripts import free_address, until

EIGER = [b'{"htype": "dheader-1.0", "series": %d}', b'{"htype": "dseries_end-1.0", "series": %d}']


@pytest.fixture
def file(tmp_path):
    """Write a configuration into a file."""

    def write(config):
        path = tmp_path / "split.json"
        path.write_text(json.dumps(config))
        return path

    return write


def message(number, htype="raw-1.0"):
    return [json.dumps({"htype": htype, "frame": number}).encode(), b"%d" % number]


def bound(address, **keys):
    return {"address": address, "conn_type": "bind", **keys}


def paragraphs(text):
    """Read what --check shows: for each node its settings."""
    found = {}
    for paragraph in text.rstrip("\n").split("\n\n"):
        name, *lines = paragraph.splitlines()
        found[name] = dict(line.split(maxsplit=1) for line in lines)
    return found


# --check


def test_check_shows_every_node_and_setting(scripts, file):
    config = {
        "sources": [
            {"address": "tcp://camera1:9999", "name": "camera 1", "step": 4},
            {"address": "ipc:///run/camera2", "mode": "sub", "queue_size": 7},
        ],
        "merge": {"strategy": "by_key", "patience": 0.5},
        "streams": [
            {"address": "tcp://*:8888", "modulo": "10", "offset": 3, "htypes": ["a-1.0", "b-1.0"]},
            {"address": "tcp://*:8889", "mode": "pub", "share": [1, 3], "block": 5, "rate": 2.5},
            {"address": "tcp://*:8890", "mode": "tap", "name": "viewers"},
        ],
    }
    result = scripts.run("m_split", "--check", "-c", file(config))
    assert (result.status, result.err) == (0, "")
    found = paragraphs(result.out)
    outputs = ["output tcp://*:8888", "output tcp://*:8889", "viewers"]
    assert list(found) == ["camera 1", "source ipc:///run/camera2", "merger", *outputs]
    assert found["camera 1"] == {
        "goes": "to         merger",
        "address": "tcp://camera1:9999",
        "mode": "PULL",
        "queue_size": "100",
        "conn_type": "connect",
        "step": "4",
        "decode_threads": "1",
    }
    assert found["merger"] == {
        "goes": f"to         {', '.join(outputs)}",
        "strategy": "by_key",
        "key": "pulse_id",
        "window": "32",
        "patience": "0.5",
        "complete": "true",
        "flatten": "false",
    }
    assert found["output tcp://*:8888"]["comes"] == "from      merger"
    first, second, tap = (found[name] for name in outputs)
    assert (first["modulo"], first["offset"], first["htypes"]) == ("10", "3", '["a-1.0", "b-1.0"]')
    assert (second["share"], second["block"], second["rate"]) == ("[1, 3]", "5", "2.5")
    assert (first["when_full"], second["when_full"]) == ("block", "drop_newest")
    assert (first["share"], first["rate"]) == ("everything", "no limit")
    assert (tap["mode"], tap["rate"]) == ("TAP", "20.0")
    shown = {name for settings in found.values() for name in settings}
    assert shown == {*SOURCE, *MERGE, *OUTPUT, "goes", "comes"} - {"name"}


def test_check_opens_nothing(scripts, peers, file):
    _, taken = peers.server()
    config = {"source": bound(taken), "streams": [{"address": "tcp://127.0.0.1:9999"}]}
    assert scripts.run("m_split", "-c", file(config)).status == 1
    result = scripts.run("m_split", "--check", "-c", file(config))
    assert (result.status, result.err) == (0, "")
    source, output = paragraphs(result.out)
    assert (source, output) == (f"source {taken}", "output tcp://127.0.0.1:9999")
    assert paragraphs(result.out)[source]["goes"] == f"to         {output}"


def test_check_of_the_command_line(scripts):
    result = scripts.run("m_split", "--check", "tcp://a:1", "tcp://127.0.0.1:2", "tcp://*:3")
    assert (result.status, result.err) == (0, "")
    found = paragraphs(result.out)
    assert list(found) == ["source tcp://a:1", "output tcp://127.0.0.1:2", "output tcp://*:3"]
    assert [settings["conn_type"] for settings in found.values()] == ["connect", "bind", "bind"]


SOURCE_AND = {"source": {"address": "tcp://a:1"}}


@pytest.mark.parametrize("check", [["--check"], []])
@pytest.mark.parametrize(
    "config, words",
    [
        (
            SOURCE_AND | {"streams": [{"address": "tcp://*:2", "share": [3, 3]}]},
            "streams[0].share is [3, 3]; it can be a list [i, n] of two whole numbers",
        ),
        (
            SOURCE_AND | {"streams": [{"address": "tcp://*:2", "mode": "TAP", "modulo": 2}]},
            "streams[0].modulo (value 2) is not for mode TAP; it goes with PUSH or PUB",
        ),
        (
            SOURCE_AND | {"streams": [{"address": "tcp://*:2"}], "merge": {"strategy": "by_kez"}},
            "merge.strategy is 'by_kez'; it can be round_robin, arrival or by_key",
        ),
        (
            {"sources": [{"address": "tcp://*:2"}], "streams": [{"address": "tcp://*:2"}]},
            "streams[0].address is 'tcp://*:2'; it is bound by sources[0] already",
        ),
    ],
)
def test_a_wrong_configuration_is_one_line(scripts, file, check, config, words):
    path = file(config)
    result = scripts.run("m_split", *check, "-c", path)
    assert (result.status, result.out, result.err.count("\n")) == (2, "", 1)
    assert result.err.startswith(f"m_split: {path}: {words}")


def test_check_is_no_run(scripts):
    result = scripts.run("m_split", "--check", "--json", "tcp://a:1", "tcp://*:2")
    assert (result.status, result.out) == (2, "")
    assert "leave one of them out" in result.err


# --json


def test_json_has_the_whole_account(scripts, peers, file):
    source, every, tenth = (free_address() for _ in range(3))
    config = {"source": {"address": source}, "streams": [bound(every), bound(tenth, modulo=10)]}
    script = scripts.start("m_split", "--json", "-c", file(config))
    peers.open(zmq.PUSH, source, bind=True).until_met().send(*map(message, range(100)))
    assert len(peers.open(zmq.PULL, every).receive_all(100)) == 100
    peers.open(zmq.PULL, tenth).receive_all(10)
    until(lambda: output_of(script.out.next("{"), tenth)["sent"] == 10)
    result = script.end()
    assert (result.status, result.err) == (0, "")
    lines = result.out.splitlines()
    assert len(lines) >= 2 and all(set(json.loads(line)) == {"seconds", "nodes"} for line in lines)
    last = output_of(lines[-1], tenth)
    assert (last["kind"], last["received"], last["sent"]) == ("output", 100, 10)
    assert (last["dropped"], last["left_over"]) == ({"modulo": 90}, 0)


def output_of(line, address):
    return json.loads(line)["nodes"][f"output {address}"]


# what the keys do


def test_sources_are_merged_and_shared_out(scripts, peers, file):
    one, two, *outputs = (free_address() for _ in range(5))
    shares = [
        {"share": [0, 2], "block": 3},
        {"share": [1, 2], "block": 3},
        {"modulo": 5, "offset": 2},
    ]
    config = {
        "sources": [{"address": one}, {"address": two}],
        "merge": {"strategy": "round_robin"},
        "streams": [bound(address, **keys) for address, keys in zip(outputs, shares, strict=True)],
    }
    script = scripts.start("m_split", "-c", file(config))
    pulls = [peers.open(zmq.PULL, address).until_met() for address in outputs]
    for first, address in enumerate((one, two)):
        peers.open(zmq.PUSH, address, bind=True).send(*map(message, range(first, 60, 2)))
    assert pulls[0].receive_all(30) == [message(n) for n in range(60) if n // 3 % 2 == 0]
    assert pulls[1].receive_all(30) == [message(n) for n in range(60) if n // 3 % 2 == 1]
    assert pulls[2].receive_all(12) == [message(n) for n in range(60) if (n + 1) % 5 == 2]
    assert script.end().status == 0


def test_a_series_is_whole_for_every_receiver(scripts, peers, file):
    source, *outputs = (free_address() for _ in range(4))
    streams = [
        bound(address, share=[index, 3], series=True) for index, address in enumerate(outputs)
    ]
    script = scripts.start(
        "m_split", "-c", file({"source": {"address": source}, "streams": streams})
    )
    pulls = [peers.open(zmq.PULL, address).until_met() for address in outputs]
    start, end = ([part % 7] for part in EIGER)
    images = [message(number, "dimage-1.0") for number in range(10)]
    peers.open(zmq.PUSH, source, bind=True).send(start, *images, end)
    for index, pull in enumerate(pulls):
        mine = images[index::3]
        assert pull.receive_all(len(mine) + 2) == [start, *mine, end]
    assert script.end().status == 0


def test_htypes_and_a_rate(scripts, peers, file):
    source, chosen, slow = (free_address() for _ in range(3))
    streams = [bound(chosen, htypes=["b-1.0"]), bound(slow, rate=0.01)]
    path = file({"source": {"address": source}, "streams": streams})
    script = scripts.start("m_split", "--json", "-c", path)
    pulls = [peers.open(zmq.PULL, address).until_met() for address in (chosen, slow)]
    push = peers.open(zmq.PUSH, source, bind=True)
    push.send(message(0, "b-1.0"))
    assert pulls[1].receive() == message(0, "b-1.0")
    push.send(*(message(number, "ab"[number % 2] + "-1.0") for number in range(1, 101)))
    assert pulls[0].receive_all(51) == [message(n, "b-1.0") for n in (0, *range(1, 100, 2))]
    until(lambda: output_of(script.out.next("{"), slow)["dropped"] == {"rate": 99})
    result = script.end()
    assert result.status == 0
    last = result.out.splitlines()[-1]
    assert output_of(last, chosen)["dropped"] == {"htype": 50}
    assert output_of(last, slow)["received"] == 101
    assert pulls[1].receive() == message(100, "a-1.0")  # nothing waits for its turn at the end


def test_a_tap_shows_the_newest(scripts, peers, file):
    source, output, viewers = (free_address() for _ in range(3))
    streams = [bound(output), bound(viewers, mode="TAP", rate=1000, name="viewers")]
    path = file({"source": {"address": source}, "streams": streams})
    script = scripts.start("m_split", "--json", "-c", path)
    push = peers.open(zmq.PUSH, source, bind=True)
    pull = peers.open(zmq.PULL, output).until_met()
    push.until_met().send(message(0))
    assert pull.receive() == message(0)
    sub = peers.open(zmq.SUB, viewers).until_met()
    number = 1
    while not sub.socket.poll(20):  # until the subscription is there
        push.send(message(number))
        assert pull.receive() == message(number)
        number += 1
    assert json.loads(sub.receive()[0])["frame"] > 0
    result = script.end()
    assert (result.status, result.err) == (0, "")
    nodes = json.loads(result.out.splitlines()[-1])["nodes"]
    assert (nodes["viewers"]["kind"], nodes["viewers"]["received"]) == ("tap", number)
