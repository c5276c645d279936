"""The recorder: batches off the hub, a bound on memory, slow and failing disks, stops, counts."""

import sys
import threading
import time

import gevent
import pytest
import zmq

from gmflow import ConfigError, RecordingError, Topology
from gmflow.green.topology import recorder
from gmflow.recording import Writer, open_reader
from gmflow.recording.base import PROMISE
from tests.support.green import books, endpoint, peer, program, ticker, until


class Disk(Writer):
    """A disk that can be stopped, that keeps messages back, and that can be full."""

    def __init__(self):
        super().__init__()
        self.goes = threading.Event()
        self.goes.set()
        self.kept_back = []
        self.held = []
        self.keeps = 0
        self.full_after = None
        self.calls = []
        self.threads = set()

    def write(self, messages):
        self.calls.append(len(messages))
        self.threads.add(threading.get_ident())
        self.goes.wait(60)
        self.kept_back += messages
        if len(self.kept_back) > self.keeps:
            self.commit()

    def commit(self):
        for message in self.kept_back:
            if self.full_after == self.written:
                raise RecordingError("the disk is full: make room")
            self.held.append(message)
            self.written += 1
            self.bytes_written += message.size
        self.kept_back = []

    def close(self):
        self.calls.append("close")
        if self.full_after != self.written:
            self.commit()


@pytest.fixture
def disk(monkeypatch):
    """Have every recorder write to this disk, which no test can get from the system."""
    disk = Disk()
    monkeypatch.setattr(recorder, "open_writer", lambda *_: disk)
    yield disk
    disk.goes.set()


@pytest.fixture
def topology():
    topology = Topology()
    yield topology
    topology.stop(0.2)
    books(topology.statistics())


def numbered(count, size=0):
    return [[b"head", b"%d" % number, bytes(size)] for number in range(count)]


def run(topology, seconds=10):
    topology.start()
    assert topology.join(seconds)
    return books(topology.statistics())


def test_a_stream_is_recorded_as_it_came_and_when(topology, tmp_path):
    began = time.time_ns()
    with peer(zmq.PUSH) as push:
        source = topology.source(endpoint(push), count=3, name="detector")
        topology.recorder(source, tmp_path / "run", name="recorder")
        topology.start()
        for parts in ([b"{}", b"", b"body"], [b""], [b"\xff" * 100_000, b"2"]):
            push.send_multipart(parts)
        assert topology.join(5)
        node = books(topology.statistics())["recorder"]
    assert (node["received"], node["sent"], node["bytes_sent"]) == (3, 3, 100_007)
    with open_reader(tmp_path / "run") as recording:
        messages = list(recording.messages())
    assert [list(map(bytes, message.parts)) for message in messages] == [
        [b"{}", b"", b"body"],
        [b""],
        [b"\xff" * 100_000, b"2"],
    ]
    times = [message.received_ns for message in messages]
    assert began <= times[0] <= times[1] <= times[2] <= time.time_ns()
    assert {message.source for message in messages} == {"detector"}


def test_two_recorders_of_one_source(topology, tmp_path):
    feed = topology.feed(numbered(500))
    topology.recorder(feed, tmp_path / "one")
    topology.recorder(feed, tmp_path / "headers", skip=2)
    nodes = run(topology)
    assert [node["sent"] for node in nodes.values()] == [500, 500, 500]
    with open_reader(tmp_path / "one") as one, open_reader(tmp_path / "headers") as headers:
        assert [message.parts for message in one.messages()] == numbered(500)
        assert [message.parts for message in headers.messages()] == [[b"head"]] * 500


def test_the_hub_goes_on_while_the_disk_does_not(topology, disk):
    disk.goes.clear()
    topology.recorder(topology.feed(numbered(10)), "run")
    topology.start()
    until(lambda: disk.calls)
    with ticker() as ticks:
        until(lambda: len(ticks) > 20)
    disk.goes.set()
    assert topology.join(5)
    assert disk.written == 10


def test_one_thread_writes_and_it_is_not_the_hubs(topology, disk):
    topology.recorder(topology.feed(numbered(3000)), "run")
    run(topology)
    assert len(disk.threads) == 1
    assert threading.get_ident() not in disk.threads


