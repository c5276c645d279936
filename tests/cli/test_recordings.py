"""m_dump into every kind of recording: killed at any moment, and on disks that fail."""

import json
import os
import random
import re
import resource
import shutil
import signal
import threading
import time
from contextlib import ExitStack, closing

import pytest
import zmq

from gmflow.recording import open_reader
from gmflow.recording.base import PROMISE
from tests.support.full import times
from tests.support.scripts import complaints, free_address, row, until

AT_ONCE = 4
LONGEST = 2.0
"""Seconds after the first message in which there is a kill."""

LATE = 1.0
"""Seconds that a message may need from here to the recorder on a busy machine."""

BODY = bytes(range(256)) * 4


def message(number, body=BODY):
    header = {"htype": "array-1.0", "type": "uint8", "shape": [len(body)], "frame": number}
    return [json.dumps(header).encode(), body]


def has_library(kind):
    for name in {"mcap": ["mcap"], "h5": ["h5py", "hdf5plugin"]}.get(kind, []):
        pytest.importorskip(name, reason=f"{name} is not installed")


@pytest.fixture(params=["folder", "mcap", "h5"])
def path(request, tmp_path):
    """Where a recording of each kind goes."""
    has_library(request.param)
    return tmp_path / ("run" if request.param == "folder" else f"run.{request.param}")


def frames(path):
    """Return the frame numbers in a recording; each message must be whole."""
    if path.suffix == ".h5":
        import h5py

        if not path.exists():  # not even begun
            return []
        with h5py.File(path) as file:
            data = file["entry/data/data"]
            assert (data[...] == list(BODY)).all()
            return list(file["entry/data/frame"][: len(data)])
    with open_reader(path) as recording:
        messages = list(recording.messages())
    for one in messages:
        assert list(map(bytes, one.parts)) == message(one.header["frame"])
    return [one.header["frame"] for one in messages]


class Stream:
    """Sends numbered messages at a pace, and knows when each was sent."""

    def __init__(self):
        self.address = free_address()
        self.times = []
        self._context = zmq.Context()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        with self._context.socket(zmq.PUSH) as socket:
            socket.set(zmq.LINGER, 0)
            socket.set(zmq.SNDTIMEO, 100)
            socket.set(zmq.SNDHWM, 10)
            socket.bind(self.address)
            while not self._stopping.is_set():
                try:
                    socket.send_multipart(message(len(self.times)))
                except zmq.Again:
                    continue
                self.times.append(time.monotonic())
                time.sleep(0.002)  # a slow disk must keep up: what it waits for is not here yet

    def close(self):
        self._stopping.set()
        self._thread.join(5)
        self._context.term()


@pytest.fixture
def stream():
    stream = Stream()
    yield stream
    stream.close()


@pytest.mark.timeout(120)
def test_a_kill_loses_no_message_older_than_the_promise(scripts, path):
    kept = []
    for number in range(times(5)):
        paths = [path.with_stem(f"run-{number}-{place}") for place in range(AT_ONCE)]
        with ExitStack() as stack:
            streams = [stack.enter_context(closing(Stream())) for _ in paths]
            running = [
                (
                    scripts.start("m_dump", "-q", stream.address, where),
                    LONGEST * (place + random.random()) / AT_ONCE,
                )
                for place, (stream, where) in enumerate(zip(streams, paths, strict=True))
            ]
            until(lambda streams=streams: all(stream.times for stream in streams))
            began, killed = time.monotonic(), []
            for script, after in sorted(running, key=lambda pair: pair[1]):
                time.sleep(max(0, began + after - time.monotonic()))
                script.process.kill()
                killed.append((running.index((script, after)), time.monotonic()))
                script.process.wait(10)
        for place, moment in killed:
            found = frames(paths[place])
            old = sum(sent < moment - PROMISE - LATE for sent in streams[place].times)
            assert found == list(range(len(found)))
            assert len(found) >= old, f"{old} were sent so long ago, {len(found)} are there"
            kept.append(len(found))
    assert max(kept) > 100


def test_a_signal_ends_a_recording_with_everything_in_it(scripts, path, stream):
    script = scripts.start("m_dump", stream.address, path)
    until(lambda: len(stream.times) > 300)
    result = script.end(signal.SIGINT)
    assert (result.status, complaints(result.err)) == (0, "")
    node = row(result.out, "folder" if path.suffix == "" else "file")
    assert node.received == node.sent == len(frames(path)) >= 200


