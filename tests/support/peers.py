"""What the scripts talk to: sockets of plain pyzmq, and threads that read and send.

A socket's time-outs are the deadline of `tests.support.scripts`, so that no test hangs.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any

import zmq
from zmq.utils.monitor import recv_monitor_message

from tests.support.scripts import DEADLINE, until

Parts = list[bytes]


class Peers:
    """Opens sockets; `close` closes every one of them."""

    def __init__(self) -> None:
        self._context = zmq.Context()
        self._opened: list[Peer] = []
        self._servers: list[socket.socket] = []
        self._workers: list[_Worker] = []

    def open(self, kind: int, address: str, bind: bool = False, **options: int) -> Peer:
        """Open a socket, with further options by their ZeroMQ names."""
        peer = Peer(self._context.socket(kind), address, bind, options)
        self._opened.append(peer)  # pyzmq closes a socket that nobody holds
        return peer

    def server(self) -> tuple[socket.socket, str]:
        """Return a TCP server that never says a word, and its address."""
        server = socket.create_server(("127.0.0.1", 0))
        server.settimeout(DEADLINE)
        self._servers.append(server)
        return server, f"tcp://127.0.0.1:{server.getsockname()[1]}"

    def reader(self, peer: Peer, pause: float = 0.0) -> Reader:
        """Read all that comes, with a pause after each message."""
        return self._start(Reader(peer, pause))

    def sender(self, peer: Peer, messages: Iterable[Parts] | None = None) -> Sender:
        """Send messages as fast as they go, without end by default."""
        return self._start(Sender(peer, messages))

    def _start(self, worker: Any) -> Any:
        self._workers.append(worker)
        worker.thread.start()
        return worker

    def close(self) -> None:
        for worker in self._workers:
            worker.stop()
        for server in self._servers:
            server.close()
        self._context.destroy(linger=0)


class Peer:
    """A plain socket, watched for its first handshake."""

    def __init__(self, opened: Any, address: str, bind: bool, options: dict[str, int]) -> None:
        self.socket = opened
        settings = {
            "LINGER": 0,
            "RCVTIMEO": int(DEADLINE * 1000),
            "SNDTIMEO": int(DEADLINE * 1000),
            "RECONNECT_IVL": 10,
        }
        for name, value in (settings | options).items():
            opened.set(getattr(zmq, name), value)
        if opened.type == zmq.SUB:
            opened.subscribe(b"")
        self._monitor = opened.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        (opened.bind if bind else opened.connect)(address)

    def until_met(self) -> Peer:
        """Wait until the other side has shaken hands."""
        assert self._monitor.poll(DEADLINE * 1000), "nobody came"
        recv_monitor_message(self._monitor)
        return self

    def receive(self) -> Parts:
        return self.socket.recv_multipart()  # type: ignore[no-any-return]

    def receive_all(self, number: int) -> list[Parts]:
        return [self.receive() for _ in range(number)]

    def send(self, *messages: Sequence[bytes]) -> None:
        for parts in messages:
            self.socket.send_multipart(parts)

    def close(self) -> None:
        self.socket.disable_monitor()
        self._monitor.close(0)
        self.socket.close(0)


class _Worker:
    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.number = 0
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)

    def work(self) -> None:
        raise NotImplementedError

    def until(self, number: int) -> None:
        """Wait until so many messages have gone."""
        until(lambda: self.number >= number)

    def stop(self) -> None:
        self.ending.set()
        self.thread.join(DEADLINE)
        assert not self.thread.is_alive()


class Reader(_Worker):
    """A thread that reads; `rest` waits until nothing comes any more."""

    QUIET_MS = 500

    def __init__(self, peer: Peer, pause: float) -> None:
        super().__init__(peer)
        self.messages: list[Parts] = []
        self._pause = threading.Event(), pause

    def work(self) -> None:
        never, pause = self._pause
        while True:
            if not self.peer.socket.poll(self.QUIET_MS):
                if self.ending.is_set():
                    return
                continue
            self.messages.append(self.peer.receive())
            self.number += 1
            if pause:
                never.wait(pause)

    def rest(self) -> list[Parts]:
        """Return all messages, to the last one."""
        self.stop()
        return self.messages


class Sender(_Worker):
    """A thread that sends until it is stopped."""

    def __init__(self, peer: Peer, messages: Iterable[Parts] | None) -> None:
        super().__init__(peer)
        self._messages = messages or ([b'{"htype": "raw-1.0"}', b"%d" % n] for n in count())

    def work(self) -> None:
        for parts in self._messages:
            while not self._sent(parts):
                if self.ending.is_set():
                    return
            self.number += 1

    def _sent(self, parts: Parts) -> bool:
        try:
            ready = not self.ending.is_set() and self.peer.socket.poll(50, zmq.POLLOUT)
            return bool(ready) and self.peer.socket.send_multipart(parts, zmq.NOBLOCK) is None
        except zmq.Again:  # the only receiver has gone meanwhile
            return False
