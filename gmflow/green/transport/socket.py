"""Green sockets: ZeroMQ's sockets, waited for on the hub through one watcher each.

A `Socket` belongs to the thread that opened it. Whole messages are received through an
`MessageReceiver` and sent through an `MessageSender`.
"""

from __future__ import annotations

import sys
from typing import Any

import zmq
import zmq.green

from .poller import POLLIN, POLLOUT, SocketPoller

TOPICS_COUNT = 116
"""ZMQ_TOPICS_COUNT of libzmq's zmq.h: older pyzmq has no name for it."""


class Socket(zmq.green.Socket):  # type: ignore[type-arg]
    """A green socket whose `poller` looks only when something happened.

    Its inherited methods (``recv``, ``send_multipart``, ``poll``, ...) work as those of
    ``zmq.green`` do.
    """

    _state_event: Any = None
    poller: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._state_event.stop()  # zmq.green's own watcher looks and signals at every message
        self.poller = SocketPoller(self)

    def wake(self) -> None:
        """Make a greenlet that waits to receive or send return empty-handed."""
        self.poller.wake()

    def _wait_read(self) -> None:  # zmq.green's recv waits here
        self.poller.wait(POLLIN, None)

    def _wait_write(self) -> None:  # zmq.green's send waits here
        self.poller.wait(POLLOUT, None)

    def close(self, linger: int | None = None) -> None:
        """Close the socket; a greenlet that waits on it gets a ConnectError."""
        super().close(linger)
        if self.poller is not None:  # it is where the socket could not be made
            self.poller.release()


class Context(zmq.green.Context):  # type: ignore[type-arg]
    """A ZeroMQ context whose sockets are `Socket`.

    One that is forgotten is terminated in a native thread: its linger would freeze the hub.
    """

    _socket_class = Socket

    def __del__(self) -> None:
        if self._shadow or self.closed or sys.is_finalizing():
            return
        from gevent.monkey import get_original  # late: it is slow to import, and seldom needed

        get_original("_thread", "start_new_thread")(super().term, ())
