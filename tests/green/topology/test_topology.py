"""Topologies between real sockets: what comes in goes out, is dropped or left over, and counted."""

import gc
import json
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from time import monotonic, perf_counter, thread_time

import gevent
import numpy as np
import pytest
import zmq

from gmflow import ConfigError, ConnectError, Topology
from gmflow.green.stream.stream import PULL, Stream
from gmflow.green.topology.links import Inlet
from gmflow.merging import RoundRobinStrategy
from gmflow.message import Message
from gmflow.statistics import NodeStatistics
from tests.support.green import books, endpoint, peer, thread, ticker, until


def numbered(count, start=0):
    return [[b"head", b"%d" % number] for number in range(start, start + count)]


def number(message):
    return int(bytes(message.parts[1]))


def array(data, **entries):
    header = {"htype": "array-1.0", "type": data.dtype.name, "shape": data.shape, **entries}
    return [json.dumps(header).encode(), data.tobytes()]


def run(topology, seconds=5):
    """Run to the natural end, within a time."""
    topology.start()
    assert topology.join(seconds)
    return books(topology.statistics())


def endless(*more):
    count = 0
    while True:
        yield [b"head", b"%d" % count, *more]
        count += 1


@pytest.fixture
def topology():
    topology = Topology()
    yield topology
    topology.stop(0.2)
    books(topology.statistics())


@pytest.fixture
def ipc(tmp_path):
    return lambda name: f"ipc://{tmp_path}/{name}"


def settle(count):
    """Wait until a count stays as it is."""
    last, same = None, 0
    with gevent.Timeout(5):
        while same < 30:
            gevent.sleep(0.002)
            last, same = (last, same + 1) if last == count() else (count(), 0)


def drain(socket, count, timeout=3000):
    got = []
    while len(got) < count and socket.poll(timeout):
        got.append(socket.recv_multipart())
    return got


# splitting and merging


def test_every_output_gets_every_message(topology):
    feed = topology.feed(numbered(300))
    got = [], []
    for messages in got:
        topology.sink(feed, lambda m, to=messages: to.append(m.parts), decode=False)
    nodes = run(topology)
    assert got[0] == got[1] == numbered(300)
    assert nodes["feed"]["sent"] == nodes["sink"]["sent"] == nodes["sink #2"]["sent"] == 300


def test_outputs_pass_messages_untouched_and_modulo_counts_whole_ones(topology):
    messages = [[b"h%d" % n] + [b"x" * n, b""] * (n % 4) for n in range(60)]
    feed = topology.feed(messages)
    with peer(zmq.PULL) as every, peer(zmq.PULL) as third:
        topology.output(feed, endpoint(every))
        topology.output(feed, endpoint(third), modulo=3)
        nodes = run(topology)
        assert drain(every, 60) == messages
        assert drain(third, 20) == messages[2::3]
    thirds = nodes[f"output {next(n for n in nodes if 'output' in n and nodes[n]['dropped'])[7:]}"]
    assert thirds["dropped"] == {"modulo": 40} and thirds["sent"] == 20


def test_merge_is_strict_round_robin_and_streams_that_end_leave_it(topology):
    lengths, got = [3, 7, 1, 5], []
    feeds = [
        topology.feed([[b"%d" % feed, b"%d" % n] for n in range(length)])
        for feed, length in enumerate(lengths)
    ]
    topology.sink(topology.merge(*feeds), lambda m: got.append(m.parts), decode=False)
    nodes = run(topology)
    expected = [
        [b"%d" % feed, b"%d" % n]
        for n in range(max(lengths))
        for feed, length in enumerate(lengths)
        if n < length
    ]
    assert got == expected
    assert nodes["merger"]["received"] == 16


def test_merge_waits_for_the_stream_whose_turn_it_is(topology):
    go, got = gevent.event.Event(), []

    def late():
        go.wait()
        yield [b"late", b"1"]

    quick, slow = topology.feed(numbered(5)), topology.feed(late())
    topology.sink(topology.merge(quick, slow), lambda m: got.append(m.source), decode=False)
    topology.start()
    until(lambda: got)
    settle(lambda: len(got))
    assert got == ["feed"]
    go.set()
    assert topology.join(5)
    assert got == ["feed", "feed #2"] + ["feed"] * 4


