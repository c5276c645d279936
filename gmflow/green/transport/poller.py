"""Waiting for a socket on the hub, through one persistent watcher, by its owner alone.

A socket belongs to the thread and process that opened it. One greenlet at a time waits on
each of its sides.
"""

from __future__ import annotations

import os
import weakref
from time import monotonic
from typing import Any, NoReturn

import zmq
from gevent import getcurrent
from gevent.hub import get_hub, get_thread_ident
from zmq.backend import Socket as _Backend

from ...errors import ConnectError
from ..yielding import HubYield

CHECK = 1.0
"""Seconds after which a waiting socket is looked at even if libzmq signalled nothing."""

POLLIN = int(zmq.POLLIN)
POLLOUT = int(zmq.POLLOUT)

_get: Any = _Backend.get  # zmq.green's own would switch and look


class Forks:
    """How many forks lie between the first process and this one: cheaper to ask than the pid."""

    count = 0

    @classmethod
    def add(cls) -> None:
        """Count this process's own fork, in the child."""
        cls.count += 1


os.register_at_fork(after_in_child=Forks.add)


class SocketPoller:
    """Waits until a socket, which belongs to this thread, can be received from or sent to.

    The watchers hold no reference that would keep the socket alive.
    """

    def __init__(self, socket: Any) -> None:
        self._socket = weakref.ref(socket)
        self._hub = get_hub()
        self._thread = self._hub.thread_ident
        self._yield_to_hub = HubYield()
        self._watchers: tuple[Any, ...] = ()
        self._waiting: dict[int, Any] = {}
        self._woken = False
        self.recovered = 0  # how often a look found what libzmq had not signalled
        self.slept = False  # whether the last `wait` gave the hub away
        self._forks = Forks.count

    def enter(self) -> None:
        """Let other greenlets run if it is their turn, and validate that the caller is the owner.

        Raise ConnectError if it is another thread or process.
        """
        if get_thread_ident() != self._thread or Forks.count != self._forks:
            self._refuse()  # written out, as it is asked for every message
        if monotonic() >= self._yield_to_hub.until and self._yield_to_hub():
            self._check_owner()
            self._check_open()

    def wait(self, event: int, timeout: float | None) -> bool | None:
        """Wait until the socket is ready for an event, POLLIN or POLLOUT, for `timeout` seconds.

        Return True if it seems to be ready, False after `wake`, None after the time-out. Raise
        ConnectError if another greenlet waits for the same, the socket is closed meanwhile, or the
        caller is not the owner.
        """
        self._check_owner()
        socket: Any = self._socket()
        here: Any = getcurrent()
        if not self._watchers:
            self._watch(socket)
        self.slept = False
        if _get(socket, zmq.EVENTS) & event:  # after the last attempt: it takes the signal away
            return True
        if timeout == 0:
            return None
        if self._woken:
            self._woken = False
            return False
        if self._waiting.get(event, here) is not here:  # itself: a signal handler raised below
            raise ConnectError(
                "another greenlet already waits on this socket: let one greenlet own each"
                " side of it and hand messages on through a queue"
            )
        self.slept = True
        ready = self._sleep(event, here, timeout)
        self._check_open()
        return ready

    def wake(self) -> None:
        """Make the greenlets that wait return False; if none does, the next that would wait."""
        self._woken = not self._waiting
        for event, greenlet in self._waiting.items():
            self._hub.loop.run_callback(self._switch, event, greenlet, False)

    def release(self) -> None:
        """Stop watching a socket that was closed, and wake who waits on it."""
        if get_thread_ident() == self._thread:
            self._stop()
        else:  # a monitor's thread; libev is not for two threads at once
            self._hub.loop.run_callback_threadsafe(self._stop)

    def _check_owner(self) -> None:
        if get_thread_ident() != self._thread or Forks.count != self._forks:
            self._refuse()

    def _check_open(self) -> None:
        socket: Any = self._socket()
        if socket.closed:
            raise ConnectError("the socket was closed while a greenlet waited on it")

    def _refuse(self) -> NoReturn:
        raise ConnectError(
            "the socket belongs to the thread and process that opened it:"
            " open one here, or hand messages over through a queue"
        )

    def _sleep(self, event: int, here: Any, timeout: float | None) -> bool | None:
        timer = None if timeout is None else self._hub.loop.timer(max(timeout, 0))
        try:
            self._waiting[event] = here
            if timer is not None:
                timer.start(self._switch, event, here, None, update=True)
            ready: bool | None = self._hub.switch()
        finally:
            self._yield_to_hub.taken()
            self._waiting.pop(event, None)
            if timer is not None:
                timer.stop()
                timer.close()
        return ready

    def _switch(self, event: int, greenlet: Any, ready: bool | None) -> None:
        if event in self._waiting and self._waiting[event] is greenlet:
            greenlet.switch(ready)

    def _watch(self, socket: Any) -> None:
        loop = self._hub.loop
        io, timer = loop.io(_get(socket, zmq.FD), 1), loop.timer(CHECK, CHECK, ref=False)
        self._watchers = (io, timer)
        io.start(self._look, 0)
        timer.start(self._look, 1)

    def _look(self, unsignalled: int) -> None:
        if not self._waiting:
            if not unsignalled:
                self._events()  # takes the signal away
            return
        alone = len(self._waiting) == 1 and POLLIN in self._waiting
        if alone and not unsignalled and Forks.count == self._forks:
            self._waiting[POLLIN].switch(True)  # it takes at once: to look first costs more
            return
        events = self._events()
        for event in (POLLIN, POLLOUT):
            greenlet = self._waiting.get(event)
            if greenlet is not None and events & event:
                self.recovered += unsignalled
                greenlet.switch(True)

    def _events(self) -> int:
        socket = self._socket()
        gone = socket is None or socket.closed
        if not gone and Forks.count == self._forks:
            try:
                return int(_get(socket, zmq.EVENTS))
            except zmq.ZMQError:  # the context is terminated: who waits finds out for itself
                gone = True
        for watcher in self._watchers:  # in a forked child it would be ready for ever
            watcher.stop()
        return POLLIN | POLLOUT if gone else 0

    def _stop(self) -> None:
        watchers, self._watchers = self._watchers, ()
        for watcher in watchers:
            watcher.stop()
            watcher.close()
        self.wake()
