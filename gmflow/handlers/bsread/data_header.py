"""The data header of bsread messages: its text, the channels it describes, how it is compressed.

It is read once, and used for every message that comes with the same one: by its bytes, or by
its hash where a message has none. One that can't be read is a DecodeError, one that can't be
compressed an EncodeError.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ...codecs import bsread_codec as codec
from ...errors import DecodeError
from ...jsonwire import loads
from ...validation import shown
from .bsread_channels import BsreadChannel, compression_of, read_channels

MAX_TEXT = 1 << 24
"""Bytes that a data header may have: a hundred thousand channels and more."""

MAX_REMEMBERED = 16
"""Data headers that a reader remembers; the oldest is forgotten where more turn up."""


class BsreadLayout(NamedTuple):
    """A data header, and the channels that it describes."""

    text: bytes  # its JSON
    channels: tuple[BsreadChannel, ...]
    received: bool  # with a message, or else made here
    part: bytes  # the text as it is sent: compressed, if it is
    compression: Any  # what the main header calls that, as it stands there
    hash: str  # the md5 of the part, where the layout was made here
    # Of each compressed channel: where its part is in the message, and the bytes of its value, None
    # for a string.
    compressed: tuple[tuple[int, int | None], ...]


def read_layout(
    part: bytes, old: bool, compression: Any = None, parts: int | None = None
) -> BsreadLayout:
    """Return the layout in part 1 of a message, as it was received.

    `old` and `parts` are as in `read_channels`, `compression` is the main header's.
    """
    text = _decompressed(part, compression)
    try:
        header = loads(text)
    except ValueError as error:
        raise DecodeError(f"the data header ({len(text)} bytes) is not JSON: {error}") from None
    channels = read_channels(header, old, parts)
    return BsreadLayout(text, channels, True, part, compression, "", _compressed(channels))


def make_layout(text: bytes, old: bool, compression: Any = None) -> BsreadLayout:
    """Return the layout of a data header (its JSON) that is to be sent, as `read_layout`."""
    return pack(text, read_channels(loads(text), old), compression)


def pack(text: bytes, channels: tuple[BsreadChannel, ...], compression: Any) -> BsreadLayout:
    """Return the layout that sends this text, compressed so, with the hash of the part it makes."""
    from hashlib import md5  # late: it brings all of OpenSSL

    name = compression_of(compression)
    part = text if name is None else codec.encode(text, name, 1, "<")
    hash_ = md5(part, usedforsecurity=False).hexdigest()
    return BsreadLayout(text, channels, False, part, compression, hash_, _compressed(channels))


class KnownLayouts:
    """The data headers that a reader has seen; `old` as in `read_layout`."""

    def __init__(self, old: bool) -> None:
        self._old = old
        self._last: BsreadLayout | None = None
        self._hash: str | None = None
        self._by_hash: dict[str, BsreadLayout] = {}

    def layout(self, part: bytes, hash_: Any, compression: Any, parts: int) -> BsreadLayout:
        """Return the layout of a message: of its part 1, or if that is empty, of its hash.

        It is read if its bytes are not those of one seen before, whatever the hash says. A hash
        that is no str is none.
        """
        last, name = self._last, hash_ if isinstance(hash_, str) else None
        if not part:
            last = None if name is None else self._by_hash.get(name)
            if last is None:
                raise DecodeError(f"part 1 is empty, and the hash {shown(hash_)} is not known")
        elif last is None or last.part != part or last.compression != compression:
            last = self._seen(part, compression)
            if last is None:
                last = read_layout(part, self._old, compression, parts)
        elif name == self._hash:
            return last
        self._remember(name, last)
        return last

    def _seen(self, part: bytes, compression: Any) -> BsreadLayout | None:
        for layout in self._by_hash.values():
            if layout.part == part and layout.compression == compression:
                return layout
        return None

    def _remember(self, name: str | None, layout: BsreadLayout) -> None:
        self._last, self._hash = layout, name
        if name is not None:
            self._by_hash.pop(name, None)
            if len(self._by_hash) >= MAX_REMEMBERED:
                del self._by_hash[next(iter(self._by_hash))]
            self._by_hash[name] = layout


def _decompressed(part: bytes, compression: Any) -> bytes:
    try:
        name = compression_of(compression)
        if name is None:
            return part
        return bytes(codec.decode(part, name, None, "<", itemsize=1, most=MAX_TEXT))
    except DecodeError as error:
        raise DecodeError(f"the data header: {error}") from None


def _compressed(channels: tuple[BsreadChannel, ...]) -> tuple[tuple[int, int | None], ...]:
    return tuple(
        (2 + 2 * index, channel.size)
        for index, channel in enumerate(channels)
        if channel.compression is not None
    )
