"""CBOR (RFC 8949) for DECTRIS's stream v2: one map a message, and tags that make nothing.

cbor2 does the work, with all that it would make of tags taken from it: dates, numbers, regular
expressions, references, sets and the rest. Whatever its number, a tag comes as an inert
`cbor2.CBORTag`. Only the way down to the bytes of arrays is read here, as cbor2 copies them.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from io import BytesIO
from types import ModuleType
from typing import Any

from ...cborwire import ARRAY, BYTES, MAP, SELF_DESCRIBED, TAG, UNSIGNED, head
from ...errors import DecodeError, EncodeError, GmflowError
from ...validation import shown

MAX_DEPTH = 64
"""Containers and tags within one another, at most, in the value of a key."""

MAX_ARRAY_DEPTH = 8
"""How many of these are read here before cbor2 goes on: a map of channels has 6."""

MAX_CHANNELS = 256
"""Channels of a message; detectors have 4 at most."""

MAX_FIELDS = 4096
"""Keys of a message; detectors send 30."""

LEAST_VERSION = "6.2"
"""cbor2's, at least: the first one whose maps can't be made slow by the choice of their keys."""


def read(part: bytes, arrays: Container[Any] = ()) -> dict[str, Any]:
    """Return the map that a part holds, with or without the tag that describes itself.

    Strings, arrays and maps of indefinite length are read, too. The values of the keys in
    `arrays` are arrays or maps of them: their bytes come as views of the part.

    Raise DecodeError if it is no CBOR or no map, has bytes behind it, a key twice or that is no
    text, or is nested too deep.
    """
    cbor2 = library()
    reader = _MapReader(part, cbor2)
    try:
        message = reader.message(arrays)
    except cbor2.CBORDecodeError as error:
        raise DecodeError(f"the message is no CBOR that can be read: {error!s:.200}") from None
    if reader.position != len(part):
        raise DecodeError(f"{len(part) - reader.position} bytes follow the message's map")
    return message


def write(message: dict[str, Any]) -> bytes:
    """Return the part that holds a map, with the tag that describes itself.

    Raise EncodeError if something in it can't be written.
    """
    cbor2 = library(EncodeError)
    try:
        return SELF_DESCRIBED + bytes(cbor2.dumps(message))
    except (cbor2.CBOREncodeError, ValueError, TypeError, RecursionError) as error:
        raise EncodeError(f"the message can't be written as CBOR: {error!s:.200}") from None


def content_of(value: Any) -> tuple[int | None, Any]:
    """Return the number and the content of a tag; None and the value itself where it is none."""
    number = getattr(value, "tag", None)
    return (None, value) if number is None else (number, value.value)


def library(error: type[GmflowError] = DecodeError) -> ModuleType:
    """Return cbor2; raise the error, with the extra that brings it, if it is missing or too old."""
    install = f"pip install 'gmflow[stream2]' brings it, cbor2>={LEAST_VERSION}"
    try:
        import cbor2
    except ImportError as missing:
        raise error(f"DECTRIS's stream v2 needs cbor2 ({missing}): {install}") from None
    if not hasattr(cbor2.CBORDecoder, "strict_hashable_types"):
        raise error(f"the cbor2 that is installed is too old for stream v2: {install}")
    return cbor2


class _MapReader:
    """Reads the items of a message one after the other."""

    __slots__ = ("_decode", "_file", "_tag", "_view")

    def __init__(self, part: bytes, cbor2: ModuleType) -> None:
        self._view = memoryview(part)
        self._file = BytesIO(part)
        self._tag = cbor2.CBORTag
        self._decode = cbor2.CBORDecoder(
            self._file,
            semantic_decoders=_Tags(cbor2.CBORTag),
            max_depth=MAX_DEPTH,
            allow_duplicate_keys=False,
            strict_hashable_types=True,
        ).decode

    @property
    def position(self) -> int:
        """Where the next item begins."""
        return self._file.tell()

    def message(self, arrays: Container[Any]) -> dict[str, Any]:
        """Read the message's map, and the values under the keys in `arrays` by views."""
        if self._view[:3] == SELF_DESCRIBED:
            self._file.seek(3)
        try:
            kind, count = self._head()
        except ValueError as error:
            raise DecodeError(f"the message is no CBOR that can be read: {error}") from None
        if kind != MAP:
            raise DecodeError("the message is no map")
        message: dict[str, Any] = {}
        while count != 0 and (count > 0 or not self._ends()):
            if len(message) >= MAX_FIELDS:
                raise DecodeError(f"the message has more than {MAX_FIELDS} keys")
            key = self._key(message)
            message[key] = self._item(0) if key in arrays else self._decode()
            count -= 1
        return message

    def _item(self, depth: int) -> Any:
        """Read an item: what leads down to the bytes of arrays here, and the rest with cbor2."""
        start = self._file.tell()
        try:
            kind, size = self._head()
        except ValueError:
            size = -1  # cbor2 says what is wrong
        if size >= 0 and depth < MAX_ARRAY_DEPTH:
            if kind == UNSIGNED:
                return size
            if kind == TAG:
                return self._tag(size, self._item(depth + 1))
            if kind == BYTES:
                return self._bytes(size)
            if kind == ARRAY and size <= 3:  # tags 40 and 56500
                return [self._item(depth + 1) for _ in range(size)]
            if kind == MAP and size <= MAX_CHANNELS:
                channels: dict[str, Any] = {}
                for _ in range(size):
                    key = self._key(channels)
                    channels[key] = self._item(depth + 1)
                return channels
        self._file.seek(start)
        return self._decode()

    def _key(self, known: Container[Any]) -> str:
        key = self._decode()
        if type(key) is not str or key in known:
            raise DecodeError(f"a key is no text or comes twice: {shown(key)}")
        return key

    def _bytes(self, size: int) -> memoryview:
        start = self._file.tell()
        if size > len(self._view) - start:
            raise DecodeError(f"the message ends {len(self._view) - start} bytes into {size}")
        self._file.seek(start + size)
        return self._view[start : start + size]

    def _head(self) -> tuple[int, int]:
        kind, size, after = head(self._view, self._file.tell())
        self._file.seek(after)
        return kind, size

    def _ends(self) -> bool:
        """Return True if a map whose size is not given ends here, and read its end."""
        start = self._file.tell()
        if self._file.read(1) == b"\xff":
            return True
        self._file.seek(start)
        return False


class _Tags(dict[int, Callable[[Any, bool], Any]]):
    """What is made of which tag: nothing, but of the one that describes a message as CBOR."""

    def __init__(self, tag: Callable[[int, Any], Any]) -> None:
        super().__init__({55799: lambda content, immutable: content})
        self._tag = tag

    def __missing__(self, number: int) -> Callable[[Any, bool], Any]:
        make = self._tag
        return lambda content, immutable: make(number, content)