def test_two_hundred_sources_merged_and_split_lose_nothing(topology, ipc):
    each, count = 20, 200

    def send(addresses):
        context = zmq.Context()
        sockets = []
        for address in addresses:
            sockets.append(context.socket(zmq.PUSH))
            sockets[-1].set(zmq.LINGER, 3000)
            sockets[-1].bind(address)
        for n in range(each):
            for stream, socket in enumerate(sockets):
                socket.send_multipart([b"%d" % stream, b"%d" % n, b""])
        for socket in sockets:
            socket.close()
        context.term()

    addresses = [ipc(stream) for stream in range(count)]
    merger = topology.merge(*(topology.source(address, count=each) for address in addresses))
    with peer(zmq.PULL, RCVHWM=0) as left, peer(zmq.PULL, RCVHWM=0) as right:
        topology.output(merger, endpoint(left))
        topology.output(merger, endpoint(right))
        topology.start()
        with thread(send, addresses):
            assert topology.join(10)
        expected = [[b"%d" % s, b"%d" % n, b""] for n in range(each) for s in range(count)]
        assert drain(left, each * count) == expected
        assert drain(right, each * count) == expected
    assert books(topology.statistics())["merger"]["sent"] == each * count


# sinks


def test_sink_is_a_function_a_generator_function_or_a_generator(topology):
    got = {"function": [], "generator function": [], "generator": []}

    def generate(name):
        try:
            while True:
                got[name].append(number((yield)))
        finally:
            got[name].append("closed")

    def function():
        yield from generate("generator function")

    feed = topology.feed(numbered(50))
    topology.sink(feed, lambda m: got["function"].append(number(m)), decode=False)
    topology.sink(feed, function, decode=False)
    topology.sink(feed, generate("generator"), decode=False)
    run(topology)
    assert got["function"] == list(range(50))
    assert got["generator"] == [*range(50), "closed"]
    assert got["generator function"][:50] == list(range(50))


def test_generator_function_is_closed_at_the_end(topology):
    ended = []

    def function():
        try:
            while True:
                yield
        finally:
            ended.append(True)

    topology.sink(topology.feed(numbered(3)), function, decode=False)
    run(topology)
    assert ended == [True]


def test_generator_that_returns_ends_the_topology(topology):
    got = []

    def five():
        for _ in range(5):
            got.append(number((yield)))

    topology.sink(topology.feed(endless()), five, decode=False, name="five")
    nodes = run(topology)
    assert got == [0, 1, 2, 3, 4]
    assert nodes["five"]["left_over"] > 0


def test_sink_gets_values_and_failures_and_skips_are_counted(topology, caplog):
    good = array(np.arange(6, dtype="u2").reshape(2, 3))
    skip = [b'{"htype": "skip"}']
    got = []
    feed = topology.feed(
        [good, [b"no json"], skip, good],
        handlers={"array-1.0": _array_handler(), "skip": lambda receiver: None},
    )
    topology.sink(feed, lambda m: got.append(m.data["data"][0].tolist()), name="values")
    topology.sink(feed, lambda m: got.append(len(m.parts)), decode=False, name="parts")
    nodes = run(topology)
    assert Counter(map(str, got)) == {"[[0, 1, 2], [3, 4, 5]]": 2, "2": 2, "1": 2}
    assert nodes["values"]["failed"] == 1 and nodes["values"]["dropped"] == {"skipped": 1}
    assert nodes["parts"]["sent"] == 4
    assert len(caplog.records) == 1


def _array_handler():
    from gmflow import receive_handlers

    return receive_handlers["array-1.0"]


def test_without_decoding_there_is_no_value(topology, caplog):
    got = []
    topology.sink(topology.feed([[b"no json"]]), lambda m: got.append(m.data), decode=False)
    run(topology)
    assert got == [None] and not caplog.records


# failures


@pytest.mark.parametrize("error", [ValueError("broken"), gevent.Timeout(1)])
def test_failing_sink_stops_the_rest_and_join_raises(topology, error):
    def fail(message):
        if number(message) == 3:
            raise error

    feed = topology.feed(endless())
    topology.sink(feed, fail, decode=False, name="failing")
    topology.sink(feed, lambda m: None, decode=False, name="other")
    topology.start()
    with pytest.raises(type(error)) as caught:
        topology.join(3)
    assert caught.value is error
    nodes = books(topology.statistics())
    assert nodes["failing"]["sent"] == 3 and nodes["failing"]["left_over"] > 0


