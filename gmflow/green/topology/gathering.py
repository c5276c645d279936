"""The channels of several streams that one greenlet reads: it learns which of them have something.

Each has a writer of its own, and is bounded as any channel; many share the room of a few.
"""

from __future__ import annotations

from typing import Any

from gevent import getcurrent, sleep
from gevent.hub import get_hub

from ..channel import CAPACITY, CAPACITY_BYTES, Channel
from ..yielding import MOMENT

MOST = 16_384
MOST_BYTES = 256 << 20
"""Messages, and bytes, that wait in all channels together, where there are many."""


class Tributary(Channel):
    """A channel that tells a gathering when it has something, or is at its end.

    Parameters
    ----------
    place : int
        Which of the gathering's channels it is.
    gathering : Gathering
        Whom it tells.
    capacity, capacity_bytes : int
        As of `Channel`.
    """

    def __init__(
        self, place: int, gathering: Gathering, capacity: int, capacity_bytes: int
    ) -> None:
        super().__init__(capacity, capacity_bytes)
        self._place = place
        self._gathering = gathering

    def _wake(self) -> None:
        super()._wake()
        if self._messages or self._closed:
            self._gathering.ring(self._place)


class Gathering:
    """Several channels with one reader.

    Parameters
    ----------
    count : int
        How many channels.

    Attributes
    ----------
    channels : list of Channel
        The channels.
    ready : dict of int to None
        The places of those that may have something or be at their end, in the order in which
        they came to it; the reader takes them out.
    """

    def __init__(self, count: int) -> None:
        room = max(1, min(CAPACITY, MOST // count)), min(CAPACITY_BYTES, MOST_BYTES // count)
        self.channels = [Tributary(place, self, *room) for place in range(count)]
        self.ready: dict[int, None] = {}
        self._reader: Any = None
        self._called = False

    def ring(self, place: int) -> None:
        """Note that a channel has something; wake the reader."""
        self.ready[place] = None
        if self._reader is not None and not self._called:
            self._called = True
            get_hub().loop.run_callback(self._switch, False)

    def wait(self, timeout: float | None) -> None:
        """Wait until a channel rings, or for `timeout` seconds and for what came meanwhile.

        Parameters
        ----------
        timeout : float or None
            None waits for as long as it takes.
        """
        timer = None if timeout is None else get_hub().loop.timer(max(timeout, 0))
        self._reader = getcurrent()
        try:
            if timer is not None:
                timer.start(self._switch, True, update=True)
            late = get_hub().switch()
        finally:
            self._reader = None
            if timer is not None:
                timer.stop()
                timer.close()
        if late:
            sleep(MOMENT)  # after a freeze of the hub the timer may come before the messages

    def _switch(self, late: bool) -> None:
        if not late:
            self._called = False
        if self._reader is not None:
            self._reader.switch(late)
