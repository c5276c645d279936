"""Green sockets against plain pyzmq peers: whole messages, waits, owners, and nothing lost."""

import gc
import os
import random
import signal
import threading
import weakref
from select import select
from time import perf_counter

import gevent
import numpy as np
import pytest
import zmq

from gmflow.errors import ConnectError, SendTimeout
from gmflow.green.transport import receive as inbox
from gmflow.green.transport import send as outbox
from gmflow.green.transport.send import MessageSender
from gmflow.green.transport.socket import Context
from gmflow.green.yielding import HubYield
from tests.support.green import DEADLINE, Ends, endpoint, peer, program, thread, ticker, until


@pytest.fixture
def context():
    context = Context()
    yield context
    context.destroy(0)


@pytest.fixture
def pair(context):
    """Two green sockets tied in one process: a sender and a receiver of 10 messages each."""
    return tie(context)


def tie(context, hwm=5, kinds=(zmq.PUSH, zmq.PULL), **options):
    sender, receiver = (context.socket(kind) for kind in kinds)
    for socket in (sender, receiver):
        socket.set(zmq.LINGER, 0)
        socket.set_hwm(hwm)
    for name, value in options.items():
        sender.set(zmq.SocketOption[name], value)
    address = f"inproc://{random.random()}"
    sender.bind(address)
    receiver.connect(address)
    return Ends(sender), Ends(receiver)


def whole(parts):
    return [bytes(part) for part in parts]


# whole messages


MESSAGES = [[b"one"], [b""], [b"", b""], [b"a", b"", b"c"], [b"h", b"x" * 100_000], [b"z"] * 50]


def test_messages_to_and_from_a_plain_peer(context):
    with peer(zmq.PAIR) as plain:
        green = Ends(context.socket(zmq.PAIR))
        green.connect(endpoint(plain))
        for parts in MESSAGES:
            plain.send_multipart(parts)
            assert whole(green.receive(2)) == parts
            assert green.send_parts(parts, 2)
            assert plain.poll(2000) and plain.recv_multipart() == parts
        green.close(0)


@pytest.mark.parametrize("copy", [True, False])
def test_what_has_a_buffer_is_a_part(pair, copy):
    sender, receiver = pair
    array, fields = np.arange(20_000), np.ones(2, [("Offset", "i4")])
    parts = [b"b", bytearray(b"ba"), memoryview(b"mv"), array, zmq.Frame(b"f"), np.empty((0, 3))]
    sender.send_parts([*parts, fields], 1, copy)
    expected = [b"b", b"ba", b"mv", array.tobytes(), b"f", b"", fields.tobytes()]
    assert whole(receiver.receive(1)) == expected


def test_received_parts_go_out_again(context, pair):
    sender, receiver = pair
    out, last = tie(context)
    sender.send_parts([b"h", b"x" * 100_000])
    out.send_parts(receiver.receive(1))
    assert whole(last.receive(1)) == [b"h", b"x" * 100_000]


@pytest.mark.parametrize(
    "parts",
    [
        [b"h", 3],
        [b"h", "text"],
        [b"h", None, b"t"],
        [b"h", np.eye(3)[:, 1]],
        [b"h", np.array([None])],
        [b"h", np.zeros(1, [("any", "O")])],
        [],
    ],
)
def test_message_with_a_bad_part_is_refused_whole(pair, parts):
    sender, receiver = pair
    with pytest.raises((TypeError, ValueError)):
        sender.send_parts(parts, 1)
    sender.send_parts([b"good", b"one"], 1)
    assert whole(receiver.receive(1)) == [b"good", b"one"]


def test_burst_ends_at_a_count_and_when_the_socket_is_empty(context):
    sender, receiver = tie(context, hwm=1000)
    for number in range(100):
        sender.send_parts([b"%d" % number])
    assert len(receiver.receive_burst(10)) == 10
    assert len(receiver.receive_burst()) == inbox.MAX_BURST
    rest = receiver.receive_burst()
    assert len(rest) == 90 - inbox.MAX_BURST
    assert whole(rest[-1]) == [b"99"]


