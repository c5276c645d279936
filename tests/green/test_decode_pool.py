"""What handlers leave for later is done in native threads: in order, bounded, off the hub."""

import gc
import logging
import sys
import threading
import weakref
from contextlib import contextmanager
from time import sleep

import gevent
import pytest
import zmq
from gevent.hub import get_hub

import gmflow
from gmflow import ByKey, ConfigError, ConnectError, DecodeError, HandlerError, Topology
from gmflow.decoder import Decoder
from gmflow.deferred import SMALL, Deferred
from gmflow.green.decode_pool import Decoding
from gmflow.message import Message
from tests.support import waiting
from tests.support.green import DEADLINE, books, endpoint, peer, program, thread, ticker, until
from tests.support.messages import parts

LARGE = SMALL + 1


class Bench:
    """Work that a test can hold up: each message's waits in its thread until it is let go."""

    def __init__(self):
        self.begun = []
        self.most = 0
        self.free = 0
        self.threads = set()
        self._busy = 0
        self._lock = threading.Lock()
        self._gates = {}

    def gate(self, number):
        with self._lock:
            return self._gates.setdefault(number, threading.Event())

    def let_go(self, *numbers):
        for number in numbers:
            self.gate(number).set()

    def work(self, number):
        with self._lock:
            self.begun.append(number)
            self.threads.add(threading.get_ident())
            self._busy += 1
            self.most = max(self.most, self._busy)
        assert self.gate(number).wait(2 * DEADLINE)
        with self._lock:
            self._busy -= 1
            self.free += 1
        return number

    def handler(self, receiver):
        while True:
            receiver.header()
            receiver.next()
            yield Deferred(self.work, int(receiver.next()), size=LARGE)


def until_native(condition):
    """Hold the hub up until a condition holds in another thread."""
    waiting.until(condition)
    sleep(0.01)


@pytest.fixture
def bench():
    bench = Bench()
    yield bench
    bench.let_go(*range(1000))


def numbered(number, htype="work"):
    return parts(b"%d" % number, htype=htype)


def small(receiver):
    return Deferred(int, receiver.rest()[1], size=SMALL)


def failing(receiver):
    return Deferred(int, b"no number", size=LARGE)


@contextmanager
def pair(threads, **more):
    """Return a sending plain socket and a stream that receives from it."""
    with peer(zmq.PUSH) as sender:
        stream = gmflow.connect(
            endpoint(sender), receive_timeout=20_000, decode_threads=threads, **more
        )
        try:
            yield sender, stream
        finally:
            stream.disconnect()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_messages_come_in_order_whatever_is_done_first(bench, threads):
    with pair(threads, handlers={"work": bench.handler}) as (sender, stream):
        for number in range(20):
            sender.send_multipart(numbered(number))
        for number in range(19, -1, -1):
            bench.let_go(number)
        assert [stream.receive().data for _ in range(20)] == list(range(20))
        assert stream.statistics.messages_received == 20
        assert stream.ahead == 0


@pytest.mark.parametrize("threads", [2, 3])
def test_so_many_are_worked_on_at_once(bench, threads):
    with pair(threads, handlers={"work": bench.handler}) as (sender, stream):
        for number in range(20):
            sender.send_multipart(numbered(number))
        reading = gevent.spawn(stream.receive)
        until(lambda: len(bench.begun) == threads)
        assert stream.ahead == threads + 1  # one waits for the next thread that is free
        bench.let_go(*range(20))
        assert reading.get(timeout=DEADLINE).data == 0
        assert [stream.receive().data for _ in range(19)] == list(range(1, 20))
        assert bench.most == threads
        assert threading.get_ident() not in bench.threads