@pytest.mark.parametrize("error", [ValueError("broken"), gevent.Timeout(1)])
def test_failing_feed_drains_and_join_raises(topology, error):
    def messages():
        yield from numbered(5)
        raise error

    got = []
    topology.sink(topology.feed(messages()), lambda m: got.append(number(m)), decode=False)
    topology.start()
    with pytest.raises(type(error)):
        topology.join(3)
    assert got == [0, 1, 2, 3, 4]


def test_address_in_use_is_an_error_at_start_and_nothing_is_left_open():
    with peer(zmq.PULL) as taken:
        busy = endpoint(taken)
        with peer(zmq.PULL) as other:
            free = endpoint(other)
        topology = Topology()
        feed = topology.feed(numbered(5))
        topology.output(feed, free, conn_type="bind")
        topology.output(feed, busy, conn_type="bind")
        with pytest.raises(ConnectError, match="another program has it"):
            topology.start()
        until(lambda: _can_bind(free))
        books(topology.statistics())


def _can_bind(address):
    context = zmq.Context()
    socket = context.socket(zmq.PULL)
    try:
        socket.bind(address)
    except zmq.ZMQError:
        return False
    finally:
        socket.close(0)
        context.term()
    return True


def test_node_without_a_consumer_is_refused(topology):
    topology.feed(numbered(1), name="lonely")
    with pytest.raises(ConfigError, match="lonely"):
        topology.start()


def test_started_topology_takes_no_nodes_and_starts_once(topology):
    feed = topology.feed(numbered(1))
    topology.sink(feed, print, decode=False)
    with pytest.raises(ConfigError, match="at least one"):
        topology.merge()
    topology.start()
    with pytest.raises(ConfigError, match="has started"):
        topology.start()
    with pytest.raises(ConfigError, match="has started"):
        topology.sink(feed, print)
    assert topology.join(2)


# backpressure


def test_blocked_output_stops_the_source(topology):
    made = []

    def messages():
        for parts in endless(b"x" * 10_000):
            made.append(None)
            yield parts

    with peer(zmq.PULL, RCVHWM=5) as stuck:
        topology.output(topology.feed(messages()), endpoint(stuck), queue_size=5, linger=0)
        topology.start()
        settle(lambda: len(made))
        assert 128 < len(made) < 128 * 2 + 3000  # the channel, the hand, and buffers of TCP
        with gevent.Timeout(10):
            topology.stop(0.4)
        nodes = books(topology.statistics())
    assert nodes["feed"]["left_over"] == 1
    assert sum(node["left_over"] for node in nodes.values()) > 128


def test_blocked_source_leaves_the_rest_with_its_sender(topology, ipc):
    count = 0
    with peer(zmq.PUSH, SNDHWM=10) as sender:
        source = topology.source(endpoint(sender), queue_size=10)
        topology.output(source, ipc("nobody"), queue_size=2, linger=0)
        topology.start()
        until(lambda: sender.poll(0, zmq.POLLOUT))
        idle = 0
        while idle < 20:
            try:
                sender.send_multipart([b"h", b"x" * (1 << 18)], zmq.NOBLOCK)
                count, idle = count + 1, 0
            except zmq.Again:
                idle += 1
                gevent.sleep(0.005)
        nodes = topology.statistics()["nodes"]
        received = max(node["bytes_received"] for node in nodes.values())
        assert received < 16 << 20  # two bursts and a channel of 4 MB each
        topology.stop(0.2)


@pytest.mark.parametrize("policy, kept", [("drop_newest", slice(0, 128)), ("drop_oldest", -128)])
def test_drops_are_counted_exactly(policy, kept):
    statistics = NodeStatistics()
    inlet = Inlet(statistics, when_full=policy)
    messages = [Message(None, n, [b"x"]) for n in range(300)]
    inlet.accept(messages)
    kept = messages[kept] if isinstance(kept, slice) else messages[kept:]
    assert inlet.channel.get() == kept
    assert statistics.dropped == {"full": 172}


