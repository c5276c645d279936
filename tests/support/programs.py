"""What tests with real peers share: programs in processes of their own, free ports, patience.

Every process is ended by its own pid at the end of the test that started it, and ends itself
when a test forgets it.
"""

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import waiting
from tests.support.ports import free_port as free_port  # handed on
from tests.support.waiting import DEADLINE

PATIENCE = DEADLINE

HERE = Path(__file__).parent

LIMIT = "import faulthandler; faulthandler.dump_traceback_later(45, exit=True)\n"
"""First line of a program: it ends after 45 s, whatever it does, and says where it was."""

LAUNCH = (
    LIMIT + "import runpy, signal, sys\n"
    # a shell that runs the tests in the background has SIGINT ignored, and so would its children
    "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "del sys.argv[0]\n"
    "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)\n"
)


class Program:
    """A running Python program; its output is read as it comes.

    Attributes
    ----------
    output : list of str
        The lines of its standard output so far.
    """

    def __init__(self, *arguments: object) -> None:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        self.process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.output: list[str] = []
        self._errors: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._readers = [
            threading.Thread(target=self._read, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def _read_errors(self) -> None:
        self._errors.extend(self.process.stderr)

    @property
    def errors(self) -> str:
        """Its standard error so far."""
        return "".join(self._errors)

    def line(self, seconds: float = PATIENCE) -> str | None:
        """Wait for the next line of output; None at its end."""
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise AssertionError(f"no line within {seconds} s; {self.errors}") from None
        if line is None:
            self._lines.put(None)
        else:
            self.output.append(line)
        return line

    def wait_for(self, accept: Callable[[str], bool]) -> str:
        """Wait for a line that is accepted."""
        until = time.monotonic() + PATIENCE
        while (line := self.line(max(0.0, until - time.monotonic()))) is not None:
            if accept(line):
                return line
        raise AssertionError(f"the program ended: {self.output}\n{self.errors}")

    def tell(self, line: str) -> None:
        """Write a line to its standard input."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def interrupt(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, status: int = 0) -> list[str]:
        """Wait until it has ended by itself, with this status; give its output's lines."""
        try:
            got = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running; {self.output}\n{self.errors}") from None
        for reader in self._readers:
            reader.join(PATIENCE)
        while self.line() is not None:
            pass
        assert got == status, f"exit status {got}; {self.output}\n{self.errors}"
        return self.output

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()


class Programs:
    """Starts programs."""

    def __init__(self) -> None:
        self._started: list[Program] = []

    def __call__(self, *arguments: object) -> Program:
        """Run ``python`` with these arguments."""
        program = Program(*arguments)
        self._started.append(program)
        return program

    def text(self, text: str, *arguments: object) -> Program:
        """Run a program given as its text."""
        return self("-c", LIMIT + text, *arguments)

    def module(self, name: str, *arguments: object) -> Program:
        """Run ``python -m name``."""
        return self("-c", LAUNCH, name, *arguments)

    def end(self) -> None:
        for program in self._started:
            program.kill()
            if program.errors:  # pytest shows it where a test fails
                print(program.process.args[-4:], program.errors, sep="\n")


@contextmanager
def running() -> Iterator[Programs]:
    """Return a `Programs`; whatever it started is ended at the end, and its errors are printed."""
    programs = Programs()
    try:
        yield programs
    finally:
        programs.end()


def until(true: Callable[[], bool], what: str) -> None:
    """Wait for something that another process does and that only looking can tell."""
    waiting.until(true, PATIENCE, what)
