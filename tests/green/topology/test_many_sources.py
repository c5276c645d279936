"""A thousand sources on one hub, merged and split to two outputs: nothing is lost."""

import resource
import subprocess
import sys
from collections import Counter

import gevent
import pytest
import zmq

from gmflow import Topology
from gmflow.merging import Arrival, ByKey, RoundRobin
from tests.support.green import books, endpoint, peer

SOURCES, EACH = 1000, 12

SENDER = """
import sys, zmq
folder, sources, each = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
context = zmq.Context()
context.set(zmq.MAX_SOCKETS, 2 * sources + 10)
sockets = [context.socket(zmq.PUSH) for _ in range(sources)]
for place, socket in enumerate(sockets):
    socket.bind(f"ipc://{folder}/{place}")
print("bound", flush=True)
for number in range(each):
    for place, socket in enumerate(sockets):
        header = b'{"htype":"raw-1.0","pulse_id":%d,"source":%d}' % (number, place)
        socket.send_multipart([header, b"data"])
sys.stdin.readline()
"""


@pytest.fixture(scope="module")
def files():
    """Let this process have a file for each socket and each connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 3 * SOURCES + 500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this machine allows a process {hard} open files; {wanted} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def addresses(files, tmp_path):
    """Have a plain program send on so many addresses of IPC."""
    command = [sys.executable, "-c", SENDER, str(tmp_path), str(SOURCES), str(EACH)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"bound\n"
        yield [f"ipc://{tmp_path}/{place}" for place in range(SOURCES)]
        process.stdin.close()
        assert process.wait(10) == 0


def take_all(socket, count):
    """Return what a plain receiver gets, beside the hub."""
    socket.set(zmq.RCVTIMEO, 20_000)
    return [socket.recv_multipart() for _ in range(count)]


@pytest.mark.parametrize("strategy", [Arrival, RoundRobin])
def test_nothing_is_lost(addresses, strategy):
    topology = Topology()
    sources = [topology.source(address, count=EACH) for address in addresses]
    merger = topology.merge(*sources, strategy=strategy, name="merger")
    with peer(zmq.PULL) as one, peer(zmq.PULL) as two:
        for socket in (one, two):
            topology.output(merger, endpoint(socket))
        topology.start()
        pool = gevent.get_hub().threadpool
        taken = [pool.spawn(take_all, socket, SOURCES * EACH) for socket in (one, two)]
        assert topology.join(30)
        for messages in (result.get() for result in taken):
            assert set(Counter(header for header, _ in messages).values()) == {1}
            assert len(messages) == SOURCES * EACH
    nodes = books(topology.statistics())
    assert nodes["merger"]["sent"] == SOURCES * EACH
    assert {node["upstream"]["missing"] for node in nodes.values() if "upstream" in node} == {0}


def test_a_thousand_are_joined_by_key(addresses):
    topology, sets = Topology(), []
    sources = [topology.source(address, count=EACH) for address in addresses]
    merger = topology.merge(*sources, strategy=ByKey(patience=30), name="merger")
    topology.sink(merger, sets.append, decode=False)
    topology.start()
    assert topology.join(30)
    assert [(one.data.header["value"], len(one.data)) for one in sets] == [
        (number, SOURCES) for number in range(EACH)
    ]
    books(topology.statistics())