def test_with_one_thread_nothing_is_taken_ahead(bench):
    with pair(1, handlers={"work": bench.handler}) as (sender, stream):
        for number in range(3):
            sender.send_multipart(numbered(number))
        reading = gevent.spawn(stream.receive)
        until(lambda: bench.begun == [0])
        bench.let_go(0, 1, 2)
        assert reading.get(timeout=DEADLINE).data == 0
        assert stream.ahead == 0
        until(lambda: stream.socket.poll(0))
        assert bench.begun == [0]


def test_with_none_the_hub_does_the_work(bench):
    bench.let_go(0)
    with pair(0, handlers={"work": bench.handler}) as (sender, stream):
        sender.send_multipart(numbered(0))
        assert stream.receive().data == 0
        assert bench.threads == {threading.get_ident()}


def test_small_work_stays_on_the_hub():
    with pair(2, handlers={"work": small}) as (sender, stream):
        for number in range(3):
            sender.send_multipart(numbered(number))
        assert [stream.receive().data for _ in range(3)] == [0, 1, 2]
        assert stream.ahead == 0


def test_the_hub_goes_on_while_a_thread_works(bench):
    with pair(1, handlers={"work": bench.handler}) as (sender, stream), ticker(0.001) as ticks:
        sender.send_multipart(numbered(0))
        reading = gevent.spawn(stream.receive)
        until(lambda: bench.begun == [0])
        before = len(ticks)
        until(lambda: len(ticks) > before + 5)
        assert not reading.ready()
        bench.let_go(0)
        assert reading.get(timeout=DEADLINE).data == 0


def test_a_receive_that_does_not_block_waits_for_what_it_has_taken(bench):
    """Programs poll the socket: they would never come back for a message that is off it."""
    with pair(1, handlers={"work": bench.handler}) as (sender, stream):
        assert stream.receive(block=False) is None
        sender.send_multipart(numbered(0))
        until(lambda: stream.socket.poll(0))
        reading = gevent.spawn(stream.receive, block=False)
        until(lambda: bench.begun == [0])
        bench.let_go(0)
        assert reading.get(timeout=DEADLINE).data == 0


def test_an_interrupted_wait_loses_nothing(bench):
    with pair(1, handlers={"work": bench.handler}) as (sender, stream):
        sender.send_multipart(numbered(0))
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.05):
            stream.receive()
        assert stream.ahead == 1
        bench.let_go(0)
        assert stream.receive().data == 0


class Interrupt(BaseException):
    """As gevent.Timeout is, or the kill of a greenlet."""


def test_an_interrupt_where_messages_are_taken_ahead_loses_nothing(bench):
    bench.let_go(*range(3))

    def interrupted(receiver):
        raise Interrupt

    table = {"work": bench.handler, "interrupted": interrupted}
    with pair(2, handlers=table) as (sender, stream):
        for number, htype in enumerate(["work"] * 3 + ["interrupted"]):
            sender.send_multipart(numbered(number, htype))
        got = []
        while len(got) < 3:
            try:
                got.append(stream.receive().data)
            except Interrupt:
                assert stream.ahead == 3 - len(got)
        assert got == [0, 1, 2]


def test_threads_that_are_done_at_once_do_not_end_the_next_wait(bench):
    with pair(2, handlers={"work": bench.handler}) as (sender, stream):
        got = []
        reading = gevent.spawn(lambda: got.extend(stream.receive() for _ in range(3)))
        for number in range(2):
            sender.send_multipart(numbered(number))
        until(lambda: stream.ahead == 2)
        bench.let_go(0, 1)
        until_native(lambda: bench.free == 2)
        until(lambda: stream.ahead == 0)
        gevent.sleep(0.02)
        assert not reading.ready()
        bench.let_go(2)
        sender.send_multipart(numbered(2))
        reading.get(timeout=DEADLINE)
        assert [one.data for one in got] == [0, 1, 2]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("many", [1, 5])
