"""Values in the headers of messages are replaced, and every other byte stays as it was.

``change = setter(["series=7", "global_timestamp.sec=0"])``; ``change(message)`` returns a message
whose part 0 has these values: a JSON object, or a map in CBOR as of DECTRIS's stream v2. Both are
walked member by member; of a value nothing is decoded but where it ends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from types import ModuleType
from typing import NoReturn, TypeAlias

from ..cborwire import BREAK, MAP, SELF_DESCRIBED, TEXT, encode_head, head, is_map, skip
from ..errors import ConfigError, RecordingError
from ..formats import STREAM_V2, Format, format_of
from ..jsonwire import opens
from ..message import Message, Part
from ..validation import refuse

MAX_LEVELS = 16
"""Objects within one another that a key may lead through, with its own."""


def setter(assignments: Sequence[str]) -> Setter:
    """Return what sets values in the headers of messages, by ``key=value``, one after the other.

    A value that is JSON is taken as it is written (``series=7`` sets a number, ``name="7"`` a
    text), any other is a text. A dot in the key leads into an object:
    ``global_timestamp.sec=0``. Raise ConfigError if an assignment is none, or its value can't be
    written in CBOR, as far as cbor2 is there to check.
    """
    return Setter([_Assignment(text) for text in assignments])


class Setter:
    """Sets values in the headers of messages, all of them or none; see `setter`.

    Keys are those on the wire, and one that a header does not have is added. In DECTRIS's two
    streams ``series`` and ``series_id`` mean the same, and so do ``frame`` and ``image_id``: the
    one that the stream has gets the value (see `gmflow.formats.Format.aliases`). The header of a
    merged-1.0 message is its own.

    It counts messages `changed`, and `unchanged`: those that have no header, or one in which a key
    leads into what is no object, and were returned as they were.
    """

    def __init__(self, assignments: Sequence[_Assignment]) -> None:
        self._assignments = assignments
        self._added = set(range(len(assignments)))
        self.changed = 0
        self.unchanged = 0

    @property
    def added(self) -> list[str]:
        """The keys that no message had which got the values."""
        return [self._assignments[index].key for index in sorted(self._added)]

    def __call__(self, message: Message) -> Message:
        """Return a message with the values, and else like this one, which stays as it is.

        Raise RecordingError if cbor2 is not installed, and the message needs it.
        """
        found: list[bool] = []
        try:
            header = self._changed(message, found) if message.parts else None
        except ValueError:
            header = None
        if header is None:
            self.unchanged += 1
            return message
        self.changed += 1
        if self._added:
            self._added.difference_update([index for index, is_old in enumerate(found) if is_old])
        parts = [header, *message.parts[1:]]
        return Message(
            message.statistics, None, parts, message.source, received_ns=message.received_ns
        )

    def _changed(self, message: Message, found: list[bool]) -> bytes | None:
        """Return a header with the values, and note of each key whether it was there; or None."""
        part = message.parts[0]
        if opens(part):
            text = str(part, "utf-8")
            for one in self._assignments:
                text, is_old = set_in_json(text, one.path_in(message), one.json)
                found.append(is_old)
            return text.encode()
        if is_map(part):
            for one in self._assignments:
                part, is_old = set_in_cbor(part, one.path_in(message, STREAM_V2), one.cbor)
                found.append(is_old)
            return bytes(part)
        return None


class _Assignment:
    """A key, the path to it, and a value, in JSON and in CBOR."""

    def __init__(self, text: str) -> None:
        self.key, equals, value = text.partition("=")
        self._text = text
        self.path = self.key.split(".")
        if not equals or not all(self.path) or not _is_utf_8(text):
            refuse("what is to be set", text, "key=value, as series=7 or global_timestamp.sec=0")
        if len(self.path) > MAX_LEVELS:
            refuse("what is to be set", text, f"a key with up to {MAX_LEVELS} levels")
        try:
            self._value = json.loads(value, parse_constant=_no_json)
            self.json = value.strip()
        except (ValueError, RecursionError):
            self._value = value
            self.json = json.dumps(value)
        with suppress(ImportError):
            import cbor2

            self._encoded(cbor2)  # what can't be done is to be known before anything is

    def path_in(self, message: Message, row: Format | None = None) -> list[str]:
        """Return the path by the names of a message's format, unless it has the key itself."""
        first, *rest = self.path
        if first in message.header:
            return self.path
        return [(row or format_of(message)).aliases.get(first, first), *rest]

    @cached_property
    def cbor(self) -> bytes:
        from ..handlers.stream2.cbor_map import library  # late: the handlers bring NumPy

        return self._encoded(library(RecordingError))

    def _encoded(self, cbor2: ModuleType) -> bytes:
        try:
            return bytes(cbor2.dumps(self._value))
        except (cbor2.CBOREncodeError, ValueError, RecursionError) as error:
            raise ConfigError(
                f"{self._text!r:.80} can't be set in stream v2: {error!s:.80}"
            ) from None