@pytest.mark.parametrize("policy", ["block", "drop_newest", "drop_oldest"])
def test_what_comes_after_a_break_is_left_over_and_nothing_is_counted_twice(policy):
    statistics = NodeStatistics()
    inlet = Inlet(statistics, when_full=policy)
    messages = [Message(None, n, [b"x"]) for n in range(10)]
    inlet.accept(messages)
    inlet.channel.break_off()
    statistics.left_over += len(inlet.channel)  # as the node that ends does
    inlet.accept(messages)
    assert (statistics.received, statistics.left_over, statistics.dropped) == (20, 20, {})


@pytest.mark.parametrize("policy", ["drop_newest", "drop_oldest"])
def test_output_that_drops_holds_nobody_up(topology, policy):
    got = []
    with peer(zmq.PULL, RCVHWM=5) as stuck:
        feed = topology.feed([[b"h", b"%d" % n, b"x" * 5000] for n in range(5000)])
        topology.output(feed, endpoint(stuck), when_full=policy, queue_size=5, linger=0, name="out")
        topology.sink(feed, lambda m: got.append(number(m)), decode=False)
        topology.start()
        until(lambda: len(got) == 5000)
        topology.stop(0.1)
        nodes = books(topology.statistics())
        assert got == list(range(5000))
        out = nodes["out"]
        assert out["received"] == 5000 and out["dropped"]["full"] > 0
        there = [int(parts[1]) for parts in drain(stuck, 5000, 100)]
    assert there == sorted(set(there)) and len(there) <= out["sent"]


def test_pub_output_reaches_its_subscribers_and_counts_what_they_missed(topology):
    def messages():
        for parts in endless():
            if topology_done:
                return
            yield parts
            gevent.sleep(0.0005)

    topology_done = []
    out = topology.output(topology.feed(messages()), "tcp://127.0.0.1:*", "PUB", name="out")
    topology.start()
    with peer(zmq.SUB, out.address) as one, peer(zmq.SUB, out.address) as two:
        for socket in (one, two):
            for _ in range(5):
                until(lambda socket=socket: socket.poll(0))
                assert socket.recv_multipart()[0] == b"head"
        topology_done.append(True)
        assert topology.join(3)
    assert books(topology.statistics())["out"]["received"] >= 5


def test_pub_drops_by_default_and_push_blocks(topology):
    feed = topology.feed(numbered(1))
    inlets = [
        topology.output(feed, f"inproc://{name}", mode, conn_type="bind").inlet
        for name, mode in (("a", "PUB"), ("b", "PUSH"))
    ]
    for inlet in inlets:
        inlet.accept([Message(None, n, [b"x"]) for n in range(128)])
    inlets[0].accept([Message(None, 0, [b"x"])])
    assert inlets[0]._statistics.dropped == {"full": 1}
    blocked = gevent.spawn(inlets[1].accept, [Message(None, 0, [b"x"])])
    gevent.sleep(0)
    assert not blocked.ready()
    blocked.kill()
    for inlet in inlets:
        inlet.channel.get()
        inlet._statistics.__init__()


# ends


def test_natural_end_by_count_drains_all(topology):
    with peer(zmq.PUSH) as sender, peer(zmq.PULL) as last:
        source = topology.source(endpoint(sender), count=250, name="source")
        topology.output(source, endpoint(last), name="out")
        topology.start()

        def send():
            for parts in numbered(250):
                sender.send_multipart(parts)

        with thread(send):
            assert topology.join(5)
        assert drain(last, 250) == numbered(250)
        nodes = books(topology.statistics())
    assert nodes["source"]["sent"] == nodes["out"]["sent"] == 250
    assert nodes["out"]["left_over"] == 0


def test_stop_drains_what_is_under_way(topology):
    got = []

    def slow(message):
        gevent.sleep(0.001)
        got.append(number(message))

    feed = topology.feed(endless(), name="feed")
    topology.sink(feed, slow, decode=False)
    topology.start()
    until(lambda: len(got) > 3)
    topology.stop(5)
    nodes = books(topology.statistics())
    assert len(got) == nodes["feed"]["sent"] > 100
    assert all(node["left_over"] == 0 for node in nodes.values())
    assert topology.join(0)


