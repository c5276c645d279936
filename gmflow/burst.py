"""Messages that came together, whose headers are looked at as one text: to parse each costs more.

What several nodes want to know of the same burst is put together once.
"""

from __future__ import annotations

from collections.abc import Sequence

from .jsonwire import SMALL, opens
from .message import Message, Part

MAX_HEADER_BYTES = 65_536
"""Bytes of the largest header."""

BETWEEN = b"\0"
"""What is put between headers; it can't be in one."""


class Burst(list[Message]):
    """Messages of one source that came together, in their order.

    Attributes
    ----------
    texts : list of bytes-like
        Part 0 of each message; nothing in its place if it can't be a header.
    text : bytes
        All of them with `BETWEEN` before, between and after them.
    """

    __slots__ = ("_text", "_texts")

    @property
    def texts(self) -> list[Part]:
        """See above; put together when it is first asked for."""
        try:
            return self._texts
        except AttributeError:
            self._texts: list[Part] = _texts_of(self)
            return self._texts

    @property
    def text(self) -> bytes:
        """See above; put together when it is first asked for."""
        try:
            return self._text
        except AttributeError:
            self._text: bytes = BETWEEN.join([b"", *self.texts, b""])
            return self._text


def burst_of(messages: Sequence[Message]) -> Burst:
    """Return messages as a burst; the same object if they are one."""
    return messages if type(messages) is Burst else Burst(messages)


def _texts_of(messages: Sequence[Message]) -> list[Part]:
    try:
        texts = [message.parts[0] for message in messages]
    except IndexError:
        texts = [message.parts[0] if message.parts else b"" for message in messages]
    if max(map(len, texts), default=0) > SMALL:
        texts = [text if len(text) <= MAX_HEADER_BYTES and opens(text) else b"" for text in texts]
    return texts
