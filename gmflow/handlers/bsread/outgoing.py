"""Where the values of one channel to be sent come from, and what the data header says of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import ConfigError, DecodeError, EncodeError
from ...jsonwire import dumps
from ...validation import check_whole, refuse
from .bsread_message import Value
from .channels import read_channel
from .types import NUMBERS
from .values import describe


class OutgoingChannel:
    """One channel of a sender.

    Parameters
    ----------
    function : object
        Called with the pulse id for the value, or the value.
    given : mapping
        What the data header shall say of the channel; what is None is not given.

    Attributes
    ----------
    described : dict
        What the data header says of the channel.
    is_decided : bool
        Whether nothing of it depends on the first value any more.

    Raises
    ------
    ConfigError
        If the channel can't be described so.
    """

    __slots__ = ("_function", "_given", "_modulo", "_offset", "described", "is_decided")

    def __init__(self, function: Any, given: Mapping[str, Any]) -> None:
        self._function = function
        self._given = given = {key: entry for key, entry in given.items() if entry is not None}
        if isinstance(given.get("shape"), tuple):
            given["shape"] = list(given["shape"])
        if not isinstance(given.get("type", ""), str):
            self._name_type()
        self._modulo: int = given.get("modulo", 1)
        self._offset: int = given.get("offset", 0)
        self.is_decided = "type" in given and ("shape" in given or given["type"] == "string")
        self.described = self._describe(None)
        self._check()

    @property
    def _label(self) -> str:
        return f"channel {self._given['name']!r:.80}"

    def value(self, pulse_id: int, data: Mapping[str, Any]) -> Value:
        """Give the value at a pulse: that of `data`, else the channel's own.

        Raises
        ------
        EncodeError
            If the function raises.
        """
        if (pulse_id - self._offset) % self._modulo:
            return Value()
        name = self._given["name"]
        if name in data:
            value = data[name]
        elif callable(self._function):
            value = self._call(pulse_id)
        else:
            value = self._function
        return value if isinstance(value, Value) else Value(value)

    def decide(self, value: Any) -> bool:
        """Take type and shape, where they are not given, from the first value that is not None.

        Returns
        -------
        bool
            Whether it was that.

        Raises
        ------
        EncodeError
            If bsread has no type for the value.
        """
        if value is None:
            return False
        self.described = self._describe(value)
        self.is_decided = True
        return True

    def _call(self, pulse_id: int) -> Any:
        try:
            return self._function(pulse_id)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise EncodeError(f"{self._label}: its function failed: {reason:.200}") from error

    def _name_type(self) -> None:
        """Put a name in place of a type of NumPy's or Python's."""
        given, type_ = self._given, self._given["type"]
        dtype = np.dtype(type_) if isinstance(type_, (type, np.dtype)) else None
        if type_ is not str and (dtype is None or dtype.name not in NUMBERS):
            refuse(f"{self._label}: type", type_, f"string, {', '.join(NUMBERS)}")
        given["type"] = "string" if dtype is None or type_ is str else dtype.name
        if dtype is not None and dtype.str.startswith(">"):
            given.setdefault("encoding", "big")

    def _describe(self, value: Any) -> dict[str, Any]:
        derived = describe(self._given["name"], value)
        if "type" in self._given:
            derived["encoding"] = "little"
        return {**derived, **self._given}

    def _check(self) -> None:
        check_whole(f"{self._label}: modulo", self._modulo, 1)
        check_whole(f"{self._label}: offset", self._offset, 0)
        try:
            dumps(self.described)
            read_channel(0, self.described)
        except DecodeError as error:
            raise ConfigError(str(error)) from None
        except (TypeError, ValueError, RecursionError) as error:
            raise ConfigError(f"{self._label}: JSON can't say its metadata: {error}") from None
