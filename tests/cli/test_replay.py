"""m_replay sends a recording: which messages, in which order, changed how, and what it says."""

import json
import os
import re
import signal
import subprocess
import sys
from threading import Event
from types import SimpleNamespace

import pytest
import zmq

from gmflow.cli import replay
from gmflow.cli.progress import Bar
from gmflow.statistics import NodeStatistics
from tests.support.recordings import record
from tests.support.scripts import BIN, DEADLINE, complaints, free_address, row, until

MESSAGES = [
    [b'{"htype": "raw-1.0", "series": %d, "frame": %d}' % (n // 20, n % 20), b"data %d" % n, b""]
    for n in range(100)
]
KINDS = ["folder", "run.mcap"]


@pytest.fixture
def replayed(scripts, peers):
    """Run m_replay with a receiver; return how it ends and what was received."""

    def run(path, *arguments):
        address = free_address()
        script = scripts.start("m_replay", "-a", address, *arguments, path)
        reader = peers.reader(peers.open(zmq.PULL, address))
        result = script.wait()
        return result, reader.rest()

    return run


@pytest.fixture(params=KINDS)
def recording(request, tmp_path):
    return record(tmp_path / request.param, MESSAGES, range(1, 101))


# which messages


def test_all_of_it_as_it_was(replayed, recording):
    result, messages = replayed(recording)
    assert (result.status, result.err) == (0, "")
    assert messages == MESSAGES
    kind = "file" if recording.suffix else "folder"
    assert row(result.out, "output").sent == row(result.out, f"{kind} {recording}").sent == 100


@pytest.mark.parametrize(
    "arguments, numbers",
    [
        (["--first", 90], range(90, 100)),
        (["--last", 9], range(10)),
        (["--first", 99, "--last", 99], [99]),
        (["--first", 7, "--last", 1000], range(7, 100)),
        (["--series", "1:2"], range(20, 60)),
        (["--series", "4"], range(80, 100)),
        (["--frames", "18:"], [n for n in range(100) if n % 20 >= 18]),
        (["--series", "2:3", "--frames", ":0", "--last", 59], [40]),
        (["--loop", 3, "--first", 98], [98, 99] * 3),
    ],
)
def test_some_of_it(replayed, recording, arguments, numbers):
    result, messages = replayed(recording, *arguments)
    assert (result.status, result.err) == (0, "")
    assert messages == [MESSAGES[number] for number in numbers]


def test_in_many_batches(replayed, tmp_path):
    messages = [[b"%d" % number, bytes(number)] for number in range(1500)]
    result, received = replayed(record(tmp_path / "run.mcap", messages), "--loop", 2)
    assert result.status == 0
    assert received == 2 * messages


def test_messages_larger_than_a_batch(replayed, tmp_path):
    messages = [[b"%d" % number, bytes([number]) * (9 << 20)] for number in range(5)]
    result, received = replayed(record(tmp_path / "run.mcap", messages))
    assert result.status == 0
    assert received == messages


# changed


def test_a_field_is_rewritten(replayed, recording):
    result, messages = replayed(recording, "--set", "series=7", "--set", "run.name=night")
    assert result.status == 0
    for (header, *rest), (before, *others) in zip(messages, MESSAGES, strict=True):
        assert json.loads(header) == {**json.loads(before), "series": 7, "run": {"name": "night"}}
        assert rest == others


def test_what_has_no_header_is_said_to_be_unchanged(replayed, tmp_path):
    path = record(tmp_path / "run.mcap", [[b"no header"], *MESSAGES[:2]])
    result, messages = replayed(path, "--set", "series=7")
    assert messages[0] == [b"no header"]
    assert "--set: no header that it fits into, unchanged: 1 message\n" in result.out


def test_what_stays_unchanged_is_a_warning_where_there_is_no_summary(replayed, tmp_path):
    path = record(tmp_path / "run.mcap", [[b"no header"], *MESSAGES[:2]])
    result, messages = replayed(path, "-q", "--set", "series=7")
    assert messages[0] == [b"no header"]
    assert (result.status, result.out) == (0, "")
    assert complaints(result.err) == "--set: no header that it fits into, unchanged: 1 message\n"


def test_a_key_that_no_header_had_is_told_of(replayed, recording):
    result, messages = replayed(recording, "--set", "serise=7", "--set", "frame=1")
    assert "--set serise: in no header before, added to 100 messages\n" in result.out
    assert "--set frame" not in result.out
    assert all(json.loads(header)["serise"] == 7 for header, *_ in messages)


def test_a_key_that_leads_into_a_text_changes_nothing(replayed, recording):
    result, messages = replayed(recording, "--set", "htype.x=1")
    assert messages == MESSAGES
    assert "--set: no header that it fits into, unchanged: 100 messages\n" in result.out


def test_the_same_seed_makes_the_same_faults(replayed, recording):
    chances = ["--drop", 0.2, "--duplicate", 0.2, "--reorder", 0.2, "--corrupt", 0.2]
    result, messages = replayed(recording, *chances, "--seed", 5)
    assert result.status == 0
    made = re.search(
        r"^faults: dropped (\d+), duplicated (\d+), reordered (\d+), corrupted (\d+)$",
        result.out,
        re.M,
    )
    dropped, duplicated, reordered, corrupted = map(int, made.groups())
    assert min(dropped, duplicated, reordered, corrupted) > 3
    assert len(messages) == 100 - dropped + duplicated
    assert messages != MESSAGES
    assert replayed(recording, *chances, "--seed", 5)[1] == messages
    assert replayed(recording, *chances, "--seed", 6)[1] != messages


# what it says


def test_quiet(replayed, recording):
    result, messages = replayed(recording, "-q")
    assert (result.status, result.out, result.err) == (0, "", "")
    assert len(messages) == 100


def test_a_file_that_is_cut_is_replayed_with_a_warning(replayed, tmp_path):
    path = record(tmp_path / "run.mcap", MESSAGES)
    os.truncate(path, path.stat().st_size - 40)
    result, messages = replayed(path, "-q")
    assert (result.status, result.out) == (0, "")
    (line,) = result.err.splitlines()
    assert str(path) in line
    assert messages == MESSAGES


def test_a_missing_file(refused, tmp_path):
    assert str(tmp_path / "missing.mcap") in refused(1, "m_replay", tmp_path / "missing.mcap")


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--pace", "--rate", 10], "--rate is for equal gaps"),
        (["--speed", 2, "--rate", 10], "--rate is for equal gaps"),
        (["--list", "--pace"], "--pace is for sending"),
        (["--list", "--loop", 2], "--loop is for sending"),
        (["-o", "other.mcap", "--rate", 10], "--rate is for sending"),
        (["-o", "other.mcap", "--speed", 2], "--speed is for sending"),
        (["-o", "other.mcap", "-a", "tcp://*:9999"], "--address is for sending"),
        (["-o", "other.mcap", "-m", "pub"], "--mode is for sending"),
        (["-o", "other.mcap", "--list"], "give one of them"),
        (["--first", 5, "--last", 4], "--last is '4'; it can be a whole number from 5 up"),
        (["--first", 100], "has 100 messages, counted from 0"),
        (["--speed", 0], "--speed is '0'"),
        (["--rate", "inf"], "--rate is 'inf'"),
        (["--loop", 0], "--loop is '0'"),
        (["--drop", 1.5], "--drop is '1.5'; it can be a number from 0 to 1"),
        (["--drop", "10%"], "--drop is '10%'; it can be a number from 0 to 1"),
        (["--set", 'x="\\ud800"'], "can't be set in stream v2"),
        (["--seed", "x"], "--seed is 'x'"),
        (["--series", "a"], "--series"),
        (["--frames", "5:2"], "--frames"),
        (["--set", "series"], "series"),
    ],
)
def test_wrong_usage(refused, recording, arguments, words):
    assert words in refused(2, "m_replay", *arguments, recording)
    assert not os.path.exists("other.mcap")


