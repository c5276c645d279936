"""bsr_m-1.0: a main header, a data header, and two parts for each channel it describes.

Its type names are those of the first senders (a long has 4 bytes) and those of bsr_m-1.1; a
channel of any other type is read as float64.

Value: a `BsreadMessage`.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from ..deferred import Deferred
from ..message import Part
from ..receiver import Receiver

if TYPE_CHECKING:
    from .bsread.bsread_message import BsreadMessage


def receive(receiver: Receiver) -> Generator[BsreadMessage | Deferred, None, None]:
    """Read message after message; see `bsread_reading.messages`."""
    from .bsread.bsread_decoder import messages  # late: most programs have no bsread stream

    yield from messages(receiver, old=True)


def encode(message: BsreadMessage) -> list[Part]:
    """Return the parts of a message: the inverse of `receive`; see `bsread_writing.encode`."""
    from .bsread.bsread_encoder import encode

    return encode(message)
