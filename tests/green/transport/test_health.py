"""Connections are counted, logged and waited for; nobody notices that they are watched."""

import logging
import os
import socket as sockets
import sys
import threading

import gevent
import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

import gmflow
from gmflow import BIND, PUB, PULL, PUSH, SUB, ConnectError, Topology
from gmflow.green.transport.connections import Connections
from gmflow.green.transport.open_socket import open_socket
from gmflow.green.transport.socket import Context
from tests.support.green import endpoint, peer, program, thread, ticker, until

OTHER = {PUSH: zmq.PULL, PULL: zmq.PUSH, PUB: zmq.SUB, SUB: zmq.PUB}
KINDS = pytest.mark.parametrize("mode", list(OTHER), ids=["PUSH", "PULL", "PUB", "SUB"])


def bound(mode=PUSH, **settings):
    return gmflow.connect("tcp://127.0.0.1:*", BIND, mode, linger=0, **settings)


def is_now(stream, peers, connected, disconnected, failed=0):
    names = ("peers", "connected", "disconnected", "handshake_failed")
    expected = dict(zip(names, (peers, connected, disconnected, failed), strict=True))
    until(lambda: stream.connection == expected)


def plain_client(stream):
    return sockets.create_connection(("127.0.0.1", int(stream.address.rpartition(":")[2])))


# Counts


@KINDS
def test_peers_of_a_bound_socket_are_counted(mode, caplog):
    caplog.set_level(logging.INFO, "gmflow")
    with bound(mode) as stream:
        is_now(stream, 0, 0, 0)
        with peer(OTHER[mode], stream.address):
            is_now(stream, 1, 1, 0)
            with peer(OTHER[mode], stream.address):
                is_now(stream, 2, 2, 0)
            is_now(stream, 1, 2, 1)
        is_now(stream, 0, 2, 2)
        lines = [record.getMessage() for record in caplog.records if "peer" in record.message]
        assert lines == [
            f"{stream.address}: a peer has connected, 1 now",
            f"{stream.address}: a peer has connected, 2 now",
            f"{stream.address}: a peer has gone, 1 left",
            f"{stream.address}: a peer has gone, 0 left",
        ]


@KINDS
def test_a_connecting_socket_counts_each_time_that_its_peer_is_back(mode):
    with peer(OTHER[mode]) as first:
        address = endpoint(first)
        stream = gmflow.connect(address, mode=mode, linger=0, options={"RECONNECT_IVL": 1})
        is_now(stream, 1, 1, 0)
    is_now(stream, 0, 1, 1)
    context = zmq.Context()
    again = context.socket(OTHER[mode])
    again.bind(address)
    is_now(stream, 1, 2, 1)
    stream.disconnect()
    assert stream.connection == {
        "peers": 0,
        "connected": 2,
        "disconnected": 1,
        "handshake_failed": 0,
    }
    again.close(0)
    context.term()


def test_what_is_no_zeromq_peer_fails_its_handshake(caplog):
    with bound() as stream:
        for count in range(1, 6):
            client = plain_client(stream)
            client.sendall(b"GET / HTTP/1.0\r\n\r\n" + bytes(100))
            client.close()
            is_now(stream, 0, 0, 0, count)
    lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(lines) == 3  # of the first, second and fourth
    assert lines[2].startswith(f"{stream.address}: handshake failed (4 by now): the peer is no")


def test_a_client_that_leaves_without_a_word_fails_its_handshake(caplog):
    with bound() as stream:
        plain_client(stream).close()
        is_now(stream, 0, 0, 0, 1)
    assert ", or it left (" in caplog.text


def test_sockets_that_do_not_go_together_fail_their_handshake(caplog):
    with bound(PUSH) as stream, peer(zmq.PUSH, stream.address):
        is_now(stream, 0, 0, 0, 1)
        assert "or of a kind that does not go with this one" in caplog.text


def test_security_on_one_side_only_fails_the_handshake(caplog):
    keys = dict(zip(("CURVE_PUBLICKEY", "CURVE_SECRETKEY"), zmq.curve_keypair(), strict=True))
    server, _ = zmq.curve_keypair()
    with (
        bound(PUSH) as stream,
        peer(zmq.PULL, stream.address, CURVE_SERVERKEY=server, **keys),
    ):
        until(lambda: stream.connection["handshake_failed"] > 0)
        assert stream.connection["connected"] == 0
        assert f"{stream.address}: handshake failed (1 by now): " in caplog.text


def test_peers_are_exact_among_clients_that_never_speak():
    with bound() as stream:
        silent = [plain_client(stream) for _ in range(3)]
        with peer(zmq.PULL, stream.address):
            is_now(stream, 1, 1, 0)
            with peer(zmq.PUSH, stream.address):
                is_now(stream, 1, 1, 0, 1)
        is_now(stream, 0, 1, 1, 1)
        for client in silent:
            client.close()
        is_now(stream, 0, 1, 1, 4)


