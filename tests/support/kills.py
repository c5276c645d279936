"""Processes that are killed while they write, from a program that has no threads."""

import os
import random
import signal
import time
from collections.abc import Callable


def last_told(write: Callable[[str, int], None], folder: str, most: float) -> int:
    """Kill a process at some moment after it told its first number; return the last one.

    Parameters
    ----------
    write : callable
        What the process does: it writes into the folder, and numbers of 8 bytes into the
        descriptor that it is given.
    folder : str
        Where.
    most : float
        Seconds that it has after its first number, at most.
    """
    hear, told = os.pipe()
    child = os.fork()
    if not child:
        try:
            write(folder, told)
        finally:
            os._exit(1)
    os.close(told)
    heard = os.read(hear, 8)
    time.sleep(random.uniform(0, most))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while more := os.read(hear, 1 << 16):
        heard += more
    os.close(hear)
    return int.from_bytes(heard[-8:], "big")
