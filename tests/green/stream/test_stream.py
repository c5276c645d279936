"""Streams over real sockets: mflow's contract and what goes beyond it."""

import json
import warnings

import gevent
import numpy as np
import pytest
import zmq
import zmq.green

import gmflow
from gmflow import (
    BIND,
    PUB,
    PUSH,
    SUB,
    ConfigError,
    ConnectError,
    EncodeError,
    HandlerError,
    SendTimeout,
    Stream,
    UnknownHtype,
)
from tests.support.green import DEADLINE, endpoint, peer, program, thread, ticker, until
from tests.support.messages import parts as parts_of

GOOD = [b'{"htype": "array-1.0", "type": "uint16", "shape": [2, 3]}', bytes(range(12))]


@pytest.fixture
def sender():
    with peer(zmq.PUSH) as socket:
        yield socket


@pytest.fixture
def stream(sender):
    with gmflow.connect(endpoint(sender), receive_timeout=2000) as stream:
        yield stream


@pytest.fixture
def receiver():
    with peer(zmq.PULL) as socket:
        yield socket


def handle(name, handler, **more):
    return {"handlers": {name: handler}, "receive_timeout": 2000, **more}


def named(htype, *more):
    return parts_of(*more, htype=htype)


def values(stream, sender, *messages):
    """Send messages of one htype; give the values received for them."""
    for parts in messages:
        sender.send_multipart(parts)
    received = [stream.receive() for _ in messages]
    return [each and each.data for each in received]


# receiving


def test_message_has_value_and_statistics(stream, sender):
    sender.send_multipart(GOOD)
    received = stream.receive()
    assert received.data["header"]["shape"] == [2, 3]
    array = received.data["data"][0]
    assert array.dtype == np.uint16
    assert np.array_equal(array, np.frombuffer(GOOD[1], "u2").reshape(2, 3))
    assert received.statistics.messages_received == 1
    assert received.statistics.total_bytes_received == sum(map(len, GOOD))


def test_none_after_the_timeout_and_without_blocking(sender):
    with gmflow.connect(endpoint(sender), receive_timeout=20) as stream:
        waiting = gevent.spawn(stream.receive)
        gevent.sleep(0)
        assert not waiting.ready()
        assert waiting.get(timeout=DEADLINE) is None
        assert stream.receive(block=False) is None
        assert stream.receive_raw(block=False) is None


@pytest.mark.parametrize("timeout", [None, 0, -1])
def test_no_timeout_waits(sender, timeout):
    with gmflow.connect(endpoint(sender), receive_timeout=timeout) as stream:
        waiting = gevent.spawn(stream.receive)
        gevent.sleep(0.02)
        assert not waiting.ready()
        sender.send_multipart(GOOD)
        assert waiting.get(timeout=2).data


def test_raw_and_a_handler_of_the_call(stream, sender):
    sender.send_multipart([b"no json", b"", b"x"])
    assert stream.receive(lambda receiver: receiver.next() * 2).data == b"no json" * 2
    sender.send_multipart(GOOD)
    assert stream.receive_raw().data["data"] == [GOOD[1]]


def test_iteration_ends_at_the_timeout_and_skips_what_is_bad(sender):
    with gmflow.connect(endpoint(sender), receive_timeout=100) as stream:
        for parts in (GOOD, [b"bad"], GOOD):
            sender.send_multipart(parts)
        assert len(list(stream)) == 2


def test_iteration_ends_when_the_stream_is_closed(sender):
    stream = gmflow.connect(endpoint(sender))
    iterating = gevent.spawn(list, stream)
    gevent.sleep(0.02)
    stream.disconnect()
    assert iterating.get(timeout=1) == []


def test_iteration_of_a_flooded_stream_ends_when_it_is_closed():
    with Stream() as stream:
        stream.connect("tcp://127.0.0.1:*", BIND, queue_size=0)
        with peer(zmq.PUSH, stream.address, SNDHWM=0) as sender:
            for _ in range(20_000):
                sender.send(b'{"htype": "raw-1.0"}')
            iterating = gevent.spawn(lambda: sum(1 for _ in stream))
            until(lambda: stream.statistics.messages_received > 100)
            stream.disconnect()
            assert 100 < iterating.get(timeout=2) < 20_000


