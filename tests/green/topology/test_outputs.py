"""Outputs: series shared out over real sockets, receivers that never read, and rates."""

import json
from contextlib import ExitStack
from itertools import count
from time import monotonic

import gevent
import pytest
import zmq
from gevent.event import Event
from hypothesis import given
from hypothesis import strategies as st

from gmflow import ConfigError, Topology
from gmflow.formats import htype_of, is_series_edge
from gmflow.green.topology.links import Inlet
from gmflow.green.topology.rate_limit import PacedInlet
from gmflow.message import Message
from gmflow.statistics import NodeStatistics
from tests.support.captures import needs_captures, read_capture
from tests.support.green import DEADLINE, books, endpoint, peer, until


@pytest.fixture
def topology():
    topology = Topology()
    yield topology
    topology.stop(0.2)
    books(topology.statistics())


def numbered(count, *more):
    return [[b"head", b"%d" % number, *more] for number in range(count)]


def number(parts):
    return int(parts[1])


def part(**header):
    return json.dumps(header).encode()


def drain(socket, count):
    """Return the messages that a plain socket has to get, and one more if it gets that."""
    got = []
    while socket.poll(5000 if len(got) < count else 50) and len(got) <= count:
        got.append(socket.recv_multipart())
    return got


# series, shared out


def edge(parts):
    return is_series_edge(Message(parts=parts))


def share_out(topology, messages, receivers, **options):
    """Send messages through a source to outputs that share them; return what each receiver got."""
    with ExitStack() as stack:
        sender = stack.enter_context(peer(zmq.PUSH, SNDHWM=0))
        pullers = [stack.enter_context(peer(zmq.PULL, RCVHWM=0)) for _ in range(receivers)]
        source = topology.source(endpoint(sender), count=len(messages), queue_size=0)
        for index, puller in enumerate(pullers):
            share = {"share": (index, receivers), "series": True, **options}
            topology.output(source, endpoint(puller), name=f"out {index}", **share)
        topology.start()
        for parts in messages:
            sender.send_multipart(parts)
        assert topology.join(20)
        sent = [topology._nodes[f"out {index}"].statistics.sent for index in range(receivers)]
        return [drain(*pair) for pair in zip(pullers, sent, strict=True)]


@needs_captures
@pytest.mark.parametrize(
    "name, htypes",
    [
        ("maxiv-eiger1-1m/series14", ["dheader-1.0", "dimage-1.0"]),
        (
            "tickit-devices-0.4.1-simulator/legacy_basic",
            ["dheader-1.0", "dimage-1.0", "dseries_end-1.0"],
        ),
        ("maxiv-eiger-stream2/series", ["end", "image", "start"]),
    ],
)
@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
def test_three_receivers_share_an_eiger_series(topology, name, htypes, times):
    messages = read_capture(name) * times
    assert sorted({htype_of(Message(parts=parts)) for parts in messages}) == htypes
    got = share_out(topology, messages, 3)
    edges = [parts for parts in messages if edge(parts)]
    series = [parts for parts in read_capture(name) if not edge(parts)]
    for index, received in enumerate(got):
        assert [parts for parts in received if edge(parts)] == edges
        assert edge(received[0])
        assert [parts for parts in received if not edge(parts)] == series[index::3] * times
    images = sorted(parts for received in got for parts in received if not edge(parts))
    assert images == sorted(parts for parts in messages if not edge(parts))
    nodes = books(topology.statistics())
    for index, received in enumerate(got):
        dropped = {"share": len(messages) - len(received)}
        assert nodes[f"out {index}"]["sent"] == len(received)
        assert nodes[f"out {index}"]["dropped"] == {k: v for k, v in dropped.items() if v}


def test_options_of_an_output_are_applied_in_order(topology):
    images = [[part(htype="dimage-1.0", series=1, frame=n)] for n in range(24)]
    other = [[part(htype="other")] for _ in range(5)]
    messages = [[part(htype="dheader-1.0", series=1)], *other, *images]
    options = {"htypes": ["dheader-1.0", "dimage-1.0"], "block": 4, "modulo": 2, "offset": 1}
    left, right = share_out(topology, messages, 2, **options)
    assert left == [messages[0], *(images[n] for n in (0, 2, 8, 10, 16, 18))]
    assert right == [messages[0], *(images[n] for n in (4, 6, 12, 14, 20, 22))]
    dropped = books(topology.statistics())["out 0"]["dropped"]
    assert dropped == {"htype": 5, "share": 12, "modulo": 6}


