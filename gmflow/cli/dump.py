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
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ..errors import RecordingError
from ..green.threads import in_worker_thread
from ..green.topology import Consumer, Topology
from ..green.topology.links import POLICIES
from ..green.topology.recorder import Recorder
from ..message import Part
from ..recording.folder.names import is_empty
from ..recording.formats import ENDINGS, kind_of
from .arguments import UsageError, choice_of, number_of
from .console import Console
from .program import PATIENCE, STOP_SECONDS, in_time, run_program, run_topology
from .progress_bar import Bar
from .report import Progress, several, table
from .screen import Screen


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
    count = number_of(arguments, "-n", int, 1)
    topology = Topology()
    mode = choice_of(arguments, "--mode", ("pull", "sub"))
    source = topology.source(arguments["SOURCE"], mode, count=count)
    watch = Watch(topology, console, count, arguments["--quiet"])
    if text is not None:
        watch.run(topology.attach(Screen(source, console.out, text, when_full)))
        console.finish(err=watch.line_end + watch.summary)
        return
    kind = "folder" if kind_of(path) == "folder" else "file"
    recorder = topology.attach(Recorder(f"{kind} {path}", source, path, skip, when_full))
    warning, error = in_time(partial(in_worker_thread, _warning, path), console), None
    if warning is None:
        raise RecordingError(f"stopped: {path} doesn't answer")
    try:
        watch.run(recorder, warning, lambda: recorder.snapshot()["sent"])
    except RecordingError as raised:
        error = raised
    finally:
        console.is_stuck = recorder.is_stuck
    paths = recorder.paths
    files = f"{path}: {several(paths)}\n" if len(paths) > 1 and not arguments["--quiet"] else ""
    console.finish(watch.summary + files, watch.line_end)
    _check_all_is_there(recorder, path, error)


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


class Watch:
    """Runs a topology, with progress on a terminal: a bar where the number of messages is known.

    Parameters
    ----------
    topology : Topology
    console : Console
    count : int or None
        How many messages there will be.
    quiet : bool
        Draw nothing, and have no summary.
    """

    def __init__(
        self, topology: Topology, console: Console, count: int | None, quiet: bool
    ) -> None:
        self._topology = topology
        self._console = console
        self._quiet = quiet
        self._bar = None if count is None else Bar(console.err, count, quiet)
        self._progress = Progress(console.err)

    def run(
        self, last: Consumer, warning: str = "", progress: Callable[[], int] | None = None
    ) -> None:
        """Run until the end; `last` is where messages end, the warning comes at the start."""

        def tick() -> None:
            snapshot = self._topology.statistics()
            if self._bar is None:
                self._progress.show(snapshot)
            else:
                node = snapshot["nodes"][last.name]
                self._bar.show(node["sent"], node["bytes_sent"])

        run_topology(
            self._topology,
            self._console,
            tick=None if self._quiet else tick,
            seconds=STOP_SECONDS - PATIENCE,
            first=lambda: self._console.err.write(warning),
            progress=progress,
        )

    @property
    def line_end(self) -> str:
        """What leaves the line of progress."""
        return self._progress.end() if self._bar is None else self._bar.end()

    @property
    def summary(self) -> str:
        """What there is to say at the end."""
        return "" if self._quiet else table(self._topology.statistics())


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