def test_errors_are_raised_where_that_is_asked_for(sender):
    bad = named("unheard-of")
    with gmflow.connect(endpoint(sender), receive_timeout=2000, on_error="raise") as stream:
        sender.send_multipart(bad)
        with pytest.raises(UnknownHtype, match="unheard-of") as caught:
            stream.receive()
        assert [bytes(part) for part in caught.value.parts] == bad
        sender.send_multipart(bad)
        assert stream.receive(on_error="log") is None
        sender.send_multipart(GOOD)
        assert stream.receive().data
    with (
        gmflow.connect("tcp://127.0.0.1:*", "bind", "PUSH", on_error="raise") as stream,
        pytest.raises(EncodeError),
    ):
        stream.forward({"header": {"htype": "unheard-of"}})
    with pytest.raises(ConfigError, match="on_error"):
        Stream(on_error="ignore")


def test_parts_are_views_with_copy_false(sender):
    seen = []
    with gmflow.connect(
        endpoint(sender), copy=False, **handle("x", lambda r: seen.append(r.next()) or 1)
    ) as stream:
        sender.send_multipart(named("x"))
        stream.receive()
    assert isinstance(seen[0], memoryview) and seen[0].readonly
    assert bytes(seen[0]) == named("x")[0]


BAD = {
    "no JSON": [b"hello"],
    "empty": [b""],
    "not UTF-8": [b"\xff\xfe{}"],
    "a list": [b"[1, 2]"],
    "a number": [b"7"],
    "null": [b"null"],
    "no htype": [b"{}"],
    "unknown htype": named("nobody-1.0"),
    "htype of two": named(["array-1.0", "array-1.0"]),
    "htype an object": named({}),
    "deep": [b'{"htype":' + b"[" * 100_000],
    "no shape": named("array-1.0", b"x"),
    "no type": [b'{"htype": "array-1.0", "shape": [1]}', b"x"],
    "wrong size": [GOOD[0], bytes(11)],
    "negative": [b'{"htype": "array-1.0", "type": "uint8", "shape": [-1, -12]}', bytes(12)],
    "huge": [b'{"htype": "array-1.0", "type": "uint8", "shape": [99999999999999, 9]}', bytes(12)],
    "bool": [b'{"htype": "array-1.0", "type": "uint8", "shape": [true, 12]}', bytes(12)],
    "text shape": [b'{"htype": "array-1.0", "type": "uint8", "shape": "12"}', bytes(12)],
    "object type": [b'{"htype": "array-1.0", "type": "O", "shape": [1]}', bytes(8)],
    "truncated": named("dimage-1.0"),
    "truncated bsread": [b'{"htype": "bsr_m-1.1", "hash": "a", "pulse_id": 1}'],
}


@pytest.mark.parametrize("name", BAD)
def test_bad_message_is_one_log_line_and_one_count_and_the_stream_goes_on(
    stream, sender, caplog, name
):
    sender.send_multipart(GOOD)
    assert stream.receive()
    sender.send_multipart(BAD[name])
    assert stream.receive() is None
    (record,) = caplog.records
    assert "\n" not in record.getMessage() and len(record.getMessage()) < 1000
    assert record.levelname == "WARNING" and record.name.startswith("gmflow")
    statistics = stream.statistics
    assert (statistics.messages_received, statistics.messages_failed) == (1, 1)
    assert statistics.total_bytes_received == sum(map(len, GOOD))
    assert statistics.bytes_received == 0
    assert not stream.receiver.parts and not stream.receiver.has_more()
    sender.send_multipart(GOOD)
    assert stream.receive().data["data"][0].shape == (2, 3)
    assert statistics.messages_received == 2 and len(caplog.records) == 1


def test_htype_in_a_list_of_one_and_plain_text_appendix_are_read(stream, sender, caplog):
    old = [b'{"htype": ["array-1.0"], "type": "uint8", "shape": [2]}', b"ab"]
    sender.send_multipart(old)
    assert stream.receive().data["data"][0].tolist() == [97, 98]
    header = {"htype": "dimage-1.0", "series": 1, "frame": 0, "hash": "h"}
    info = {"htype": "dimage_d-1.0", "shape": [2], "type": "uint8", "encoding": "<", "size": 2}
    config = {"htype": "dconfig-1.0", "start_time": 0, "stop_time": 1, "real_time": 1}
    parts = [json.dumps(part).encode() for part in (header, info)]
    sender.send_multipart([*parts, b"ab", json.dumps(config).encode(), b"plain text"])
    received = stream.receive()
    assert received is not None and not caplog.records
    assert b"plain text" in str(received.data).encode()