@pytest.mark.parametrize("linger", [0, 60_000, -1])
def test_stop_is_bounded_with_blocked_outputs(topology, ipc, linger):
    topology.output(topology.feed(endless()), ipc("nobody"), linger=linger, name="out")
    topology.start()
    until(lambda: topology.statistics()["nodes"]["out"]["received"] > 128)
    with ticker() as ticks, gevent.Timeout(10):
        topology.stop(0.6)
    assert len(ticks) > 10
    assert books(topology.statistics())["out"]["left_over"] > 28


def test_stop_wakes_sources_and_feeds_that_wait(topology):
    def waits():
        gevent.sleep(60)
        yield [b""]

    with peer(zmq.PUSH) as silent:
        nodes = topology.source(endpoint(silent)), topology.feed(waits())
        topology.sink(topology.merge(*nodes), print, decode=False)
        topology.start()
        gevent.sleep(0.01)
        with gevent.Timeout(10):
            topology.stop(None)


def test_sink_may_stop_the_topology(topology):
    got = []

    def function(message):
        got.append(number(message))
        if len(got) == 10:
            topology.stop()

    topology.sink(topology.feed(endless(), name="feed"), function, decode=False)
    nodes = run(topology)
    assert got == list(range(nodes["feed"]["sent"]))  # what was under way has drained
    assert all(node["left_over"] == 0 for node in nodes.values())


def test_timeout_interrupts_run_and_stops(topology):
    topology.sink(topology.feed(endless()), lambda m: None, decode=False)
    with pytest.raises(gevent.Timeout), gevent.Timeout(0.05):
        topology.run()
    books(topology.statistics())
    assert topology.join(0)


def test_join_gives_up_after_its_time(topology):
    topology.sink(topology.feed(endless()), lambda m: None, decode=False)
    topology.start()
    assert topology.join(0.01) is False
    topology.stop()
    assert topology.join(0) is True


# configuration and statistics


@pytest.mark.parametrize("form", ["dict", "file"])
def test_from_config(form, tmp_path):
    with peer(zmq.PUSH) as sender, peer(zmq.PULL) as one, peer(zmq.PULL) as two:
        config = {
            "source": {"address": endpoint(sender), "mode": "pull"},
            "streams": [
                {"address": endpoint(one)},
                {"address": endpoint(two), "modulo": 2, "when_full": "drop_oldest"},
            ],
        }
        if form == "file":
            (tmp_path / "split.json").write_text(json.dumps(config))
            config = tmp_path / "split.json"
        topology = Topology.from_config(config)
        topology.start()
        for parts in numbered(10):
            sender.send_multipart(parts)
        until(lambda: one.poll(0))
        gevent.idle()
        until(lambda: [n["received"] for n in topology.statistics()["nodes"].values()] == [10] * 3)
        topology.stop()
        assert drain(one, 10) == numbered(10)
        assert drain(two, 5) == numbered(10)[1::2]
        books(topology.statistics())


def test_statistics_are_plain_data(topology):
    topology.sink(topology.feed([[b"{}", b"abc"]]), print, decode=False)
    before = topology.statistics()
    assert before["seconds"] == 0.0
    run(topology)
    after = topology.statistics()
    assert json.loads(json.dumps(after)) == after
    assert after["nodes"]["sink"]["bytes_sent"] == 5 and after["nodes"]["sink"]["kind"] == "sink"
    assert before["nodes"]["sink"]["sent"] == 0  # a snapshot stays as it was


def test_seconds_are_counted_from_the_start_to_the_end(topology, monkeypatch):
    now, go = [0.0], gevent.event.Event()

    def messages():
        go.wait(10)
        yield [b"x"]

    monkeypatch.setattr("gmflow.green.topology.runner.monotonic", lambda: now[0])
    topology.sink(topology.feed(messages()), print, decode=False)
    seen = []
    for now[0] in (5.0, 7.0):
        seen.append(topology.statistics()["seconds"])
    topology.start()
    for now[0] in (7.0, 10.5):
        seen.append(topology.statistics()["seconds"])
    go.set()
    assert topology.join(5)
    for now[0] in (11.0, 99.0):
        seen.append(topology.statistics()["seconds"])
    assert seen == [0.0, 0.0, 0.0, 3.5, 3.5, 3.5]


