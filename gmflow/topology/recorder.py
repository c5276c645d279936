"""A node that writes messages into a recording, in native threads of its own.

Batches go to the thread; meanwhile more messages come in, up to a bound. A disk that is slower
pushes back through the node's channel, or messages are dropped there, counted, as `when_full`
says. What a kill of the process can cost is the last `PROMISE` seconds.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from gevent import GreenletExit, Timeout, with_timeout

from ..channel import Channel
from ..errors import RecordingError
from ..later import step_aside
from ..message import Message
from ..offhub import NativeThread, SecondThread
from ..recording import Writer, open_writer
from ..recording.writing import PROMISE
from ..sockets import Context
from .nodes import Giver, Taker

CAPACITY = 1024
"""Messages that wait while others are being written, at most,"""

CAPACITY_BYTES = 32 << 20
"""and their bytes."""

SLICE = 128
"""Messages that are written before the thread looks whether it is to stop."""

SLICE_BYTES = 4 << 20
"""Bytes of them, about."""

PATIENCE = 0.5
"""Seconds that a stop waits for a disk that doesn't answer."""


class Recorder(Taker):
    """Writes messages into a recording.

    Parameters
    ----------
    name, node
        As of `Taker`.
    path : path
        The recording: a folder, or a file whose ending says of what kind; see
        `gmflow.recording.open_writer`.
    skip : int, optional
        As of `gmflow.recording.open_writer`.
    when_full : {"block", "drop_newest", "drop_oldest"}, optional
        What to do when the disk is slower than the messages come.
    """

    kind = "recorder"

    def __init__(
        self,
        name: str,
        node: Giver,
        path: str | os.PathLike[str],
        skip: int | None = None,
        when_full: str = "block",
    ) -> None:
        channel = Channel(CAPACITY, CAPACITY_BYTES)
        super().__init__(name, node, when_full=when_full, channel=channel)
        self._path = path
        self._skip = skip
        self._thread = NativeThread()
        self._second = SecondThread()
        self._writer: Writer | None = None
        self._taken = 0
        self._stopping = False
        self._ended = False

    def open(self, context: Context, thread: int = 0) -> None:
        self._writer = self._thread.call(open_writer, self._path, self._skip, self._second)

    def run(self) -> None:
        try:
            self._record()
        except GreenletExit:
            self._stopping = True
            self._end()
            raise

    def close(self) -> None:
        self.inlet.channel.break_off()
        if self._writer is not None:
            with suppress(RecordingError):  # the first error is told already
                self._end()
            self._count(self._writer)
        self._thread.end()
        self._second.end()
        counted = self.statistics.sent + self.statistics.failed
        self.statistics.left_over += len(self.inlet.channel) + self._taken - counted
        self._writer = None

    def snapshot(self) -> dict[str, Any]:
        """Give the node's kind, address and counters; sent is what a kill would not lose."""
        if self._writer is not None:
            self._count(self._writer)
        return super().snapshot()

    def _record(self) -> None:
        assert self._writer is not None
        while (messages := self._next_messages()) != []:
            if messages:
                self._taken += len(messages)
                self._thread.call(self._write, messages)
            else:
                self._thread.call(self._writer.commit)
        self._thread.call(self._writer.close)
        self._ended = True

    def _end(self) -> None:
        """Close the recording, unless that was done or the disk doesn't answer."""
        assert self._writer is not None
        if not self._ended:
            self._ended = True
            with Timeout(PATIENCE, False):
                self._thread.call(self._writer.close)

    def _next_messages(self) -> list[Message] | None:
        """Give what has come; an empty list at the end, None where it is time to commit."""
        assert self._writer is not None
        kept_back = self._taken - self._writer.written - self._writer.refused
        get = self.inlet.channel.get
        wait = PROMISE if kept_back else None
        messages: list[Message] | None = with_timeout(wait, get, timeout_value=None)
        return messages

    def _write(self, messages: Sequence[Message]) -> None:
        assert self._writer is not None
        begin, size = 0, 0
        for end, message in enumerate(messages, 1):
            size += message.size
            if size >= SLICE_BYTES or end - begin == SLICE or end == len(messages):
                self._writer.write(messages[begin:end])
                step_aside()
                if self._stopping:
                    return
                begin, size = end, 0

    def _count(self, writer: Writer) -> None:
        self.statistics.sent = writer.written
        self.statistics.bytes_sent = writer.bytes_written
        self.statistics.failed = writer.refused