# handlers


def test_generator_keeps_its_variables_and_is_closed_at_the_end(sender):
    ended = []

    def count(receiver):
        number = 0
        try:
            while True:
                number += 1
                yield number, receiver.next(as_json=True)["htype"]
        finally:
            ended.append(number)

    with gmflow.connect(endpoint(sender), **handle("x", count)) as stream:
        assert values(stream, sender, *[named("x")] * 3) == [(1, "x"), (2, "x"), (3, "x")]
        assert not ended
    assert ended == [3]


def test_generator_that_raises_starts_afresh(sender, caplog):
    def count(receiver):
        number = 0
        while True:
            number += 1
            if receiver.has_more() and receiver.next() and receiver.has_more():
                raise KeyError("two parts")
            yield number

    with gmflow.connect(endpoint(sender), **handle("x", count)) as stream:
        one, two = named("x"), named("x", b"y")
        assert values(stream, sender, one, one, two, one, one) == [1, 2, None, 1, 2]
        assert stream.statistics.messages_failed == 1 and len(caplog.records) == 1
        sender.send_multipart(two)
        with pytest.raises(HandlerError) as caught:
            stream.receive(on_error="raise")
        assert isinstance(caught.value.__cause__, KeyError)


def test_generator_that_returns_starts_afresh_on_the_same_message(sender):
    def once(receiver):
        header = receiver.next(as_json=True)
        yield header["htype"], receiver.next()

    with gmflow.connect(endpoint(sender), **handle("x", once)) as stream:
        got = values(stream, sender, *(named("x", b"%d" % n) for n in range(4)))
    assert got == [("x", b"%d" % n) for n in range(4)]


def test_none_skips_and_an_empty_array_counts(sender):
    answers = iter([None, np.empty(0), 0, None])
    with gmflow.connect(endpoint(sender), **handle("x", lambda r: next(answers))) as stream:
        got = values(stream, sender, *[named("x")] * 4)
        assert got[0] is None and got[1].shape == (0,) and got[2] == 0 and got[3] is None
        assert stream.statistics.messages_received == 2
        assert stream.statistics.messages_skipped == 2


def test_handlers_are_of_each_stream(stream, sender):
    other = Stream()
    stream.handlers["x"] = lambda receiver: "mine"
    assert "x" not in other.handlers and "x" not in gmflow.receive_handlers
    assert values(stream, sender, named("x")) == ["mine"]


# sending


def test_parts_are_collected_and_go_out_whole(receiver):
    with gmflow.connect(endpoint(receiver), mode=PUSH) as stream:
        part = bytearray(b"ab")
        stream.send({"a": 1}, send_more=True, as_json=True)
        stream.send(part, send_more=True)
        part[:] = b"zz"
        assert not receiver.poll(20)
        stream.send(np.arange(3, dtype="u1"))
        assert receiver.poll(2000)
        parts = receiver.recv_multipart()
        assert json.loads(parts[0]) == {"a": 1} and parts[1:] == [b"ab", bytes(range(3))]
        assert stream.statistics.messages_sent == 1


def test_parts_of_a_message_go_on_as_they_are(receiver, sender, stream):
    sender.send_multipart([b"no json", b"", bytes(100_000)])
    message = stream.receive(handler=lambda receiver: True)
    with gmflow.connect(endpoint(receiver), mode=PUSH) as out:
        out.send_parts(message.parts)
        assert receiver.poll(2000)
        assert receiver.recv_multipart() == [b"no json", b"", bytes(100_000)]
        out.send(b"begun", send_more=True)
        out.send_parts([b"a", bytearray(b"b"), np.arange(3, dtype="u1")])
        assert receiver.poll(2000)
        assert receiver.recv_multipart() == [b"begun", b"a", b"b", bytes(range(3))]
        assert out.statistics.messages_sent == 2


