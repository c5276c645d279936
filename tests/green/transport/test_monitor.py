"""Socket monitors against plain peers: counts, heartbeats, absence, and ends from within."""

import threading

import gevent
import pytest
import zmq

import gmflow
from gmflow import (
    BIND,
    PUSH,
    ConnectionCountMonitor,
    SocketEventListener,
    no_clients_timeout_notifier,
)
from tests.support.green import peer, program, until


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(SocketEventListener, "DEFAULT_SOCKET_RECEIVE_TIMEOUT", 0.01)


@pytest.fixture
def stream():
    with gmflow.connect("tcp://127.0.0.1:*", BIND, PUSH, linger=0) as stream:
        yield stream


def monitors():
    return [each for each in threading.enumerate() if "_listen" in each.name]


def test_clients_are_counted(stream):
    counts = []
    stream.register_socket_monitor(ConnectionCountMonitor(counts.append))
    assert counts[0] == 0
    with peer(zmq.PULL, stream.address):
        until(lambda: counts[-1] == 1)
        with peer(zmq.PULL, stream.address):
            until(lambda: counts[-1] == 2)
        until(lambda: counts[-1] == 1)
    until(lambda: counts[-1] == 0)
    assert set(counts) == {0, 1, 2}


def test_heartbeat_comes_as_none_between_events(stream):
    events = []
    stream.register_socket_monitor(events.append)
    until(lambda: events.count(None) >= 3)
    with peer(zmq.PULL, stream.address):
        until(lambda: any(e and e["event"] == zmq.EVENT_ACCEPTED for e in events))
    count = len(events)
    until(lambda: None in events[count:])


def test_removed_monitor_is_called_no_more_and_the_thread_ends(stream):
    one, two = [], []
    stream.register_socket_monitor(one.append)
    first = one.append
    stream.remove_socket_monitor(first)
    until(lambda: not monitors())
    stream.register_socket_monitor(two.append)
    until(lambda: len(two) > 2)
    count = len(one)
    until(lambda: len(two) > 6)
    assert len(one) == count
    stream.disconnect()
    until(lambda: not monitors())
    count = len(two)
    gevent.sleep(0.03)
    assert len(two) == count
    stream.connect("tcp://127.0.0.1:*", BIND, PUSH)  # what is registered stays
    until(lambda: len(two) > count)


def test_monitor_that_raises_is_logged_and_the_others_go_on(stream, caplog):
    calls = []

    def broken(event):
        raise ValueError("broken monitor")

    stream.register_socket_monitor(broken)
    stream.register_socket_monitor(calls.append)
    until(lambda: len(calls) > 3)
    assert "broken monitor" in caplog.text
    stream.remove_socket_monitor(broken)


def test_absence_of_clients_is_acted_on_again_and_again():
    acted = []
    with gmflow.connect(
        "tcp://127.0.0.1:*",
        BIND,
        PUSH,
        no_client_action=lambda: acted.append(None),
        no_client_timeout=0.05,
    ) as stream:
        until(lambda: len(acted) >= 2)
        with peer(zmq.PULL, stream.address):
            until(lambda: stream._socket_monitors[0].client_counter == 1)
            count = len(acted)
            gevent.sleep(0.12)
            assert len(acted) == count
        until(lambda: len(acted) > count)


def test_notifier_without_a_socket():
    acted = []
    watch = no_clients_timeout_notifier(lambda: acted.append(None), 0)
    watch(0)
    watch(1)
    assert not acted
    watch(0)
    until(lambda: watch(0) or acted)


WITHIN = """
{patch}
import sys, threading, gevent
import gmflow as mflow
mflow.SocketEventListener.DEFAULT_SOCKET_RECEIVE_TIMEOUT = 0.01
done = threading.Event()

def leave():
    if not done.is_set():
        stream.disconnect()
        done.set()

stream = None
stream = mflow.connect("tcp://127.0.0.1:*", mflow.BIND, mflow.PUSH, linger=100)
address = stream.address
monitor = mflow.ConnectionCountMonitor(mflow.no_clients_timeout_notifier(leave, 0.05))
stream.register_socket_monitor(monitor)
with gevent.Timeout(5):
    while not (done.is_set() and stream.socket.closed):
        gevent.sleep(0.005)
    mflow.connect(address, mflow.BIND, mflow.PUSH).disconnect()
print("left", [t.name for t in threading.enumerate() if "_listen" in t.name])
"""


@pytest.mark.parametrize("patch", ["", "from gevent import monkey; monkey.patch_all()"])
def test_disconnect_from_within(patch):
    assert program(WITHIN.format(patch=patch), timeout=8).strip() == "left []"


PATCHED = """
from gevent import monkey
monkey.patch_all()
import time, gevent
import gmflow as mflow
counts, acted = [], []
mflow.SocketEventListener.DEFAULT_SOCKET_RECEIVE_TIMEOUT = 0.01
out = mflow.connect("tcp://127.0.0.1:*", mflow.BIND, mflow.PUSH,
                    no_client_action=lambda: acted.append(1), no_client_timeout=0.05)
out.register_socket_monitor(mflow.ConnectionCountMonitor(counts.append))
with gevent.Timeout(5):
    while not acted:
        time.sleep(0.005)
    one = mflow.connect(out.address)
    while counts[-1] != 1:
        time.sleep(0.005)
    one.disconnect()
    while counts[-1] != 0:
        time.sleep(0.005)
out.disconnect()
print("counted")
"""


def test_patched():
    assert program(PATCHED).strip() == "counted"
