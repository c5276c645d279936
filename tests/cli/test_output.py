"""Whoever reads a script's output may be slow, gone, or never there: it ends all the same."""

import os
import pty
import signal
import subprocess
import sys
import termios
from contextlib import suppress

import pytest
import zmq

from tests.support.recordings import write
from tests.support.scripts import (
    BIN,
    DEADLINE,
    NAMES,
    complaints,
    free_address,
    proc_only,
    row,
    with_signals,
)

SMALL = ["-s", "0.001"]
MESSAGES = 50
CUT_OFF = "stopped while messages were still to be delivered by ZeroMQ\n"


@pytest.fixture
def full_pipe():
    """The end to write to of a pipe that is full, and that nobody reads."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    for size in (65536, 1):
        with suppress(BlockingIOError):
            while True:
                os.write(writing, bytes(size))
    os.set_blocking(writing, True)
    yield writing
    os.close(writing)
    os.close(reading)


@pytest.fixture
def closed_pipe():
    """The end to write to of a pipe whose reader has gone."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


@pytest.fixture
def stopped_terminal():
    """A terminal after Ctrl-S."""
    master, slave = pty.openpty()
    termios.tcflow(slave, termios.TCOOFF)
    yield slave
    termios.tcflow(slave, termios.TCOON)
    os.close(master)
    os.close(slave)


@pytest.fixture
def recording(tmp_path):
    return write(tmp_path / "recording", ([b"%d" % number] for number in range(MESSAGES)))


@pytest.fixture
def running(scripts, peers, recording, tmp_path):
    """Start a script with peers that send and read; wait until messages went through it."""

    def start(name, number=MESSAGES, **files):
        source, output = free_address(), free_address()
        arguments = {
            "m_stats": ["-i", "0", source],
            "m_generate": ["-a", output, *SMALL, "--rate", "500"],
            "m_dump": [source, tmp_path / "dumped"],
            "m_replay": ["-a", output, recording],
            "m_split": [source, output],
            "m_merge": ["--strategy", "arrival", "-o", output, source, free_address()],
        }[name]
        script = scripts.start(name, *arguments, **files)
        if source in arguments:
            push = peers.open(zmq.PUSH, source, bind=True).until_met()
            push.send(*[[b"%d" % index] for index in range(number)])
        if output in arguments:
            peers.reader(peers.open(zmq.PULL, output)).until(number)
        return script

    return start


def check(result):
    assert result.status == 0, result
    assert complaints(result.err) in ("", CUT_OFF)


# slow


@proc_only
@with_signals("name", NAMES)
def test_a_signal_while_nobody_reads_the_output(running, full_pipe, name, number):
    script = running(name, stdout=full_pipe)
    if name != "m_generate":
        script.until_idle()
    check(script.end(number))


@proc_only
@with_signals("name", ["m_dump", "m_replay", "m_split"])
def test_a_signal_while_the_terminal_is_stopped(running, stopped_terminal, name, number):
    script = running(name, stderr=stopped_terminal)
    script.until_idle(1.3)  # it draws its progress each second
    result = script.end(number)
    check(result)
    assert row(result.out, "folder" if name != "m_split" else "output").sent == MESSAGES


@proc_only
def test_a_signal_while_many_lines_wait_for_a_reader(scripts, peers):
    address = free_address()
    script = scripts.start("m_stats", "-i", "0", address, reads=False)
    peers.sender(peers.open(zmq.PUSH, address, bind=True))
    script.until_idle()
    check(script.end(signal.SIGINT))


@proc_only
def test_a_warning_on_a_stopped_terminal(scripts, peers, stopped_terminal):
    """What a peer did not take in time is warned of."""
    output = free_address()
    script = scripts.start("m_generate", "-a", output, "-s", "0.2", stderr=stopped_terminal)
    peers.open(zmq.PULL, output, RCVHWM=1, RCVBUF=4096).until_met()
    script.until_idle()
    assert row(script.end().out, "output").sent > 0