@pytest.mark.parametrize(
    "parts, wrong",
    [
        ([b"a", "text"], TypeError),
        ([np.array([{}])], TypeError),
        ([], ValueError),
        (b"text", TypeError),
        (np.zeros(3), TypeError),
        (iter([b"a"]), TypeError),
        (gmflow.Message(), TypeError),
        (None, TypeError),
    ],
)
def test_parts_that_are_none_send_nothing(receiver, parts, wrong):
    with gmflow.connect(endpoint(receiver), mode=PUSH) as out:
        with pytest.raises(wrong):
            out.send_parts(parts)
        out.send_parts([b"a", b"b"])
        assert receiver.poll(2000)
        assert receiver.recv_multipart() == [b"a", b"b"]
        assert out.statistics.messages_sent == 1


@pytest.mark.parametrize("copy", [True, False])
@pytest.mark.parametrize("sizes", [(1, 1), (1, 200_000), (200_000, 3, 200_000)])
def test_large_and_small_parts_go_out_whole_with_and_without_a_copy(receiver, copy, sizes):
    parts = [bytes([number]) * size for number, size in enumerate(sizes)]
    with gmflow.connect(endpoint(receiver), mode=PUSH, copy=copy) as out:
        out.send_parts(parts)
        for part in parts[:-1]:
            out.send(part, send_more=True)
        out.send(parts[-1])
        for _ in range(2):
            assert receiver.poll(2000)
            assert receiver.recv_multipart() == parts


@pytest.mark.parametrize("bad", ["text", 3, None])
def test_bad_part_sends_nothing_and_the_next_message_is_whole(receiver, bad):
    with gmflow.connect(endpoint(receiver), mode=PUSH) as stream:
        stream.send(b"head", send_more=True)
        with pytest.raises(TypeError):
            stream.send(bad)
        stream.disconnect()
        stream.connect(endpoint(receiver), mode=PUSH)
        stream.send(b"a", send_more=True)
        stream.send(b"b")
        assert receiver.poll(2000) and receiver.recv_multipart() == [b"a", b"b"]


def test_whole_or_not_at_all_without_blocking(receiver):
    body = b"x" * 100_000
    with gmflow.connect(endpoint(receiver), mode=PUSH, queue_size=2) as stream:
        for number in range(200):
            stream.send(b"%d" % number, send_more=True, block=False)
            stream.send(body, block=False)
        sent, dropped = stream.statistics.messages_sent, stream.statistics.messages_dropped
        assert sent + dropped == 200 and dropped > 0
        numbers = []
        while len(numbers) < sent:
            assert receiver.poll(2000)
            number, got = receiver.recv_multipart()
            assert got == body
            numbers.append(int(number))
    assert numbers == sorted(set(numbers))


def test_send_timeout_is_a_zmq_again(tmp_path):
    with gmflow.connect(f"ipc://{tmp_path}/nobody", BIND, PUSH, send_timeout=30) as stream:
        stream.send(b"a", send_more=True)
        waiting = gevent.spawn(stream.send, b"b")
        gevent.sleep(0)
        assert not waiting.ready()
        with pytest.raises(zmq.Again) as caught:
            waiting.get(timeout=DEADLINE)
        assert isinstance(caught.value, SendTimeout) and caught.value.errno == zmq.EAGAIN
        assert stream.statistics.messages_dropped == 1


def test_forward_sends_values(receiver, sender, stream):
    with gmflow.connect(endpoint(receiver), mode=PUSH) as out:
        sender.send_multipart(GOOD)
        out.forward(stream.receive().data)
        assert receiver.poll(2000)
        header, body = receiver.recv_multipart()
        assert json.loads(header) == json.loads(GOOD[0]) and body == GOOD[1]
        with pytest.raises(EncodeError, match="no header"):
            out.forward({"no": "header"})
        out.forward({"header": {"htype": "unheard-of"}})  # logged and counted
        assert out.statistics.messages_dropped == 1


def test_topics(sender):
    with peer(zmq.PUB) as publisher:
        options = {"topics": ["a", b"b"], "receive_timeout": 30}
        with gmflow.connect(endpoint(publisher), mode=SUB, **options) as stream:
            got = set()
            with gevent.Timeout(3):
                while got != {b"a", b"b"}:
                    for topic in (b"a", b"b", b"c"):
                        publisher.send_multipart([topic])
                    received = stream.receive(lambda receiver: receiver.next())
                    if received:
                        got.add(received.data)