@pytest.mark.parametrize(
    "options", [{"share": (3, 3)}, {"rate": 0}, {"rate": True}, {"series": 1}, {"offset": 2}]
)
def test_what_is_not_allowed_is_refused_before_a_node_is_added(topology, options):
    feed = topology.feed([])
    with pytest.raises(ConfigError):
        topology.output(feed, "tcp://127.0.0.1:*", **options)
    assert feed.splitter.inlets == []


# a receiver that never reads


@pytest.fixture
def ipc(tmp_path):
    """Return an address where the kernel keeps few messages, but passes them on without delay."""
    return f"ipc://{tmp_path}/stuck"


def beside_a_stuck_one(stack, topology, ipc, messages, when_full):
    """Have three outputs that are read and one that is not; return their receivers, stuck last."""
    stuck = stack.enter_context(peer(zmq.PULL, ipc, RCVHWM=1))
    pullers = [stack.enter_context(peer(zmq.PULL)) for _ in range(3)]
    feed = topology.feed(messages, name="feed")
    for index, puller in enumerate(pullers):
        topology.output(feed, endpoint(puller), name=f"out {index}")
    topology.output(feed, ipc, "PUSH", 1, when_full, 5, "bind", linger=0, name="stuck")
    return pullers, stuck


def then_wait(messages, going):
    """Return messages, and end when an event is set.

    A receiver with a full queue loses what it has not read when its sender is gone: libzmq gives
    up the connection, with what is in it, at the hang-up.
    """
    yield from messages
    going.wait()


def collect(sockets):
    """Have a greenlet for each plain socket take what comes; return the lists they fill."""
    taken = [[] for _ in sockets]

    def take(socket, got):
        while True:
            if socket.poll(0):
                got.append(number(socket.recv_multipart()))
            else:
                gevent.sleep(0.001)

    return taken, [gevent.spawn(take, *pair) for pair in zip(sockets, taken, strict=True)]


@pytest.mark.parametrize("when_full", ["drop_newest", "drop_oldest"])
def test_a_stuck_receiver_costs_the_others_nothing(topology, ipc, when_full):
    total, going = 1000, Event()
    with ExitStack() as stack:
        messages = then_wait(numbered(total, bytes(5000)), going)
        pullers, stuck = beside_a_stuck_one(stack, topology, ipc, messages, when_full)
        taken, greenlets = collect(pullers)
        topology.start()
        until(lambda: [len(got) for got in taken] == [total] * 3, 20)
        gevent.killall(greenlets)
        assert taken == [list(range(total))] * 3
        statistics = topology._nodes["stuck"].statistics
        (late,), greenlets = collect([stuck])  # now it reads
        until(lambda: len(late) + statistics.dropped["full"] >= total)
        gevent.killall(greenlets)
        going.set()
        assert topology.join(5)
    nodes = books(topology.statistics())
    assert nodes["stuck"]["sent"] == len(late) < total
    assert nodes["stuck"]["dropped"] == {"full": total - len(late)}
    assert late == sorted(set(late))
    assert (late[-1] == total - 1) is (when_full == "drop_oldest")
    assert [nodes[f"out {index}"]["sent"] for index in range(3)] == [total] * 3


def test_a_stuck_receiver_that_blocks_has_everything_wait_and_nothing_lost(topology, ipc):
    total, going = 1000, Event()
    with ExitStack() as stack:
        messages = then_wait(numbered(total, bytes(5000)), going)
        pullers, stuck = beside_a_stuck_one(stack, topology, ipc, messages, "block")
        taken, greenlets = collect(pullers)
        topology.start()
        feed = topology._nodes["feed"]
        until(lambda: feed.statistics.received > feed.statistics.sent)  # it waits for room
        gevent.sleep(0.1)
        assert all(len(got) < total for got in taken)
        late, more = collect([stuck])
        until(lambda: all(len(got) == total for got in [*taken, *late]), 20)
        gevent.killall(greenlets + more)
        going.set()
        assert topology.join(5)
        assert [*taken, *late] == [list(range(total))] * 4
    nodes = books(topology.statistics())
    assert all(node["sent"] == total and not node["dropped"] for node in nodes.values())


