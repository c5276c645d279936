"""merged-1.0: the matching messages of several sources (see `gmflow.merging.merged`).

Value: `Merged`, a dict of messages by source name with the set's ``header``. Each source's
messages are decoded by handlers of their own, as if they had come alone: they remember.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from functools import partial
from typing import Any, TypeAlias

from ..codecs import MAX_BYTES
from ..codecs.limits import figure
from ..deferred import Deferred, work
from ..errors import DecodeError, MessageError
from ..merging.merged import HTYPE, Merged, encode, parts_of
from ..message import Message, Part
from ..receiver import Receiver

__all__ = ["encode", "receive"]

Decoder: TypeAlias = Any
"""`gmflow.decoder.Decoder`, which imports the table that this handler stands in."""

MAX_SOURCES = 4096
"""Sources of a message, and those whose decoders are kept, also of messages within messages."""


def receive(receiver: Receiver) -> Generator[Merged | Deferred, None, None]:
    """Read message after message: `Merged`, its messages with ``data``, or with ``error``.

    One of them may be merged, too.
    """
    yield from _messages(receiver, set(), evicts=True)


def _messages(
    receiver: Receiver, kept: set[Decoder], evicts: bool
) -> Generator[Merged | Deferred, None, None]:
    decoders = _Decoders(receiver, kept, evicts)
    try:
        while True:
            # A local variable would hold on to the message, and an error to the variable.
            yield _read(receiver, decoders)
    finally:
        decoders.close()


def _read(receiver: Receiver, decoders: _Decoders) -> Merged | Deferred:
    header, parts = receiver.whole()
    by_name = parts_of(header, parts)
    if len(by_name) > MAX_SOURCES:
        raise MessageError(f"{len(by_name)} sources; {MAX_SOURCES} are possible")
    messages = {name: _begun(name, parts, decoders.of(name)) for name, parts in by_name.items()}
    left = _within_bounds(
        message for message in messages.values() if type(message.data) is Deferred
    )
    merged = Merged(header, messages)
    size = sum(message.data.size for message in left)
    return Deferred(_done, merged, left, size=size) if left else merged


class _Decoders:
    """The decoders of the sources of a merged stream, by their names."""

    def __init__(self, receiver: Receiver, kept: set[Decoder], evicts: bool) -> None:
        self._receiver = receiver
        # All there are, also of streams within this one and around it: what they take is bounded.
        self._kept = kept
        # Where there are too many, the oldest is closed, or, within another stream, which could
        # have decoders made and closed without end by it, the message fails.
        self._evicts = evicts
        self._by_name: dict[str, Decoder] = {}

    def of(self, name: str) -> Decoder:
        decoder = self._by_name.get(name)
        if decoder is None:
            while len(self._kept) >= MAX_SOURCES:
                self._make_room()
            decoder = self._by_name[name] = self._new()
        return decoder

    def close(self) -> None:
        while self._by_name:
            self._close_oldest()

    def _make_room(self) -> None:
        if not self._evicts:
            raise MessageError(f"more than {MAX_SOURCES} sources, of all that are merged here")
        self._close_oldest()

    def _close_oldest(self) -> None:
        decoder = self._by_name.pop(next(iter(self._by_name)))
        self._kept.discard(decoder)
        decoder.close()

    def _new(self) -> Decoder:
        receiver = self._receiver
        decoder: Decoder = receiver.new_decoder(receiver.handlers, receiver.copy)
        self._kept.add(decoder)
        if decoder.handlers.get(HTYPE) is receive:
            decoder.handlers[HTYPE] = partial(_messages, kept=self._kept, evicts=False)
        return decoder


def _begun(name: str, parts: Sequence[Part], decoder: Decoder) -> Message:
    """Return a source's message, its handler's value or `Deferred` in its ``data``."""
    message = Message(decoder.statistics, None, parts, name)
    try:
        value = decoder.begin(message)
        # what is left is counted here, as the threads that do it must not
        message.data = decoder.end(parts, value) if type(value) is Deferred else value
    except DecodeError as error:
        message.error = error.with_traceback(None)
    return message


def _done(merged: Merged, left: Sequence[Message]) -> Merged:
    """Do what the handlers of the sources left for later; one that fails fails its source alone."""
    for message in left:
        later, message.data = message.data, None
        try:
            message.data = work(later, message.parts)
        except DecodeError as error:
            message.error = error.with_traceback(None)
    return merged


def _within_bounds(left: Iterable[Message]) -> list[Message]:
    """Return the messages that may all be decoded; the others fail."""
    taken, room = [], MAX_BYTES
    for message in left:
        size = message.data.size
        if size <= room:
            room -= size
            taken.append(message)
        else:
            message.data = None
            message.error = DecodeError(
                f"it would decode to {figure(size)} bytes; all sources may to {MAX_BYTES}"
            )
    return taken