def test_burst_ends_at_its_bytes(context):
    sender, receiver = tie(context, hwm=1000)
    for _ in range(12):
        sender.send_parts([b"h", b"x" * (1 << 20)])
    bursts = [len(receiver.receive_burst()) for _ in range(3)]
    assert bursts == [4, 4, 4]


def test_small_parts_of_a_compact_burst_are_bytes_and_large_ones_stay_frames(pair):
    sender, receiver = pair
    large = bytes(inbox.SMALL + 1)
    for _ in range(3):
        sender.send_parts([b"header", large])
    burst = receiver.receive_burst(compact=True)
    assert [[bytes(part) for part in parts] for parts in burst] == [[b"header", large]] * 3
    assert {type(parts) for parts in burst} == {tuple}
    assert [[type(part) for part in parts] for parts in burst] == [[bytes, zmq.Frame]] * 3


def test_burst_waits_for_its_first_message(pair):
    sender, receiver = pair
    waiting = gevent.spawn(receiver.receive_burst)
    gevent.sleep(0.005)
    assert not waiting.ready()
    sender.send_parts([b"a", b"b"])
    assert [whole(parts) for parts in waiting.get(timeout=1)] == [[b"a", b"b"]]


# time-outs and wake


def test_a_poller_knows_whether_it_slept(pair):
    sender, receiver = pair
    poller = receiver.socket.poller
    assert poller.slept is False
    assert poller.wait(zmq.POLLIN, 0) is None
    assert poller.slept is False
    assert poller.wait(zmq.POLLIN, 0.001) is None
    assert poller.slept is True
    sender.send_parts([b"x"])
    until(lambda: poller.wait(zmq.POLLIN, 0))
    assert poller.slept is False


class InVain:
    """A poller that wakes in vain each second of its clock, and after the time-out."""

    slept = True

    def __init__(self):
        self.now, self.timeouts = 1000.0, []

    def wait(self, event, timeout):
        self.timeouts.append(timeout)
        assert len(self.timeouts) < 10
        self.now += min(timeout, 1)
        return True if timeout > 1 else None

    def enter(self):
        pass

    release = enter


@pytest.fixture
def in_vain(monkeypatch):
    poller = InVain()
    for module in (inbox, outbox):
        monkeypatch.setattr(module, "monotonic", lambda: poller.now)
    return poller


def test_a_wake_up_in_vain_leaves_a_receiver_the_rest_of_its_time(context, in_vain):
    socket = context.socket(zmq.PULL)
    socket.poller = in_vain
    assert Ends(socket).receive(2.5) is None
    assert in_vain.timeouts == [2.5, 1.5, 0.5]


def test_a_wake_up_in_vain_leaves_a_sender_the_rest_of_its_time(context, in_vain, monkeypatch):
    socket, slept = context.socket(zmq.PUSH), []  # connected to nothing
    socket.poller = in_vain
    monkeypatch.setattr(outbox.gevent, "sleep", slept.append)
    with pytest.raises(SendTimeout, match=r"within 2\.5 s"):
        Ends(socket).send_parts([b"a", b"b"], 2.5)
    assert in_vain.timeouts == [2.5, 1.5, 0.5]
    assert slept == [outbox.RETRY] * 2  # where the socket always calls itself ready, it must rest


@pytest.mark.filterwarnings("ignore:TIMEO")
@pytest.mark.parametrize("timeo", [-1, 0, 60_000])
def test_receive_timeout_holds_whatever_rcvtimeo_says(pair, timeo):
    _, receiver = pair
    receiver.set(zmq.RCVTIMEO, timeo)
    waiting = gevent.spawn(receiver.receive, 0.03)
    gevent.sleep(0)
    assert not waiting.ready()
    assert waiting.get(timeout=DEADLINE) is None


@pytest.mark.filterwarnings("ignore:TIMEO")
@pytest.mark.parametrize("timeo", [-1, 0, 60_000])
def test_send_timeout_holds_whatever_sndtimeo_says(context, timeo):
    sender = Ends(context.socket(zmq.PUSH))  # connected to nothing
    sender.set(zmq.SNDTIMEO, timeo)
    waiting = gevent.spawn(sender.send_parts, [b"a", b"b"], 0.03)
    gevent.sleep(0)
    assert not waiting.ready()
    with pytest.raises(SendTimeout, match=r"within 0\.03 s"):
        waiting.get(timeout=DEADLINE)
    assert sender.send_parts([b"a"], 0) is False