def test_the_time_since_the_last_message_ends_with_the_source(topology, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("gmflow.green.topology.source.monotonic", lambda: now[0])

    def since_last():
        return topology.statistics()["nodes"]["in"]["upstream"]["seconds_since_last"]

    with peer(zmq.PUSH) as sender:
        source = topology.source(endpoint(sender), name="in")
        topology.sink(source, print, decode=False)
        topology.start()
        sender.send(b"x")
        until(lambda: topology.statistics()["nodes"]["in"]["upstream"])
        begun = since_last()
        now[0] += 5.0
        assert since_last() == begun + 5.0
        topology.stop()
        assert topology.join(5)
    ended = since_last()
    now[0] += 60.0
    assert since_last() == ended == begun + 5.0


def test_seconds_count_also_where_the_clock_began_with_the_topology(topology, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("gmflow.green.topology.runner.monotonic", lambda: now[0])
    topology.sink(topology.feed([]), print, decode=False)
    topology.start()
    assert topology.join(5)
    now[0] = 2.0
    assert topology.statistics()["seconds"] == 0.0


# a flooded topology leaves the hub to others

FLOOD = """
import sys, zmq
socket = zmq.Context().socket(zmq.PUSH)
socket.bind("tcp://127.0.0.1:*")
print(socket.get(zmq.LAST_ENDPOINT).decode(), flush=True)
header = b'{"htype": "array-1.0", "type": "uint8", "shape": [%d]}' % int(sys.argv[1])
body = b"x" * int(sys.argv[1])
while True:
    socket.send_multipart([header, body], copy=False)
"""


@pytest.fixture(params=[40, 1 << 20], ids=["small", "1 MB"])
def flood(request):
    """Return the address of a sender in another process that never stops."""
    process = subprocess.Popen(
        [sys.executable, "-c", FLOOD, str(request.param)], stdout=subprocess.PIPE, text=True
    )
    yield process.stdout.readline().strip()
    process.kill()
    process.communicate()


def ticks_in(seconds):
    with ticker() as ticks:
        gevent.sleep(seconds)
        return len(ticks)


def works():
    """Work without end, as a loop that gives the hub away every half millisecond."""
    while True:
        until_then = perf_counter() + 0.0005
        while perf_counter() < until_then:
            pass
        gevent.sleep(1e-6)


def check_ticker(count):
    """Validate that a greenlet keeps 95 % of its ticks beside the flood.

    They are compared with those beside a loop that works as much and is known to be fair: on
    a busy machine any process that works loses some. Five tries, for what else runs there
    may start or end between the two. What pytest has loaded is kept out of Python's garbage
    collection, which walked it for 10 ms and more at a time.
    """
    gc.collect()
    gc.freeze()
    try:
        _check_ticker(count)
    finally:
        gc.unfreeze()


def _check_ticker(count):
    for _ in range(5):
        working = gevent.spawn(works)
        usual, before = ticks_in(0.5), count()
        working.kill()
        got = yield_to_flood(0.5)
        assert count() > before
        if got >= 0.95 * usual:
            return
    pytest.fail(f"{got} ticks of {usual}")


def yield_to_flood(seconds):
    PAUSE.set()
    try:
        return ticks_in(seconds)
    finally:
        PAUSE.clear()


PAUSE = gevent.event.Event()
"""Set while the receiving loop may run."""


def test_flooded_stream_leaves_the_hub_to_others(flood):
    with Stream() as stream:
        stream.connect(flood, mode=PULL)

        def receive():
            while True:
                PAUSE.wait()
                while PAUSE.is_set():
                    assert stream.receive().data["data"][0].dtype == np.uint8

        receiving = gevent.spawn(receive)
        check_ticker(lambda: stream.statistics.messages_received)
        receiving.kill()


def test_flooded_topology_leaves_the_hub_to_others(topology, flood):
    def sink(message):
        assert message.data["data"][0].dtype == np.uint8
        PAUSE.wait()

    topology.sink(topology.source(flood), sink, name="sink")
    topology.start()
    check_ticker(lambda: topology.statistics()["nodes"]["sink"]["sent"])
    PAUSE.set()
    topology.stop()
    PAUSE.clear()


def backlog(stack, source, count, parts):
    """Leave messages with a source's socket while the hub stands still."""
    sender = stack.enter_context(peer(zmq.PUSH, source.address, SNDHWM=0))
    for _ in range(count):
        sender.send_multipart(parts)


def drains(kind):
    """Drain a backlog beside a ticker of 1 ms; return its ticks a second of CPU time."""
    topology, sources = Topology(), 2 if kind == "merger" else 1
    count = 300 if kind == "slow handler" else 30_000 // sources
    options = {"conn_type": "bind", "queue_size": 0, "count": count, "handlers": {"x": slowly}}
    nodes = [topology.source("tcp://127.0.0.1:*", **options) for _ in range(sources)]
    last = topology.merge(*nodes) if kind == "merger" else nodes[0]
    topology.sink(last, lambda message: None, decode=kind == "slow handler")
    topology.start()
    with ExitStack() as stack, ticker(0.001) as ticks:
        for node in nodes:
            backlog(stack, node, count, [b'{"htype": "x"}'])
        began = thread_time()
        assert topology.join(20)
        return len(ticks) / (thread_time() - began)


def slowly(receiver):
    until_then = perf_counter() + 0.0005
    while perf_counter() < until_then:
        pass
    return True


@pytest.mark.parametrize("kind", ["quick sink", "merger", "slow handler"])
def test_backlog_leaves_the_hub_to_others(kind):
    """The hub looks at timers only so often while nodes wake each other: here, every 50 ms."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.05)
    try:
        for _ in range(5):
            working = gevent.spawn(works)
            with ticker(0.001) as ticks:
                began = thread_time()
                gevent.sleep(0.1)
                usual = len(ticks) / (thread_time() - began)
            working.kill()
            got = drains(kind)
            if got >= 0.5 * usual:
                return
        pytest.fail(f"{got:.0f} ticks a second of {usual:.0f}")
    finally:
        sys.setswitchinterval(interval)


def test_sink_that_has_had_enough_ends_a_flooded_source(topology):
    def few():
        yield
        until(lambda: source.statistics.received > source.statistics.sent)  # it waits for room

    source = topology.source("tcp://127.0.0.1:*", conn_type="bind", queue_size=0, name="source")
    topology.sink(source, few, decode=False)
    topology.start()
    with ExitStack() as stack:
        backlog(stack, source, 30_000, [b"x"])
        assert topology.join(2)
    assert books(topology.statistics())["source"]["received"] < 5000


def take(socket, count, seconds=20):
    """Return messages of a plain socket, or fewer if they don't come in time; the hub goes on."""
    got, end = [], monotonic() + seconds
    while len(got) < count and monotonic() < end:
        if socket.poll(0):
            got.append(socket.recv_multipart())
        else:
            gevent.sleep(0.001)
    return got


def test_a_stuck_subscriber_does_not_stop_the_others(topology):
    origin = topology.feed(paced(numbered(1000)))
    output = topology.output(origin, "tcp://127.0.0.1:*", mode="PUB", queue_size=50)
    topology.start()
    with (
        peer(zmq.SUB, output.address, RCVHWM=5000) as good,
        peer(zmq.SUB, output.address, RCVHWM=1, RCVBUF=4096),
    ):
        got = take(good, 1000)
    assert topology.join(5)
    books(topology.statistics())
    assert len(got) > 900
    assert output.statistics.missed > 0
    assert output.statistics.sent == 1000


def paced(messages):
    """Return large messages from when subscribers are there, slower than a good one reads."""
    gevent.sleep(0.3)  # PUB can't tell when they are
    for number, parts in enumerate(messages):
        if number % 20 == 0:
            gevent.sleep(0.01)
        yield [*parts, bytes(20_000)]


def test_a_topology_that_ends_by_itself_delivers_everything(topology):
    few = topology.feed([[bytes(1 << 20)]] * 20)
    output = topology.output(few, "tcp://127.0.0.1:*", queue_size=100)
    topology.start()
    with peer(zmq.PULL, output.address, RCVHWM=1) as slow:
        assert len(take(slow, 1)) == 1
        assert not topology.join(1.2)  # longer than the linger that holds for a stop
        assert output.statistics.sent == 20
        assert len(take(slow, 19)) == 19
        assert topology.join(5)


def told(caplog):
    return [record.getMessage() for record in caplog.records if record.name.startswith("gmflow")]


def test_messages_that_a_stop_cuts_off_are_told_of(topology, caplog):
    many = topology.feed(endless(bytes(1 << 20)))
    small = {"SNDBUF": 4096}  # the kernel must not take all of it
    output = topology.output(many, "tcp://127.0.0.1:*", queue_size=5, linger=50, options=small)
    topology.start()
    with peer(zmq.PULL, output.address, RCVHWM=1, RCVBUF=4096) as slow:
        assert len(take(slow, 1)) == 1
        topology.stop(2)
    (line,) = told(caplog)
    assert line == "messages that ZeroMQ had taken were not delivered within the linger of 0.05 s"


def test_a_stop_after_the_end_that_still_delivers_tells_of_it(topology, caplog):
    few = topology.feed([[bytes(1 << 20)]] * 40)
    output = topology.output(few, "tcp://127.0.0.1:*", queue_size=100)
    topology.start()
    with peer(zmq.PULL, output.address, RCVHWM=1) as slow:
        assert len(take(slow, 1)) == 1
        assert not topology.join(0.1)
        topology.stop(0.2)
        (line,) = told(caplog)
        assert "still to be delivered" in line
        assert len(take(slow, 39)) == 39


def test_a_strategy_of_mflow_s_form_merges(topology):
    class Backwards:
        def __init__(self):
            self.last = 0

        def next(self, streams):
            self.last = (self.last - 1) % len(streams)
            return self.last

    got = []
    merged = topology.merge(
        topology.feed(numbered(2)), topology.feed(numbered(2, 10)), strategy=Backwards()
    )
    topology.sink(merged, lambda message: got.append(number(message)), decode=False)
    run(topology)
    assert sorted(got) == [0, 1, 10, 11]
    assert got[0] == 10


def test_the_class_of_a_strategy_will_do(topology):
    merged = topology.merge(topology.feed(numbered(2)), strategy=RoundRobinStrategy)
    sink = topology.sink(merged, lambda message: None, decode=False)
    run(topology)
    assert sink.statistics.sent == 2


def test_another_thread_is_told_to_keep_off(topology):
    topology.sink(topology.feed(endless()), lambda message: None, decode=False)
    topology.start()

    def other():
        for end in (topology.stop, topology.join):
            with pytest.raises(ConnectError, match="thread that started it"):
                end()

    with thread(other):
        pass
    topology.stop()


@pytest.mark.parametrize(
    "build",
    [
        lambda t: t.sink(None, print),
        lambda t: t.sink(t.feed([]), 3),
        lambda t: t.sink(t.feed([]), gift),
        lambda t: t.output("tcp://127.0.0.1:*", t.feed([])),
        lambda t: t.output(t.feed([]), 5),
        lambda t: t.merge([t.feed([]), t.feed([])]),
        lambda t: t.sink(t.output(t.feed([]), "tcp://127.0.0.1:*"), print),
        lambda t: t.sink(Topology().feed([]), print),
        lambda t: t.source("tcp://127.0.0.1:1", mode="PUSH"),
        lambda t: t.output(t.feed([]), "tcp://127.0.0.1:*", mode="PULL"),
    ],
)
def test_nodes_that_do_not_fit_are_refused_when_they_are_added(topology, build):
    with pytest.raises(ConfigError) as caught:
        build(topology)
    assert "\n" not in str(caught.value)


def gift(message):
    yield message


def test_a_burst_cut_short_by_a_kill_is_left_over_to_the_message():
    statistics = NodeStatistics()
    inlet = Inlet(statistics)
    messages = [Message(None, n, [b"x"]) for n in range(300)]
    giving = gevent.spawn(inlet.accept, messages)
    gevent.idle()
    first = inlet.channel.get()
    gevent.idle()
    giving.kill()
    assert first == messages[:128] and inlet.channel.get() == messages[128:256]
    assert (statistics.received, statistics.left_over) == (300, 44)


def test_sources_and_outputs_have_io_threads_of_their_own(topology, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    with peer(zmq.PUSH) as sender:
        source = topology.source(endpoint(sender))
        outputs = [topology.output(source, "tcp://127.0.0.1:*") for _ in range(3)]
        own = topology.output(source, "tcp://127.0.0.1:*", options={"AFFINITY": 1})
        topology.start()
        used = [node._socket.get(zmq.AFFINITY) for node in (source, *outputs, own)]
        assert used == [1, 2, 4, 2, 1]
        assert topology._runner._context.get(zmq.IO_THREADS) == 3