def test_many_peers_at_once_are_exact():
    with bound() as stream:
        context = zmq.Context()
        peers = [context.socket(zmq.PULL) for _ in range(50)]
        for each in peers:
            each.connect(stream.address)
        is_now(stream, 50, 50, 0)
        context.destroy(0)
        is_now(stream, 0, 50, 50)


FATES = {
    "up": [zmq.EVENT_HANDSHAKE_SUCCEEDED],
    "refused": [zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL],
    "other kind": [],
}


@given(st.lists(st.tuples(st.sampled_from(list(FATES)), st.integers(0, 9)), max_size=12), st.data())
def test_totals_are_exact_whatever_the_order_of_events(fates, data):
    counts, open_now, todo = Connections(), {}, list(enumerate(fates, 7))
    while todo or open_now:
        if todo and (not open_now or data.draw(st.booleans())):
            fd, (fate, _) = todo.pop()
            counts.note(zmq.EVENT_ACCEPTED, fd)
            open_now[fd] = list(FATES[fate])
            continue
        fd = data.draw(st.sampled_from(sorted(open_now)))
        steps = open_now[fd]
        is_up = steps == FATES["up"]
        if steps:
            counts.note(steps.pop(), 104)
        if not is_up and not steps:
            counts.note(zmq.EVENT_DISCONNECTED, fd)
            del open_now[fd]
        assert counts.peers == counts.connected - counts.disconnected >= 0
    ups = sum(fate == "up" for fate, _ in fates)
    assert counts.snapshot() == {
        "peers": 0,
        "connected": ups,
        "disconnected": ups,
        "handshake_failed": len(fates) - ups,
    }


# Nobody notices


def test_monitors_share_with_the_counts():
    events = []
    with bound() as stream, peer(zmq.PULL, stream.address):
        is_now(stream, 1, 1, 0)
        stream.register_socket_monitor(events.append)
        with peer(zmq.PULL, stream.address):
            is_now(stream, 2, 2, 0)
            until(lambda: any(e and e["event"] == zmq.EVENT_ACCEPTED for e in events))
            stream.remove_socket_monitor(stream._socket_monitors[0])
            count = len(events)
        is_now(stream, 1, 2, 1)
        assert len(events) == count


def test_no_connection_is_missed_while_monitors_come_and_go():
    with bound() as stream:
        context = zmq.Context()
        stay = []
        for _ in range(20):
            peers = [context.socket(zmq.PULL) for _ in range(3)]
            for each in peers:
                each.connect(stream.address)
            stay.append(peers[2])
            stream.register_socket_monitor(print_nothing)
            peers[0].close(0)
            stream.remove_socket_monitor(print_nothing)
            peers[1].close(0)
        until(lambda: stream.connection["peers"] == 20)
        context.destroy(0)
        until(lambda: stream.connection["peers"] == 0)
        counts = stream.connection
        assert counts["connected"] == counts["disconnected"]
        # one that closed while its handshake was under way counts as failed
        assert counts["connected"] + counts["handshake_failed"] == 60


def print_nothing(event):
    pass


def test_monitor_may_remove_itself():
    with bound() as stream:
        calls = []

        def once(event):
            calls.append(event)
            stream.remove_socket_monitor(once)

        stream.register_socket_monitor(once)
        until(lambda: not [each for each in threading.enumerate() if "_listen" in each.name])
        with peer(zmq.PULL, stream.address):
            is_now(stream, 1, 1, 0)
        assert len(calls) == 1


def test_a_monitored_stream_connects_to_a_peer_that_comes_late():
    with peer(zmq.PUSH) as nobody:
        address = endpoint(nobody)
    events = []
    stream = gmflow.Stream()
    stream.register_socket_monitor(events.append)
    stream.connect(address, receive_timeout=5000, options={"RECONNECT_IVL": 1})
    until(lambda: any(e and e["event"] == zmq.EVENT_CONNECT_RETRIED for e in events))
    context = zmq.Context()
    late = context.socket(zmq.PUSH)
    late.bind(address)
    late.send(b'{"htype": "raw-1.0"}')
    assert stream.receive() is not None
    is_now(stream, 1, 1, 0)
    stream.disconnect()
    context.destroy(0)


ENDS = """
import gevent, gmflow
streams = [gmflow.connect("tcp://127.0.0.1:*", gmflow.BIND, mode) for mode in ("PUSH", "PUB")]
streams.append(gmflow.connect(streams[0].address))
assert streams[2].wait_connected(5) and streams[0].wait_connected(5)
gevent.wait()
try:
    gevent.event.Event().wait()
except gevent.exceptions.LoopExit:
    print("nothing left to do")
{end}
"""


