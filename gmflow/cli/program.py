"""What the scripts share: arguments, signals, the run of a topology, exit status.

Exit status is 0 when done (also after Ctrl-C or SIGTERM), 1 when something failed, 2 for
wrong usage. An error is one line on standard error.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

import gevent
from docopt import DocoptExit, docopt

from ..errors import ConfigError, GmflowError
from ..topology import Topology
from ..version import __version__

STOP_SECONDS = 1.5
"""How long a stop may take: to drain the channels, and for outputs to linger."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class UsageError(Exception):
    """The arguments are wrong."""


def run_program(
    usage: str, body: Callable[[dict[str, Any], Sequence[int]], None], early: Sequence[int] = ()
) -> None:
    """Run a script and exit.

    Parameters
    ----------
    usage : str
        Its usage text, read by docopt.
    body : callable
        Does the work, called with docopt's arguments and the list of `early`.
    early : sequence of int
        The signals that came while the program was being imported, live.
    """
    name = os.path.basename(sys.argv[0])
    status = 0
    try:
        body(_arguments(usage), early)
    except (UsageError, ConfigError) as error:
        status = _complain(name, f"{error}; see {name} --help", 2)
    except BrokenPipeError:  # whoever read the output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (GmflowError, OSError) as error:
        status = _complain(name, str(error), 1)
    for number in STOP_SIGNALS:  # Python, on its way out, would set them back to sudden death
        signal.signal(number, signal.SIG_IGN)
    sys.exit(status)


def run_topology(
    topology: Topology,
    early: Sequence[int] = (),
    every: float = 1.0,
    tick: Callable[[], None] | None = None,
    seconds: float = STOP_SECONDS,
    banner: str = "",
) -> None:
    """Run a topology until it ends by itself or a signal stops it.

    Parameters
    ----------
    topology : Topology
        What to run.
    early : sequence of int
        Signals that came before; with any, the topology is stopped at once.
    every : float, optional
        Seconds between two calls of `tick`.
    tick : callable, optional
        Reports on progress.
    seconds : float, optional
        How long a stop may take.
    banner : str, optional
        What is printed once it has started.
    """
    topology.start()
    if banner:
        print(banner, flush=True)
    for number in STOP_SIGNALS:
        gevent.signal_handler(number, topology.stop, seconds)
    if early:
        gevent.spawn(topology.stop, seconds)
    ticker = gevent.spawn(_tick, every, tick) if tick else None
    try:
        topology.join()
    finally:
        if ticker is not None:
            ticker.kill()


def number_of(
    arguments: dict[str, Any], option: str, kind: type[Any], least: float, default: Any = None
) -> Any:
    """Give an option's value as a number.

    Raises
    ------
    UsageError
        If it is no number of that kind, or less than `least`.
    """
    text = arguments[option]
    if text is None:
        return default
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not least <= value < float("inf"):
        what = "a whole number" if kind is int else "a number"
        raise UsageError(f"{option} is {text!r}; it can be {what} from {least} up")
    return value


def choice_of(arguments: dict[str, Any], option: str, choices: Sequence[str]) -> str:
    """Give an option's value, which must be one of some words.

    Raises
    ------
    UsageError
        If it is none of them.
    """
    value = str(arguments[option])
    if value.lower() not in choices:
        raise UsageError(f"{option} is {value!r}; it can be {' or '.join(choices)}")
    return value.lower()


def _arguments(usage: str) -> dict[str, Any]:
    try:
        return dict(docopt(usage, version=__version__))
    except DocoptExit as error:
        first = " | ".join(line.strip() for line in str(error.usage).splitlines()[1:])
        raise UsageError(f"wrong arguments; usage: {first}") from None


def _complain(name: str, text: str, status: int) -> int:
    print(f"{name}: {text}", file=sys.stderr)
    return status


def _tick(every: float, tick: Callable[[], None]) -> None:
    while True:
        gevent.sleep(every)
        tick()