def test_a_disconnect_ends_a_receive_and_does_not_wait_for_the_work(bench, threads, many):
    with pair(threads, handlers={"work": bench.handler}) as (sender, stream):
        for number in range(many):
            sender.send_multipart(numbered(number))
        reading = gevent.spawn(stream.receive)
        until(lambda: len(bench.begun) == min(threads, many))
        until(lambda: stream.ahead == min(stream._decoding.most, many))
        stream.disconnect()
        with pytest.raises(ConnectError, match=r"disconnected|closed"):
            reading.get(timeout=DEADLINE)
        assert bench.free == 0


def test_a_disconnect_ends_a_loop_over_the_stream(bench):
    with pair(1, handlers={"work": bench.handler}) as (sender, stream):
        sender.send_multipart(numbered(0))
        reading = gevent.spawn(list, stream)
        until(lambda: bench.begun == [0])
        stream.disconnect()
        assert reading.get(timeout=DEADLINE) == []


@pytest.mark.parametrize("threads", [1, 2])
def test_a_second_greenlet_is_refused_and_does_no_harm(bench, threads):
    with pair(threads, handlers={"work": bench.handler}) as (sender, stream):
        sender.send_multipart(numbered(0))
        reading = gevent.spawn(stream.receive)
        until(lambda: bench.begun == [0])
        with pytest.raises(ConnectError, match="another greenlet already receives"):
            stream.receive()
        bench.let_go(0)
        assert reading.get(timeout=DEADLINE).data == 0


def test_a_second_thread_is_refused_what_was_taken(bench):
    def receive():
        with pytest.raises(ConnectError, match="belongs to the thread"):
            stream.receive()

    with pair(1, handlers={"work": bench.handler}) as (sender, stream):
        sender.send_multipart(numbered(0))
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.05):
            stream.receive()
        assert stream.ahead == 1
        with thread(receive):
            pass
        bench.let_go(0)
        assert stream.receive().data == 0


def test_the_threads_of_a_forgotten_stream_end(bench):
    bench.let_go(0)
    with peer(zmq.PUSH) as sender:
        stream = gmflow.connect(endpoint(sender), handlers={"work": bench.handler})
        sender.send_multipart(numbered(0))
        assert stream.receive().data == 0
        assert bench.threads <= sys._current_frames().keys()
        del stream
        gc.collect()
        until(lambda: not bench.threads & sys._current_frames().keys())


class Unsayable(Exception):
    """An error that fails to say what it is."""

    def __str__(self):
        raise ValueError


@pytest.mark.parametrize("error", [SystemExit, gevent.GreenletExit, gevent.Timeout, Unsayable])
def test_whatever_the_work_raises_fails_its_message_alone(error, caplog, capsys):
    def fail():
        raise error

    table = {"work": small, "failing": lambda receiver: Deferred(fail)}
    with pair(2, handlers=table) as (sender, stream):
        for number, htype in enumerate(("failing", "work")):
            sender.send_multipart(numbered(number, htype))
        assert stream.receive() is None
        assert stream.receive().data == 1
        counters = stream.statistics.snapshot()
        assert (counters["messages_received"], counters["messages_failed"]) == (1, 1)
    assert caplog.text.count("can't be read") == 1
    assert capsys.readouterr().err.count("Traceback") == 0


@pytest.fixture
def uncollected(caplog):
    """Have no garbage collected: what is in a cycle stays."""
    caplog.set_level(logging.ERROR, "gmflow")  # the records would keep the errors
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def no_number(seen, later):
    def handler(receiver):
        seen.append(weakref.ref(receiver.parts[-1]))
        return Deferred(int, b"no number", size=LARGE) if later else int(b"no number")

    return handler


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("on_error", ["log", "raise"])
def test_the_parts_of_a_message_that_failed_are_let_go(uncollected, later, on_error):
    seen = []
    table = {"refused": no_number(seen, later), "work": small}
    with pair(1, handlers=table) as (sender, stream):
        for number, htype in enumerate(("refused", "work")):
            sender.send_multipart(numbered(number, htype))
        try:
            assert stream.receive(on_error=on_error) is None
            assert on_error == "log"
        except HandlerError as error:
            assert on_error == "raise"
            assert "invalid literal" in str(error)
        assert stream.receive().data == 1
        assert stream.statistics.messages_failed == len(seen) == 1
        until(lambda: seen[0]() is None)