# closing


def test_disconnect_delivers_what_was_sent_without_freezing_the_hub():
    with peer(zmq.PULL) as socket:
        address = endpoint(socket)
    stream = gmflow.connect(address, mode=PUSH, linger=20_000)  # nobody is there yet
    for number in range(50):
        stream.send(b"%d" % number)
    with ticker() as ticks:
        closing = gevent.spawn(stream.disconnect)
        until(lambda: len(ticks) > 15)
        assert not closing.ready()  # it lingers: nobody is there to take what was sent
    context = zmq.Context()
    late = context.socket(zmq.PULL)
    late.bind(address)
    closing.get(timeout=20)
    got = [late.recv() for _ in range(50) if late.poll(10_000)]
    late.close(0)
    context.term()
    assert got == [b"%d" % number for number in range(50)]


def test_disconnect_gives_up_after_the_linger(caplog):
    with peer(zmq.PULL) as socket:
        address = endpoint(socket)
    stream = gmflow.connect(address, mode=PUSH, linger=200)
    stream.send(b"lost")
    with ticker() as ticks:
        gevent.spawn(stream.disconnect).get(timeout=DEADLINE)
    assert "not delivered within the linger of 0.2 s" in caplog.text
    assert ticks


def test_not_connected_is_a_clear_error(sender, caplog):
    stream = Stream()
    calls = [
        stream.receive,
        stream.receive_raw,
        lambda: stream.send(b""),
        lambda: stream.forward({}),
        lambda: iter(stream).__next__(),
    ]

    def check():
        for call in calls:
            with pytest.raises(ConnectError, match="not connected") as caught:
                call()
            assert isinstance(caught.value, RuntimeError)

    check()
    stream.connect(endpoint(sender))
    with pytest.raises(ConnectError, match="disconnect it first"):
        stream.connect(endpoint(sender))
    stream.disconnect()
    check()
    stream.disconnect()
    assert "not connected" in caplog.messages[-1]
    stream.connect(endpoint(sender), receive_timeout=2000)
    sender.send_multipart(GOOD)
    assert stream.receive()
    stream.disconnect()


def test_context_manager_disconnects_after_an_error(sender):
    with pytest.raises(ZeroDivisionError), gmflow.connect(endpoint(sender)) as stream:
        1 / 0  # noqa: B018
    assert stream.socket.closed and stream.context.closed


# contexts and options


def _binds(socket, address):
    try:
        socket.bind(address)
    except zmq.ZMQError:
        return False
    return True


@pytest.mark.parametrize("kind", [zmq.Context, zmq.green.Context])
def test_context_of_the_caller_is_used_and_stays_open(kind):
    context = kind()
    context.set(zmq.BLOCKY, False)  # what a failure leaves open must not hold up the rest
    with gmflow.connect("inproc://shared", BIND, PUSH, context=context) as out:
        with gmflow.connect("inproc://shared", receive_timeout=2000, context=context) as stream:
            out.send(GOOD[0], send_more=True)
            out.send(GOOD[1])
            assert stream.receive().data["data"][0].shape == (2, 3)
        assert not context.closed
    other = context.socket(zmq.PULL)
    until(lambda: _binds(other, "inproc://shared"))  # sockets are closed in the background
    other.close()
    context.term()


@pytest.mark.parametrize(
    "options", [{"NONSENSE": 1}, {"CONFLATE": 1}, {"RCVTIMEO": 1}, {"SNDTIMEO": 1}, {"LINGER": "x"}]
)
def test_wrong_options_are_refused_and_nothing_stays_open(options):
    with peer(zmq.PULL) as socket:
        address = endpoint(socket)
    with pytest.raises(ConfigError, match=next(iter(options))):
        gmflow.connect(address, BIND, options=options)
    gmflow.connect(address, BIND).disconnect()


def test_options_are_set():
    with gmflow.connect("tcp://127.0.0.1:*", BIND, PUB, options={"RCVBUF": 4096}) as stream:
        assert stream.socket.get(zmq.RCVBUF) == 4096


