"""Taps between real sockets: viewers come, go and stand still, and the main path never waits."""

import json
import os
import signal
import socket as sockets
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import count as counted

import gevent
import pytest
import zmq
from gevent import Greenlet
from gevent.queue import Queue
from hypothesis import given
from hypothesis import strategies as st

from gmflow import ConfigError, ConnectError, Topology
from gmflow.formats import is_series_edge
from gmflow.green.topology.tap import Newest, Tap, WhileSubscribed
from gmflow.message import Message
from tests.support.green import books, endpoint, peer, thread, until
from tests.support.messages import cbor_parts


def header(series):
    return [b'{"htype":"dheader-1.0","header_detail":"basic","series":%d}' % series, b'{"x":1}']


def image(frame, series=1):
    return [b'{"htype":"dimage-1.0","series":%d,"frame":%d}' % (series, frame), b"pixels"]


def end(series):
    return [b'{"htype":"dseries_end-1.0","series":%d}' % series]


def start2(series):
    uid = "u" * 80
    return cbor_parts(series_id=series, arm_date="x", type="start", series_unique_id=uid)


def image2(frame, series=1):
    return cbor_parts(data=b"pixels", type="image", series_id=series, image_id=frame)


def end2(series):
    return cbor_parts(type="end", series_id=series)


STREAMS = pytest.mark.parametrize(
    ("begin", "image", "end"), [(header, image, end), (start2, image2, end2)], ids=["v1", "v2"]
)


def bsread(pulse):
    main = {"htype": "bsr_m-1.1", "pulse_id": pulse, "hash": "1", "global_timestamp": {}}
    return [json.dumps(main).encode(), b'{"htype":"bsr_d-1.1","channels":[]}', b"value"]


class Tapped:
    """A topology that tests put messages into one by one, with a sink beside the tap."""

    def __init__(self, rate=None, **settings):
        self.messages = Queue()
        self.reached = []  # the sink
        self.topology = Topology()
        feed = self.topology.feed(self.messages)
        self.tap = self.topology.tap(feed, "tcp://127.0.0.1:*", rate=rate, name="tap", **settings)
        self.topology.sink(feed, lambda m: self.reached.append(m.parts), decode=False)
        self.topology.start()

    def put(self, *messages):
        """Have messages come, and wait until they have reached both ends of the main path."""
        before = len(self.reached)
        for parts in messages:
            self.messages.put(parts)
        until(lambda: len(self.reached) == before + len(messages))

    def end(self):
        """Have the stream end; return the tap's counters."""
        self.messages.put(StopIteration)
        assert self.topology.join(10)
        return books(self.topology.statistics())["tap"]

    @contextmanager
    def viewer(self, *topics, **options):
        """Return a subscriber that the tap knows of."""
        mark = mark_of_a_viewer()
        with zmq.Context() as context, context.socket(zmq.SUB) as socket:
            for topic in [*(topics or [b""]), mark]:
                socket.subscribe(topic)
            for name, value in options.items():
                socket.set(zmq.SocketOption[name], value)
            socket.connect(self.tap.address)
            self.wait_for(mark)
            yield socket

    def wait_for(self, mark):
        """Wait until a viewer is subscribed to all that it wants."""
        until(lambda: mark in self.tap._topics, 20)

    @property
    def subscriptions(self):
        return self.tap.snapshot()["subscriptions"]


numbers = counted()


def mark_of_a_viewer():
    """Return a topic that no message has and that a viewer's socket asks for last."""
    return b"\xff%d" % next(numbers)


@pytest.fixture
def tapped():
    made = []

    def make(*arguments, **settings):
        made.append(Tapped(*arguments, **settings))
        return made[-1]

    yield make
    for one in made:
        one.topology.stop(0.5)
        books(one.topology.statistics())


def take(socket, count):
    """Return the next messages of a plain socket while the hub runs."""
    messages = []
    for _ in range(count):
        until(lambda: socket.poll(0))
        messages.append(socket.recv_multipart())
    return messages


def rest(socket):
    """Return what is still to come of a topology that has ended."""
    messages = []
    while socket.poll(300):
        messages.append(socket.recv_multipart())
    return messages


# who gets what


def test_without_subscribers_everything_is_dropped_and_the_tap_says_why(tapped):
    tap = tapped()
    tap.put(header(1), *(image(n) for n in range(50)), end(1))
    counters = tap.end()
    assert counters["dropped"] == {"unwatched": 52}
    assert (counters["kind"], counters["sent"], counters["subscriptions"]) == ("tap", 0, 0)


