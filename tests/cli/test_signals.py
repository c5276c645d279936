"""Ctrl-C and SIGTERM at any moment: a clean drain, a summary, exit status 0.

How long each takes to end: benchmarks/ending.py.
"""

import os
import random
import re
import signal

import pytest
import zmq

from tests.support.recordings import write
from tests.support.scripts import (
    NAMES,
    Script,
    complaints,
    free_address,
    is_bound,
    proc_only,
    row,
    rows,
    until,
    with_signals,
)

pytestmark = proc_only

SMALL = ["-s", "0.001"]
LARGE = [b'{"htype": "raw-1.0"}', bytes(200_000)]


CUT_OFF = (
    "stopped while messages were still to be delivered by ZeroMQ\n",
    "messages that ZeroMQ had taken were not delivered within the linger of 1 s\n",
)
"""What a script says, and must, when its peer doesn't take what it sent."""


def cleanly(name, err):
    """Return True if standard error has nothing but what was cut off, or m_dump's summary.

    After 2 seconds, which a busy machine may need, m_replay says that nobody is there.
    """
    rest = re.sub(r"waiting for a receiver at \S+\n", "", complaints(err), count=1)
    return name == "m_dump" or rest in ("", *CUT_OFF)


@pytest.fixture
def ended():
    """Send a signal; check how the script ends, and return its result."""

    def end(script: Script, number: int, *more: int):
        script.send(number)
        for another in more:
            script.process.send_signal(another)
        result = script.wait()
        assert result.status == 0, result
        assert cleanly(script.name, result.err), result
        assert "Traceback" not in result.err
        assert has_summary(script.name, result.out, result.err), result
        return result

    return end


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recording") / "folder"
    return write(folder, ([b'{"htype": "raw-1.0"}', b"%d" % number] for number in range(1000)))


@pytest.fixture(scope="module")
def large_recording(tmp_path_factory):
    return write(tmp_path_factory.mktemp("large") / "folder", [LARGE] * 300)


def has_summary(name, out, err):
    if name == "m_stats":
        return re.search(r"No messages received\.|Messages received: +\d+ messages", out)
    return bool(rows(out if "received" in out else err))


def arguments_of(name, source, output, recording):
    return {
        "m_stats": [source],
        "m_generate": ["-a", output, *SMALL],
        "m_dump": [source],
        "m_replay": ["-a", output, recording],
        "m_split": [source, output],
        "m_merge": ["-o", output, source, free_address()],
    }[name]


# at start


@with_signals("name", NAMES, 1)
def test_right_after_the_first_line(scripts, recording, ended, name, number):
    arguments = arguments_of(name, free_address(), free_address(), recording)
    script = scripts.start(name, *arguments, fresh=True)
    script.until_ready()
    ended(script, number)


@with_signals("name", NAMES, 0)
def test_during_the_imports_and_after(scripts, recording, ended, name, number):
    arguments = arguments_of(name, free_address(), free_address(), recording)
    for longest in (0.2, 1.0):
        script = scripts.start(name, *arguments, fresh=True)
        script.until_ready()
        assert script.lives(longest * random.random())
        ended(script, number)


# nobody there


@with_signals("name", NAMES, 1)
def test_with_no_peer(scripts, peers, recording, ended, name, number):
    """Whoever connects gets a peer that never speaks; whoever binds gets one, too."""
    server, source = peers.server()
    output = free_address()
    script = scripts.start(name, *arguments_of(name, source, output, recording))
    if name in ("m_stats", "m_dump", "m_split"):
        server.accept()[0].close()
    else:
        until(lambda: is_bound(output))
    script.until_idle()
    result = ended(script, number)
    if name not in ("m_stats", "m_dump"):
        assert row(result.out, "output").sent == 0


# full speed


def test_generate_at_full_speed(scripts, peers, ended):
    address = free_address()
    script = scripts.start("m_generate", "-a", address, *SMALL)
    reader = peers.reader(peers.open(zmq.PULL, address))
    reader.until(1000)
    result = ended(script, signal.SIGINT)
    assert len(reader.rest()) == row(result.out, "output").sent


def test_replay_at_full_speed(scripts, peers, recording, ended):
    address = free_address()
    script = scripts.start("m_replay", "-a", address, recording)
    reader = peers.reader(peers.open(zmq.PULL, address))
    reader.until(100)
    result = ended(script, signal.SIGTERM)
    received = reader.rest()
    assert len(received) == row(result.out, "output").sent
    assert [parts[1] for parts in received] == [b"%d" % n for n in range(len(received))]


def test_split_at_full_speed(scripts, peers, ended):
    source, *outputs = (free_address() for _ in range(3))
    script = scripts.start("m_split", source, *outputs)
    peers.sender(peers.open(zmq.PUSH, source, bind=True))
    readers = [peers.reader(peers.open(zmq.PULL, address)) for address in outputs]
    for reader in readers:
        reader.until(1000)
    result = ended(script, signal.SIGINT)
    for address, reader in zip(outputs, readers, strict=True):
        received = reader.rest()
        sent = rows(result.out)[f"output {address}"].sent
        assert [parts[1] for parts in received] == [b"%d" % n for n in range(sent)]


@with_signals("interval", ["0.5", "0"])
def test_stats_at_full_speed(scripts, peers, ended, number, interval):
    address = free_address()
    script = scripts.start("m_stats", "-i", interval, address)
    sender = peers.sender(peers.open(zmq.PUSH, address, bind=True))
    script.out.next("Data rate")
    result = ended(script, number)
    received = int(re.findall(r"Messages received: +(\d+)", result.out)[0])
    assert 0 < received <= sender.number