@pytest.mark.parametrize(
    "end", ["for each in streams: each.disconnect()", "del streams", ""], ids=["end", "del", "exit"]
)
def test_a_watched_socket_keeps_no_program_from_ending(end):
    assert program("import gevent.event\n" + ENDS.format(end=end)) == "nothing left to do\n"


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="no /proc")
def test_nothing_is_left_open():
    def cycle():
        with bound() as stream, peer(zmq.PULL, stream.address):
            stream.register_socket_monitor(print_nothing)
            assert stream.wait_connected(5)
            stream.remove_socket_monitor(print_nothing)

    cycle()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        cycle()
    until(lambda: len(os.listdir("/proc/self/fd")) <= before)


def test_a_context_of_the_programs_own_can_end_first():
    context = zmq.Context()
    stream = gmflow.connect("tcp://127.0.0.1:*", BIND, PUSH, context=context)
    stream.socket.close()
    with thread(context.term):
        pass
    with pytest.raises(ConnectError, match="not connected"):
        stream.wait_connected(0)


def test_a_context_without_room_for_a_monitor_leaves_the_stream_unwatched(caplog):
    context = zmq.Context()
    context.set(zmq.MAX_SOCKETS, 2)
    with gmflow.connect("tcp://127.0.0.1:*", BIND, PULL, context=context) as stream:
        with peer(zmq.PUSH, stream.address) as sender:
            sender.send(b'{"htype": "raw-1.0"}')
            assert stream.receive() is not None
        assert stream.connection is None
        assert "are not watched" in caplog.text
        with pytest.raises(ConnectError, match="not watched"):
            stream.wait_connected(0)
    context.term()


FORKED = """
import os, time, zmq, gmflow
stream = gmflow.connect("tcp://127.0.0.1:*", gmflow.BIND, gmflow.PUSH)
with gmflow.connect(stream.address):
    assert stream.wait_connected(5)
    import gevent
    child = os.fork()
    if not child:
        spent = time.process_time()
        gevent.sleep(0.3)
        stream.connection
        os._exit(time.process_time() - spent > 0.2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
with gevent.Timeout(5):
    while stream.connection["peers"]:
        gevent.sleep(0.01)
stream.disconnect()
print(stream.connection["disconnected"])
"""


def test_a_forked_child_leaves_them_alone():
    assert program(FORKED) == "1\n"


def test_in_a_thread_of_its_own():
    def run():
        with bound() as stream, peer(zmq.PULL, stream.address):
            assert stream.wait_connected(5)
            assert stream.connection["peers"] == 1

    with thread(run):
        pass


# Waiting


@KINDS
def test_wait_connected(mode):
    with bound(mode) as stream, ticker() as ticks:
        assert not stream.wait_connected(0.05)
        assert ticks
        later = gevent.spawn_later(0.05, lambda: zmq.Context.instance())
        with peer(OTHER[mode], stream.address):
            assert stream.wait_connected(5)
            assert stream.connection["peers"] == 1
        later.kill()


def test_wait_connected_goes_on_for_ever_until_somebody_comes():
    with bound() as stream:
        waiting = gevent.spawn(stream.wait_connected)
        assert not waiting.ready()
        with peer(zmq.PULL, stream.address):
            assert waiting.get(timeout=5) is True


def test_wait_connected_over_ipc_and_inproc(tmp_path):
    with gmflow.connect(f"ipc://{tmp_path}/s", BIND, PUSH) as stream:
        assert not stream.wait_connected(0)
        with peer(zmq.PULL, stream.address):
            assert stream.wait_connected(5)
    with gmflow.connect("inproc://s", BIND, PUSH) as stream:
        assert stream.wait_connected() is True
        assert stream.connection is None


@pytest.mark.parametrize("wait", ["wait_connected", "wait_subscribed"])
def test_waiting_ends_with_the_stream(wait):
    stream = gmflow.Stream()
    with pytest.raises(ConnectError, match="not connected"):
        getattr(stream, wait)()
    stream.connect("tcp://127.0.0.1:*", BIND, PUB)
    waiting = gevent.spawn(getattr(stream, wait))
    gevent.sleep(0.01)
    stream.disconnect()
    with pytest.raises(ConnectError, match="disconnected meanwhile"):
        waiting.get(timeout=5)


