"""What m_stats and m_split account for; and that the books of every kind of node add up."""

import json
import re
import signal

import gevent
import pytest
import zmq

from gmflow import Topology
from gmflow.merging import Arrival, ByKey
from tests.support.green import books, endpoint, peer, until
from tests.support.scripts import free_address, row

UPSTREAM = ["missing", "duplicates", "out_of_order", "restarts"]


def numbered(frames):
    for frame in frames:
        header = {"htype": "array-1.0", "type": "uint8", "shape": [3], "frame": frame}
        yield [json.dumps(header).encode(), b"abc"]


def series(number, announced, frames):
    config = json.dumps({"nimages": announced, "ntrigger": 1}).encode()
    yield [b'{"header_detail":"basic","htype":"dheader-1.0","series":%d}' % number, config]
    for frame in frames:
        head = b'{"frame":%d,"hash":"","htype":"dimage-1.0","series":%d}' % (frame, number)
        yield [head, b"{}", b"blob", b"{}"]
    yield [b'{"htype":"dseries_end-1.0","series":%d}' % number]


@pytest.fixture
def stats(scripts, peers):
    """Have m_stats see messages to the last one; return how it ended."""

    def run(messages, *options):
        messages = list(messages)
        address = free_address()
        script = scripts.start("m_stats", *options, "-n", len(messages), address)
        peers.open(zmq.PUSH, address, bind=True).until_met().send(*messages)
        return script.wait()

    return run


def objects(out):
    """Return what lines of JSON hold: standard output must have nothing else."""
    assert out.endswith("\n")
    return [json.loads(line) for line in out.splitlines()]


def next_counted(script):
    """Return the next snapshot that knows of messages."""
    while source_of(found := json.loads(script.out.next("{")))["upstream"] is None:
        pass
    return found


def source_of(snapshot):
    (source,) = (node for node in books(snapshot).values() if node["kind"] == "source")
    return source


def upstream_of(snapshot):
    found = source_of(snapshot)["upstream"]
    return found["counter"], *(found[name] for name in UPSTREAM)


# m_stats


def test_stats_sums_up_below_the_lines_of_mflow(stats):
    result = stats(numbered([0, 1, 2, 5, 4, 4, 6, 7, 0, 1, 2, 3]), "-i", "0")
    assert (result.status, result.err) == (0, "")
    lines = result.out.splitlines()
    assert [line for line in lines if line.startswith("Messages received:")] == [
        "Messages received:            12 messages"
    ]
    below = lines[max(n for n, line in enumerate(lines) if line == "_" * 60) + 1 :]
    assert below[:-1] == [
        "Missing upstream:              1 messages by frame",
        "Duplicates:                    1 messages",
        "Out of order:                  1 messages",
        "Restarts:                      1 times",
        "Lost here:                     0 messages",
    ]
    assert re.fullmatch(r"Last message:  +\d+\.\d{3} s before the end", below[-1])


def test_stats_without_a_counter_says_so(stats):
    result = stats([[b"no header"]] * 5)
    assert (result.status, result.err) == (0, "")
    assert re.search(r"^Missing upstream: +0 known of: no counter$", result.out, re.M)


@pytest.mark.parametrize("json_too", [(), ("--json",)])
def test_stats_that_expects_no_loss_warns_where_none_upstream_could_be_seen(stats, json_too):
    result = stats([[b"no header"]] * 5, "--expect-no-loss", *json_too)
    assert result.status == 0
    assert re.fullmatch(
        r"m_stats: tcp://\S+: messages have no frame, pulse_id or image_id:"
        r" only losses here are seen\n",
        result.err,
    )


def test_stats_without_messages_sums_up_nothing(scripts):
    script = scripts.start("m_stats", "--expect-no-loss", free_address())
    script.out.next("mflow stats")
    result = script.end()
    assert result.status == 0
    assert result.err.endswith(": no message came\n")
    assert result.out.splitlines()[-2:] == ["No messages received.", "_" * 60]


@pytest.mark.parametrize("interval", ["0.05", "0"])
def test_stats_writes_json_and_nothing_else(stats, interval):
    result = stats(numbered([*range(30), *range(33, 50)]), "--json", "-i", interval)
    assert (result.status, result.err) == (0, "")
    snapshots = objects(result.out)
    if interval == "0":
        assert [one["nodes"]["meter"]["sent"] for one in snapshots] == [*range(1, 48), 47]
    last = books(snapshots[-1])
    assert (last["meter"]["received"], last["meter"]["sent"]) == (47, 47)
    source = source_of(snapshots[-1])
    assert source["bytes_received"] == sum(
        len(part) for parts in numbered([*range(30), *range(33, 50)]) for part in parts
    )
    assert upstream_of(snapshots[-1]) == ("frame", 3, 0, 0, 0)
    assert source["upstream"]["seconds_since_last"] >= 0


def test_stats_writes_json_though_nothing_comes(scripts, peers):
    address = free_address()
    script = scripts.start("m_stats", "--json", "-i", "0.05", address)
    push = peers.open(zmq.PUSH, address, bind=True).until_met()
    before = json.loads(script.out.next("{"))
    assert source_of(before)["upstream"] is None
    push.send(*numbered([7]))
    silent = [next_counted(script) for _ in range(3)]
    seconds = [source_of(one)["upstream"]["seconds_since_last"] for one in silent]
    assert seconds == sorted(set(seconds))
    result = script.end(signal.SIGINT)
    assert (result.status, result.err) == (0, "")
    assert upstream_of(objects(result.out)[-1]) == ("frame", 0, 0, 0, 0)


