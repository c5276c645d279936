"""Send what m_dump has recorded, or make another recording of it.

Usage:
  m_replay [options] [--set KEY=VALUE]... FILE
  m_replay -h | --help
  m_replay --version

Arguments:
  FILE  The recording: a file that ends in .mcap, or a folder of files named NNNNNN_PPP.raw.

Options:
  -o OTHER, --output OTHER
                        Write the messages into OTHER instead of sending them. It must not be
                        there yet; its ending says what it will be: .mcap; .h5, .hdf5 or .nxs for
                        HDF5, which is for analysis and can't be replayed; a folder if it has
                        none of these.
  --list                Show what is in FILE: messages, series, frames, bytes, duration.
  -q, --quiet           Show no progress and no summary; errors and warnings come all the same.
  -h, --help            Show this text.
  --version             Show the version.

How to send:
  -a ADDRESS, --address ADDRESS
                        Where to send from; tcp://*:9999 by default.
  -m MODE, --mode MODE  How to send, push or pub; push by default. pub waits for its slowest
                        subscriber.
  --pace                Leave the gaps between messages that there were when they came. By
                        default they go as fast as they are taken.
  --speed X             As --pace, with gaps X times as short.
  --rate HZ             Send so many messages a second.
  --loop N              Send all N times.

Which messages, and changed how; for sending, -o and --list:
  --first N             Begin with message N, counted from 0.
  --last N              End with message N.
  --series A:B          Only messages that belong to series A to B; also N, A: or :B.
  --frames A:B          Only images of frame A to B, or messages of pulse_id A to B, and where a
                        series begins and ends; also N, A: or :B.
  --set KEY=VALUE       Rewrite a field of the header, as in --set series=7; repeatable.
  --drop P              Leave out messages with probability P.
  --duplicate P         Send messages twice.
  --reorder P           Let messages change places with the next.
  --corrupt P           Damage messages.
  --seed N              The same seed makes the same faults; by default others each time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from logging import getLogger
from threading import TIMEOUT_MAX, Lock
from time import monotonic, monotonic_ns
from typing import Any

import gevent
from gevent.event import Event

from ..config import OutputConfig, from_arguments
from ..errors import RecordingError
from ..green.threads import in_worker_thread
from ..green.topology import Bursts, Output, Producer, Topology
from ..green.topology.node import socket_settings
from ..message import Message, Part
from ..recording import Reader
from ..recording.endings import kind_of
from .console import Console
from .conversion import check_other, convert, list_all
from .playback import Playback, Schedule
from .program import choice_of, in_time, run_program, run_topology
from .progress import Bar
from .readahead import Batch, ReadAhead
from .report import table

logger = getLogger(__name__)

ADDRESS = "tcp://*:9999"
MODE = "push"

LATE = 0.01
"""Seconds that a message may be late without a word."""

ALONE = 2.0
"""Seconds that nobody may be there without a word, where no line shows that it is so."""

MAX_BURST = 64
"""Messages that are sent at once, at most; a channel has room for them while it sends others."""

AT_ONCE = 50_000
"""Nanoseconds: a message that is due so soon goes at once. To wait takes longer."""


def main(early: Sequence[int] = ()) -> None:
    """Run the script."""
    run_program(__doc__ or "", replay, early)


def replay(arguments: dict[str, Any], console: Console) -> None:
    """Send a recording, convert it, or list what it is."""
    playback, path, other = Playback(arguments), arguments["FILE"], arguments["--output"]
    lists, quiet = arguments["--list"], arguments["--quiet"]
    opened = in_time(partial(in_worker_thread, _open, playback, path, other), console)
    if opened is None:
        if other is not None or lists:
            raise RecordingError(f"stopped before {path} was open")
        return
    reader, total = opened
    ahead = ReadAhead(playback.messages(reader), lambda: playback.read)
    is_known = playback.is_whole or lists or other is not None  # else it counts what is sent
    bar = Bar(console.err, total if is_known else None, quiet)
    warned = "" if lists else _warn(path, reader)
    try:
        if lists:
            summary, complaint = list_all(ahead, reader, playback, total, console, bar)
        elif other is not None:
            summary, complaint = convert(ahead, other, total, console, bar)
        else:
            summary, complaint = _send(ahead, playback.schedule, arguments, console, bar), ""
        if not lists:
            _warn(path, reader, warned)
    except Exception:
        gevent.spawn(console.err.try_to_write, bar.end())  # before the complaint
        raise
    finally:
        if ahead.close():
            in_worker_thread(reader.close)
    console.finish(_said(summary, playback, quiet and not lists), bar.end())
    if complaint:
        raise RecordingError(complaint)


def _said(summary: str, playback: Playback, quiet: bool) -> str:
    """Return what is said at the end; if nothing is, warn of what `--set` left unchanged."""
    if not quiet:
        return summary + playback.report()
    for line in playback.changes().splitlines():
        logger.warning("%s", line)
    return ""


def _open(playback: Playback, path: str, other: str | None) -> tuple[Reader, int]:
    """Open the recording, unless it is what is to be written."""
    if other is not None:
        check_other(path, other)
    return playback.open()


def _send(
    ahead: ReadAhead,
    schedule: Schedule | None,
    arguments: dict[str, Any],
    console: Console,
    bar: Bar,
) -> str:
    """Send messages, when they are due if there is a schedule; return the summary."""
    given = {option: value for option, value in arguments.items() if value is not None}
    path, address = arguments["FILE"], given.get("--address", ADDRESS)
    mode = choice_of({"--mode": MODE, **given}, "--mode", ("push", "pub"))
    sent = Event()
    pace = None if schedule is None else _Pace(ahead, sent)
    topology = Topology()
    kind = "folder" if kind_of(path) == "folder" else "file"
    bursts = _at_once(ahead) if pace is None else pace.bursts()
    recording = topology.attach(Bursts(f"{kind} {path}", bursts))
    output = topology.attach(_FirstSent(recording, address, mode, sent))
    counters = output.statistics
    run_topology(topology, console, tick=_progress(recording, output, bar, console))
    bar.note(counters.sent, counters.bytes_sent)
    snapshot = topology.statistics()
    if pace is not None and pace.late > LATE:
        logger.warning("messages were sent up to %.3f s after they were due", pace.late)
    connection = snapshot["nodes"][output.name].get("connection")
    if mode == "pub" and counters.sent and connection and not connection["connected"]:
        logger.warning("nobody had subscribed: the messages went nowhere")
    return table(snapshot)


def _progress(recording: Bursts, output: Output, bar: Bar, console: Console) -> Callable[[], None]:
    """Return what shows how much was sent, or that nobody is there to take it."""
    began, warned = monotonic(), False

    def show() -> None:
        nonlocal warned
        sent, given = output.statistics, recording.statistics.received
        if sent.sent or not given:
            bar.show(sent.sent, sent.bytes_sent)
            return
        waiting = f"waiting for a receiver at {output.address}"
        bar.wait(waiting)
        if bar.is_seen or warned or console.stopping.is_set():
            return
        if monotonic() - began > ALONE:
            warned = True
            logger.warning("%s", waiting)

    return show


def _warn(path: str, reader: Reader, warned: str = "") -> str:
    """Warn of what is wrong with a recording, unless it was warned of; return it."""
    if reader.problem not in ("", warned):
        logger.warning("%s: %s", path, reader.problem)
    return reader.problem


def _at_once(ahead: ReadAhead) -> Iterator[list[Sequence[Part]]]:
    """Return the parts of messages, in bursts, as fast as they are taken."""
    for batch in ahead:
        for first in range(0, len(batch), MAX_BURST):
            burst = [message.parts for message in batch[first : first + MAX_BURST]]
            ahead.used(len(burst))
            yield burst


class _Pace:
    """The parts of messages, in bursts, when they are due; the time runs once the first is sent."""

    # What is late goes as fast as it is taken, until the schedule is caught up with.
    def __init__(self, ahead: ReadAhead, sent: Event) -> None:
        self.late = 0.0  # seconds that a message was late at most
        self._ahead = ahead
        self._sent = sent
        self._start: int | None = None  # as of monotonic_ns
        self._due = 0
        self._end = Lock()  # whoever waits for it in a thread waits until there is an end
        self._end.acquire()

    def bursts(self) -> Iterator[list[Sequence[Part]]]:
        try:
            for batch in self._ahead:
                first = 0
                while first < len(batch):
                    last = self._wait(batch, first)
                    self._ahead.used(last - first)
                    yield [message.parts for message in batch[first:last]]
                    first = last
                    if self._start is None:
                        self._sent.wait()
                        self._start = monotonic_ns() - batch[0].received_ns
        finally:
            self._end.release()

    def _wait(self, batch: Batch, first: int) -> int:
        """Wait until a message is due; return the number of the first after it that is not yet."""
        if self._start is None:
            return first + 1
        due = self._due = max(self._due, batch[first].received_ns)  # one of before may come later
        while (left := self._start + due - monotonic_ns()) > AT_ONCE:
            in_worker_thread(self._end.acquire, True, min(left / 1e9, TIMEOUT_MAX))
        self.late = max(self.late, -left / 1e9)
        soon, last = due - left + AT_ONCE, first + 1
        while last < len(batch) and last - first < MAX_BURST and batch[last].received_ns <= soon:
            last += 1
        return last


class _FirstSent(Output):
    """An output that binds, and sets an event when somebody has taken the first message."""

    def __init__(self, node: Producer, address: str, mode: str, sent: Event) -> None:
        config = from_arguments(
            OutputConfig, {"address": address, "mode": mode, "conn_type": "bind"}
        )
        super().__init__(f"output {address}", node, address, socket_settings(config))
        self._sent = sent

    def consume(self, hand: deque[Message]) -> None:
        super().consume(hand)
        self._sent.set()