def fill(script, size=300_000):
    """Have the script's files end at so many bytes, as on a full disk."""
    resource.prlimit(script.process.pid, resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits the files of a process")
def test_a_full_disk_is_one_line_and_what_was_written_stays(scripts, path, peers):
    address = free_address()
    push = peers.open(zmq.PUSH, address, bind=True, SNDTIMEO=100)
    script = scripts.start("m_dump", "-q", address, path)
    push.until_met()
    fill(script)
    for number in range(20_000):
        try:
            push.send(message(number, BODY if number < 50 else bytes(400_000)))
        except zmq.Again:
            break
        if number == 40:
            until(path.exists)
            time.sleep(PROMISE + 0.2)  # for these to be committed
    result = script.wait()
    assert result.status == 1
    (line,) = complaints(result.err).splitlines()
    assert line.startswith(f"m_dump: {path.with_suffix('')}")
    assert "File too large" in line
    assert result.out == ""
    if path.suffix != ".h5":
        with open_reader(path) as recording:
            found = [one.header["frame"] for one in recording.messages()]
        assert found == list(range(len(found)))
        assert len(found) > 40


def slow_folder(folder, count):
    """Make a folder in which writing messages 3 and on waits for who reads them."""
    folder.mkdir()
    fifos = [folder / f"{number:06d}_001.raw" for number in range(3, count)]
    for fifo in fifos:
        os.mkfifo(fifo)
    return fifos


def test_a_stop_on_a_disk_that_hangs(scripts, stream, tmp_path):
    slow_folder(tmp_path / "run", 4)
    script = scripts.start("m_dump", "-q", stream.address, tmp_path / "run")
    until(lambda: len(stream.times) > 20)
    result = script.end(signal.SIGINT)
    assert result.status == 1
    (line,) = complaints(result.err).splitlines()
    assert re.fullmatch(
        r"m_dump: \S+/run lacks \d+ messages that had come: the disk was too slow, or doesn't"
        r" answer; 3 messages were written",
        line,
    )


def test_a_stop_on_a_slow_disk_writes_what_has_come(scripts, stream, tmp_path):
    fifos = slow_folder(tmp_path / "run", 12)
    script = scripts.start("m_dump", stream.address, tmp_path / "run")
    until(lambda: len(stream.times) > 30)
    script.send(signal.SIGTERM)
    for fifo in fifos:
        time.sleep(0.3)  # a slow disk gets on
        assert fifo.read_bytes() == BODY
    result = script.wait()
    assert result.status == 0
    assert "writing what has come; another signal leaves it" in result.err
    node = row(result.out, "folder")
    assert node.received == node.sent > 12


def test_a_second_signal_leaves_it(scripts, stream, tmp_path):
    fifos = slow_folder(tmp_path / "run", 40)
    script = scripts.start("m_dump", "-q", stream.address, tmp_path / "run")
    until(lambda: len(stream.times) > 40)
    script.send(signal.SIGTERM)
    for fifo in fifos[:6]:
        time.sleep(0.3)
        fifo.read_bytes()
    result = script.end(signal.SIGTERM)
    assert result.status == 1
    assert "lacks" in result.err


def test_a_folder_that_vanishes(scripts, tmp_path, stream):
    path = tmp_path / "run"
    script = scripts.start("m_dump", stream.address, path)
    until(lambda: (path / "000100_000.raw").exists())
    shutil.rmtree(path, ignore_errors=True)
    while path.exists():  # it writes there meanwhile
        shutil.rmtree(path, ignore_errors=True)
    result = script.wait()
    assert result.status == 1
    (line,) = complaints(result.err).splitlines()
    assert line.startswith(f"m_dump: {path}")
    assert "the folder is gone" in line


def test_a_file_that_vanishes(scripts, path, stream):
    if path.suffix == "":
        pytest.skip("this is about files")
    script = scripts.start("m_dump", stream.address, path)
    until(lambda: len(stream.times) > 100)
    until(path.exists)
    path.unlink()
    result = script.wait()
    assert result.status == 1
    (line,) = complaints(result.err).splitlines()
    assert str(path) in line


def test_a_file_is_never_overwritten(scripts, path, stream):
    if path.suffix == "":
        pytest.skip("mflow's m_dump writes into a folder that is there, and so does this one")
    path.write_bytes(b"precious")
    result = scripts.start("m_dump", stream.address, path).wait()
    assert result.status == 1
    assert complaints(result.err).count("\n") == 1
    assert f"{path} is there already" in result.err
    assert path.read_bytes() == b"precious"
    assert not stream.times, "the source was connected to, and messages taken"


def test_a_place_that_does_not_exist(scripts, path, stream, tmp_path):
    place = tmp_path / "file"
    place.write_text("")
    result = scripts.start("m_dump", stream.address, place / path.name).wait()
    assert (result.status, complaints(result.err).count("\n")) == (1, 1)
    assert str(place) in result.err


def test_skip_is_for_folders(scripts, tmp_path):
    result = scripts.run("m_dump", "-s", "2", free_address(), tmp_path / "run.mcap")
    assert result.status == 2
    assert "skip is for folders" in result.err
