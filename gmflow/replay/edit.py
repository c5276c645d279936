"""Values in the headers of messages are replaced, and every other byte stays as it was.

``change = setter(["series=7", "global_timestamp.sec=0"])``; ``change(message)`` gives a message
whose part 0 has these values: a JSON object, or a map in CBOR as of DECTRIS's stream v2.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from types import MappingProxyType, ModuleType
from typing import NoReturn

from ..errors import ConfigError, RecordingError
from ..jsonwire import opens
from ..message import Message, Part
from ..validation import refuse
from . import edit_cbor as changing_cbor
from . import edit_json as changing_json

MAX_LEVELS = 16
"""Objects within one another that a key may lead through, with its own."""

IN_STREAM2: Mapping[str, str] = MappingProxyType({"series": "series_id", "frame": "image_id"})
"""What the keys of other streams are called in stream v2."""


def setter(assignments: Sequence[str]) -> Setter:
    """Return what sets values in the headers of messages.

    Parameters
    ----------
    assignments : sequence of str
        ``key=value``, done one after the other. A value that is JSON is taken as it is written
        (``series=7`` sets a number, ``name="7"`` a text), any other is a text. A dot in the key
        leads into an object: ``global_timestamp.sec=0``.

    Raises
    ------
    ConfigError
        If one is none, or its value can't be written in CBOR, as far as cbor2 is there to tell.
    """
    return Setter([_Assignment(text) for text in assignments])


class Setter:
    """Sets values in the headers of messages, all of them or none; see `setter`.

    A key that a header does not have is added. ``series`` and ``frame`` mean ``series_id`` and
    ``image_id`` in DECTRIS's stream v2. The header of a merged-1.0 message is its own.

    Attributes
    ----------
    changed : int
        Messages so far that got the values.
    unchanged : int
        Messages so far that have no header, or one in which a key leads into what is no object,
        and were given back as they were.
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

        Raises
        ------
        RecordingError
            If cbor2 is not installed, and the message needs it.
        """
        found: list[bool] = []
        try:
            header = self._changed(message.parts[0], found) if message.parts else None
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

    def _changed(self, part: Part, found: list[bool]) -> bytes | None:
        """Return a header with the values, and note of each key whether it was there.

        None, or a ValueError, if that can't be done.
        """
        if opens(part):
            text = str(part, "utf-8")
            for one in self._assignments:
                text, is_old = changing_json.with_value(text, one.path, one.json)
                found.append(is_old)
            return text.encode()
        if changing_cbor.is_map(part):
            for one in self._assignments:
                part, is_old = changing_cbor.with_value(part, one.path_in_stream2, one.cbor)
                found.append(is_old)
            return bytes(part)
        return None


class _Assignment:
    """A key and a value, in both forms.

    Attributes
    ----------
    key : str
        The key, as given.
    path : list of str
        The key; before it those of the objects that it is in.
    json : str
        The value.
    """

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

    @property
    def path_in_stream2(self) -> list[str]:
        """The same for stream v2."""
        first, *rest = self.path
        return [IN_STREAM2.get(first, first), *rest]

    @cached_property
    def cbor(self) -> bytes:
        """The value in CBOR."""
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