def test_timeout_counts_from_the_call_even_after_a_busy_hub(pair):
    _, receiver = pair
    began, before = perf_counter(), []
    while perf_counter() - began < 0.03:  # the loop's own clock stands still meanwhile
        pass
    timer = gevent.get_hub().loop.timer(0.01)
    timer.start(before.append, "it", update=True)
    assert receiver.receive(0.02) is None
    assert before == ["it"]
    timer.close()


def test_zero_timeout_does_not_wait(pair):
    sender, receiver = pair
    assert receiver.receive(0) is None
    sender.send_parts([b"a"])
    assert whole(receiver.receive(0)) == [b"a"]


def test_message_in_time_ends_the_wait(pair):
    sender, receiver = pair
    gevent.spawn_later(0.01, sender.send_parts, [b"a"])
    assert whole(receiver.receive(5)) == [b"a"]


def test_room_in_time_ends_the_wait(context):
    sender, receiver = tie(context, hwm=1)
    while sender.send_parts([b"a"], 0):
        pass
    gevent.spawn_later(0.01, receiver.receive_burst)
    assert sender.send_parts([b"b"], 5)


@pytest.mark.parametrize("timeout", [None, 5])
def test_wake_ends_waits_empty_handed(context, timeout):
    sender, receiver = Ends(context.socket(zmq.PUSH)), Ends(context.socket(zmq.PULL))
    sending = gevent.spawn(sender.send_parts, [b"a"], timeout)
    receiving = gevent.spawn(receiver.receive, timeout)
    gevent.sleep(0.005)
    sender.wake()
    receiver.wake()
    assert sending.get(timeout=1) is False
    assert receiving.get(timeout=1) is None


def test_wake_ends_a_burst_and_the_socket_goes_on(pair):
    sender, receiver = pair
    receiving = gevent.spawn(receiver.receive_burst)
    gevent.sleep(0.005)
    receiver.wake()
    assert receiving.get(timeout=1) == []
    receiver.wake()  # nobody waits: the next that would is told
    assert receiver.receive(5) is None
    sender.send_parts([b"a"])
    assert whole(receiver.receive(1)) == [b"a"]


def test_close_wakes_waiters_with_connect_error(context):
    sender, receiver = Ends(context.socket(zmq.PUSH)), Ends(context.socket(zmq.PULL))
    waiting = [
        gevent.spawn(sender.send_parts, [b"a"]),
        gevent.spawn(receiver.receive, 5),
    ]
    gevent.sleep(0.005)
    for socket, greenlet in zip((sender, receiver), waiting, strict=True):
        socket.close()
        greenlet.join(1)
        assert isinstance(greenlet.exception, ConnectError)
        assert "closed" in str(greenlet.exception)
    receiver.close()


def test_context_that_is_terminated_ends_waits_and_the_hub_rests():
    context = Context()
    receiver = Ends(context.socket(zmq.PULL))
    waiting = gevent.spawn(receiver.receive)
    descriptor = receiver.get(zmq.FD)
    gevent.sleep(0.005)
    ending = gevent.get_hub().threadpool.spawn(context.term)
    waiting.join(1)
    assert isinstance(waiting.exception, zmq.ContextTerminated)
    watcher = receiver.poller._watchers[0]  # it would be called for ever
    until(lambda: not watcher.active or not select([descriptor], [], [], 0)[0])
    receiver.close(0)
    ending.get(timeout=1)


# owners


def test_two_greenlets_on_one_side_are_refused(context):
    sender, receiver = Ends(context.socket(zmq.PUSH)), Ends(context.socket(zmq.PULL))
    for call in (lambda: sender.send_parts([b"a"]), lambda: receiver.receive()):
        first = gevent.spawn(call)
        gevent.sleep(0.005)
        with pytest.raises(ConnectError, match="another greenlet"):
            call()
        assert not first.ready()
        first.kill()
        second = gevent.spawn(call)  # the side is free again
        gevent.sleep(0.005)
        assert not second.ready()
        second.kill()


