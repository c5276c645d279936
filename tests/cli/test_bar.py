"""Long work shows how far it is on a terminal, and nothing elsewhere; -q shows nothing at all."""

import os
import pty
import re
import threading

import pytest
import zmq

from gmflow.cli.bar import Bar
from gmflow.cli.console import File
from tests.cli.recordings import record
from tests.cli.scripts import free_address, until

pytest.importorskip("tqdm")

BAR = re.compile(
    r"\r\x1b\[K +(\d+)%\|[# ]+\| (\d+)\.\d*/40\.0"
    r" \[00:0\d<00:0\d, +[\d.]+ messages/s, [\d.]+ MB/s\]"
)


class Terminal:
    """A terminal, and what is written on it."""

    def __init__(self):
        self.master, self.slave = pty.openpty()
        self.text = ""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

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


def test_without_the_extra_there_are_rates(slowly, terminal, tmp_path, monkeypatch):
    (tmp_path / "tqdm.py").write_text("raise ImportError('as if it was not installed')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert slowly(stderr=terminal.slave).status == 0
    until(lambda: terminal.text.endswith("\n"))
    assert re.match(r"\r\x1b\[K1 s \| \d+ of 40 messages \| \d+ Hz \d+\.\d MB/s", terminal.text), (
        terminal.text
    )


def test_piped_there_is_nothing(slowly):
    result = slowly()
    assert (result.status, result.err) == (0, "")
    assert result.out


def test_quiet(slowly, terminal):
    result = slowly("-q", stderr=terminal.slave)
    assert (result.status, result.out, terminal.text) == (0, "", "")


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
        assert bar.end() == "\n"
    until(lambda: "MB/s" in terminal.text)
    assert "12.0k messages [00:0" in terminal.text
    assert "%" not in terminal.text