@pytest.mark.parametrize("option", [["--pace"], ["--speed", 2]])
def test_no_pace_without_times(refused, tmp_path, option):
    (tmp_path / "000000_000.raw").write_bytes(b"as mflow writes it")
    line = refused(2, "m_replay", *option, tmp_path)
    assert str(tmp_path) in line and "--rate" in line


def test_a_pace_where_some_messages_have_no_time(replayed, tmp_path):
    path = record(tmp_path / "run.mcap", MESSAGES[:10], [0] * 5 + [*range(1, 6)])
    result, messages = replayed(path, "--pace", "--last", 8)
    assert (result.status, complaints(result.err), messages) == (0, "", MESSAGES[:9])
    result, messages = replayed(path, "--pace", "--last", 3)
    assert (result.status, messages) == (2, [])


@pytest.mark.parametrize("option", [[], ["--pace"], ["--list"], ["-o"]])
def test_a_choice_that_nothing_is_in(scripts, recording, tmp_path, option):
    other = [tmp_path / "other.mcap"] if option == ["-o"] else []
    where = ["-a", free_address()] if option in ([], ["--pace"]) else []
    choice = ["--first", 20, "--series", "0", "--frames", "3:5"]
    result = scripts.run("m_replay", *option, *other, *where, *choice, recording)
    assert (result.status, result.out) == (1, "")
    said = f"no message of {recording} is in --first 20 and --series 0 and --frames 3:5"
    assert result.err == f"m_replay: {said}\n"
    assert not (tmp_path / "other.mcap").exists()