def test_a_slow_disk_pushes_back_and_memory_is_bounded(topology, disk):
    disk.goes.clear()
    fed = []

    def feed():
        for number in range(400):
            fed.append(number)
            yield [bytes(1 << 20)]

    topology.recorder(topology.feed(feed()), "run")
    topology.start()
    until(lambda: disk.calls)
    seen = -1
    while seen < len(fed):  # until nothing more comes in
        seen = len(fed)
        gevent.sleep(0.1)
    assert 32 <= seen <= 2 * 32 + 4
    disk.goes.set()
    assert topology.join(10)
    assert disk.written == 400


@pytest.mark.parametrize("policy", ["drop_newest", "drop_oldest"])
def test_what_a_slow_disk_has_no_room_for_is_dropped_and_counted(topology, disk, policy):
    disk.goes.clear()
    topology.recorder(topology.feed(numbered(5000)), "run", when_full=policy, name="recorder")
    topology.start()
    until(lambda: sum(topology.statistics()["nodes"]["recorder"]["dropped"].values()) > 1000)
    disk.goes.set()
    assert topology.join(5)
    node = books(topology.statistics())["recorder"]
    assert node["received"] == 5000
    assert node["dropped"] == {"full": 5000 - disk.written}
    numbers = [int(message.parts[1]) for message in disk.held]
    assert numbers == sorted(numbers)
    if policy == "drop_oldest":
        assert numbers[-1] == 4999
    else:
        assert numbers[:1000] == list(range(1000))


def test_a_wrong_policy_is_refused(topology, tmp_path):
    with pytest.raises(ConfigError, match="when_full is 'drop'"):
        topology.recorder(topology.feed([]), tmp_path / "run", when_full="drop")


def test_what_is_kept_back_is_committed_when_nothing_comes(topology, disk):
    disk.keeps = 100
    with peer(zmq.PUSH) as push:
        topology.recorder(topology.source(endpoint(push)), "run", name="recorder")
        topology.start()
        push.send(b"alone")
        until(lambda: disk.calls == [1])
        assert topology.statistics()["nodes"]["recorder"]["sent"] == 0
        until(lambda: disk.written == 1, PROMISE + 10)
        assert topology.statistics()["nodes"]["recorder"]["sent"] == 1
        assert "close" not in disk.calls


def test_the_first_error_ends_the_topology_and_everything_is_accounted_for(topology, disk):
    disk.full_after = 70
    with peer(zmq.PUSH, SNDHWM=100000) as push:
        source = topology.source(endpoint(push), name="source")
        topology.recorder(source, "run", name="recorder")
        topology.start()
        for parts in numbered(3000):
            push.send_multipart(parts)
        with pytest.raises(RecordingError, match="the disk is full: make room"):
            topology.join(5)
    node = books(topology.statistics())["recorder"]
    assert node["sent"] == disk.written == 70
    assert node["left_over"] == node["received"] - 70 > 0


def test_an_error_at_the_very_end_is_raised(topology, disk):
    disk.keeps, disk.full_after = 100, 5

    def close():
        disk.commit()

    disk.close = close
    topology.recorder(topology.feed(numbered(10)), "run", name="recorder")
    topology.start()
    with pytest.raises(RecordingError, match="full"):
        topology.join(5)
    node = books(topology.statistics())["recorder"]
    assert (node["sent"], node["left_over"]) == (5, 5)


def test_an_error_after_a_stop_is_raised_too(topology, disk):
    disk.keeps, disk.full_after = 100, 0
    disk.close = disk.commit
    with peer(zmq.PUSH) as push:
        topology.recorder(topology.source(endpoint(push)), "run")
        topology.start()
        push.send(b"one")
        until(lambda: disk.calls)
        topology.stop(1)
        with pytest.raises(RecordingError, match="full"):
            topology.join(5)


def test_a_stop_writes_what_has_come(topology, disk):
    with peer(zmq.PUSH) as push:
        topology.recorder(topology.source(endpoint(push)), "run", name="recorder")
        topology.start()
        for parts in numbered(100):
            push.send_multipart(parts)
        until(lambda: topology.statistics()["nodes"]["recorder"]["received"] == 100)
        topology.stop(2)
    assert disk.written == 100
    assert disk.calls[-1] == "close"