def test_one_greenlet_a_side_is_allowed(context):
    left, right = tie(context, kinds=(zmq.PAIR, zmq.PAIR))
    receiving = gevent.spawn(left.receive)
    gevent.sleep(0)
    while left.send_parts([b"a"], 0):
        pass
    sending = gevent.spawn(left.send_parts, [b"b"])
    gevent.sleep(0)
    right.send_parts([b"c"])
    assert whole(receiving.get(timeout=1)) == [b"c"]
    right.receive_burst()
    assert sending.get(timeout=1) is True


USES = {
    "receive": lambda socket: socket.receive(0),
    "receive and wait": lambda socket: socket.receive(1),
    "burst": lambda socket: socket.receive_burst(),
    "send": lambda socket: socket.send_parts([b"x"], 0),
}


@pytest.mark.parametrize("use", USES)
def test_use_from_another_thread_is_refused(context, use):
    left, right = tie(context, kinds=(zmq.PAIR, zmq.PAIR))
    right.send_parts([b"a"])

    def other():
        with pytest.raises(ConnectError, match="thread and process"):
            USES[use](left)

    with thread(other):
        pass
    assert whole(left.receive(0)) == [b"a"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("use", USES)
def test_use_from_a_forked_child_is_refused(context, use):
    left, right = tie(context, kinds=(zmq.PAIR, zmq.PAIR))
    right.send_parts([b"a"])
    child = os.fork()
    if child == 0:
        status = 1
        signal.alarm(5)  # libzmq would try for ever on a socket of its parent's
        try:
            left.poller._yield_to_hub.taken()  # as if the fork had taken no time
            USES[use](left)
        except ConnectError as error:
            status = 0 if "thread and process" in str(error) else 2
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert whole(left.receive(0)) == [b"a"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_that_was_forked_while_the_owner_waited_is_refused(context):
    left, right = tie(context, kinds=(zmq.PAIR, zmq.PAIR))
    right.send_parts([b"a"])
    forked, status = [], 1

    def fork():
        forked.append(os.fork())
        if forked == [0]:
            signal.alarm(5)  # libzmq would try for ever on a socket of its parent's

    gevent.spawn(fork)
    left.poller._yield_to_hub.until = 0.0  # it is the others' turn
    try:
        parts = left.receive(0)
    except ConnectError as error:
        status = 0 if "thread and process" in str(error) else 2
    finally:
        if forked == [0]:
            os._exit(status)
    assert os.waitpid(forked[0], 0)[1] == 0
    assert whole(parts) == [b"a"]


FORK = """
import os, sys, time, gevent, zmq
from gmflow.green.transport.socket import Context
from tests.support.green import Ends
context = Context()
sockets = []
for number in range(3):
    left, right = Ends(context.socket(zmq.PUSH)), Ends(context.socket(zmq.PULL))
    port = right.bind_to_random_port("tcp://127.0.0.1")
    left.connect(f"tcp://127.0.0.1:{port}")
    left.send_parts([b"a", b"b"])
    assert len(right.receive(2)) == 2
    gevent.spawn(right.receive)
    sockets += [left, right]
gevent.sleep(0.01)
for socket in sockets[::2]:
    socket.send_parts([b"unread"])  # leaves the receivers' descriptors ready at the fork
child = os.fork()
if child == 0:
    status = 1
    try:
        began = time.process_time()
        gevent.sleep(0.3)
        spent = time.process_time() - began
        own = Context()
        left, right = Ends(own.socket(zmq.PUSH)), Ends(own.socket(zmq.PULL))
        port = right.bind_to_random_port("tcp://127.0.0.1")
        left.connect(f"tcp://127.0.0.1:{port}")
        gevent.spawn_later(0.01, left.send_parts, [b"of", b"the child"])
        parts = [bytes(part) for part in right.receive(2)]
        print(spent, parts, flush=True)
        status = 0
    finally:
        os._exit(status)
assert os.waitpid(child, 0)[1] == 0
sockets[0].send_parts([b"still"])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_child_does_not_spin_and_opens_sockets_of_its_own():
    spent, parts = program(FORK).split(" ", 1)
    assert float(spent) < 0.1
    assert parts.strip() == "[b'of', b'the child']"


# nothing lost, nothing torn


@pytest.mark.parametrize("by", ["kill", "timeout"])
def test_interrupted_receiving_loses_and_tears_nothing(context, by):
    total, stop = 0, threading.Event()
    got = []

    def send(address):
        nonlocal total
        with peer(zmq.PUSH, address, SNDHWM=100) as plain:
            while not stop.is_set() or total % 50:
                part = b"%d" % total
                plain.send_multipart([part] * 3)
                total += 1
                if total % 50 == 0:
                    stop.wait(0.0003)  # so that the receiver has to wait now and then
            plain.send_multipart([b"end"] * 3)
            plain.set(zmq.LINGER, 2000)
            plain.close()

    def take():
        while True:
            parts = whole(receiver.receive())
            assert len(parts) == 3 and len(set(parts)) == 1
            got.append(parts[0])
            if parts[0] == b"end":
                return

    receiver = Ends(context.socket(zmq.PULL))
    port = receiver.bind_to_random_port("tcp://127.0.0.1")
    chance = random.Random(1)
    with thread(send, f"tcp://127.0.0.1:{port}"):
        for _ in range(300):
            if by == "kill":
                greenlet = gevent.spawn(take)
                gevent.sleep(chance.random() * 0.003)
                greenlet.kill()
                assert isinstance(greenlet.value, gevent.GreenletExit)
            else:
                with gevent.Timeout(chance.random() * 0.003, False):
                    take()
        stop.set()
        with gevent.Timeout(5):
            take()
    assert got == [b"%d" % number for number in range(total)] + [b"end"]
    assert total > 1000


SIGNALS_RECEIVE = """
import signal, threading, zmq
from gevent import getcurrent
from gmflow.green.transport.socket import Context
from tests.support.green import Ends

class Rung(Exception):
    pass

MAIN = getcurrent()

ARMED = False

def ring(number, frame):
    here = frame.f_code.co_filename.endswith("receive.py")  # gevent's own code would break
    if ARMED and here and getcurrent() is MAIN:
        raise Rung

def send(address):
    socket = zmq.Context.instance().socket(zmq.PUSH)
    socket.connect(address)
    for number in range(60000):
        socket.send_multipart([b"%d" % number] * 3)
    for _ in range(20):  # a signal may take one away
        socket.send_multipart([b"end"] * 3)

context = Context()
receiver = Ends(context.socket(zmq.PULL))
port = receiver.bind_to_random_port("tcp://127.0.0.1")
threading.Thread(target=send, args=(f"tcp://127.0.0.1:{port}",), daemon=True).start()
numbers, rung, ended = [], 0, False
signal.signal(signal.SIGALRM, ring)
signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
while not ended:
    try:
        try:
            ARMED = True
            while not ended:
                for message in [receiver.receive(1)] if MOST == 1 else receiver.receive_burst(MOST):
                    parts = [bytes(part) for part in message or ()]
                    assert message is None or len(parts) == 3 and len(set(parts)) == 1, parts
                    numbers += parts[:1]
                    ended = parts == [b"end"] * 3
        finally:
            ARMED = False
    except Rung:
        rung += 1
numbers = [int(number) for number in numbers if number != b"end"]
assert numbers == sorted(set(numbers)), "doubled or out of order"
signal.setitimer(signal.ITIMER_REAL, 0)
print(rung, len(numbers))
"""


@pytest.mark.parametrize("most", [1, 3, inbox.MAX_BURST])
def test_signal_handler_that_raises_tears_no_received_message(most):
    rung, received = map(int, program(f"MOST = {most}\n" + SIGNALS_RECEIVE).split())
    assert rung > 100
    assert received >= 60_000 - rung  # one that a signal takes away is lost, none else


SIGNALS_SEND = """
import signal, threading, zmq
from gevent import getcurrent
from gmflow.errors import ConnectError
from gmflow.green.transport.socket import Context
from tests.support.green import Ends

class Rung(Exception):
    pass

MAIN = getcurrent()
ARMED = False

def ring(number, frame):
    here = frame.f_code.co_filename.endswith("transport/send.py")  # gevent's own code would break
    if ARMED and here and getcurrent() is MAIN:
        raise Rung

messages = []

def receive(socket):
    while True:
        parts = socket.recv_multipart()
        messages.append(parts)
        if parts == [b"end"]:
            return

plain = zmq.Context.instance().socket(zmq.SUB if KIND == "XPUB" else zmq.PULL)
plain.set_hwm(200)
if KIND == "XPUB":
    plain.subscribe(b"")
port = plain.bind_to_random_port("tcp://127.0.0.1")
thread = threading.Thread(target=receive, args=(plain,), daemon=True)
thread.start()
context = Context()

def connect():
    socket = context.socket(getattr(zmq, KIND))
    socket.set_hwm(200)
    if KIND == "XPUB":
        socket.set(zmq.XPUB_NODROP, 1)
    socket.connect(f"tcp://127.0.0.1:{port}")
    if KIND == "XPUB":
        assert socket.recv() == b"\\x01"  # the subscriber is there
    return Ends(socket)

sender = connect()
signal.signal(signal.SIGALRM, ring)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
number, rung, torn = 0, 0, 0

def goes_on():  # on a busy machine it takes more messages to have been torn often enough
    return number < 120_000 or (number < 2_000_000 and (rung <= 30 or torn <= 3))

while goes_on():
    try:
        try:
            ARMED = True
            while goes_on():
                number += 1
                sender.send_parts([b"%d" % number] * 4, 5)
        finally:
            ARMED = False
    except Rung:
        rung += 1
    except ConnectError as error:
        assert "between the parts" in str(error)
        torn += 1
        sender.close(2000)
        sender = connect()
sender.close(2000)
sender = connect()
while thread.is_alive():
    sender.send_parts([b"end"], 5)
    thread.join(0.01)
while messages[-1] == [b"end"]:
    messages.pop()
for parts in messages:
    assert len(parts) == 4 and len(set(parts)) == 1, parts
numbers = [int(parts[0]) for parts in messages]
assert len(numbers) == len(set(numbers)), "doubled"
signal.setitimer(signal.ITIMER_REAL, 0)
print(rung, torn, len(numbers))
"""


@pytest.mark.parametrize("parts, torn", [([b"a"], False), ([b"a", b"b"], True)])
def test_an_interrupt_tears_messages_of_several_parts_alone(context, parts, torn):
    socket = context.socket(zmq.PUSH)
    socket.bind("inproc://torn")
    receiver = context.socket(zmq.PULL)
    receiver.connect("inproc://torn")
    sender = MessageSender(socket)
    send = sender._send

    def interrupted(*arguments):
        send(*arguments)
        raise KeyboardInterrupt

    sender._send = interrupted
    with pytest.raises(KeyboardInterrupt):
        sender.send(parts, 0)
    sender._send = send
    if torn:
        with pytest.raises(ConnectError, match="between the parts"):
            sender.send([b"next"], 0)
    else:
        assert sender.send([b"next"], 0)
        assert [receiver.recv(), receiver.recv()] == [b"a", b"next"]


@pytest.mark.parametrize("kind", ["PUSH", "XPUB"])
def test_signal_handler_that_raises_tears_no_sent_message(kind):
    rung, torn, sent = map(int, program(f"KIND = {kind!r}\n" + SIGNALS_SEND).split())
    assert rung > 30
    assert torn > 3  # it is refused before it can go on as another message
    assert sent > 1000  # the end may overtake what a closed socket still has


SIGNALS_BURST = """
import signal, sys, zmq
from gmflow.errors import ConnectError
from gmflow.green.transport.socket import Context
from tests.support.green import Ends

class Rung(Exception):
    pass

def ring(number, frame):
    if frame.f_code.co_filename.endswith("transport/send.py"):  # gevent's own code would break
        raise Rung

context = Context()
receiver, sender = context.socket(zmq.PULL), context.socket(zmq.PUSH)
for socket in (receiver, sender):
    socket.set_hwm(0)
receiver.bind("inproc://burst")
sender.connect("inproc://burst")
sender = Ends(sender)
burst = [[b"x"] * int(sys.argv[1])] * 1000
signal.signal(signal.SIGALRM, ring)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
rung, refused = 0, False
while rung < 50 and not refused:
    try:
        sender.send_burst(burst)
    except Rung:
        rung += 1
    except ConnectError:
        refused = True
signal.setitimer(signal.ITIMER_REAL, 0)
print(refused)
context.destroy(0)
"""


@pytest.mark.parametrize("parts, refused", [(1, "False"), (3, "True")])
def test_signal_handler_amid_a_burst_has_only_torn_messages_refused(parts, refused):
    assert program(SIGNALS_BURST, str(parts)).strip() == refused


def flood(address, count, parts, pause):
    with peer(zmq.PUSH, address, SNDHWM=4, LINGER=3000) as plain:
        for _ in range(count):
            plain.send_multipart(parts, copy=False)
            if pause:
                threading.Event().wait(pause)
        plain.set(zmq.LINGER, 3000)
        plain.close()


@pytest.mark.parametrize("pause, count", [(0, 150), (0.003, 80)])
def test_large_parts_lose_no_edge(context, pause, count):
    receiver = Ends(context.socket(zmq.PULL))
    receiver.set_hwm(4)
    port = receiver.bind_to_random_port("tcp://127.0.0.1")
    parts = [b"h", b"x" * (1 << 20)]
    with thread(flood, f"tcp://127.0.0.1:{port}", count, parts, pause):
        for _ in range(count):
            assert list(map(len, receiver.receive(DEADLINE))) == [1, 1 << 20]
    assert receiver.poller.recovered == 0  # an edge that is lost costs up to a second
    receiver.close(0)


def test_publisher_that_may_not_drop_does_not_freeze_the_hub(context):
    sender, stuck = tie(context, 3, (zmq.PUB, zmq.SUB), XPUB_NODROP=1)
    stuck.subscribe(b"")
    until(lambda: sender.send_parts([b"a", b"b"], 0) and stuck.receive(0))
    while sender.send_parts([b"a", b"b"], 0):
        pass
    with pytest.raises(SendTimeout):
        sender.send_parts([b"a", b"b"], 0.03)
    sending = gevent.spawn(sender.send_parts, [b"c", b"d"])
    with ticker() as ticks:
        until(lambda: len(ticks) > 15)
    assert not sending.ready()
    assert all(len(parts) == 2 for parts in stuck.receive_burst())
    assert sending.get(timeout=1) is True


def test_socket_that_is_dropped_is_closed(context):
    countable, descriptors = os.path.isdir("/proc/self/fd"), 0
    for number in range(20):
        if countable and number == 3:
            descriptors = len(os.listdir("/proc/self/fd"))
        socket = Ends(context.socket(zmq.PULL))
        socket.bind(address := "inproc://dropped")
        assert socket.receive(0.001) is None  # its watchers have run
        gone = weakref.ref(socket.socket)
        del socket
        until(lambda gone=gone: gc.collect() >= 0 and gone() is None, 1)
    again = Ends(context.socket(zmq.PULL))
    again.bind(address)  # it is free
    again.close(0)
    if countable:
        until(lambda: len(os.listdir("/proc/self/fd")) <= descriptors + 2)


# what zmq.green has


def test_inherited_methods_work_beside(context):
    left, right = tie(context, kinds=(zmq.PAIR, zmq.PAIR))
    receiving = gevent.spawn(right.recv)
    gevent.sleep(0)
    left.send(b"a")
    assert receiving.get(timeout=1) == b"a"
    receiving = gevent.spawn(right.recv_multipart)
    gevent.sleep(0)
    left.send_multipart([b"a", b"b"])
    assert receiving.get(timeout=1) == [b"a", b"b"]
    left.send_parts([b"c", b"d"])
    assert right.poll(1000) == zmq.POLLIN
    assert right.recv_multipart() == [b"c", b"d"]
    left.send_multipart([b"e", b"f"])
    assert whole(right.receive(1)) == [b"e", b"f"]
    assert right.poll(10) == 0
    left.send_json({"a": 1})
    assert right.recv_json() == {"a": 1}


def test_inherited_send_waits_on_the_hub(context):
    sender, receiver = tie(context, hwm=1)
    while sender.send_parts([b"a"], 0):
        pass
    sending = gevent.spawn(sender.send_multipart, [b"b", b"c"])
    gevent.sleep(0.005)
    assert not sending.ready()
    receiver.receive_burst()
    sending.get(timeout=1)
    assert whole(receiver.receive(1)) == [b"b", b"c"]


# bursts that are sent


MIXED = [[b"one"], [b"a", b"", b"c"], [b"h", b"x" * 10_000], [b"z"] * 50, [b"", b""]]


@pytest.mark.parametrize("messages", [MIXED, [[b"h", b"%d" % n] for n in range(5)]])
def test_a_burst_goes_out_as_far_as_there_is_room(pair, messages):
    sender, receiver = pair
    burst = messages * 4  # of 20 the two take 10
    assert sender.send_burst(burst, 0) == 10
    assert sender.send_burst(burst[10:], 0) == 0
    with pytest.raises(SendTimeout):
        sender.send_burst(burst[10:], 0.001)
    assert [whole(receiver.receive()) for _ in range(10)] == burst[:10]
    assert sender.send_burst(burst[10:]) == 1  # what waited goes alone, the rest with the next
    assert sender.send_burst(burst[11:]) == 9
    assert [whole(receiver.receive()) for _ in range(10)] == burst[10:20]


def test_a_burst_waits_for_the_first_and_loses_nothing(context):
    sender, receiver = tie(context)
    messages, got = [[b"h", b"%d" % n] for n in range(1000)], []

    def send():
        sent = 0
        while sent < len(messages):
            sent += sender.send_burst(messages[sent : sent + 64])

    sending = gevent.spawn(send)
    while len(got) < 1000:
        got += map(whole, receiver.receive_burst())
    sending.get(timeout=1)
    assert got == messages


@pytest.mark.parametrize(
    "part", [bytearray(b"x"), memoryview(b"x"), np.ones(3, "u1"), bytes(1 << 19)]
)
def test_parts_that_take_a_look_or_a_breath_go_one_by_one(pair, part):
    sender, receiver = pair
    assert sender.send_burst([[b"h", part]] * 3) == 1
    assert whole(receiver.receive()) == [b"h", bytes(part)]


def test_frames_are_shared_and_a_burst_of_many_goes_out_in_one_call(context):
    sender, receiver = tie(context, hwm=1000)
    burst = [[b"h", zmq.Frame(bytes([number]) * 4096)] for number in range(128)]  # 512 KiB
    assert sender.send_burst(burst) == 128
    assert [whole(receiver.receive(1)) for _ in burst] == [whole(parts) for parts in burst]


@pytest.mark.parametrize("wrong, error", [([], ValueError), (["text"], TypeError)])
def test_a_wrong_message_in_a_burst_is_refused_when_it_is_its_turn(pair, wrong, error):
    sender, receiver = pair
    burst = [[b"right"], [b"right"], wrong]
    assert sender.send_burst(burst) == 1
    assert sender.send_burst(burst[1:]) == 1
    with pytest.raises(error):
        sender.send_burst(burst[2:])
    assert whole(receiver.receive()) == whole(receiver.receive()) == [b"right"]
    assert receiver.receive(0) is None


# giving the hub away


def test_a_breath_lets_a_timer_that_is_overdue_go_first():
    yield_to_hub, gone = HubYield(), []
    gevent.sleep(0.001)  # woken by a timer, as in a loop that breathes
    late = gevent.spawn_later(0.001, gone.append, "late")
    began = perf_counter()
    while perf_counter() - began < 0.003:  # the loop's own clock stands still meanwhile
        pass
    assert yield_to_hub()
    assert gone == ["late"]
    late.join()
