"""Work that is no topology, and that a signal stops; it has an end, and is not done before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import gevent

from ..green.threads import in_worker_thread
from .console import Console
from .program import PATIENCE, STOP_SECONDS, STOP_SIGNALS, in_time

T = TypeVar("T")


def open_in_time(opens: Callable[[], T], console: Console) -> T | None:
    """Call what opens a recording, off the hub, and give what it gives; a disk may hang.

    Returns
    -------
    object or None
        None if a signal came and it was not open soon after that.

    Raises
    ------
    Exception
        What the function raises.
    """
    return in_time(lambda: in_worker_thread(opens), console)


def run_work(
    work: Callable[[], None], console: Console, tick: Callable[[], None], every: float = 1.0
) -> bool:
    """Run work in a greenlet until it ends.

    Parameters
    ----------
    work : callable
        Does the work, off the hub; it ends soon once `Console.stopping` is set.
    console : Console
        Learns that the script is to stop; if a signal came before, that is at once.
    tick : callable
        Reports on progress; it may wait on the hub.
    every : float, optional
        Seconds between two calls of `tick`.

    Returns
    -------
    bool
        False if the work didn't end in time after a stop, as on a disk that hangs.

    Raises
    ------
    Exception
        The error of the work, or that of `tick`, which stops it.
    """
    for number in STOP_SIGNALS:
        gevent.signal_handler(number, console.stopping.set)
    if console.early:
        console.stopping.set()
    errors: list[Exception] = []

    def attempt(function: Callable[[], None]) -> None:
        try:
            function()
        except Exception as error:
            errors.append(error)
            console.stopping.set()

    def report() -> None:
        while True:
            gevent.sleep(every)
            tick()

    worker, ticker = gevent.spawn(attempt, work), gevent.spawn(attempt, report)
    gevent.wait([worker, console.stopping], count=1)
    worker.join(STOP_SECONDS - PATIENCE)
    ticker.kill()
    ended: bool = worker.ready()
    worker.kill(block=False)
    if errors:
        raise errors[0]
    return ended
