"""How a configuration is refused: one line with the key's place, its value and what is allowed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from ..errors import ConfigError


def refuse(place: str, value: Any, allowed: str) -> NoReturn:
    """Say that a value is not allowed; `allowed` follows "it".

    Raises
    ------
    ConfigError
        Always.
    """
    shown = list(value) if isinstance(value, tuple) else value  # as JSON has it
    raise ConfigError(f"{place} is {shown!r:.80}; it {allowed}")


def refuse_key(place: str, value: Any, reason: str) -> NoReturn:
    """Say that a key has no business where it is.

    Raises
    ------
    ConfigError
        Always.
    """
    shown = place.encode("unicode_escape").decode()
    raise ConfigError(f"{shown} (value {value!r:.80}) {reason}")


def hint(name: Any, known: Iterable[str]) -> str:
    """Return what the key may have been meant to be."""
    from difflib import get_close_matches  # late: only a wrong key needs it

    known = list(known)
    close = get_close_matches(str(name), known, n=1)
    return f"did you mean {close[0]}?" if close else f"the keys are {', '.join(known)}"
