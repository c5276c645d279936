"""Long work shows how far it is on a terminal, and nothing elsewhere; -q shows nothing at all."""

import fcntl
import os
import pty
import re
import struct
import termios
import threading
from logging import getLogger

import gevent
import pytest
import zmq

from gmflow.cli.console import File, Log
from gmflow.cli.progress import Bar
from gmflow.green.threads import in_worker_thread
from tests.support.recordings import record
from tests.support.scripts import complaints, free_address, until

pytest.importorskip("tqdm")

BAR = re.compile(
    r"\r\x1b\[K *(\d+)%\|[# ]+\| (\d+)\.\d*/40\.0"
    r" \[00:0\d<00:0\d, +[\d.]+ messages/s, [\d.]+ MB/s\]"
)


class Terminal:
    """A terminal, and what is written on it."""

    def __init__(self):
        self.master, self.slave = pty.openpty()
        self.text = ""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def resize(self, columns):
        """Have so many columns."""
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    @property
    def lines(self):
        """What was drawn one over the other, and below."""
        return re.split(r"\r\x1b\[K|\r?\n", self.text)

    def close(self):
        """Let the reader end: it does once the other side is closed everywhere."""
        os.close(self.slave)
        self._thread.join(20)
        os.close(self.master)

    def _read(self):
        while True:
            try:
                self.text += os.read(self.master, 4096).decode()
            except OSError:
                return


@pytest.fixture
def terminal():
    opened = Terminal()
    yield opened
    opened.close()


@pytest.fixture
def recording(tmp_path):
    return record(tmp_path / "folder", [[b"%d" % n, bytes(100_000)] for n in range(40)])


@pytest.fixture
def slowly(scripts, peers, recording):
    """Run m_replay for 2 seconds, with its standard error on a terminal or piped."""

    def run(*arguments, **files):
        address = free_address()
        script = scripts.start(
            "m_replay", "--rate", 20, "-a", address, *arguments, recording, **files
        )
        peers.open(zmq.PULL, address).receive_all(40)
        return script.wait()

    return run


def test_on_a_terminal_there_are_rate_and_time_left(slowly, terminal):
    result = slowly(stderr=terminal.slave)
    assert result.status == 0
    until(lambda: terminal.text.endswith("\n"))
    bars = BAR.findall(terminal.text)
    assert bars, terminal.text
    percent, done = map(int, bars[0])
    assert 0 < done < 40
    assert abs(percent - done / 0.4) < 3
    assert bars[-1] == ("100", "40"), terminal.text


def test_without_the_extra_there_are_rates(slowly, terminal, tmp_path, monkeypatch):
    (tmp_path / "tqdm.py").write_text("raise ImportError('as if it was not installed')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    assert slowly(stderr=terminal.slave).status == 0
    until(lambda: terminal.text.endswith("\n"))
    assert re.match(r"\r\x1b\[K1 s \| \d+ of 40 messages \| \d+ Hz \d+\.\d MB/s", terminal.text), (
        terminal.text
    )


def test_piped_there_is_nothing(slowly):
    result = slowly()
    assert (result.status, complaints(result.err)) == (0, "")
    assert result.out


def test_quiet(slowly, terminal):
    """What the log says, as that a busy machine is late, comes all the same."""
    result = slowly("-q", stderr=terminal.slave)
    shown = complaints(terminal.text.replace("\r\n", "\n"))
    assert (result.status, result.out, shown) == (0, "", "")


def test_a_conversion_has_one_and_a_complaint_begins_a_line(scripts, terminal, tmp_path):
    path = record(tmp_path / "run.mcap", [[b"%d" % n] for n in range(200_000)])
    script = scripts.start("m_replay", "-o", tmp_path / "other", path, stderr=terminal.slave)
    until(lambda: "MB/s" in terminal.text)
    assert script.end().status == 1
    until(lambda: "keep what it has" in terminal.text)
    bar, complaint, _ = terminal.text.split("\r\n")
    assert re.match(r" +\d+%\|[# ]+\| [\d.]+k?/200k ", bar.rpartition("\x1b[K")[2]), bar
    assert complaint.startswith("m_replay: stopped after ")


def test_where_the_number_of_messages_is_not_known(terminal):
    with open(os.dup(terminal.slave), "w") as file:
        bar = Bar(File(file))
        assert bar.end() == ""
        bar.show(12_000, 3_000_000)
        assert bar.end().endswith(" MB/s]\n")
    until(lambda: "MB/s" in terminal.text)
    assert "12.0k messages [00:0" in terminal.text
    assert "%" not in terminal.text


@pytest.mark.parametrize("columns", [1, 2, 20, 60])
@pytest.mark.parametrize("has_extra", [True, False])
def test_a_line_is_never_longer_than_the_terminal(
    scripts, terminal, tmp_path, monkeypatch, columns, has_extra
):
    if not has_extra:
        (tmp_path / "tqdm.py").write_text("raise ImportError('as if it was not installed')")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    terminal.resize(columns)
    path = record(tmp_path / "run.mcap", [[b"%d" % n] for n in range(50)])
    script = scripts.start(
        "m_replay", "-m", "pub", "--rate", 35, "-a", free_address(), path, stderr=terminal.slave
    )
    assert script.wait().status == 0
    until(lambda: terminal.text.endswith("\n"))
    logged = re.compile("nobody had subscribed|messages were sent up to")
    drawn = [line for line in terminal.lines if not logged.match(line)]
    assert len(drawn) >= 4
    assert max(map(len, drawn)) < columns
    assert any(drawn) == (columns > 1)


def test_what_is_logged_has_a_line_of_its_own(terminal):
    with open(os.dup(terminal.slave), "w") as file:
        screen = File(file)
        bar, log = Bar(screen, 100), Log(screen)
        getLogger().addHandler(log)
        try:
            bar.show(10, 10)
            getLogger("tests").warning("it is late")
            gevent.joinall(log.last())
            bar.show(50, 50)
            in_worker_thread(getLogger("tests").warning, "it is later")
            bar.note(100, 100)
            screen.write(bar.end())
            getLogger("tests").warning("it is over")
            gevent.joinall(log.last())
        finally:
            getLogger().removeHandler(log)
        assert not log.filters
    until(lambda: "over" in terminal.text)
    words = [line.split()[:1] for line in terminal.lines]
    assert [word for (word,) in filter(None, words)] == [
        *("10%|##", "it", "50%|###########", "it", "100%|#######################|", "it")
    ], terminal.text
    assert "it is later\r\n\r\x1b[K100%" in terminal.text


def test_while_nobody_is_there_nothing_is_counted(scripts, peers, recording, terminal):
    address = free_address()
    script = scripts.start(
        "m_replay", "--rate", 40, "-a", address, recording, stderr=terminal.slave
    )
    waiting = f"\r\x1b[Kwaiting for a receiver at {address}"
    until(lambda: terminal.text.count(waiting) == 3)
    assert terminal.text == 3 * waiting
    peers.open(zmq.PULL, address).receive_all(40)
    assert script.wait().status == 0
    until(lambda: terminal.text.endswith("\n"))
    (seconds,) = re.findall(r"40\.0/40\.0 \[00:0(\d)<[^\r]*\r\n", terminal.text)
    assert int(seconds) < 4, terminal.text


def test_of_a_choice_what_is_sent_is_counted(slowly, terminal):
    slowly("--duplicate", 1, stderr=terminal.slave)
    until(lambda: terminal.text.endswith("\n"))
    assert "%" not in terminal.text
    assert re.search(r"\r\x1b\[K80\.0 messages \[00:0\d, [^\r]*\r\n$", terminal.text), terminal.text
