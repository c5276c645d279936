"""What the scripts share: arguments, signals, the run of a topology, exit status.

Exit status is 0 when done (also after Ctrl-C or SIGTERM), 1 when something failed, 2 for
wrong usage (`UsageError`). An error is one line on standard error.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from logging import getLogger
from typing import Any, TypeVar

import gevent
from docopt import DocoptExit, docopt

from ..errors import ConfigError, GmflowError
from ..green.topology import Topology
from ..tuning import tune_process
from ..version import __version__
from .console import Console

logger = getLogger(__name__)

T = TypeVar("T")

STOP_SECONDS = 1.5
"""How long a stop may take: to drain the channels, and for outputs to linger."""

DISK_PATIENCE = 0.5
"""Seconds that a stop waits for a disk that doesn't answer."""

COMPLAINT_SECONDS = 1.0
"""Seconds that who reads may take for the line of an error."""

LOOK = 0.05
"""Seconds between two looks for a signal, while nothing else can be done about it."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class UsageError(Exception):
    """The arguments are wrong."""


def run_program(
    usage: str, body: Callable[[dict[str, Any], Console], None], early: Sequence[int] = ()
) -> None:
    """Run a script and exit.

    Parameters
    ----------
    usage : str
        Its usage text, read by docopt.
    body : callable
        Does the work, called with docopt's arguments and what it writes to.
    early : sequence of int
        The signals that came while the program was being imported, live.
    """
    name = os.path.basename(sys.argv[0])
    console = Console(early)
    status, complaint = 0, ""
    try:
        body(_arguments(usage), console)
    except (UsageError, ConfigError) as error:
        status, complaint = 2, f"{error}; see {name} --help"
    except BrokenPipeError:  # whoever read the output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except MemoryError as error:
        status, complaint = 1, f"not enough memory: {str(error) or 'ask for less'}"
    except (GmflowError, OSError, OverflowError) as error:
        status, complaint = 1, str(error)
    if complaint:
        _complain(console, f"{name}: {complaint}\n")
    for number in STOP_SIGNALS:  # Python, on its way out, would set them back to sudden death
        signal.signal(number, signal.SIG_IGN)
    if console.is_stuck:
        os._exit(status)
    sys.exit(status)


def run_topology(
    topology: Topology,
    console: Console,
    every: float = 1.0,
    tick: Callable[[], None] | None = None,
    seconds: float = STOP_SECONDS,
    first: Callable[[], None] | None = None,
    progress: Callable[[], Any] | None = None,
) -> None:
    """Run a topology until it ends by itself or a signal stops it.

    Parameters
    ----------
    topology, console
        What to run, and what learns that the script is to stop; if a signal came before, at once.
    every, tick : float, callable, optional
        What reports on progress, and seconds between two calls of it; it may wait on the hub.
    seconds : float, optional
        How long a stop may take.
    first : callable, optional
        Called once it has started, as `tick` is.
    progress : callable, optional
        A stop takes longer, until the next signal, as long as this returns another value each time.

    Raises
    ------
    Exception
        The error of the first node that failed, or that of `tick` or `first`, which stops it, too.
    """

    def stop() -> None:
        again = console.stopping.is_set()
        console.stopping.set()
        if again:  # the first one is at work, and ends in time unless it makes progress
            if progress is not None:
                topology.stop(0)
        elif progress is None:
            topology.stop(seconds)
        else:
            _drain(topology, seconds, progress)

    def start() -> bool:
        topology.start()
        return True

    tune_process()
    if in_time(start, console) is None:
        raise GmflowError("stopped before everything was open")
    for number in STOP_SIGNALS:
        gevent.signal_handler(number, stop)
    if console.early:
        gevent.spawn(stop)
    ticker = gevent.spawn(report_often, stop, every, tick, first)
    try:
        topology.join()
    finally:
        ticker.kill()
    if isinstance(ticker.value, Exception):
        raise ticker.value


def in_time(function: Callable[[], T], console: Console) -> T | None:
    """Call a function that waits on the hub, maybe without end, and return what it returns.

    Returns
    -------
    object or None
        None if a signal came and it was not done soon after that.

    Raises
    ------
    Exception
        What the function raises.
    """
    attempting = gevent.spawn(attempt, function)
    while not attempting.ready() and not console.early:
        attempting.join(LOOK)
    attempting.join(DISK_PATIENCE)
    value, error = attempting.value or (None, None)
    attempting.kill(block=False)
    if error is not None:
        raise error
    return value


def report_often(
    stop: Callable[[], object],
    every: float,
    tick: Callable[[], None] | None,
    first: Callable[[], None] | None = None,
) -> Exception | None:
    """Call `first`, and `tick` every so many seconds; at an error of theirs stop, and return it."""
    try:
        if first is not None:
            first()
        while tick is not None:
            gevent.sleep(every)
            tick()
    except Exception as error:
        gevent.spawn(stop)
        return error
    return None


def attempt(function: Callable[[], T]) -> tuple[T | None, Exception | None]:
    """Call a function; return what it returns, or the error that it raises."""
    try:
        return function(), None
    except Exception as error:
        return None, error


def number_of(
    arguments: dict[str, Any],
    option: str,
    kind: type[Any],
    least: float,
    default: Any = None,
    most: float = sys.maxsize,
) -> Any:
    """Return an option's value as a number.

    Raises
    ------
    UsageError
        If it is no number of that kind, less than `least` or more than `most`.
    """
    text = arguments[option]
    if text is None:
        return default
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not least <= value <= most:
        what = "a whole number" if kind is int else "a number"
        is_bound = most < sys.maxsize or (value is not None and value > most)
        up = f"to {most}" if is_bound else "up"
        raise UsageError(f"{option} is {text!r:.80}; it can be {what} from {least} {up}")
    return value


def choice_of(arguments: dict[str, Any], option: str, choices: Sequence[str]) -> str:
    """Return an option's value, one of some words; the first of them if it is not given.

    Raises
    ------
    UsageError
        If it is none of them.
    """
    value = choices[0] if arguments[option] is None else str(arguments[option])
    if value.lower() not in choices:
        raise UsageError(f"{option} is {value!r}; it can be {' or '.join(choices)}")
    return value.lower()


def _arguments(usage: str) -> dict[str, Any]:
    try:
        arguments = dict(docopt(usage, version=__version__))
    except DocoptExit as error:
        first = " | ".join(line.strip() for line in str(error.usage).splitlines()[1:])
        raise UsageError(f"wrong arguments; usage: {first}") from None
    except SystemExit:  # the help or the version is printed
        if sys.stdout is not None:
            sys.stdout.flush()
        raise
    if sys.stdout is None:
        raise OSError("standard output is closed; send it to a file, or to /dev/null")
    return arguments


def _complain(console: Console, line: str) -> None:
    console.stopping.set()  # without a reader there is nobody to tell
    with suppress(OSError):
        console.finish(err=line, patience=COMPLAINT_SECONDS)


def _drain(topology: Topology, seconds: float, progress: Callable[[], Any]) -> None:
    """Stop a topology; wait so many seconds again whenever it got on."""
    last: Any = None
    draining = gevent.spawn(topology.stop, None)
    while not draining.ready() and (now := progress()) != last:
        if last is not None:
            logger.warning("writing what has come; another signal leaves it")
        last = now
        draining.join(seconds)
    topology.stop(0)