def test_dump_at_full_speed(scripts, peers, tmp_path, ended):
    address = free_address()
    script = scripts.start("m_dump", address, tmp_path)
    peers.sender(peers.open(zmq.PUSH, address, bind=True))
    until((tmp_path / "000300_001.raw").exists)
    result = ended(script, signal.SIGTERM)
    written = row(result.out, "folder").sent  # a slow disk may leave some over, but no halves
    assert len(list(tmp_path.glob("*.raw"))) == 2 * written
    assert (tmp_path / f"{written - 1:06d}_001.raw").read_bytes() == b"%d" % (written - 1)


def test_dump_to_the_screen_at_full_speed(scripts, peers, ended):
    address = free_address()
    script = scripts.start("m_dump", "--raw", address)
    peers.sender(peers.open(zmq.PUSH, address, bind=True))
    script.out.next("b'500'")
    result = ended(script, signal.SIGINT)
    assert len(result.out.splitlines()) == 2 * row(result.err, "screen").sent


# blocked


@with_signals("name", ["m_generate", "m_replay", "m_split"], 1)
def test_with_a_peer_that_does_not_read(scripts, peers, large_recording, ended, name, number):
    source, output = free_address(), free_address()
    arguments = arguments_of(name, source, output, large_recording)
    script = scripts.start(name, *(word if word != "0.001" else "0.2" for word in arguments))
    if name == "m_split":
        peers.sender(peers.open(zmq.PUSH, source, bind=True), [LARGE] * 1000)
    peers.open(zmq.PULL, output, RCVHWM=1, RCVBUF=4096).until_met()
    script.until_idle()
    result = ended(script, number)
    assert 0 < row(result.out, "output").sent < 300
    assert result.err in CUT_OFF


def test_one_output_blocked_does_not_harm_the_other(scripts, peers, ended):
    source, one, two = (free_address() for _ in range(3))
    script = scripts.start("m_split", source, one, two)
    peers.sender(peers.open(zmq.PUSH, source, bind=True), [LARGE] * 1000)
    reader = peers.reader(peers.open(zmq.PULL, one))
    peers.open(zmq.PULL, two, RCVHWM=1, RCVBUF=4096).until_met()
    script.until_idle()
    result = ended(script, signal.SIGTERM)
    assert len(reader.rest()) == rows(result.out)[f"output {one}"].sent > 0


def test_with_a_screen_that_is_not_read(scripts, peers):
    """As in a terminal after Ctrl-S, or before a pager."""
    address = free_address()
    script = scripts.start("m_dump", address, reads=False)
    peers.sender(peers.open(zmq.PUSH, address, bind=True))
    script.until_idle()
    script.send(signal.SIGINT)
    result = script.wait()
    assert (result.status, row(result.err, "screen").received > 0) == (0, True)


def test_with_a_disk_that_hangs(scripts, peers, tmp_path):
    os.mkfifo(tmp_path / "000005_000.raw")  # nobody reads it: opening it for writing blocks
    address = free_address()
    script = scripts.start("m_dump", address, tmp_path)
    peers.open(zmq.PUSH, address, bind=True).until_met().send(*[[b"message"]] * 20)
    until((tmp_path / "000004_000.raw").exists)
    script.until_idle()
    result = script.end(signal.SIGTERM)
    written = row(result.out, "folder")
    assert (written.sent, written.left) == (5, 15)
    assert result.status == 1
    assert "lacks 15 messages that had come" in result.err


# what was accepted arrives


@with_signals("name", ["m_generate", "m_replay", "m_split"])
def test_a_slow_reader_gets_all_that_was_sent(scripts, peers, large_recording, ended, name, number):
    source, output = free_address(), free_address()
    arguments = arguments_of(name, source, output, large_recording)
    script = scripts.start(name, *(word if word != "0.001" else "0.2" for word in arguments))
    if name == "m_split":
        peers.sender(peers.open(zmq.PUSH, source, bind=True), [LARGE] * 1000)
    pull = peers.open(zmq.PULL, output, RCVHWM=1, RCVBUF=65536)
    reader = peers.reader(pull, pause=0.003)
    reader.until(20)
    result = ended(script, number)
    assert len(reader.rest()) == row(result.out, "output").sent


# impatience


@with_signals("name", NAMES, 0)
def test_twice_is_as_good_as_once(scripts, recording, ended, name, number):
    script = scripts.start(name, *arguments_of(name, free_address(), free_address(), recording))
    script.until_ready()
    script.until_idle()
    ended(script, number, number)


@with_signals("name", NAMES, 1)
def test_again_and_again_from_the_first_line_to_the_last(scripts, recording, name, number):
    script = scripts.start(
        name, *arguments_of(name, free_address(), free_address(), recording), fresh=True
    )
    script.until_ready()
    script.send(number)
    script.nag(number, 0.002)
    result = script.wait()
    assert result.status == 0, result
    assert "Traceback" not in result.err
    assert has_summary(name, result.out, result.err)


def test_again_while_it_drains(scripts, peers):
    output = free_address()
    script = scripts.start("m_generate", "-a", output, "-s", "0.2")
    peers.open(zmq.PULL, output, RCVHWM=1, RCVBUF=4096).until_met()
    script.until_idle()
    script.send(signal.SIGINT)
    script.nag(signal.SIGINT, 0.005)
    result = script.wait()
    assert result.status == 0
    assert cleanly("m_generate", result.err)
    assert row(result.out, "output").sent > 0
