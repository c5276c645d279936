"""bsr_m-1.1: a main header, a data header, and two parts for each channel it describes.

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
    yield from messages(receiver, old=False)
