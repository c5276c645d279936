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

from collections.abc import Callable, Sequence
from logging import getLogger
from time import monotonic
from typing import Any

import gevent
from gevent.event import Event

from ..errors import RecordingError
from ..green.threads import in_worker_thread
from ..green.topology import Bursts, Output, Topology
from ..recording import Reader
from ..recording.formats import kind_of
from .ahead import Ahead
from .arguments import choice_of
from .console import Console
from .converting import check_other, convert, list_all
from .pacing import FirstSent, Pace, Schedule, at_once
from .playback import Playback
from .program import run_program, run_topology
from .progress_bar import Bar
from .report import table
from .working import open_in_time

logger = getLogger(__name__)

ADDRESS = "tcp://*:9999"
MODE = "push"

LATE = 0.01
"""Seconds that a message may be late without a word."""

ALONE = 2.0
"""Seconds that nobody may be there without a word, where no line shows that it is so."""


def main(early: Sequence[int] = ()) -> None:
    """Run the script."""
    run_program(__doc__ or "", replay, early)


def replay(arguments: dict[str, Any], console: Console) -> None:
    """Send a recording, convert it, or list what it is."""
    playback, path, other = Playback(arguments), arguments["FILE"], arguments["--output"]
    lists, quiet = arguments["--list"], arguments["--quiet"]
    opened = open_in_time(lambda: _open(playback, path, other), console)
    if opened is None:
        if other is not None or lists:
            raise RecordingError(f"stopped before {path} was open")
        return
    reader, total = opened
    ahead = Ahead(playback.messages(reader), lambda: playback.read)
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
    console.finish("" if quiet and not lists else summary + playback.report(), bar.end())
    if complaint:
        raise RecordingError(complaint)


def _open(playback: Playback, path: str, other: str | None) -> tuple[Reader, int]:
    """Open the recording, as `Playback.open` does, if it isn't what is to be written."""
    if other is not None:
        check_other(path, other)
    return playback.open()


def _send(
    ahead: Ahead, schedule: Schedule | None, arguments: dict[str, Any], console: Console, bar: Bar
) -> str:
    """Send messages, when they are due if there is a schedule; give the summary."""
    given = {option: value for option, value in arguments.items() if value is not None}
    path, address = arguments["FILE"], given.get("--address", ADDRESS)
    mode = choice_of({"--mode": MODE, **given}, "--mode", ("push", "pub"))
    sent = Event()
    pace = None if schedule is None else Pace(ahead, sent)
    topology = Topology()
    kind = "folder" if kind_of(path) == "folder" else "file"
    bursts = at_once(ahead) if pace is None else pace.bursts()
    recording = topology.attach(Bursts(f"{kind} {path}", bursts))
    output = topology.attach(FirstSent(recording, address, mode, sent))
    counters = output.statistics
    run_topology(topology, console, tick=_progress(recording, output, bar))
    bar.note(counters.sent, counters.bytes_sent)
    snapshot = topology.statistics()
    if pace is not None and pace.late > LATE:
        logger.warning("messages were sent up to %.3f s after they were due", pace.late)
    connection = snapshot["nodes"][output.name].get("connection")
    if mode == "pub" and counters.sent and connection and not connection["connected"]:
        logger.warning("nobody had subscribed: the messages went nowhere")
    return table(snapshot)


def _progress(recording: Bursts, output: Output, bar: Bar) -> Callable[[], None]:
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
        if not (bar.is_seen or warned) and monotonic() - began > ALONE:
            warned = True
            logger.warning("%s", waiting)

    return show


def _warn(path: str, reader: Reader, warned: str = "") -> str:
    """Warn of what is wrong with a recording, unless it was warned of; give it."""
    if reader.problem not in ("", warned):
        logger.warning("%s: %s", path, reader.problem)
    return reader.problem