@STREAMS
def test_a_late_subscriber_gets_the_header_once_and_the_others_not_again(tapped, begin, image, end):
    tap = tapped()
    with tap.viewer() as early:
        tap.put(begin(1), image(0))
        assert take(early, 2) == [begin(1), image(0)]
        with tap.viewer() as late:
            assert take(late, 1) == [begin(1)]  # while nothing comes
            tap.put(image(1), end(1))
            counters = tap.end()
            assert rest(late) == [image(1), end(1)]
        assert rest(early) == [image(1), end(1)]
    assert counters["sent"] == 4 and counters["dropped"] == {} and counters["missed"] == 0


@STREAMS
def test_the_header_is_remembered_while_nobody_watches(tapped, begin, image, end):
    tap = tapped()
    tap.put(begin(1), image(0), end(1), begin(2), image(1, 2))
    with tap.viewer() as late:
        tap.put(image(2, 2))
        assert take(late, 2) == [begin(2), image(2, 2)]


@pytest.mark.parametrize("watched", [False, True])
def test_a_late_subscriber_of_bsread_gets_the_latest_message(tapped, watched):
    tap = tapped()
    with tap.viewer() as other:
        tap.put(bsread(1))
        take(other, 1)
        if watched:
            tap.put(bsread(2))
            take(other, 1)
    until(lambda: tap.subscriptions == 0)
    if not watched:
        tap.put(bsread(2))
        until(lambda: tap.tap.statistics.dropped == {"unwatched": 1})
    with tap.viewer() as late:
        tap.put(bsread(3))
        assert take(late, 2) == [bsread(2), bsread(3)]


def test_after_a_subscriber_who_found_no_header_everyone_gets_everything(tapped):
    tap = tapped()
    with tap.viewer() as early, tap.viewer() as late:
        tap.put(image(0), image(1))
        assert take(early, 2) == take(late, 2) == [image(0), image(1)]


def test_subscribers_get_what_begins_with_their_topics(tapped):
    tap = tapped()
    tap.put(header(1))
    with tap.viewer(b'{"htype":"dheader', b'{"htype":"dseries') as edges:
        with tap.viewer(b'{"htype":"dimage') as images, tap.viewer(b"other") as none:
            tap.put(image(0), image(1), end(1))
            tap.end()
            assert rest(images) == [image(0), image(1)]
            assert rest(none) == []
        assert rest(edges) == [header(1), end(1)]


def test_a_late_subscriber_gets_the_header_of_what_is_still_to_come(tapped):
    tap = tapped(0.05)
    with tap.viewer() as early:
        tap.put(header(1), image(0))
        take(early, 2)
        tap.put(image(1), header(2))  # they wait for their turn
        with tap.viewer() as late:
            tap.end()
            assert rest(late) == [header(1), image(1), header(2)]
        assert rest(early) == [image(1), header(2)]


def test_subscribers_come_and_go(tapped):
    tap = tapped()
    with tap.viewer() as stays:
        with tap.viewer() as goes, tap.viewer(b"", b"too") as unsubscribes:
            assert tap.subscriptions == 5  # "", "too" and the mark of each
            unsubscribes.unsubscribe(b"")
            unsubscribes.unsubscribe(b"too")
            until(lambda: tap.subscriptions == 4)
            tap.put(image(0))
            assert take(stays, 1) == take(goes, 1) == [image(0)]
            assert not unsubscribes.poll(0)
        until(lambda: tap.subscriptions == 2)
        tap.put(image(1))
        assert take(stays, 1) == [image(1)]
    until(lambda: tap.subscriptions == 0)
    tap.put(image(2))
    assert tap.end()["dropped"] == {"unwatched": 1}


def subscribe_raw(address, *notices):
    """Say something to a tap as a peer whose ZMTP is its own: libzmq's hold some of it back."""
    host, port = address.removeprefix("tcp://").split(":")
    raw = sockets.create_connection((host, int(port)), 5)
    ready = b"\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB"
    raw.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + b"\x00" + bytes(31))
    raw.sendall(bytes([4, len(ready)]) + ready)
    got = b""
    while b"READY" not in got:  # libzmq wants nothing else before
        got += raw.recv(100)
    for notice in notices:
        raw.sendall(bytes([0, len(notice)]) + notice)
    return raw