def test_no_warning_on_connecting(sender):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gmflow.connect(endpoint(sender), receive_timeout=5, send_timeout=5).disconnect()


# beside others


def test_polling_loop_does_not_starve_others(sender):
    with gmflow.connect(endpoint(sender)) as stream:
        stop = []

        def poll():
            while not stop:
                assert stream.receive(block=False) is None

        polling = gevent.spawn(poll)
        with ticker() as ticks:
            until(lambda: len(ticks) > 15)
        stop.append(True)
        polling.get(timeout=DEADLINE)


def test_second_thread_has_its_own_hub(sender):
    got = []

    def run():
        with gmflow.connect(endpoint(sender), receive_timeout=3000) as stream:
            waiting = gevent.spawn(stream.receive)
            with ticker() as ticks:
                waiting.join(3)
            got.append((waiting.value.data["data"][0].shape, len(ticks) > 0))

    with thread(run):
        gevent.sleep(0.05)
        sender.send_multipart(GOOD)
    assert got == [((2, 3), True)]


def test_stream_of_another_thread_is_refused(stream):
    def other():
        with pytest.raises(ConnectError, match="thread"):
            stream.receive()

    with thread(other):
        pass


PATCHED = """
from gevent import monkey
monkey.patch_all()
import threading, time
import gmflow as mflow
out = mflow.connect("tcp://127.0.0.1:*", mflow.BIND, mflow.PUSH, copy=False)
ticks, got = [], []

def tick():
    while len(got) < 20:
        time.sleep(0.001)
        ticks.append(None)

def receive():
    stream = mflow.connect(out.address, receive_timeout=3000)
    while len(got) < 20:
        got.append(len(stream.receive_raw().data["data"][0]))
    stream.disconnect()

threads = [threading.Thread(target=each) for each in (receive, tick)]
for thread in threads:
    thread.start()
for number in range(20):
    out.send(b'{"htype": "raw-1.0"}', send_more=True)
    out.send(b"x" * 1000000)
    time.sleep(0.002)
for thread in threads:
    thread.join()
out.disconnect()
print(set(got), len(ticks) > 5)
"""


def test_patched_program():
    assert program(PATCHED).strip() == "{1000000} True"


def test_import_configures_nothing():
    text = (
        "import logging, gmflow; print(logging.getLogger('gmflow').handlers, logging.root.handlers)"
    )
    assert program(text).strip() == "[] []"


def test_modes_by_name_and_only_for_their_direction(sender):
    with (
        gmflow.connect(endpoint(sender), mode="pull") as stream,
        pytest.raises(ConnectError, match="can't send"),
    ):
        stream.send(b"")
    with (
        gmflow.connect("tcp://127.0.0.1:*", "bind", "PUSH") as stream,
        pytest.raises(ConnectError, match="can't receive"),
    ):
        stream.receive()


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "PUL"},
        {"mode": 99},
        {"mode": ""},
        {"queue_size": -1},
        {"queue_size": "x"},
        {"linger": -2},
        {"on_error": "bogus"},
    ],
)
def test_wrong_arguments_are_named(wrong):
    (name,) = wrong
    with pytest.raises(ConfigError, match=f"{name} is "):
        gmflow.connect("tcp://127.0.0.1:1", **wrong)


def test_on_error_of_one_call_is_checked(stream):
    with pytest.raises(ConfigError, match="on_error"):
        stream.receive(on_error="bogus")


def test_one_topic_is_not_taken_for_letters():
    with peer(zmq.XPUB) as publisher, gmflow.connect(endpoint(publisher), mode="SUB", topics="cam"):
        assert publisher.recv() == b"\x01cam"


def test_port_0_binds_to_a_free_one():
    with gmflow.connect("tcp://127.0.0.1:0", "bind", "PUSH") as stream:
        assert int(stream.address.rpartition(":")[2]) > 0


def test_a_stream_that_is_forgotten_does_not_freeze_the_hub():
    text = """
import gc, gmflow, gevent
def forget():
    stream = gmflow.connect("tcp://127.0.0.1:1", mode="PUSH", linger=-1)
    stream.send(b"nobody takes it")
    stream.itself = stream  # only the collector finds it
forget()
gc.collect()  # its linger never ends
gevent.sleep(0.01)
print(True)
"""
    assert program(text) == "True\n"
