"""A bounded queue of messages between two greenlets: what is full pushes back, what ends is closed.

One greenlet puts and one gets. The writer closes it when nothing more will come, and the
reader still gets what is in it; the reader breaks it off when it will take nothing more.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from gevent import getcurrent
from gevent.hub import get_hub

from ..formats import is_series_edge
from ..message import Message, size_of_all

CAPACITY = 128
"""Messages a channel holds at most."""

CAPACITY_BYTES = 4 << 20
"""Bytes at which a channel is full, however few messages they are."""


class Channel:
    """A bounded queue of messages: it is full at so many messages or bytes, but one always fits."""

    def __init__(self, capacity: int = CAPACITY, capacity_bytes: int = CAPACITY_BYTES) -> None:
        self.capacity = capacity
        self.capacity_bytes = capacity_bytes
        self._messages: deque[Message] = deque()
        self._bytes = 0
        self.closed = self.broken = False
        self._reader: Any = None  # the greenlet that waits for messages,
        self._writer: Any = None  # and the one that waits for room

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def reader_is_due(self) -> bool:
        """Whether the reader takes what is there as soon as the hub runs."""
        return self._reader is not None and bool(self._messages)

    def wait_for_room(self) -> bool:
        """Wait until a message would go in; return True if that was before a break."""
        while self._full() and not self.broken:
            self._writer = getcurrent()
            try:
                get_hub().switch()
            finally:
                self._writer = None
        return not self.broken

    def offer(self, message: Message, any_bytes: bool = False) -> bool:
        """Put a message if there is room, without waiting; return True if it went in.

        With `any_bytes` room is a matter of number alone.
        """
        full = len(self._messages) >= self.capacity if any_bytes else self._full()
        if self.broken or full:
            return False
        self._append(message)
        return True

    def offer_all(self, messages: Sequence[Message], size: int) -> int:
        """Put as many messages, `size` bytes in all, as go in at once; return how many did."""
        room = self.capacity - len(self._messages)
        if room < len(messages):
            messages = messages[: max(room, 0)]
            size = size_of_all(messages)
        if not messages or self.broken or self._bytes >= self.capacity_bytes:
            return 0
        if self._bytes + size >= self.capacity_bytes:
            ends = list(accumulate([message.size for message in messages]))
            count = min(len(ends), bisect_left(ends, self.capacity_bytes - self._bytes) + 1)
            messages, size = messages[:count], ends[count - 1]
        self._messages.extend(messages)
        self._bytes += size
        self._wake()
        return len(messages)

    def force(self, messages: Sequence[Message], size: int) -> int:
        """Put one message or more, `size` bytes in all, and take out the oldest to make room.

        Return how many were taken out, of those that were there and of those that came.
        """
        waiting = self._messages
        waiting.extend(messages)
        self._bytes += size
        excess = [waiting.popleft() for _ in range(len(waiting) - self.capacity)]
        self._bytes -= size_of_all(excess)
        while self._bytes - waiting[-1].size >= self.capacity_bytes:
            excess.append(self.displace())
        self._wake()
        return len(excess)

    def displace(self) -> Message:
        """Take the oldest message out, to make room."""
        return self._take_out(0)

    def displace_image(self, newest: bool = False) -> bool:
        """Take the oldest or newest image out; return True if there was one.

        What opens or ends a series is none.
        """
        places = range(len(self._messages))
        for place in reversed(places) if newest else places:
            if not is_series_edge(self._messages[place]):
                self._take_out(place)
                return True
        return False

    def get(self) -> list[Message]:
        """Return all messages that are there, waiting for the first; an empty list at the end."""
        self._wait_for_messages()
        messages = list(self._messages)
        self._messages.clear()
        self._bytes = 0
        self._wake()
        return messages

    def close(self) -> None:
        """Put nothing more from now on; what is there can still be got."""
        self.closed = True
        self._wake()

    def break_off(self) -> None:
        """Get nothing more from now on; a writer that waits goes on."""
        self.broken = True
        self._wake()

    def _full(self) -> bool:
        return len(self._messages) >= self.capacity or self._bytes >= self.capacity_bytes

    def _wait_for_messages(self) -> None:
        while not self._messages and not self.closed:
            self._reader = getcurrent()
            try:
                get_hub().switch()
            finally:
                self._reader = None

    def _take_out(self, place: int) -> Message:
        message = self._messages[place]
        del self._messages[place]
        self._bytes -= message.size
        return message

    def _append(self, message: Message) -> None:
        self._messages.append(message)
        self._bytes += message.size
        self._wake()

    def _wake(self) -> None:
        """Have the hub switch to who waits; it looks for itself whether there is cause to go on."""
        waiting = self._writer if self._reader is None else self._reader
        if waiting is not None:
            get_hub().loop.run_callback(self._switch, waiting)

    def _switch(self, greenlet: Any) -> None:
        if greenlet is self._reader or greenlet is self._writer:
            greenlet.switch()
