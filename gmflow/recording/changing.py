"""Values in the headers of messages are replaced, and every other byte stays as it was.

``change = setter(["series=7", "global_timestamp.sec=0"])``; ``change(message)`` gives a message
whose part 0 has these values: a JSON object, or a map in CBOR as of DECTRIS's stream v2.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import NoReturn

from ..checking import refuse
from ..errors import ConfigError
from ..jsontext import opens
from ..message import Message, Part
from . import changing_cbor, changing_json

MOST_LEVELS = 16
"""Objects within one another that a key may lead through, with its own."""

IN_STREAM2: Mapping[str, str] = MappingProxyType({"series": "series_id", "frame": "image_id"})
"""What the keys of other streams are called in stream v2."""


def setter(assignments: Sequence[str]) -> Setter:
    """Give what sets values in the headers of messages.

    Parameters
    ----------
    assignments : sequence of str
        ``key=value``, done one after the other. A value that is JSON is taken as it is written
        (``series=7`` sets a number, ``name="7"`` a text), any other is a text. A dot in the key
        leads into an object: ``global_timestamp.sec=0``.

    Raises
    ------
    ConfigError
        If one is none.
    """
    return Setter([_Assignment(text) for text in assignments])


class Setter:
    """Sets values in the headers of messages; see `setter`.

    A key that a header does not have is added. ``series`` and ``frame`` mean ``series_id`` and
    ``image_id`` in DECTRIS's stream v2. The header of a merged-1.0 message is its own.

    Attributes
    ----------
    unchanged : int
        Messages so far that have no such header, and were given back as they were.
    """

    def __init__(self, assignments: Sequence[_Assignment]) -> None:
        self._assignments = assignments
        self.unchanged = 0

    def __call__(self, message: Message) -> Message:
        """Give a message with the values, and else like this one, which stays as it is.

        Raises
        ------
        ConfigError
            If a value can't be written in CBOR, or cbor2 is not installed, and the message needs
            it.
        """
        try:
            header = self._changed(message.parts[0]) if message.parts else None
        except ValueError as error:
            if isinstance(error, ConfigError):
                raise
            header = None
        if header is None:
            self.unchanged += 1
            return message
        parts = [header, *message.parts[1:]]
        return Message(message.statistics, None, parts, message.source, arrived=message.arrived)

    def _changed(self, part: Part) -> bytes | None:
        """Give a header with the values; None, or a ValueError, if it can't be one."""
        if opens(part):
            text = str(part, "utf-8")
            for one in self._assignments:
                text = changing_json.with_value(text, one.path, one.json)
            return text.encode()
        if changing_cbor.is_map(part):
            for one in self._assignments:
                part = changing_cbor.with_value(part, one.path_in_stream2, one.cbor)
            return bytes(part)
        return None


class _Assignment:
    """A key and a value, in both forms.

    Attributes
    ----------
    path : list of str
        The key; before it those of the objects that it is in.
    json : str
        The value.
    """

    def __init__(self, text: str) -> None:
        key, equals, value = text.partition("=")
        self._text = text
        self.path = key.split(".")
        if not equals or not all(self.path) or not _is_utf_8(text):
            refuse("what is to be set", text, "key=value, as series=7 or global_timestamp.sec=0")
        if len(self.path) > MOST_LEVELS:
            refuse("what is to be set", text, f"a key with up to {MOST_LEVELS} levels")
        try:
            self._value = json.loads(value, parse_constant=_no_json)
            self.json = value.strip()
        except (ValueError, RecursionError):
            self._value = value
            self.json = json.dumps(value)

    @property
    def path_in_stream2(self) -> list[str]:
        """The same for stream v2."""
        first, *rest = self.path
        return [IN_STREAM2.get(first, first), *rest]

    @cached_property
    def cbor(self) -> bytes:
        """The value in CBOR."""
        from ..handlers.stream2_cbor import library  # late: the handlers bring NumPy

        cbor2 = library(ConfigError)
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
