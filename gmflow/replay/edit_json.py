"""Another value in a JSON text, with everything around it left as it is, to the byte.

The text is walked member by member; the values are left to the standard library's scanner.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from json import JSONDecoder, dumps
from typing import TypeAlias

_decode = JSONDecoder().raw_decode
_opens = re.compile(r"[ \t\n\r]*\{[ \t\n\r]*").match
_colon = re.compile(r"[ \t\n\r]*:[ \t\n\r]*").match
_ends = re.compile(r"[ \t\n\r]*([,}])[ \t\n\r]*").match


_Span: TypeAlias = tuple[int, int, int]
"""Where a member's key ends, its value begins, and that ends."""


def with_value(text: str, path: Sequence[str], value: str) -> tuple[str, bool]:
    """Return a JSON object's text with another value under a key, and whether the key was there.

    Parameters
    ----------
    text : str
        The object. Where it has a key twice, the last one counts, as for most parsers.
    path : sequence of str
        The key; before it those of the objects that it is in, from the outermost. What is not
        there is added at the end of its object.
    value : str
        The JSON text of the value.

    Raises
    ------
    ValueError
        If `text` is no JSON object, or nested too deeply, or the path leads into what is none.
    """
    start = 0
    for depth, name in enumerate(path, 1):
        rest = path[depth:]
        found, last, after = _find(text, start, name)
        if depth == 1 and after != len(text):
            raise ValueError(f"{len(text) - after} characters follow the object")
        if found is None:
            return _with_member(text, start, last, name, _nested(rest, value)), False
        _, start, end = found
        if not rest:
            return f"{text[:start]}{value}{text[end:]}", True
    raise ValueError("the path is empty")


def _find(text: str, start: int, name: str) -> tuple[_Span | None, _Span | None, int]:
    """Return a member of the object that starts there, its last one, and where text goes on after.

    What goes on is no white space.
    """
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
        return f"{text[:first]}{dumps(name)}:{value}{text[first:]}"
    colon = text[last[0] : last[1]]
    space = text[start:first].lstrip(" \t\n\r")[1:] or colon.partition(":")[2]
    return f"{text[: last[2]]},{space}{dumps(name)}{colon}{value}{text[last[2] :]}"


def _nested(path: Sequence[str], value: str) -> str:
    """Return the text of objects within one another that hold a value."""
    opening = "".join([f"{{{dumps(name)}:" for name in path])
    return f"{opening}{value}{'}' * len(path)}"