def test_what_is_sent_after_wait_subscribed_arrives():
    with bound(PUB) as stream:
        assert not stream.wait_subscribed(0.02)
        for count in range(3):  # each alone: what those before subscribed to does not count
            with peer(zmq.SUB, stream.address) as subscriber:
                assert stream.wait_subscribed(5)
                stream.send(b"%d" % count)
                assert subscriber.poll(5000)
                assert subscriber.recv() == b"%d" % count
            until(lambda: stream.connection["peers"] == 0)
            assert not stream.wait_subscribed(0.02)


def test_wait_subscribed_over_inproc():
    context = zmq.Context()
    with gmflow.connect("inproc://s", BIND, PUB, context=context) as stream:
        assert not stream.wait_subscribed(0)
        with gmflow.connect("inproc://s", mode=SUB, context=context, topics=["a"]):
            assert stream.wait_subscribed(5)
    context.term()


def test_only_a_pub_stream_has_subscribers():
    with bound(PUSH) as stream, pytest.raises(ConnectError, match="mode is not PUB"):
        stream.wait_subscribed(0)


# Options of TCP

DEFAULTS = {
    "HEARTBEAT_IVL": 0,
    "RECONNECT_IVL": 100,
    "RECONNECT_IVL_MAX": 2000,
    "TCP_KEEPALIVE": 1,
    "TCP_KEEPALIVE_IDLE": 10,
    "TCP_KEEPALIVE_INTVL": 10,
    "TCP_KEEPALIVE_CNT": 5,
}


def options_of(address, **options):
    context = Context()
    socket = open_socket(context, address, "PULL", True, options=options)
    found = {name: socket.get(zmq.SocketOption[name]) for name in DEFAULTS}
    socket.close()
    context.term()
    return found


def test_options_of_tcp_are_those_given_or_the_defaults():
    assert options_of("tcp://127.0.0.1:*") == DEFAULTS
    given = {"HEARTBEAT_IVL": 10000, "RECONNECT_IVL_MAX": 0, "TCP_KEEPALIVE": 0}
    assert options_of("tcp://127.0.0.1:*", **given) == {**DEFAULTS, **given}
    assert options_of("inproc://s")["TCP_KEEPALIVE"] == -1


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc/net/tcp")
def test_the_kernel_asks_an_idle_peer_for_a_sign_of_life():
    def timers(port):
        with open("/proc/net/tcp", encoding="ascii") as table:
            rows = [row.split() for row in table][1:]
        here = f"0100007F:{port:04X}"
        return {row[5][:2] for row in rows if row[1] == here and row[3] == "01"}

    with bound() as stream, peer(zmq.PULL, stream.address):
        assert stream.wait_connected(5)
        until(lambda: timers(int(stream.address.rpartition(":")[2])) == {"02"})


def test_attempts_to_connect_become_rarer_up_to_the_cap():
    with peer(zmq.PUSH) as nobody:
        address = endpoint(nobody)
    waits = []
    stream = gmflow.Stream()
    stream.register_socket_monitor(
        lambda e: e and e["event"] == zmq.EVENT_CONNECT_RETRIED and waits.append(e["value"])
    )
    stream.connect(address, options={"RECONNECT_IVL": 2, "RECONNECT_IVL_MAX": 16})
    until(lambda: len(waits) >= 8)
    stream.disconnect()
    assert waits[0] < 16 <= max(waits) <= 16 + 2


# Topologies


def test_nodes_tell_of_their_connections(tmp_path):
    with peer(zmq.PUSH) as sender, peer(zmq.PULL) as receiver:
        topology = Topology()
        source = topology.source(endpoint(sender), name="in")
        topology.output(source, endpoint(receiver), name="out")
        topology.output(source, f"ipc://{tmp_path}/s", conn_type="bind", name="ipc")
        topology.start()
        assert "connection" not in topology.statistics()["nodes"]["ipc"]

        def peers():
            nodes = topology.statistics()["nodes"]
            return [nodes[name]["connection"]["peers"] for name in ("in", "out")]

        until(lambda: peers() == [1, 1])
        topology.stop()
    nodes = topology.statistics()["nodes"]
    for name in ("in", "out"):
        assert nodes[name]["connection"] == {
            "peers": 0,
            "connected": 1,
            "disconnected": 0,
            "handshake_failed": 0,
        }


def test_news_come_by_themselves(caplog):
    """Also where nobody asks for the counters."""
    caplog.set_level(logging.INFO, "gmflow")
    topology = Topology()
    feed = topology.feed(iter(lambda: gevent.sleep(0.01) or [b"message"], None))
    output = topology.output(feed, "tcp://127.0.0.1:*", conn_type="bind", name="out")
    topology.start()
    try:
        with peer(zmq.PULL, output.address):
            until(lambda: "out: a peer has connected, 1 now" in caplog.text)
        until(lambda: "out: a peer has gone, 0 left" in caplog.text)
    finally:
        topology.stop(0.2)
