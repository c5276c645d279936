"""The scripts as processes: what a test waits for is an event, and every wait has a deadline.

An event is a line, a message, a handshake, a file, or the end of a process. A script is a fork of
an interpreter that has imported it (`tests.support.forking`), or `fresh`, as an operator starts it.
"""

from __future__ import annotations

import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import IO, Any

import pytest

from tests.support.forking import ForkedProcess, ScriptServer
from tests.support.ports import free_port
from tests.support.waiting import DEADLINE, until

BIN = Path(sys.executable).parent
NAMES = ("m_stats", "m_generate", "m_dump", "m_replay", "m_split", "m_merge")

NEWS = re.compile(
    r".*: (?:a peer has gone|handshake failed).*\n"
    r"|messages were sent up to \d+\.\d+ s after they were due\n"
)
"""A line of the log about connections, as peers of these tests come and go, or about a schedule
that a busy machine could not keep."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

ROW = re.compile(r"(\S.*?) +(\d+) +(\d+) +\d+\.\d{3} +(\d+)(?: (.*))?")
"""A line of the summary: node, received, sent, MB sent, dropped, what else was not sent."""

proc_only = pytest.mark.skipif(
    not Path("/proc/self/status").is_file(), reason="looks in /proc at what a process is doing"
)


def with_signals(names: str, values: Sequence[Any], first: int = 0) -> pytest.MarkDecorator:
    """Run a test with each value and one of the two signals that stop, in turn."""
    pairs = [(value, STOP_SIGNALS[(first + n) % 2]) for n, value in enumerate(values)]
    ids = [f"{value}-{number.name}" for value, number in pairs]
    return pytest.mark.parametrize((*names.split(), "number"), pairs, ids=ids)


def complaints(err):
    """Return standard error without the news of connections and schedules."""
    return NEWS.sub("", err)


def free_address() -> str:
    """Return an address of this machine that nobody has, and no other call was or will be given."""
    return f"tcp://127.0.0.1:{free_port()}"


def is_bound(address: str) -> bool:
    """Return True if somebody listens at an address of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port_of(address))) == 0


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


@dataclass
class Result:
    """How a script ended, and what it wrote."""

    status: int
    out: str
    err: str


@dataclass
class Row:
    """A node's line in the summary."""

    received: int
    sent: int
    dropped: int
    left: int

    @property
    def balanced(self) -> bool:
        return self.received == self.sent + self.dropped + self.left


def rows(text: str) -> dict[str, Row]:
    """Read the summary: its rows by node; every one must add up."""
    found = {}
    for match in filter(None, map(ROW.fullmatch, text.splitlines())):
        left = sum(map(int, re.findall(r"(?:left_over|failed|unmatched) (\d+)", match[5] or "")))
        row = found[match[1]] = Row(int(match[2]), int(match[3]), int(match[4]), left)
        assert row.balanced, match[0]
    assert found, f"no summary in {text!r}"
    return found


def row(text: str, kind: str) -> Row:
    """Return the one row of the summary whose node is called like this."""
    (only,) = (row for name, row in rows(text).items() if name.startswith(kind))
    return only


