"""Record a stream, into a folder or a file, or show what is in it.

Usage:
  m_dump [options] SOURCE [RECORDING]
  m_dump -h | --help
  m_dump --version

Arguments:
  SOURCE     Where the stream comes from, tcp://HOST:PORT.
  RECORDING  Where it goes. NAME.mcap: one file with an index, whole messages and when they
             came. NAME.h5 or NAME.nxs: HDF5 for analysis. Anything else is a folder, with a
             file NNNNNN_PPP.raw for each part. Without it each message is summed up.

Options:
  -m MODE, --mode MODE  How it is sent, pull or sub [default: pull].
  --raw                 Print the parts as they are, not a summary.
  -s PART, --skip PART  Leave out parts from this one on, counted from 1; for a folder or --raw.
  -n COUNT              End after COUNT messages.
  --when-full POLICY    What to do when the disk is slower than the stream: block, which holds
                        the sender up, drop_newest or drop_oldest [default: block].
  -q, --quiet           No progress and no table at the end.
  -h, --help            Show this text.
  --version             Show the version.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic
from typing import Any

from gevent import GreenletExit

from ..errors import RecordingError
from ..green.threads import in_worker_thread
from ..green.topology import Consumer, Producer, Topology
from ..green.topology.links import POLICIES
from ..green.topology.recorder import Recorder
from ..message import Message, Part
from ..recording.endings import ENDINGS, kind_of
from ..recording.folder.names import is_empty
from .console import Console, File
from .program import (
    DISK_PATIENCE,
    STOP_SECONDS,
    UsageError,
    choice_of,
    in_time,
    number_of,
    run_program,
    run_topology,
)
from .progress import Bar, Rates
from .report import several, table

PRINT_SECONDS = 0.05
"""Seconds that messages are summed up before they are printed with one call."""


def main(early: Sequence[int] = ()) -> None:
    """Run the script."""
    run_program(__doc__ or "", dump, early)


def dump(arguments: dict[str, Any], console: Console) -> None:
    """Record or print a stream until it is told to stop or has brought enough messages."""
    path, skip = arguments["RECORDING"], number_of(arguments, "--skip", int, 0)
    if path:
        _check_recording(path, arguments["--raw"])
    text = None if path else _text(arguments["--raw"], skip)
    when_full = choice_of(arguments, "--when-full", POLICIES)
    count, quiet = number_of(arguments, "-n", int, 1), arguments["--quiet"]
    topology = Topology()
    mode = choice_of(arguments, "--mode", ("pull", "sub"))
    source = topology.source(arguments["SOURCE"], mode, count=count)
    line = Rates(console.err, quiet) if count is None else Bar(console.err, count, quiet)

    def run(last: Consumer, warning: str, progress: Callable[[], int] | None) -> None:
        run_topology(
            topology,
            console,
            tick=None if quiet else lambda: _show(topology, last, line),
            seconds=STOP_SECONDS - DISK_PATIENCE,
            first=lambda: console.err.write(warning),
            progress=progress,
        )

    def summary() -> str:
        return "" if quiet else table(topology.statistics())

    if text is not None:
        run(topology.attach(_Screen(source, console.out, text, when_full)), "", None)
        console.finish(err=line.end() + summary())
        return
    kind = "folder" if kind_of(path) == "folder" else "file"
    recorder = topology.attach(Recorder(f"{kind} {path}", source, path, skip, when_full))
    error = _record(run, recorder, path, console)
    paths = recorder.paths
    files = f"{path}: {several(paths)}\n" if len(paths) > 1 and not quiet else ""
    console.finish(summary() + files, line.end())
    _check_all_is_there(recorder, path, error)


def _show(topology: Topology, last: Consumer, line: Rates | Bar) -> None:
    snapshot = topology.statistics()
    if isinstance(line, Rates):
        line.show(snapshot)
    else:
        node = snapshot["nodes"][last.name]
        line.show(node["sent"], node["bytes_sent"])


def _record(
    run: Callable[[Consumer, str, Callable[[], int] | None], None],
    recorder: Recorder,
    path: str,
    console: Console,
) -> RecordingError | None:
    """Record until the end; return the error of the recording, if there is one."""
    warning = in_time(partial(in_worker_thread, _warning, path), console)
    if warning is None:
        raise RecordingError(f"stopped: {path} doesn't answer")
    try:
        run(recorder, warning, lambda: recorder.snapshot()["sent"])
    except RecordingError as error:
        return error
    finally:
        console.is_stuck = recorder.is_stuck
    return None


def _check_all_is_there(recorder: Recorder, path: str, error: RecordingError | None) -> None:
    """Raise what went wrong, and say how much of the stream is on the disk."""
    written, refused = recorder.statistics.sent, recorder.statistics.failed
    if error is not None:
        told = f"; {written} messages were written" if written else ""
        raise RecordingError(f"{error}{told}") from error
    if refused:
        raise RecordingError(
            f"{refused} of {written + refused} messages are not in {path}, as told above:"
            " record them into a .mcap file or a folder"
        )


def _check_recording(path: str, raw: bool) -> None:
    if "://" in path:
        raise UsageError(f"RECORDING is {path}, an address: SOURCE comes first")
    if raw:
        raise UsageError("--raw is for printing: leave it out, or RECORDING")


def _warning(path: str) -> str:
    """Return what a person should know before a recording begins; no more if all is well."""
    if kind_of(path) != "folder":
        return ""
    if not is_empty(path):
        return f"m_dump: {path} is not empty: files may be overwritten\n"
    ending = os.path.splitext(path)[1]
    if ending and not os.path.exists(path):
        return f"m_dump: {path} will be a folder: {ending} is none of {', '.join(ENDINGS)}\n"
    return ""


class _Screen(Consumer):
    """Prints messages in a worker thread; one that is stopped counts those that are out."""

    kind = "screen"

    def __init__(
        self,
        node: Producer,
        out: File,
        text: Callable[[Sequence[Part]], str],
        when_full: str = "block",
    ) -> None:
        super().__init__("screen", node, when_full=when_full)
        self._out = out
        self._text = text
        self._printed = 0
        self._stopping = False

    def consume(self, hand: deque[Message]) -> None:
        try:
            in_worker_thread(self._print_all, deque(hand))
        except GreenletExit:
            self._stopping = True
            raise
        finally:
            while self.statistics.sent < self._printed:
                self.done(hand.popleft())

    def _print_all(self, messages: deque[Message]) -> None:
        while messages and not self._stopping:
            texts: list[str] = []
            end = monotonic() + PRINT_SECONDS
            while messages and not self._stopping and (not texts or monotonic() < end):
                texts.append(self._text(messages.popleft().parts))
            self._out.put("".join(texts))
            self._printed += len(texts)


def _text(raw: bool, skip: int | None) -> Callable[[Sequence[Part]], str]:
    """Return what makes the text of a message for the screen."""
    if raw:
        return partial(_raw, end=skip - 1 if skip else None)
    if skip:
        raise UsageError("--skip is for a folder and for --raw; a summary is of all parts")
    from ..render.summary import Summaries  # late: it brings NumPy and the handlers

    return Summaries().text


def _raw(parts: Sequence[Part], end: int | None) -> str:
    return "".join([f"{bytes(part)!r}\n" for part in parts[:end]])