def _no_json(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN and the like, which json.loads knows


def _is_utf_8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def set_in_json(text: str, path: Sequence[str], value: str) -> tuple[str, bool]:
    """Return a JSON object's text with another value under a key, and whether the key was there.

    The path is the key, and before it those of the objects that it is in, from the outermost. Of a
    key that comes twice the last one counts, as for most parsers; what is not there is added at the
    end of its object. Raise ValueError if `text` is no JSON object, or nested too deeply, or the
    path leads into what is none.
    """
    start = 0
    for depth, name in enumerate(path, 1):
        rest = path[depth:]
        found, last, after = _find_in_json(text, start, name)
        if depth == 1 and after != len(text):
            raise ValueError(f"{len(text) - after} characters follow the object")
        if found is None:
            opening = "".join([f"{{{json.dumps(key)}:" for key in rest])
            member = f"{opening}{value}{'}' * len(rest)}"
            return _with_member(text, start, last, name, member), False
        _, start, end = found
        if not rest:
            return f"{text[:start]}{value}{text[end:]}", True
    raise ValueError("the path is empty")


_decode = json.JSONDecoder().raw_decode
_opens = re.compile(r"[ \t\n\r]*\{[ \t\n\r]*").match
_colon = re.compile(r"[ \t\n\r]*:[ \t\n\r]*").match
_ends = re.compile(r"[ \t\n\r]*([,}])[ \t\n\r]*").match

_Span: TypeAlias = tuple[int, int, int]
"""Where a member's key ends, its value begins, and that ends."""


def _find_in_json(text: str, start: int, name: str) -> tuple[_Span | None, _Span | None, int]:
    """Return a member of the object at `start`, its last one, and where text goes on after it."""
    found = last = None
    at = _after(_opens(text, start))
    if text[at : at + 1] == "}":
        return None, None, _after(_ends(text, at))
    while True:
        key, colon = _value(text, at)
        if type(key) is not str:
            raise ValueError("a key is no text")
        begin = _after(_colon(text, colon))
        _, end = _value(text, begin)
        last = colon, begin, end
        if key == name:
            found = last
        ends = _ends(text, end)
        at = _after(ends)
        if ends is not None and ends[1] == "}":
            return found, last, at


def _value(text: str, at: int) -> tuple[object, int]:
    try:
        return _decode(text, at)
    except RecursionError:
        raise ValueError("JSON is nested too deeply") from None


def _after(found: re.Match[str] | None) -> int:
    if found is None:
        raise ValueError("this is no JSON object")
    return found.end()


def _with_member(text: str, start: int, last: _Span | None, name: str, value: str) -> str:
    """Add a member to the object that starts there, in the style of its others."""
    first = _after(_opens(text, start))
    if last is None:
        return f"{text[:first]}{json.dumps(name)}:{value}{text[first:]}"
    colon = text[last[0] : last[1]]
    space = text[start:first].lstrip(" \t\n\r")[1:] or colon.partition(":")[2]
    return f"{text[: last[2]]},{space}{json.dumps(name)}{colon}{value}{text[last[2] :]}"


def set_in_cbor(part: Part, path: Sequence[str], value: bytes) -> tuple[bytes, bool]:
    """Return a map in CBOR with another value under a key, and whether the key was there.

    The map may have the tag that describes itself. The path is as of `set_in_json`, but of a key
    that comes twice the first one counts, and what follows a value that is replaced is not looked
    at. Raise ValueError if `part` is no map, is cut before what is replaced or added, or is nested
    too deeply, or the path leads into what is no map.
    """
    view = memoryview(part)
    at = len(SELF_DESCRIBED) if view[:3] == SELF_DESCRIBED else 0
    for depth, name in enumerate(path, 1):
        rest = path[depth:]
        found, end = _find_in_cbor(view, at, name.encode())
        if not found:
            if depth == 1 and end != len(view):
                raise ValueError(f"{len(view) - end} bytes follow the map")
            inner = encode_head(MAP, 1).join([_text(key) for key in path[depth - 1 :]])
            return _with_pair(view, at, end, inner + value), False
        if not rest:
            return b"".join((view[:found], value, view[skip(view, found) :])), True
        at = found
    raise ValueError("the path is empty")


def _find_in_cbor(view: memoryview, at: int, name: bytes) -> tuple[int, int]:
    """Return where the value of a key begins in the map at `at`; 0 and its end if nowhere."""
    major, count, at = head(view, at)
    if major != MAP:
        raise ValueError("this is no map")
    while count:
        if count < 0 and at < len(view) and view[at] == BREAK:
            return 0, at + 1
        value = skip(view, at)
        if _text_at(view, at, value) == name:
            return value, 0
        at = skip(view, value)
        count -= 1
    return 0, at


def _text_at(view: memoryview, at: int, end: int) -> Part:
    """Return the text at `at`, its pieces joined if it comes in some; None if it is no text."""
    major, size, at = head(view, at)
    if major != TEXT:
        return None
    if size >= 0:
        return view[at:end]
    pieces = []
    while view[at] != BREAK:
        major, size, at = head(view, at)
        if major != TEXT or size < 0:
            raise ValueError("a piece of a text is no text")
        pieces.append(view[at : at + size])
        at += size
    return b"".join(pieces)


def _with_pair(view: memoryview, start: int, end: int, pair: bytes) -> bytes:
    """Add a key and its value to the map from `start` to `end`."""
    _, count, first = head(view, start)
    if count < 0:
        return b"".join((view[: end - 1], pair, view[end - 1 :]))
    begin = encode_head(MAP, count + 1)
    return b"".join((view[:start], begin, view[first:end], pair, view[end:]))


def _text(text: str) -> bytes:
    data = text.encode()
    return encode_head(TEXT, len(data)) + data