def test_a_stop_beside_a_stuck_receiver_accounts_for_every_message(topology, ipc):
    with ExitStack() as stack:
        endless = ([b"head", b"%d" % n, bytes(5000)] for n in count())
        pullers, _ = beside_a_stuck_one(stack, topology, ipc, endless, "drop_oldest")
        taken, greenlets = collect(pullers)
        topology.start()
        until(lambda: topology._nodes["stuck"].statistics.dropped.get("full", 0) > 500, 20)
        topology.stop(1)
        gevent.killall(greenlets)
    nodes = books(topology.statistics())
    received = {nodes[name]["received"] for name in ("stuck", "out 0", "out 1", "out 2")}
    assert received == {nodes["feed"]["sent"]}
    assert nodes["stuck"]["left_over"] > 100
    assert all(len(got) > 100 for got in taken)


@pytest.mark.parametrize("when_full", ["drop_newest", "drop_oldest"])
def test_an_output_that_drops_loses_nothing_while_its_reader_waits_for_the_hub_alone(when_full):
    statistics, got = NodeStatistics(), []
    inlet = Inlet(statistics, when_full=when_full)

    def read():
        while messages := inlet.channel.get():
            got.extend(messages)

    reader = gevent.spawn(read)
    gevent.idle()
    messages = [Message(None, n, [b"x"]) for n in range(64 * 50)]
    for begin in range(0, len(messages), 64):
        inlet.accept(messages[begin : begin + 64])
    inlet.channel.close()
    reader.join(1)
    assert got == messages and statistics.dropped == {}


def test_a_kill_while_a_reader_has_its_turn_leaves_the_rest_over():
    statistics = NodeStatistics()
    inlet = Inlet(statistics, when_full="drop_newest")
    reader = gevent.spawn(inlet.channel.get)
    gevent.idle()
    messages = [Message(None, n, [b"x"]) for n in range(138)]

    def write():
        inlet.accept(messages[:128])
        inlet.accept(messages[128:])  # is killed before the reader runs

    writer = gevent.spawn(write)
    gevent.spawn(writer.kill)
    assert reader.get(timeout=1) == messages[:128]
    writer.join(1)
    assert (statistics.received, statistics.left_over, len(inlet.channel)) == (138, 10, 0)


@given(st.lists(st.integers(0, 200), max_size=8), st.integers(1, 5))
def test_the_oldest_go_as_if_messages_came_one_by_one(lengths, size):
    inlets = [Inlet(NodeStatistics(), when_full="drop_oldest") for _ in range(2)]
    for inlet in inlets:
        inlet.channel.capacity_bytes = 300
    numbers = count()
    for length in lengths:
        burst = [Message(None, next(numbers), [b"x" * (size * (n % 3))]) for n in range(length)]
        inlets[0].accept(burst)
        for message in burst:
            inlets[1].accept([message])
    for inlet in inlets:
        inlet.channel.close()
    assert inlets[0].channel.get() == inlets[1].channel.get()
    assert inlets[0]._statistics.snapshot() == inlets[1]._statistics.snapshot()


def header(series, size=0):
    return Message(parts=[part(htype="dheader-1.0", series=series), bytes(size)])


def image(series, frame, size=0):
    return Message(parts=[part(htype="dimage-1.0", series=series, frame=frame), bytes(size)])


def end(series):
    return Message(parts=[part(htype="dseries_end-1.0", series=series)])


@given(
    st.sampled_from(["drop_newest", "drop_oldest"]),
    st.lists(st.tuples(st.integers(0, 80), st.integers(1, 90)), max_size=12),
)
def test_images_are_dropped_before_headers_and_ends(when_full, runs):
    statistics = NodeStatistics()
    inlet = Inlet(statistics, when_full=when_full, series=True)
    messages = []
    for series, (images, burst) in enumerate(runs):
        messages += [header(series), *(image(series, n) for n in range(images)), end(series)]
        for begin in range(0, len(messages), burst):
            inlet.accept(messages[begin : begin + burst])
        kept = inlet.channel.get()
        edges = [message for message in messages if is_series_edge(message)]
        assert [message for message in kept if is_series_edge(message)] == edges
        places = [messages.index(message) for message in kept]
        assert places == sorted(places) and len(kept) == min(128, len(messages))
    assert statistics.received == sum(statistics.dropped.values()) + sum_kept(runs)