@pytest.mark.parametrize("later", [False, True])
def test_the_parts_of_messages_that_failed_are_let_go_in_a_topology(topology, uncollected, later):
    seen, got = [], []
    table = {"refused": no_number(seen, later), "work": small}
    with peer(zmq.PUSH) as sender:
        source = topology.source(endpoint(sender), handlers=table)
        sink = topology.sink(source, lambda message: got.append(message.data))
        topology.start()
        for number in range(10):  # each in a burst of its own: the last one is kept
            sender.send_multipart([*numbered(number, "refused"), bytes(2000)])  # a frame stays one
            until(lambda number=number: len(seen) == number + 1)
        sender.send_multipart(numbered(10, "work"))
        until(lambda: got == [10])
        assert sink.statistics.failed == len(seen) == 10
        until(lambda: sum(one() is None for one in seen) >= 9)


def test_work_that_fails_fails_its_message_alone(caplog):
    table = {"work": small, "failing": failing}
    with pair(2, handlers=table) as (sender, stream):
        for number, htype in enumerate(("work", "failing", "work", "failing")):
            sender.send_multipart(numbered(number, htype))
        assert stream.receive().data == 0
        assert stream.receive() is None
        assert stream.receive().data == 2
        with pytest.raises(HandlerError, match=r"handler .*int.* failed .*: ValueError: invalid"):
            stream.receive(on_error="raise")
        counters = stream.statistics.snapshot()
        assert (counters["messages_received"], counters["messages_failed"]) == (2, 2)
    assert "can't be read" in caplog.text


def test_the_work_may_say_that_there_is_no_value():
    with pair(2, handlers={"work": lambda receiver: Deferred(lambda: None)}) as (sender, stream):
        sender.send_multipart(numbered(0))
        assert stream.receive() is None
        assert stream.statistics.messages_skipped == 1


def test_a_handler_of_its_own_reads_what_was_taken_ahead(bench):
    bench.let_go(*range(5))
    with pair(2, handlers={"work": bench.handler}) as (sender, stream):
        for number in range(3):
            sender.send_multipart(numbered(number))
        assert stream.receive().data == 0
        until(lambda: stream.ahead or stream.socket.poll(0))
        assert stream.receive(handler=lambda receiver: bytes(receiver.parts[1])).data == b"1"
        assert stream.receive().data == 2
        assert stream.statistics.messages_received == 3


def test_a_message_that_is_read_anew_counts_once(bench):
    def wrong(receiver):
        raise DecodeError("refused")

    table = {"work": bench.handler, "wrong": wrong}
    with pair(2, handlers=table) as (sender, stream):
        for number, htype in enumerate(("work", "wrong")):
            sender.send_multipart(numbered(number, htype))
        reading = gevent.spawn(stream.receive)
        until(lambda: stream.ahead == 2)
        bench.let_go(0)
        assert reading.get(timeout=DEADLINE).data == 0
        assert stream.receive_raw().data["data"] == [b"1"]
        counters = stream.statistics.snapshot()
        assert (counters["messages_received"], counters["messages_failed"]) == (2, 0)


def test_a_handler_of_its_own_sees_a_message_once_where_its_wait_was_interrupted(bench):
    seen = []

    def handler(receiver):
        seen.append(receiver.header())
        return Deferred(bench.work, 0, size=LARGE)

    with pair(2) as (sender, stream):
        sender.send_multipart(numbered(0))
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.05):
            stream.receive(handler)
        bench.let_go(0)
        assert stream.receive(handler).data == 0
        assert len(seen) == 1