def test_who_takes_back_what_he_never_subscribed_to_takes_it_from_nobody_else(tapped):
    tap = tapped()
    mark = mark_of_a_viewer()
    with tap.viewer() as viewer:
        for notices in ([b"\x00"], [b"\x00"] * 5, [b"\x01", b"\x00", b"\x00", b"\x00other"]):
            with subscribe_raw(tap.tap.address, *notices, b"\x01" + mark):
                tap.wait_for(mark)
                tap.put(image(1))
                assert take(viewer, 1) == [image(1)]
            until(lambda: mark not in tap.tap._topics)
            tap.put(image(2))
            assert take(viewer, 1) == [image(2)]
        assert tap.subscriptions == 2
    until(lambda: tap.subscriptions == 0)


@pytest.mark.parametrize("last", [[], [b"\x00"], [b"\x00", b"\x00"]])
def test_who_subscribes_several_times_is_gone_when_he_is_gone(tapped, last):
    tap = tapped()
    mark = mark_of_a_viewer()
    with subscribe_raw(tap.tap.address, *[b"\x01"] * 5, b"\x01" + mark) as raw:
        tap.wait_for(mark)
        assert tap.subscriptions == 2
        for notice in last:
            raw.sendall(bytes([0, len(notice)]) + notice)
        if last:
            until(lambda: tap.subscriptions == 1)
    until(lambda: tap.subscriptions == 0)
    tap.put(image(0))
    assert tap.end()["dropped"] == {"unwatched": 1}


def test_viewers_behind_a_forwarder_come_and_go(tapped):
    tap = tapped()
    stop, notices = gevent.event.Event(), []

    with (
        peer(zmq.XSUB, tap.tap.address) as below,
        peer(zmq.XPUB, XPUB_VERBOSER=1) as above,
    ):

        def forward():
            while not stop.is_set():
                for one, other in ((above, below), (below, above)):
                    while one.poll(0):
                        parts = one.recv_multipart()
                        notices.extend(parts if one is above else [])
                        other.send_multipart(parts)
                gevent.sleep(0.001)

        forwards = gevent.spawn(forward)
        for times in range(1, 4):
            with peer(zmq.SUB, endpoint(above)) as one, peer(zmq.SUB, endpoint(above)) as two:
                until(lambda n=2 * times: notices.count(b"\x01") == n and tap.subscriptions == 1)
                tap.put(image(0))
                assert take(one, 1) == take(two, 1) == [image(0)]
            until(lambda: tap.subscriptions == 0)
        stop.set()
        forwards.join()
    tap.put(image(1))
    assert tap.end()["dropped"] == {"unwatched": 1}


def test_who_has_gone_before_it_was_seen_leaves_nothing_behind(tapped):
    tap = tapped()
    tap.put(header(1))
    with tap.viewer() as viewer:
        assert take(viewer, 1) == [header(1)]
        for _ in range(10):
            with subscribe_raw(tap.tap.address, b"\x01", b"\x01other") as raw:
                raw.shutdown(sockets.SHUT_WR)
                raw.settimeout(5)
                while raw.recv(1000):  # the hub stands still until libzmq has hung up
                    pass
            time.sleep(0.01)
            gevent.sleep(0.001)
        until(lambda: tap.subscriptions == 2)
        tap.put(image(0))
        with gevent.Timeout(5):
            while take(viewer, 1) != [image(0)]:  # it may get the header of who left just then
                pass
    until(lambda: tap.subscriptions == 0)


def test_what_an_xsub_peer_says_beside_subscriptions_is_no_subscription(tapped):
    tap = tapped()
    with peer(zmq.XSUB, tap.tap.address) as talks:
        for words in (b"", b"hello", b"\x01"):
            talks.send(words)
        until(lambda: tap.subscriptions == 1)
        tap.put(image(0))
        assert take(talks, 1) == [image(0)]


# the rate


def test_the_newest_go_at_a_rate_and_headers_and_ends_all_go_in_order(tapped):
    tap = tapped(10.0)
    with tap.viewer(RCVHWM=0) as viewer:
        for series in (1, 2, 3):
            tap.put(header(series), *(image(n, series) for n in range(200)), end(series))
        counters = tap.end()
        messages = rest(viewer)
    seen = [json.loads(parts[0])["series"] for parts in messages]
    edges = [parts for parts in messages if b"dimage" not in parts[0]]
    assert edges == [header(1), end(1), header(2), end(2), header(3), end(3)]
    assert seen == sorted(seen)
    assert counters["sent"] == len(messages) < 100
    assert counters["dropped"] == {"rate": counters["received"] - counters["sent"]}


