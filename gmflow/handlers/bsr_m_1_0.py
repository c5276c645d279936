"""bsr_m-1.0: a main header, a data header, and two parts for each channel it describes.

Its type names are those of the first senders (a long has 4 bytes) and those of bsr_m-1.1; a
channel of any other type is read as float64.

Value: a `BsreadMessage`.
"""

from __future__ import annotations

from collections.abc import Generator

from ..receiver import Receiver
from .bsread import BsreadMessage, messages
from .bsread_writing import encode

__all__ = ["encode", "receive"]


def receive(receiver: Receiver) -> Generator[BsreadMessage, None, None]:
    """Read message after message; see `messages`."""
    yield from messages(receiver, old=True)