def test_what_was_taken_ahead_is_said_at_the_end(bench, caplog):
    with peer(zmq.PUSH) as sender:
        table = {"work": bench.handler}
        stream = gmflow.connect(endpoint(sender), handlers=table, decode_threads=2)
        for number in range(3):
            sender.send_multipart(numbered(number))
        bench.let_go(0)
        assert stream.receive().data == 0
        gevent.spawn(stream.receive)
        until(lambda: stream.ahead == 2)
        bench.let_go(1, 2)
        stream.disconnect()
    assert "2 messages from tcp://" in caplog.text
    assert "were taken and not read" in caplog.text


def test_a_merge_sees_what_was_taken_ahead(bench):
    """The poll on the sockets would wait for ever for messages that are off them."""
    bench.let_go(*range(100))
    table = {"work": bench.handler, "failing": failing}
    with (
        pair(3, handlers=table) as (first, one),
        pair(3, handlers=table) as (second, other),
    ):
        merge = gmflow.tools.Merge(one, other, receive_strategy=gmflow.Arrival())
        for sender in (first, second):
            for htype in ("work", "failing", "failing", "work", "work"):
                sender.send_multipart(numbered(7, htype))
        assert [merge.receive().data for _ in range(6)] == [7] * 6


@pytest.mark.parametrize("threads", [-1, 257, 1.5, True, "2"])
def test_a_number_of_threads_that_can_not_be(threads):
    with pytest.raises(ConfigError, match=r"decode_threads is .* a whole number from 0 to 256"):
        gmflow.Stream(decode_threads=threads)
    with pytest.raises(ConfigError, match="decode_threads"):
        Topology().source("tcp://127.0.0.1:9999", decode_threads=threads)


def test_a_stream_is_iterated_over_and_its_threads_end_with_it(bench):
    bench.let_go(*range(5))
    with pair(2, handlers={"work": bench.handler}) as (sender, stream):
        for number in range(5):
            sender.send_multipart(numbered(number))
        assert [one.data for _, one in zip(range(5), stream, strict=False)] == list(range(5))
        assert 0 < len(bench.threads & sys._current_frames().keys()) <= 2
    until(lambda: not bench.threads & sys._current_frames().keys())


def test_order_of_failures_and_values_that_need_no_thread(bench):
    """A message without work waits for its turn behind those that are worked on."""

    def handler(receiver):
        number = int(bytes(receiver.parts[1]))
        if number == 1:
            raise DecodeError("number 1 is refused")
        return number if number == 2 else Deferred(bench.work, number, size=LARGE)

    decoder = Decoder({"work": handler})
    decoding = Decoding(decoder, 3)
    messages = [Message(parts=numbered(number)) for number in range(4)]
    assert [decoding.begin(one) for one in messages] == [False] * 4
    assert decoding.full
    assert not decoding.ready
    assert decoder.statistics.messages_received == 1  # number 2, whose value is known
    bench.let_go(*range(4))
    taken = []
    while decoding:
        decoding.wait()
        taken.append(decoding.take())
    assert taken == messages
    assert [one.data for one in taken] == [0, None, 2, 3]
    assert str(taken[1].error) == "number 1 is refused"
    assert decoder.statistics.messages_received == 3
    assert decoder.statistics.messages_failed == 1
    assert decoding.close() == 0


@pytest.fixture
def topology():
    topology = Topology()
    yield topology
    topology.stop(1)
    books(topology.statistics())