@pytest.mark.parametrize(("rate", "frames"), [(10.0, [2]), (None, [0, 1, 2])])
def test_a_rate_leaves_the_newest_of_a_burst_and_none_leaves_what_there_is_room_for(rate, frames):
    topology = Topology()
    tap = topology.tap(topology.feed([]), "tcp://127.0.0.1:*", rate=rate)
    burst = [Message(parts=parts) for parts in (header(1), *map(image, range(3)), end(1))]
    _, newest = tap.inlet._filters
    assert newest.cause == ("full" if rate is None else "rate")
    chosen = [message.parts for message in newest.choose(burst)]
    assert chosen == [header(1), *map(image, frames), end(1)]


@pytest.mark.parametrize("rate", [0, -1, "fast", float("nan")])
def test_a_wrong_rate(rate):
    topology = Topology()
    with pytest.raises(ConfigError, match=r"rate is .*; it can be a number above 0"):
        topology.tap(topology.feed([]), "tcp://127.0.0.1:*", rate=rate)


# never in the way


def endless():
    frame = 0
    yield header(1)
    while True:
        yield image(frame)
        frame += 1


@pytest.mark.parametrize("rate", [20.0, None])
def test_who_subscribes_in_a_flood_is_seen_at_once_and_gets_the_header_first(rate):
    topology = Topology()
    feed = topology.feed(endless())
    topology.sink(feed, lambda message: None, decode=False)
    tap = topology.tap(feed, "tcp://127.0.0.1:*", rate=rate)
    topology.start()
    try:
        for _ in range(5):
            with peer(zmq.SUB, tap.address) as viewer:
                first, *images = take(viewer, 4)
                assert first == header(1)
                frames = [json.loads(parts[0])["frame"] for parts in images]
                assert frames == sorted(set(frames))
    finally:
        topology.stop(1)
    books(topology.statistics())


@pytest.mark.parametrize("rate", [20.0, None])
def test_a_viewer_that_never_reads_holds_nothing_up_not_even_the_end(rate):
    count, pixels = 3_000, bytes(100_000)
    topology = Topology()
    begin = gevent.event.Event()
    reached = []

    def messages():
        begin.wait()
        for frame in range(count):
            yield [image(frame)[0], pixels]

    feed = topology.feed(messages())
    topology.sink(feed, lambda message: reached.append(message.size), decode=False)
    tap = topology.tap(feed, "tcp://127.0.0.1:*", rate=rate, name="tap")
    topology.start()
    with peer(zmq.SUB, tap.address, RCVHWM=1, RCVBUF=4096):
        until(lambda: tap.snapshot()["subscriptions"] == 1)
        begin.set()
        assert topology.join(20)
        assert len(reached) == count
        assert topology.statistics()["seconds"] < 20
    nodes = books(topology.statistics())
    assert nodes["feed"]["sent"] == nodes["tap"]["received"] == count
    assert set(nodes["tap"]["dropped"]) == {"full" if rate is None else "rate"}


VIEWER = """
import sys, zmq
socket = zmq.Context().socket(zmq.SUB)
socket.set(zmq.RCVHWM, 1)
socket.set(zmq.RCVBUF, 4096)
socket.subscribe(b"")
socket.subscribe(bytes.fromhex(sys.argv[2]))
socket.connect(sys.argv[1])
socket.recv_multipart()
print("sees", flush=True)
while True:
    socket.recv_multipart()
"""


@contextmanager
def stopped_viewer(tap):
    """Have a viewer in a process of its own that is stopped after its first message."""
    mark = mark_of_a_viewer()
    with subprocess.Popen(
        [sys.executable, "-c", VIEWER, tap.tap.address, mark.hex()],
        stdout=subprocess.PIPE,
    ) as process:
        try:
            tap.wait_for(mark)
            assert process.stdout.readline() == b"sees\n"
            os.kill(process.pid, signal.SIGSTOP)
            yield process
        finally:
            process.kill()
            process.send_signal(signal.SIGCONT)


def test_a_stopped_viewer_is_missed_and_the_others_go_on(tapped):
    tap = tapped(queue_size=2)
    pixels = bytes(1 << 20)
    tap.put(header(1))
    with stopped_viewer(tap), tap.viewer(RCVHWM=0) as sees:
        assert take(sees, 1) == [header(1)]
        for frame in range(40):
            tap.put([image(frame)[0], pixels])
            assert take(sees, 1) == [[image(frame)[0], pixels]]
        counters = tap.end()
    assert counters["missed"] > 0
    assert counters["sent"] == 40 and len(tap.reached) == 41