def test_a_stop_does_not_wait_for_a_disk_that_does_not_answer(topology, disk):
    disk.goes.clear()
    topology.recorder(topology.feed(numbered(500)), "run", name="recorder")
    topology.start()
    until(lambda: disk.calls)
    with gevent.Timeout(20):
        topology.stop(0.2)
    assert not disk.goes.is_set()
    node = books(topology.statistics())["recorder"]
    assert (node["sent"], node["left_over"]) == (0, node["received"])


def test_a_stop_cuts_what_is_written_at_a_slice(topology, disk):
    disk.goes.clear()
    topology.recorder(topology.feed(numbered(2000)), "run", name="recorder")
    topology.start()
    until(lambda: disk.calls)
    stopping = gevent.spawn(topology.stop, 0.1)
    gevent.sleep(0.3)
    disk.goes.set()
    stopping.join(5)
    node = books(topology.statistics())["recorder"]
    assert node["left_over"] > 0
    assert node["sent"] == disk.written


def test_a_recording_that_can_not_begin_takes_no_message(topology, tmp_path):
    place = tmp_path / "file"
    place.write_text("")
    with peer(zmq.PUSH, SNDHWM=10, SNDTIMEO=200) as push:
        topology.recorder(topology.source(endpoint(push)), place / "run")
        with pytest.raises(RecordingError, match="run"):
            topology.start()
        with pytest.raises(zmq.Again):
            push.send(b"to nobody")


def test_an_error_that_comes_after_the_stop_is_raised(topology, disk):
    disk.goes.clear()
    disk.full_after = 0
    topology.recorder(topology.feed(numbered(10)), "run", name="recorder")
    topology.start()
    until(lambda: disk.calls)
    stopping = gevent.spawn(topology.stop, 0.1)
    gevent.sleep(0.3)
    disk.goes.set()
    stopping.join(5)
    with pytest.raises(RecordingError, match="full"):
        topology.join(5)


def test_a_disk_that_recovers_after_a_stop_keeps_no_thread(topology, tmp_path, monkeypatch):
    pytest.importorskip("mcap", reason="mcap is not installed")
    from gmflow.recording.mcap.mcap_file import AppendedFile

    goes, append, before = threading.Event(), AppendedFile.append, set(sys._current_frames())

    def slow(self, block):
        if self.size > 1000:
            goes.wait(10)
        append(self, block)

    monkeypatch.setattr(AppendedFile, "append", slow)
    topology.recorder(topology.feed([[bytes(3 << 20)] for _ in range(12)]), tmp_path / "run.mcap")
    topology.start()
    until(lambda: (tmp_path / "run.mcap").exists())
    gevent.sleep(0.2)
    topology.stop(0.1)
    goes.set()
    hub = {thread.ident for thread in threading.enumerate()}
    until(lambda: len(set(sys._current_frames()) - before - hub) <= 1)  # the hub's own pool
    with open_reader(tmp_path / "run.mcap") as recording:
        assert recording.problem == ""


def test_what_is_not_written_in_time_is_told(topology, disk):
    disk.goes.clear()
    topology.recorder(topology.feed(numbered(300)), "run", name="recorder")
    topology.start()
    until(lambda: topology.statistics()["nodes"]["recorder"]["received"] == 300)
    topology.stop(0.1)
    with pytest.raises(RecordingError, match="run lacks 300 messages that had come: the disk"):
        topology.join(5)


STARTED_ELSEWHERE = """
import sys, threading, time, gevent
from gmflow import Topology
from gmflow.recording import Writer
from gmflow.green.topology import recorder

class Slow(Writer):
    def write(self, messages):
        time.sleep(0.5)
        self.written += len(messages)
    def commit(self): pass
    def close(self): pass

recorder.open_writer = lambda *_: Slow()
topology = Topology()
topology.recorder(topology.feed([[b"one"]]), "run")
ticks = []

def run():
    ticker = gevent.spawn(lambda: [ticks.append(gevent.sleep(0.01)) for _ in range(1000)])
    topology.run()
    ticker.kill()

thread = threading.Thread(target=run)
thread.start()
thread.join(10)
print(len(ticks))
"""


def test_it_is_off_the_hub_that_runs_it_whatever_hub_made_it():
    assert int(program(STARTED_ELSEWHERE)) > 20