@proc_only
def test_without_a_signal_a_slow_reader_gets_everything(scripts, peers):
    address = free_address()
    script = scripts.start("m_stats", "-i", "0", "-n", "3000", address, reads=False)
    peers.sender(peers.open(zmq.PUSH, address, bind=True))
    script.until_idle(1.0)
    result = script.wait_reading()
    assert (result.status, result.err) == (0, "")
    assert 2990 <= result.out.count("Data rate") <= 3000  # none for two at one clock reading
    assert "Messages received:          3000 messages" in result.out


# gone


def test_generate_before_a_reader_that_has_enough(scripts, peers):
    """As with ``| head -2``."""
    address = free_address()
    script = scripts.start("m_generate", "-a", address, *SMALL, "--rate", "100", reads=False)
    peers.reader(peers.open(zmq.PULL, address))
    for _ in range(2):
        assert script.process.stdout.readline()
    script.process.stdout.close()
    assert script.process.wait(DEADLINE) == 0
    assert script.err.text() == ""


@pytest.mark.parametrize("name", ["m_stats", "m_generate"])
def test_a_reader_that_left_before_the_first_line(scripts, closed_pipe, name):
    address = free_address()
    script = scripts.start(
        name, *(["-a"] if name == "m_generate" else []), address, stdout=closed_pipe
    )
    result = script.wait()
    assert (result.status, result.err) == (0, "")


@pytest.mark.parametrize("name", ["m_dump", "m_replay", "m_split"])
def test_a_reader_that_left_before_the_summary(running, closed_pipe, name):
    script = running(name, stdout=closed_pipe)
    if name != "m_replay":
        script.send(signal.SIGTERM)
    result = script.wait()
    assert (result.status, result.err) == (0, "")


@pytest.mark.parametrize("name", NAMES)
def test_help_for_a_reader_that_left(scripts, closed_pipe, name):
    result = scripts.start(name, "--help", stdout=closed_pipe).wait()
    assert (result.status, result.err) == (0, "")


# never there


def with_shell(redirection, name, *arguments):
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", str(BIN / name), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )


@pytest.mark.parametrize("name", NAMES)
def test_without_standard_output(name, recording):
    last = {
        "m_generate": [],
        "m_replay": [recording],
        "m_split": [free_address()] * 2,
        "m_merge": ["-o", *[free_address() for _ in range(3)]],
    }
    result = with_shell(">&-", name, *last.get(name, [free_address()]))
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        f"{name}: standard output is closed; send it to a file, or to /dev/null"
    ]


@pytest.mark.parametrize("name", NAMES)
def test_without_standard_error(name):
    result = with_shell("2>&-", name, "--nonsense")
    assert (result.returncode, result.stdout) == (2, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="has no device that is full")
def test_on_a_device_that_is_full(scripts):
    with open("/dev/full", "w") as full:
        script = scripts.start("m_generate", "-a", free_address(), stdout=full.fileno())
    result = script.wait()
    assert (result.status, result.err) == (1, "m_generate: [Errno 28] No space left on device\n")


# too much


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["-s", "1e9", "-n", "1"], "--size is '1e9'; it can be a number from 0 to 1000000;"),
        (["-s", "1e14"], "--size is '1e14'; it can be a number from 0 to 1000000;"),
        (["-n", "9" * 20], f"a whole number from 1 to {sys.maxsize};"),
        (["-n", "9" * 5000], "-n is '999"),
        (["--htype", "eiger", "--images", "9" * 20], f"from 0 to {sys.maxsize};"),
        (["--htype", "eiger", "--shape", "1000000x1000000"], "up to 1000000000 pixels;"),
    ],
)
def test_more_than_can_be_made(refused, arguments, words):
    line = refused(2, "m_generate", "-a", free_address(), *arguments)
    assert words in line
    assert len(line) < 300


@pytest.mark.parametrize(
    "error, line",
    [
        ("MemoryError()", "script: not enough memory: ask for less\n"),
        ("MemoryError('1 TiB')", "script: not enough memory: 1 TiB\n"),
        ("OverflowError('int too large')", "script: int too large\n"),
    ],
)
def test_more_than_the_machine_has(error, line):
    program = f"""
import sys
from gmflow.cli.program import run_program
def body(arguments, console):
    raise {error}
sys.argv = ["script"]
run_program("Usage: script", body)
"""
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=DEADLINE
    )
    assert (result.returncode, result.stderr) == (1, line)
