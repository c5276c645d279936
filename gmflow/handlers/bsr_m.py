"""bsr_m-1.0 and bsr_m-1.1: a main header, a data header, and two parts for each of its channels.

Value: a `gmflow.handlers.bsread.BsreadMessage`; a `Deferred` of it where channels are compressed.
`bsread.bsread_decoder` and `bsread.bsread_encoder` do the work.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from ..deferred import Deferred
from ..message import Part
from ..receiver import Receiver

if TYPE_CHECKING:
    from .bsread import BsreadMessage

# They are imported when they are called: most programs have no bsread stream.


def receive_1_0(receiver: Receiver) -> Generator[BsreadMessage | Deferred, None, None]:
    """Read the messages of bsr_m-1.0: the type names of the first senders are known, too."""
    from .bsread.bsread_decoder import messages

    return messages(receiver, old=True)


def receive_1_1(receiver: Receiver) -> Generator[BsreadMessage | Deferred, None, None]:
    """Read the messages of bsr_m-1.1."""
    from .bsread.bsread_decoder import messages

    return messages(receiver, old=False)


def encode(message: BsreadMessage) -> list[Part]:
    """Return the parts of a message of either version: the inverse of both."""
    from .bsread.bsread_encoder import encode

    return encode(message)
