"""Scripts as forks of one interpreter that has imported them: a process without a start's cost.

A test starts hundreds of scripts, and most of what each does is to import. `ScriptServer` is the
side of the tests; the other side is this file as a program. Each script is a process of its own,
with its own standard files, signals and exit status, which ends as any Python program does.
"""

from __future__ import annotations

import importlib
import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from io import TextIOWrapper
from typing import Any

MODULES = ("stats", "generate", "dump", "replay", "split", "merge")
LIBRARIES = ("numpy", "gmflow.handlers", "gmflow.simulate", "gmflow.render.summary")
NUMBER = struct.Struct("i")
"""What goes over the connection of a script: its pid, signals for it, its exit status."""


class ScriptServer:
    """Starts the program that forks, on the first script, and ends it in `close`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._path = os.environ.get("PYTHONPATH")

    @property
    def can_serve(self) -> bool:
        """Whether a fork is what a new process would be: no test has set other modules."""
        return os.environ.get("PYTHONPATH") == self._path

    def start(self, arguments: list[str], out: int | None, err: int | None) -> ForkedProcess:
        """Start a script; `out` and `err` are its standard files, which otherwise are pipes."""
        with self._lock:
            if self._requests is None:
                self._requests = self._launch()
            return ForkedProcess(self._requests, arguments, out, err)

    def close(self) -> None:
        if self._requests is not None and self._process is not None:
            self._requests.close()
            self._process.wait(20)

    def _launch(self) -> socket.socket:
        here, there = socket.socketpair()
        with there:
            command = [sys.executable, __file__, str(there.fileno())]
            self._process = subprocess.Popen(command, pass_fds=[there.fileno()])
        return here


class ForkedProcess:
    """What `subprocess.Popen` has, of a process that another one has forked."""

    def __init__(
        self, requests: socket.socket, arguments: list[str], out: int | None, err: int | None
    ) -> None:
        self.args = arguments
        self.returncode: int | None = None
        self.stdout, out_end = _pipe(out)
        self.stderr, err_end = _pipe(err)
        self._connection, there = socket.socketpair()
        request = json.dumps({"arguments": arguments, "folder": os.getcwd()}).encode() + b"\n"
        socket.send_fds(requests, [request], [out_end, err_end, there.fileno()])
        there.close()
        for given, end in ((out, out_end), (err, err_end)):
            if given is None:
                os.close(end)
        self.pid = self._number(20)

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            try:
                self.returncode = self._number(timeout)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended; who forked it does so, and knows if it has."""
        if self.poll() is None:
            with suppress(BrokenPipeError, ConnectionResetError):  # it ends at this moment
                self._connection.send(NUMBER.pack(number))

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        self._connection.close()

    def _number(self, timeout: float | None) -> int:
        self._connection.settimeout(timeout)
        data = self._connection.recv(NUMBER.size)
        assert data, "the process that forks scripts has ended"
        return int(NUMBER.unpack(data)[0])


def _pipe(given: int | None) -> tuple[Any, int]:
    """Return the end to read from, as a text file, and that to write to, which may be given."""
    if given is not None:
        return None, given
    reading, writing = os.pipe()
    return TextIOWrapper(os.fdopen(reading, "rb")), writing


# the program


class Server:
    """Forks a process for each request, tells its pid and exit status, and sends it signals."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._running: dict[int, socket.socket] = {}
        self._waker, waking = os.pipe()
        os.set_blocking(self._waker, False)
        os.set_blocking(waking, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(waking)
        self._selector = selectors.DefaultSelector()
        self._selector.register(requests, selectors.EVENT_READ)
        self._selector.register(self._waker, selectors.EVENT_READ)

    def run(self) -> list[str]:
        """Serve; return in each forked process, with the arguments of its script."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._requests:
                    arguments = self._fork()
                    if arguments is not None:
                        return arguments
                elif key.fileobj == self._waker:
                    self._reap()
                elif key.data in self._running:
                    self._signal(key.data)

    def _fork(self) -> list[str] | None:
        data, files, _, _ = socket.recv_fds(self._requests, 1 << 16, 3)
        if not data:  # the tests are over
            for pid in self._running:
                os.kill(pid, signal.SIGKILL)
            os._exit(0)
        while not data.endswith(b"\n"):
            data += self._requests.recv(1 << 16)
        request = json.loads(data)
        pid = os.fork()
        if pid == 0:
            self._become(request["folder"], files)
            return list(request["arguments"])
        connection = socket.socket(fileno=files.pop())
        for file in files:
            os.close(file)
        self._running[pid] = connection
        self._selector.register(connection, selectors.EVENT_READ, pid)
        connection.send(NUMBER.pack(pid))
        return None

    def _become(self, folder: str, files: list[int]) -> None:
        """Be a process that was started by itself."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._selector.close()
        for connection in (self._requests, *self._running.values()):
            connection.close()
        null = os.open(os.devnull, os.O_RDONLY)
        for number, file in enumerate((null, *files[:2])):
            os.dup2(file, number)
        os.closerange(3, max(files) + 100)
        os.chdir(folder)

    def _reap(self) -> None:
        with suppress(BlockingIOError):
            while os.read(self._waker, 1 << 12):
                pass
        for pid in list(self._running):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                connection = self._running.pop(pid)
                self._selector.unregister(connection)
                with suppress(BrokenPipeError, ConnectionResetError):  # nobody wants to know
                    connection.send(NUMBER.pack(os.waitstatus_to_exitcode(status)))
                connection.close()

    def _signal(self, pid: int) -> None:
        data = self._running[pid].recv(NUMBER.size)
        if data:
            os.kill(pid, NUMBER.unpack(data)[0])
        else:  # whoever started it is gone
            self._selector.unregister(self._running[pid])
            os.kill(pid, signal.SIGKILL)


def main() -> None:
    del sys.path[0]  # the folder of this file, which is none of a script's
    early: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):  # as the first lines of a script do
        signal.signal(number, lambda number, frame: early.append(number))
    for name in (*(f"gmflow.cli.{module}" for module in MODULES), *LIBRARIES):
        importlib.import_module(name)
    sys.argv[:] = Server(socket.socket(fileno=int(sys.argv[1]))).run()
    name = os.path.basename(sys.argv[0]).removeprefix("m_")
    importlib.import_module(f"gmflow.cli.{name}").main(early)


if __name__ == "__main__":
    main()