@pytest.mark.parametrize("threads", [0, 1, 2, 4])
def test_a_source_decodes_for_its_sinks_in_order(topology, bench, threads):
    bench.let_go(*range(200))
    got = []
    with peer(zmq.PUSH) as sender, peer(zmq.PULL) as receiver:
        source = topology.source(
            endpoint(sender),
            count=200,
            handlers={"work": bench.handler, "small": small, "failing": failing},
            decode_threads=threads,
        )
        topology.sink(source, lambda one: got.append(one.data))
        topology.output(source, endpoint(receiver), conn_type="connect")
        topology.start()
        kinds = ["failing" if n % 10 == 7 else "small" if n % 3 else "work" for n in range(200)]
        sent = [numbered(number, kind) for number, kind in enumerate(kinds)]
        for parts in sent:
            sender.send_multipart(parts)
        assert topology.join(DEADLINE)
        passed = [receiver.recv_multipart() for _ in range(200)]
    nodes = books(topology.statistics())
    assert passed == sent
    assert got == [number for number in range(200) if number % 10 != 7]
    assert nodes["sink"]["failed"] == 20
    assert nodes[source.name]["sent"] == 200
    assert bench.most <= max(threads, 1)


def test_a_source_passes_on_the_last_message_when_nothing_follows(topology, bench):
    got = []
    with peer(zmq.PUSH) as sender:
        source = topology.source(
            endpoint(sender), handlers={"work": bench.handler}, decode_threads=2
        )
        topology.sink(source, lambda one: got.append(one.data))
        topology.start()
        for number in range(2):
            sender.send_multipart(numbered(number))
        until(lambda: len(bench.begun) == 2)
        bench.let_go(1)
        gevent.sleep(0.02)
        assert got == []  # the first has its turn first
        bench.let_go(0)
        until(lambda: got == [0, 1])


def test_a_stop_waits_for_the_threads(topology, bench):
    got = []
    with peer(zmq.PUSH) as sender:
        source = topology.source(
            endpoint(sender), handlers={"work": bench.handler}, decode_threads=2
        )
        topology.sink(source, lambda one: got.append(one.data))
        topology.start()
        for number in range(2):
            sender.send_multipart(numbered(number))
        until(lambda: len(bench.begun) == 2)
        gevent.spawn_later(0.05, bench.let_go, 0, 1)
        topology.stop(DEADLINE)
    assert got == [0, 1]
    assert books(topology.statistics())[source.name]["sent"] == 2


def test_a_kill_counts_what_was_under_way(bench):
    topology = Topology()
    with peer(zmq.PUSH) as sender:
        source = topology.source(
            endpoint(sender), handlers={"work": bench.handler}, decode_threads=2
        )
        topology.sink(source, lambda one: None)
        topology.start()
        for number in range(10):
            sender.send_multipart(numbered(number))
        until(lambda: len(bench.begun) == 2)
        until(lambda: source._decoding.full)  # the rest may still be on its way
        with gevent.Timeout(DEADLINE):
            topology.stop(0.1)  # a thread can't be killed, and is not waited for
        assert 2 < source.statistics.left_over == source.statistics.received <= 10
        assert bench.free == 0
    books(topology.statistics())


def test_a_kill_counts_a_message_whose_handler_waits():
    topology = Topology()
    with peer(zmq.PUSH) as sender:
        source = topology.source(
            endpoint(sender), handlers={"work": lambda receiver: gevent.sleep(10)}
        )
        topology.sink(source, print)
        topology.start()
        for number in range(3):
            sender.send_multipart(numbered(number))
        until(lambda: source.statistics.received > 0)
        topology.stop(0.1)
    books(topology.statistics())


def test_a_full_sink_holds_the_source_back(topology, bench):
    bench.let_go(*range(1000))
    release = gevent.event.Event()
    got = []

    def slow(one):
        release.wait()
        got.append(one.data)

    with peer(zmq.PUSH) as sender:
        source = topology.source(
            endpoint(sender), handlers={"work": bench.handler}, decode_threads=2
        )
        topology.sink(source, slow)
        topology.start()
        for number in range(900):
            sender.send_multipart(numbered(number))
        until(lambda: len(bench.begun) > 100)
        gevent.sleep(0.1)
        assert len(bench.begun) < 500  # what the channel, the burst and the threads hold
        release.set()
        until(lambda: got == list(range(900)))


