"""A node that writes messages into a recording, in native threads of its own.

Batches go to the thread; meanwhile more messages come in, up to a bound. A disk that is slower
pushes back through the node's channel, or messages are dropped there, counted, as `when_full`
says. What a kill of the process can cost is the last `PROMISE` seconds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from gevent import GreenletExit, Timeout, with_timeout

from ...deferred import step_aside
from ...errors import RecordingError
from ...message import Message
from ...recording import Writer, open_writer
from ...recording.base import PROMISE
from ..channel import Channel
from ..threads import NativeThread, SecondThread
from ..transport.socket import Context
from .node import Consumer, Producer

MAX_PENDING = 1024
MAX_PENDING_BYTES = 32 << 20
"""Messages, and their bytes, that wait while others are being written."""

SLICE = 4 << 20
"""Bytes that are written before the thread lets others run, and may be told to stop,"""

PART = SLICE // 128
"""where each part counts for so many more: a file of its own, or work under the lock."""

PATIENCE = 0.5
"""Seconds that a stop waits for a disk that doesn't answer."""


class RecordingThread:
    """A recording's writer in native threads; each method of it waits there for its call.

    The counters of `writer` may be read at any time. `error` is the first one, also of a call
    that nobody waited for to the end.
    """

    def __init__(self, path: str | os.PathLike[str], skip: int | None) -> None:
        self.writer: Writer | None = None
        self.error: RecordingError | None = None
        self.has_ended = False
        self._path = path
        self._skip = skip
        self._thread = NativeThread()
        self._second = SecondThread()
        self._stopping = False

    def open(self) -> None:
        self._thread.call(self._open)

    def write(self, messages: Sequence[Message]) -> None:
        self._thread.call(self._guarded, partial(self._write, messages))

    def commit(self) -> None:
        assert self.writer is not None
        self._thread.call(self._guarded, self.writer.commit)

    def close(self) -> None:
        """Close the recording, when what was begun is done; the threads end then."""
        try:
            self._thread.call(self._guarded, self._close)
        finally:
            self._thread.end()

    def stop(self) -> None:
        """Have a write that nobody waits for any more end soon."""
        self._stopping = True

    def _open(self) -> None:
        self.writer = open_writer(self._path, self._skip, self._second)

    def _guarded(self, function: Callable[[], None]) -> None:
        try:
            function()
        except RecordingError as error:
            self.error = self.error or error
            raise

    def _close(self) -> None:
        try:
            if self.writer is not None:
                self.writer.close()
        finally:
            self._second.end()
            self.has_ended = True

    def _write(self, messages: Sequence[Message]) -> None:
        assert self.writer is not None
        begin, size = 0, 0
        for end, message in enumerate(messages, 1):
            size += message.size + PART * len(message.parts)
            if size >= SLICE or end == len(messages):
                self.writer.write(messages[begin:end])
                step_aside()
                if self._stopping:
                    return
                begin, size = end, 0


class Recorder(Consumer):
    """Writes messages into a recording; path and skip are as of `gmflow.recording.open_writer`."""

    kind = "recorder"

    def __init__(
        self,
        name: str,
        node: Producer,
        path: str | os.PathLike[str],
        skip: int | None = None,
        when_full: str = "block",
    ) -> None:
        channel = Channel(MAX_PENDING, MAX_PENDING_BYTES)
        super().__init__(name, node, when_full=when_full, channel=channel)
        self._path = path
        self._skip = skip
        self._recording: RecordingThread | None = None
        self._taken = 0
        self._ended = self._closed = False

    @property
    def paths(self) -> list[str]:
        """The files that were made so far, or the folder."""
        writer = self._recording and self._recording.writer
        return writer.paths if writer else []

    @property
    def is_stuck(self) -> bool:
        """Whether its thread is still at work: where it is in a library, Python may not exit."""
        return self._recording is not None and not self._recording.has_ended

    def open(self, context: Context, thread: int = 0) -> None:
        # here: it belongs to the hub that runs the node
        self._recording = RecordingThread(self._path, self._skip)
        self._recording.open()

    def run(self) -> None:
        assert self._recording is not None
        try:
            self._record(self._recording)
        except GreenletExit:
            self._end(self._recording)
            error = self._recording.error or self._too_slow(self._recording)
            if error is not None:
                raise error from None
            raise

    def close(self) -> None:
        self.inlet.channel.break_off()
        if self._recording is not None:
            with suppress(RecordingError):  # the first error is raised already
                self._end(self._recording)
            self._count(self._recording)
        self._closed = True
        taken = self._taken - self.statistics.sent - self.statistics.failed
        self.statistics.left_over += len(self.inlet.channel) + taken

    def snapshot(self) -> dict[str, Any]:
        """Return the node's kind, address and counters; sent is what a kill would not lose."""
        if self._recording is not None and not self._closed:
            self._count(self._recording)
        return super().snapshot()

    def _record(self, recording: RecordingThread) -> None:
        while (messages := self._next_messages(recording)) != []:
            if messages:
                self._taken += len(messages)
                recording.write(messages)
            else:
                recording.commit()
        recording.close()
        self._ended = True

    def _end(self, recording: RecordingThread) -> None:
        """Close the recording, unless that was done or the disk doesn't answer."""
        recording.stop()
        if not self._ended:
            self._ended = True
            with Timeout(PATIENCE, False):
                recording.close()

    def _next_messages(self, recording: RecordingThread) -> list[Message] | None:
        """Return what has come; an empty list at the end, None when it is time to commit."""
        get = self.inlet.channel.get
        wait = PROMISE / 2 if self._left(recording) else None
        messages: list[Message] | None = with_timeout(wait, get, timeout_value=None)
        return messages

    def _left(self, recording: RecordingThread) -> int:
        """Count what has come and is not written."""
        done = recording.writer.written + recording.writer.refused if recording.writer else 0
        return len(self.inlet.channel) + self._taken - done

    def _too_slow(self, recording: RecordingThread) -> RecordingError | None:
        """Return the error of a disk that has not written everything when it had to."""
        left = self._left(recording)
        if not left:
            return None
        what = f"{left} message{'s' * (left > 1)} that had come"
        return RecordingError(
            f"{os.fspath(self._path)} lacks {what}: the disk was too slow, or doesn't answer"
        )

    def _count(self, recording: RecordingThread) -> None:
        if recording.writer is not None:
            self.statistics.sent = recording.writer.written
            self.statistics.bytes_sent = recording.writer.bytes_written
            self.statistics.failed = recording.writer.refused
