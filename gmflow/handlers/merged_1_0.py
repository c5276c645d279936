"""merged-1.0: the matching messages of several sources (see `gmflow.merging.merged`).

Value: `Merged`, a dict of messages by source name with the set's ``header``. Each source's
messages are decoded by handlers of their own, as if they had come alone: they remember.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from ..errors import DecodeError
from ..merging.merged import Merged, encode, parts_of
from ..message import Message, Part
from ..receiver import Receiver

if TYPE_CHECKING:
    from ..decoder import Decoder

__all__ = ["encode", "receive"]

MOST_SOURCES = 4096
"""Sources whose decoders are kept; the oldest is closed where more turn up."""


def receive(receiver: Receiver) -> Generator[Merged, None, None]:
    """Read message after message: `Merged`, its messages with ``data``, or with ``error``."""
    decoders: dict[str, Decoder] = {}
    try:
        while True:
            header = receiver.header()
            by_name = parts_of(header, receiver.body())
            messages = {}
            for name, parts in by_name.items():
                messages[name] = _decoded(name, parts, _decoder_of(name, decoders, receiver))
            yield Merged(header, messages)
    finally:
        for decoder in decoders.values():
            decoder.close()


def _decoder_of(name: str, decoders: dict[str, Decoder], receiver: Receiver) -> Decoder:
    from ..decoder import Decoder  # late: it imports the table that this handler stands in

    decoder = decoders.get(name)
    if decoder is None:
        if len(decoders) >= MOST_SOURCES:
            decoders.pop(next(iter(decoders))).close()
        decoder = decoders[name] = Decoder(receiver.handlers, receiver.copy)
    return decoder


def _decoded(name: str, parts: Sequence[Part], decoder: Decoder) -> Message:
    message = Message(decoder.statistics, None, parts, name)
    try:
        message.data = decoder.decode(parts)
    except DecodeError as error:
        message.error = error
    return message