# nobody is there


@pytest.mark.parametrize("option", [[], ["-q", "--pace"]])
def test_it_says_that_it_waits(scripts, peers, recording, option):
    address = free_address()
    script = scripts.start("m_replay", "-a", address, *option, recording)
    assert script.err.next() == f"waiting for a receiver at {address}"
    assert peers.open(zmq.PULL, address).receive_all(100) == MESSAGES
    result = script.wait()
    assert (result.status, complaints(result.err).count("\n")) == (0, 1)


@pytest.mark.parametrize("is_told_to_stop", [False, True])
def test_once_told_to_stop_it_waits_for_nobody(monkeypatch, caplog, is_told_to_stop):
    monkeypatch.setattr(replay, "ALONE", 0)
    nothing, one = (NodeStatistics() for _ in range(2))
    one.received = 1
    recording, output = SimpleNamespace(statistics=one), SimpleNamespace(statistics=nothing)
    output.address = "tcp://*:9999"
    console = SimpleNamespace(stopping=Event())
    show = replay._progress(recording, output, Bar(SimpleNamespace(is_terminal=False)), console)
    if is_told_to_stop:
        console.stopping.set()
    for _ in range(2):
        show()
    said = [] if is_told_to_stop else ["waiting for a receiver at tcp://*:9999"]
    assert caplog.messages == said


def test_it_says_that_nobody_had_subscribed(scripts, peers, recording):
    result = scripts.run("m_replay", "-m", "pub", "-a", free_address(), recording)
    assert result.status == 0
    assert complaints(result.err) == "nobody had subscribed: the messages went nowhere\n"
    address = free_address()
    script = scripts.start("m_replay", "-m", "pub", "--rate", 100, "-a", address, recording)
    peers.open(zmq.SUB, address).receive()
    result = script.wait()
    assert (result.status, complaints(result.err)) == (0, "")


@pytest.mark.parametrize("converts", [False, True])
def test_a_folder_needs_no_other_packages(tmp_path, converts):
    path = record(tmp_path / "folder", MESSAGES)
    arguments = ["-o", tmp_path / "other"] if converts else ["-m", "pub", "-a", free_address()]
    command = [sys.executable, "-X", "importtime", BIN / "m_replay", *arguments, path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 0
    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "gmflow.cli.replay" in modules
    assert modules.isdisjoint({"numpy", "mcap", "h5py", "tqdm", "cbor2"})


# a stop


@pytest.mark.parametrize(
    "arguments, number, status",
    [
        ([], signal.SIGINT, 0),
        (["--list"], signal.SIGTERM, 1),
        (["-o", "other"], signal.SIGINT, 1),
    ],
)
def test_while_the_disk_hangs(scripts, tmp_path, arguments, number, status):
    os.mkfifo(tmp_path / "run.mcap")  # nobody writes it: opening it for reading blocks
    script = scripts.start("m_replay", *arguments, tmp_path / "run.mcap")
    script.until_ready()
    script.until_idle()
    result = script.end(number)
    assert result.status == status
    assert result.err.count("\n") == status


def test_while_it_reads_ahead(scripts, peers, tmp_path):
    messages = [[b"%d" % n, bytes(200_000)] for n in range(400)]
    address = free_address()
    script = scripts.start("m_replay", "-a", address, record(tmp_path / "run.mcap", messages))
    reader = peers.reader(peers.open(zmq.PULL, address, RCVHWM=1, RCVBUF=65536), pause=0.001)
    until(lambda: reader.number > 20)
    result = script.end(signal.SIGTERM)
    assert (result.status, "Traceback" in result.err) == (0, False)
    received = reader.rest()
    assert len(received) == row(result.out, "output").sent < 400
    assert received == messages[: len(received)]
