"""Which messages of a stream go to an output: choices, applied one after the other.

A choice sees every message that comes to its output, in order, and remembers what it must.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .errors import ConfigError
from .message import Message


class Choice(Protocol):
    """What chooses messages.

    Attributes
    ----------
    cause : str
        What the messages that it leaves out are counted as.
    """

    cause: str

    def choose(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Give those of the next messages that are chosen; the same object if all are."""


class Modulo:
    """Chooses every n-th message: the n-th, the 2n-th and so on.

    Parameters
    ----------
    modulo : int
        n; 1 chooses all.

    Raises
    ------
    ConfigError
        If `modulo` is no whole number from 1 up.
    """

    cause = "modulo"

    def __init__(self, modulo: int = 1) -> None:
        if type(modulo) is not int or modulo < 1:
            raise ConfigError(f"modulo is {modulo!r}; it can be a whole number from 1 up")
        self._modulo = modulo
        self._seen = 0

    def choose(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Give those of the next messages that are chosen."""
        first = self._modulo - 1 - self._seen % self._modulo
        self._seen += len(messages)
        return messages if self._modulo == 1 else messages[first :: self._modulo]