class Script:
    """One running script; its standard output is read as it comes, unless `reads` is False.

    `files` are other files than pipes for ``stdout`` and ``stderr``, by number. Without a `server`
    it is a new Python.
    """

    def __init__(
        self,
        server: ScriptServer | None,
        name: str,
        *arguments: object,
        reads: bool = True,
        **files: int,
    ) -> None:
        self.name = name
        command = [str(BIN / name), *map(str, arguments)]
        self.process: subprocess.Popen[str] | ForkedProcess
        if server is not None and server.can_serve:
            self.process = server.start(command, files.get("stdout"), files.get("stderr"))
        else:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=files.get("stdout", subprocess.PIPE),
                stderr=files.get("stderr", subprocess.PIPE),
                text=True,
            )
        self.out = _Lines(self.process.stdout or StringIO(), reads)
        self.err = _Lines(self.process.stderr or StringIO())

    def until_ready(self) -> None:
        """Wait until the script's own first lines have run: until then it is all Python's."""
        status = Path(f"/proc/{self.process.pid}/status")
        bit = 1 << (signal.SIGTERM - 1)
        until(lambda: int(re.findall(r"SigCgt:\s*(\w+)", status.read_text())[0], 16) & bit)

    def until_idle(self, seconds: float = 0.3) -> None:
        """Wait until the process has used no processor time for so long, or has ended."""
        stat = Path(f"/proc/{self.process.pid}/stat")
        last: list[Any] = [None, 0.0]

        def idle() -> bool:
            try:
                used = stat.read_text().rpartition(")")[2].split()[11:13]
            except (FileNotFoundError, ProcessLookupError):
                return True
            if used != last[0]:
                last[:] = [used, time.monotonic()]
            return time.monotonic() - last[1] > seconds

        until(idle)

    def lives(self, seconds: float) -> bool:
        """Return True if the script still runs after so long."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        return False

    def nag(self, number: int, pause: float) -> None:
        """Send a signal again and again until the script has ended."""
        until(lambda: not self.lives(pause) or self.send(number))

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, seconds: float = DEADLINE) -> Result:
        """Wait for the script to end by itself."""
        if self.lives(seconds):
            pytest.fail(f"{self.name} still runs after {seconds} s")
        assert self.process.returncode is not None
        return Result(self.process.returncode, self.out.text(), self.err.text())

    def wait_reading(self) -> Result:
        """Read what was left unread, and wait for the script to end."""
        self.out.text()
        return self.wait()

    def end(self, number: int = signal.SIGTERM) -> Result:
        """Send a signal and wait for the end."""
        self.send(number)
        return self.wait()

    def close(self) -> None:
        running = self.process.poll() is None
        if running:
            self.process.kill()
            self.process.wait(DEADLINE)
        self.out.close()
        self.err.close()
        if isinstance(self.process, ForkedProcess):
            self.process.close()
        # pytest shows it where a test has failed, which is when a script may not have been asked
        state = "still ran" if running else f"ended with {self.process.returncode}"
        print(f"{self.name} {state}: {self.out.so_far()!r} {self.err.so_far()!r}")


class _Lines:
    """What a process writes, read by a thread; later only, if not at once."""

    def __init__(self, pipe: IO[str], reads: bool = True) -> None:
        self._pipe = pipe
        self._all: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._thread: threading.Thread | None = None
        if reads:
            self._start()

    def next(self, starts: str = "") -> str:
        """Return the next line that starts like this."""
        while True:
            try:
                line = self._queue.get(timeout=DEADLINE)
            except queue.Empty:
                line = None
            assert line is not None, f"no line {starts!r} in {''.join(self._all)!r}"
            if line.startswith(starts):
                return line

    def text(self) -> str:
        """Return everything, up to the end."""
        thread = self._thread or self._start()
        thread.join(DEADLINE)
        assert not thread.is_alive()
        return "".join(self._all)

    def so_far(self) -> str:
        """Return what was read until now."""
        return "".join(self._all)

    def close(self) -> None:
        if self._thread is not None:
            self._thread.join(DEADLINE)
        self._pipe.close()

    def _start(self) -> threading.Thread:
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        return self._thread

    def _read(self) -> None:
        for line in self._pipe:
            self._all.append(line)
            self._queue.put(line.rstrip("\n"))
        self._queue.put(None)


class Scripts:
    """Starts scripts; `close` ends every one of them that still runs, by its own process."""

    def __init__(self, server: ScriptServer | None = None) -> None:
        self._server = server
        self._started: list[Script] = []

    def start(
        self, name: str, *arguments: object, reads: bool = True, fresh: bool = False, **files: int
    ) -> Script:
        script = Script(None if fresh else self._server, name, *arguments, reads=reads, **files)
        self._started.append(script)
        return script

    def run(self, name: str, *arguments: object) -> Result:
        return self.start(name, *arguments).wait()

    def close(self) -> None:
        for script in self._started:
            script.close()