def test_a_feed_decodes_off_the_hub(topology, bench):
    got = []
    feed = topology.feed(
        (numbered(number) for number in range(3)), handlers={"work": bench.handler}
    )
    topology.sink(feed, lambda one: got.append(one.data))
    topology.start()
    until(lambda: bench.begun == [0])
    with ticker(0.001) as ticks:
        until(lambda: len(ticks) > 3)
    bench.let_go(0, 1, 2)
    assert topology.join(DEADLINE)
    assert got == [0, 1, 2]
    assert threading.get_ident() not in bench.threads


def test_matched_messages_are_decoded_before_they_are_matched(topology):
    def key(receiver):
        header = receiver.header()
        return Deferred(lambda: header["pulse_id"] * 10, size=LARGE)

    got = []
    with peer(zmq.PUSH) as first, peer(zmq.PUSH) as second:
        sources = [
            topology.source(endpoint(one), handlers={"key": key}, decode_threads=2, name=name)
            for name, one in (("a", first), ("b", second))
        ]
        merger = topology.merge(*sources, strategy=ByKey())
        topology.sink(merger, lambda one: got.append({n: m.data for n, m in one.data.items()}))
        topology.start()
        for number in range(10):
            for sender in (first, second):
                sender.send_multipart([b'{"htype": "key", "pulse_id": %d}' % number])
        until(lambda: len(got) == 10)
    assert got == [{"a": number * 10, "b": number * 10} for number in range(10)]


def test_a_config_says_how_many_threads():
    config = {
        "source": {"address": "tcp://127.0.0.1:9999", "decode_threads": 4},
        "streams": [{"address": "tcp://127.0.0.1:9998", "mode": "PUSH"}],
    }
    Topology.from_config(config)
    config["source"]["decode_threads"] = 1000
    with pytest.raises(ConfigError, match="decode_threads"):
        Topology.from_config(config)


PATCHED = """
from gevent import monkey; monkey.patch_all()
import gevent, gmflow, zmq
from gmflow.deferred import Deferred
import _thread
from gevent.monkey import get_original
ident = get_original("_thread", "get_ident")
sender = gmflow.connect("tcp://127.0.0.1:*", "bind", "PUSH")
stream = gmflow.connect(
    sender.address, receive_timeout=20_000, decode_threads=2,
    handlers={"work": lambda receiver: Deferred(lambda: ident())})
for _ in range(4):
    sender.send(b'{"htype": "work"}')
print(all(stream.receive().data != ident() for _ in range(4)))
stream.disconnect(); sender.disconnect()
"""


def test_threads_are_native_where_gevent_has_patched_them():
    assert program(PATCHED) == "True\n"


def test_a_second_thread_has_its_own(bench):
    bench.let_go(*range(10))

    def read(address, out):
        stream = gmflow.connect(
            address, receive_timeout=20_000, handlers={"work": bench.handler}, decode_threads=2
        )
        out.extend(stream.receive().data for _ in range(5))
        stream.disconnect()

    with peer(zmq.PUSH) as sender:
        out = []
        native = threading.Thread(target=read, args=(endpoint(sender), out), daemon=True)
        native.start()
        for number in range(5):
            sender.send_multipart(numbered(number))
        get_hub().threadpool.apply(native.join, (DEADLINE,))
    assert out == list(range(5))


def test_the_log_names_the_work_that_failed(caplog):
    with caplog.at_level(logging.WARNING), pair(1, handlers={"f": failing}) as (sender, stream):
        sender.send_multipart([b'{"htype": "f"}'])
        assert stream.receive() is None
    assert caplog.text.count("can't be read") == 1


def test_what_a_sink_changes_in_a_value_no_other_node_sees(topology):
    seen = []

    def change(message):
        message.data["header"].clear()

    feed = topology.feed([[b'{"htype": "raw-1.0", "frame": 1}']])
    topology.sink(feed, change)
    topology.sink(feed, lambda message: seen.append(message.header))
    topology.run()
    assert seen == [{"htype": "raw-1.0", "frame": 1}]