def sum_kept(runs):
    lengths, total = [images + 2 for images, _ in runs], 0
    for number in range(len(runs)):
        total += min(128, sum(lengths[: number + 1]))
    return total


@pytest.mark.parametrize(
    "when_full, kept", [("drop_newest", slice(0, 126)), ("drop_oldest", slice(74, 200))]
)
def test_a_series_keeps_its_first_or_last_images(when_full, kept):
    inlet = Inlet(NodeStatistics(), when_full=when_full, series=True)
    first, images, last = header(1), [image(1, n) for n in range(200)], end(1)
    inlet.accept([first, *images, last])
    assert inlet.channel.get() == [first, *images[kept], last]
    assert inlet._statistics.dropped == {"full": 74}


@pytest.mark.parametrize("when_full", ["drop_newest", "drop_oldest"])
def test_headers_and_ends_are_dropped_where_there_is_nothing_else(when_full):
    statistics = NodeStatistics()
    inlet = Inlet(statistics, when_full=when_full, series=True)
    messages = [make(series) for series in range(100) for make in (header, end)]
    inlet.accept(messages)
    inlet.accept([image(99, 0)])
    kept = messages[-128:] if when_full == "drop_oldest" else messages[:128]
    assert inlet.channel.get() == kept
    assert statistics.dropped == {"full": 73}


@pytest.mark.parametrize("when_full", ["drop_newest", "drop_oldest"])
def test_the_end_of_a_series_finds_a_place_behind_a_large_header(when_full):
    inlet = Inlet(NodeStatistics(), when_full=when_full, series=True)
    large = header(1, 9 << 20)
    last = end(1)
    inlet.accept([large, *(image(1, n) for n in range(9)), last])
    assert inlet.channel.get() == [large, last]
    assert inlet._statistics.dropped == {"full": 9}


# rates


def paced(**options):
    statistics = NodeStatistics()
    options = {"filters": (), "when_full": "block", "rate": 50, **options}
    return PacedInlet(statistics, **options), statistics


def test_the_newest_goes_and_what_it_replaced_is_counted():
    inlet, statistics = paced(rate=0.001)
    messages = [image(1, n) for n in range(300)]
    inlet.accept(messages[:1])
    assert inlet.channel.get() == messages[:1]
    reader = gevent.spawn(inlet.channel.get)
    for begin in range(1, 300, 7):
        inlet.accept(messages[begin : begin + 7])
        gevent.idle()
    inlet.accept([])
    assert not reader.ready() and len(inlet.channel) == 1
    inlet.channel.close()  # its turn would be in a quarter of an hour
    assert reader.get(timeout=1) == messages[-1:]
    assert inlet.channel.get() == []
    assert statistics.dropped == {"rate": 298} and statistics.received == 300


@pytest.mark.parametrize("series", [False, True])
def test_what_comes_to_a_paced_inlet_after_a_break_is_left_over(series):
    inlet, statistics = paced(series=series)
    inlet.accept([image(1, 0)])
    inlet.channel.break_off()
    statistics.left_over += len(inlet.channel)  # as the node that ends does
    inlet.accept([header(2), image(2, 0)])
    assert (statistics.received, statistics.left_over, statistics.dropped) == (3, 3, {})


def test_turns_come_at_the_rate_and_the_last_message_goes_when_the_stream_pauses():
    inlet, statistics = paced(rate=50)
    began, came = monotonic(), []
    messages = [image(1, n) for n in range(40)]

    def read():
        while got := inlet.channel.get():
            came.extend((monotonic() - began, message) for message in got)

    reader = gevent.spawn(read)
    for message in messages:
        inlet.accept([message])
        gevent.sleep(0.005)
    until(lambda: came[-1][1] is messages[-1])
    assert not reader.ready()
    for turn, (moment, _) in enumerate(came):
        assert moment >= 0.02 * turn - 0.001
    assert statistics.dropped == {"rate": 40 - len(came)}
    inlet.channel.close()
    reader.join(1)
    assert reader.ready()