@pytest.mark.parametrize("json_too", [[], ["--json"]])
@pytest.mark.parametrize(
    ("messages", "status"),
    [
        (list(numbered(range(100))), 0),
        (list(numbered([0, 1, 1, 3, 2, 4])), 0),
        (list(numbered([0, 1, 3, 4])), 1),
        ([*series(1, 5, range(5)), *series(2, 3, range(3))], 0),
        ([*series(1, 5, range(5)), *series(2, 3, range(2))], 1),
    ],
    ids=["whole", "in disorder", "gap", "series", "end of a series"],
)
def test_stats_fails_on_loss_if_none_is_expected(stats, messages, status, json_too):
    result = stats(messages, "--expect-no-loss", *json_too)
    assert result.status == status
    said = r"m_stats: messages of tcp://127\.0\.0\.1:\d+ were lost: missing 1\n"
    assert re.fullmatch(said if status else "", result.err)


def test_stats_without_the_option_reports_loss_and_succeeds(stats):
    result = stats(numbered([0, 2]), "-i", "0")
    assert (result.status, result.err) == (0, "")
    assert re.search(r"^Missing upstream: +1 messages by frame$", result.out, re.M)


# m_split


def test_split_prints_what_did_not_reach_it(scripts, peers):
    source, output = free_address(), free_address()
    script = scripts.start("m_split", source, output)
    push = peers.open(zmq.PUSH, source, bind=True).until_met()
    pull = peers.open(zmq.PULL, output).until_met()
    messages = list(numbered([5, 6, 9, 8, 10, 10]))
    push.send(*messages)
    assert pull.receive_all(6) == messages
    result = script.end()
    assert (row(result.out, "source").received, row(result.out, "output").sent) == (6, 6)
    expected = "upstream by frame: missing 1, duplicates 1, out of order 1, restarts 0; last "
    assert expected in result.out


def test_split_writes_json_each_second_and_at_the_end(scripts, peers):
    source, output = free_address(), free_address()
    script = scripts.start("m_split", "--json", source, output)
    push = peers.open(zmq.PUSH, source, bind=True).until_met()
    pull = peers.open(zmq.PULL, output).until_met()
    push.send(*numbered(range(0, 10, 2)))
    pull.receive_all(5)
    assert upstream_of(next_counted(script)) == ("frame", 4, 0, 0, 0)
    result = script.end()
    assert (result.status, result.err) == (0, "")
    assert upstream_of(objects(result.out)[-1]) == ("frame", 4, 0, 0, 0)


# the books


def pulses(numbers, text):
    return ([b'{"htype": "raw-1.0", "pulse_id": %d}' % n, text] for n in numbers)


def strange(frames):
    """Return messages of which some can't be decoded, and some are of no known htype."""
    for number, parts in enumerate(numbered(frames)):
        yield [[b"{"], [b'{"htype": "nonsense"}'], parts][number % 3]


@pytest.mark.parametrize("cut_short", [False, True], ids=["to the end", "stopped"])
def test_the_books_of_every_kind_of_node_add_up(cut_short, caplog):
    caplog.set_level("CRITICAL")
    topology = Topology()
    with (
        peer(zmq.PUSH, SNDTIMEO=10_000) as push,
        peer(zmq.PULL, RCVHWM=10_000) as pull,
        peer(zmq.SUB, RCVHWM=1) as viewer,
    ):
        source = topology.source(endpoint(push), count=300, name="source")
        merger = everything(topology, source, endpoint(pull), endpoint(viewer))
        topology.start()
        for parts in numbered(range(300)):
            push.send_multipart(parts)  # it fits into the queues
        until(lambda: merger.statistics.sent > 100, 20)
        if not cut_short:
            assert topology.join(20)
        topology.stop(1)
    nodes = books(topology.statistics())
    kinds = {node["kind"] for node in nodes.values()}
    assert kinds == {"source", "feed", "merger", "output", "tap", "sink"}
    if not cut_short:
        assert nodes["source"]["sent"] == nodes["strange"]["sent"] == 300
        assert nodes["raw"]["received"] == nodes["raw"]["sent"] == nodes["turns"]["sent"] > 600
        assert (nodes["sink"]["failed"], nodes["sink"]["sent"]) == (200, 400)
        assert nodes["keyed"]["unmatched"]
        assert nodes["rate"]["dropped"]["rate"] and nodes["tap"]["dropped"]
        assert not any(node["left_over"] for node in nodes.values())


def everything(topology, source, there, viewer):
    """Tie a source to nodes of every kind; return the last merger."""
    to_pull = {"conn_type": "connect", "linger": 0}
    feeds = [
        topology.feed(pulses(range(0, 400, step), b"%d" % step), name=f"feed {step}")
        for step in (1, 2, 3)
    ]
    keyed = topology.merge(*feeds, strategy=ByKey(window=8, patience=0.05), name="keyed")
    odd = topology.feed(strange(range(300)), name="strange")
    arrivals = topology.merge(source, odd, strategy=Arrival, name="arrivals")
    turns = topology.merge(arrivals, keyed, name="turns")
    for policy in ("block", "drop_newest", "drop_oldest"):
        options = {**to_pull, "when_full": policy, "name": policy}
        topology.output(turns, there, "PUSH", 3, offset=1, **options)
    topology.output(turns, there, rate=5, name="rate", **to_pull)
    topology.output(turns, there, share=(1, 3), block=2, series=True, **to_pull)
    topology.output(turns, viewer, "PUB", name="pub", **to_pull)
    topology.tap(turns, "tcp://127.0.0.1:*", linger=0, name="tap")
    topology.sink(arrivals, lambda message: gevent.sleep(0), name="sink")
    topology.sink(turns, lambda message: None, decode=False, name="raw")
    return turns
