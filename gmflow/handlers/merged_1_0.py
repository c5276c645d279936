"""merged-1.0: the matching messages of several sources (see `gmflow.merging.merged`).

Value: `Merged`, a dict of messages by source name with the set's ``header``. Each source's
messages are decoded by handlers of their own, as if they had come alone: they remember.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from ..errors import DecodeError
from ..later import Later
from ..merging.merged import Merged, encode, parts_of
from ..message import Message, Part
from ..receiver import Receiver

if TYPE_CHECKING:
    from ..decoder import Decoder

__all__ = ["encode", "receive"]

MOST_SOURCES = 4096
"""Sources whose decoders are kept; the oldest is closed where more turn up."""


def receive(receiver: Receiver) -> Generator[Merged | Later, None, None]:
    """Read message after message: `Merged`, its messages with ``data``, or with ``error``."""
    decoders: dict[str, Decoder] = {}
    try:
        while True:
            header = receiver.header()
            by_name = parts_of(header, receiver.body())
            messages = {}
            for name, parts in by_name.items():
                messages[name] = _begun(name, parts, _decoder_of(name, decoders, receiver))
            left = [message for message in messages.values() if type(message.data) is Later]
            merged = Merged(header, messages)
            yield Later(_done, merged, left, size=_size(left)) if left else merged
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


def _begun(name: str, parts: Sequence[Part], decoder: Decoder) -> Message:
    """Give a source's message, its handler's value or `Later` in its ``data``."""
    message = Message(decoder.statistics, None, parts, name)
    try:
        message.data = decoder.end(parts, decoder.begin(parts))
    except DecodeError as error:
        message.error = error
    return message


def _done(merged: Merged, left: Sequence[Message]) -> Merged:
    """Do what the handlers of the sources left for later; one that fails fails its source alone."""
    from ..decoder import work

    for message in left:
        later, message.data = message.data, None
        try:
            message.data = work(later, message.parts)
        except DecodeError as error:
            message.error = error
    return merged


def _size(left: Sequence[Message]) -> int:
    return sum(message.data.size for message in left)