def test_headers_and_ends_need_no_turn_and_keep_their_place():
    inlet, statistics = paced(rate=0.001, series=True)
    one, two = [image(1, n) for n in range(5)], [image(2, n) for n in range(5)]
    edges = [header(1), end(1), header(2), end(2)]
    inlet.accept(edges[:1])
    assert inlet.channel.get() == edges[:1]
    inlet.accept(one[:3])
    assert inlet.channel.get() == [one[2]]  # the first turn is still free
    inlet.accept(one[3:])
    inlet.accept([edges[1]])
    reader = gevent.spawn(inlet.channel.get)
    gevent.sleep(0.01)
    assert not reader.ready()  # the end of the series comes behind its last image
    inlet.accept([edges[2], *two[:4]])
    assert reader.get(timeout=1) == edges[1:3]  # that image was replaced by a newer one
    inlet.accept([two[4], edges[3]])
    inlet.channel.close()
    assert inlet.channel.get() == [two[4], edges[3]]
    assert statistics.dropped == {"rate": 8}


@pytest.mark.parametrize("when_full", ["block", "drop_newest", "drop_oldest"])
def test_a_paced_inlet_is_bounded_by_its_policy(when_full):
    inlet, statistics = paced(when_full=when_full, series=True)
    messages = [make(series) for series in range(100) for make in (header, end)]
    writer = gevent.spawn(inlet.accept, [*messages, image(99, 0)])
    gevent.idle()
    assert len(inlet.channel) == 128
    assert writer.ready() is (when_full != "block")
    inlet.channel.break_off()
    writer.join(1)
    dropped = sum(statistics.dropped.values())
    assert statistics.received == 201 == 128 + dropped + statistics.left_over
    assert (statistics.left_over == 0) is (when_full != "block")


@given(
    st.booleans(),
    st.lists(st.one_of(st.none(), st.lists(st.sampled_from("hiiie"), max_size=6)), max_size=20),
)
def test_whatever_comes_to_a_paced_inlet_goes_in_order_or_is_counted(series, steps):
    inlet, statistics = paced(rate=10**9, series=series)
    made, got = [], []
    for step in steps:
        if step is None:
            got += inlet.channel.get() if len(inlet.channel) else []
            continue
        kinds = {"h": header, "e": end, "i": lambda n: image(1, n)}
        burst = [kinds[letter](len(made) + n) for n, letter in enumerate(step)]
        made += burst
        inlet.accept(burst)
    inlet.channel.close()
    got += inlet.channel.get()
    places = [made.index(message) for message in got]
    assert places == sorted(set(places))
    assert statistics.received == len(made) == len(got) + statistics.dropped.get("rate", 0)
    if series:
        assert [m for m in got if is_series_edge(m)] == [m for m in made if is_series_edge(m)]
    images = [m for m in made if not (series and is_series_edge(m))]
    assert not images or images[-1] in got


@pytest.mark.parametrize("end_by", ["itself", "stop"])
@pytest.mark.parametrize("mode, kind", [("PUSH", zmq.PULL), ("PUB", zmq.SUB)])
def test_an_output_with_a_rate_holds_nobody_up_and_sends_the_last(topology, mode, kind, end_by):
    going = Event()

    with peer(kind) as receiver:
        feed, seen = topology.feed(then_wait(numbered(500), going)), []
        topology.output(feed, endpoint(receiver), mode, rate=0.01, name="out")
        topology.sink(feed, lambda message: seen.append(None), decode=False)
        topology.start()
        until(lambda: len(seen) == 500)
        with gevent.Timeout(DEADLINE):  # its turn would be in a hundred seconds
            if end_by == "itself":
                going.set()
                assert topology.join()
            else:
                topology.stop(None)
        out = books(topology.statistics())["out"]
        assert out["sent"] == 2 and out["dropped"] == {"rate": 498} and out["left_over"] == 0
        if mode == "PUSH":
            assert [number(parts) for parts in drain(receiver, 2)][1:] == [499]


def test_a_rate_and_a_stuck_receiver_hold_nobody_up(topology):
    with peer(zmq.PULL, RCVHWM=1, RCVBUF=4096) as stuck:
        seen = []
        feed = topology.feed(numbered(2000, bytes(20_000)))
        options = {"SNDBUF": 4096}
        topology.output(
            feed, endpoint(stuck), queue_size=1, rate=10**6, linger=0, options=options, name="out"
        )
        topology.sink(feed, lambda message: seen.append(None), decode=False)
        topology.start()
        until(lambda: len(seen) == 2000, 20)
        topology.stop(0.5)
    out = books(topology.statistics())["out"]
    assert out["received"] == 2000 and set(out["dropped"]) == {"rate"}
    assert out["left_over"] <= 2  # one that waits to be sent, and the newest