def test_a_source_and_its_push_output_lose_nothing_beside_a_stopped_viewer(tapped):
    count, pixels = 400, bytes(200_000)
    got = []

    def send(socket):
        for frame in range(count):
            socket.send_multipart([image(frame)[0], pixels])

    def drain(socket):
        while len(got) < count and socket.poll(10_000):
            got.append(socket.recv_multipart()[0])

    with peer(zmq.PUSH, LINGER=5000) as sender, peer(zmq.PULL) as receiver:
        topology = Topology()
        source = topology.source(endpoint(sender), count=count + 1)
        topology.output(source, endpoint(receiver))
        tap = Tapped.__new__(Tapped)
        tap.tap = topology.tap(source, "tcp://127.0.0.1:*", rate=None, queue_size=1, name="tap")
        topology.start()
        sender.send_multipart(header(1))
        until(lambda: tap.tap.statistics.received == 1)
        with stopped_viewer(tap), thread(send, sender), thread(drain, receiver):
            assert topology.join(30)
        assert [json.loads(first).get("frame") for first in got[1:]] == list(range(count - 1))
        nodes = books(topology.statistics())
        assert nodes["tap"]["received"] == count + 1


# ends


def greenlets():
    import gc

    return {id(g) for g in gc.get_objects() if isinstance(g, Greenlet) and not g.dead}


@pytest.mark.parametrize("how", ["ends", "stop", "never read"])
def test_nothing_runs_on_after_the_end(tapped, how):
    before = greenlets()
    tap = tapped()
    with tap.viewer() as viewer:
        tap.put(header(1), image(0))
        if how != "never read":
            take(viewer, 2)
        if how == "ends":
            tap.end()
        tap.topology.stop(1)
    gevent.sleep(0)
    assert greenlets() <= before
    books(tap.topology.statistics())


def test_an_address_in_use_is_an_error_before_anything_runs():
    with peer(zmq.PULL) as taken:
        topology = Topology()
        topology.tap(topology.feed([image(0)]), endpoint(taken), conn_type="bind")
        before = greenlets()
        with pytest.raises(ConnectError, match="another program has it"):
            topology.start()
        assert greenlets() <= before


def test_what_goes_wrong_with_subscriptions_ends_the_topology(tapped):
    tap = tapped()
    tap.tap._socket.close(0)
    with pytest.raises(ConnectError, match="closed"):
        tap.topology.join(5)


def test_a_tap_that_connects_serves_a_viewer_that_is_bound():
    with peer(zmq.SUB) as viewer:
        topology = Topology()
        messages = Queue()
        tap = topology.tap(topology.feed(messages), endpoint(viewer), rate=None)
        assert isinstance(tap, Tap)
        topology.start()
        until(lambda: viewer.poll(0) or tap.snapshot()["subscriptions"] == 1)
        messages.put(image(0))
        assert take(viewer, 1) == [image(0)]
        topology.stop(1)


# filters


def burst(*parts):
    return [Message(None, None, each) for each in parts]


def test_unwatched_finds_the_newest_header_message_wherever_it_is():
    topics = set()
    watched = WhileSubscribed(topics)
    messages = burst(image(0), header(1), image(1), header(2), image(2))
    assert watched.choose(messages) == (messages[3],)
    assert watched.choose(burst(image(0), end(1), [b""], [b"\xff\xfe", b"x"], [])) == ()
    assert watched.choose(burst([b'{"htype":"raw-1.0","source":"dheader-"}'])) == ()
    large = burst([b" " * 70_000 + b'{"htype":"array-1.0"}'], header(3))
    assert watched.choose(large) == (large[1],)
    topics.add(b"")
    assert watched.choose(messages) is messages


@given(st.lists(st.sampled_from("hieHIE")), st.integers(0, 10))
def test_newest_keeps_series_edges_and_as_many_images_as_there_is_room_for(kinds, room):
    make = {"h": header(1), "i": image(0), "e": end(1)}
    make |= {"H": start2(1), "I": image2(0), "E": end2(1)}
    messages = burst(*(make[kind] for kind in kinds))
    chosen = Newest("full", lambda: room).choose(messages)
    images = [message for message in messages if not is_series_edge(message)]
    newest = set(map(id, images[max(len(images) - room, 0) :]))
    expected = [m for m in messages if is_series_edge(m) or id(m) in newest]
    assert list(map(id, chosen)) == list(map(id, expected))
