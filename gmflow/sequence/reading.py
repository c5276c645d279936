"""The counter in part 0 of many messages at once, without parsing each: by their common form.

The headers of a stream are alike but for some values. From one that was parsed comes a regular
expression for all that are written in the same way, token by token: what it matches in full is
JSON, and the number that it finds is the one that a parser would. The rest is for the parser,
and so are long headers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from ..burst import BETWEEN
from ..message import Part

MAX_PATIENCE = 4096
"""Headers of another form that are parsed, at most, before that form is learnt."""

MAX_LEARNT_BYTES = 1024
MAX_TOKENS = 128
"""Bytes and tokens of a header whose form is learnt, at most: that takes longer than to parse it,
0.05 ms a number, and nothing else runs meanwhile."""

MENTIONS = (b'"frame"', b'"pulse_id"', b'"series"', b"\\")
"""One of these is in every header that matters; the last one stands for escaped letters."""

NUMBER = rb"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?(?:[eE][+-]?[0-9]{1,2})?"
COUNT = rb"(0|[1-9][0-9]{0,17})"
TEXT = rb'"[ !#-\[\]-~]*"'

Found: TypeAlias = tuple["int | None", Sequence[int]]
"""A series, or None where there is none, and the numbers of messages in it."""

_tokens = re.compile(rb'\s+|"[^"]*"\s*:|"[^"]*"|-?[0-9][0-9.eE+-]*|[a-z]+|[{}\[\],:]').findall
_is_number = re.compile(NUMBER).fullmatch
_is_text = re.compile(TEXT).fullmatch


def whole(value: Any) -> int | None:
    """Return a value of a header if it can count something, else None."""
    return value if type(value) is int and abs(value) < 1 << 63 else None


def matters(joined: bytes) -> bool:
    """Return True if a parser might find a counter, or the beginning or end of a series."""
    return any(word in joined for word in MENTIONS)


class Form:
    """How the headers of a stream are written, but for their values.

    Parameters
    ----------
    pattern : bytes
        A regular expression with a group for each of the keys.
    keys : sequence of str
        The counter's key, and "series" where it counts within one, in the order of the groups.
    counter : str
        The counter's key.
    """

    __slots__ = ("_count", "_find_all", "_match", "_series", "_steady", "_text")

    def __init__(self, pattern: bytes, keys: Sequence[str], counter: str) -> None:
        between = re.compile(b"%b%b(?=%b)" % (BETWEEN, pattern, BETWEEN))
        self._match, self._find_all = between.match, between.findall
        self._count = keys.index(counter)
        self._series = keys.index("series") if "series" in keys else None
        self._text = b""  # of the last header, but for its number; if the burst before ended with
        self._steady = False  # the same, the next one is likely to repeat it

    def goes_on(self, joined: bytes, count: int, first: int, step: int) -> bool:
        """Return True if the headers are like the last one, and are numbered on from `first`."""
        if not self._steady:
            return False
        numbers = tuple(range(first, first + count * step, step))
        return joined == self._text * count % numbers + BETWEEN

    def stands(self, joined: bytes, count: int, number: int) -> bool:
        """Return True if so many headers are like the last one, and all have the same number."""
        return self._steady and joined == self._text % number * count + BETWEEN

    def read_all(self, joined: bytes, texts: Sequence[Part]) -> Found | None:
        """Return the numbers of headers, or None if not all are of this form and of one series."""
        self._steady = False
        count = len(texts)
        rows: Sequence[Any] = self._find_all(joined)
        if len(rows) != count or joined.count(BETWEEN) != count + 1:
            return None
        series = None
        if self._series is not None:
            columns = tuple(zip(*rows, strict=True))
            name, rows = columns[self._series], columns[self._count]
            if name.count(name[0]) != count:
                return None
            series = int(name[0])
        self._keep(bytes(texts[-1]))
        return series, list(map(int, rows))

    def read(self, text: Part) -> Found | None:
        """Return the number of one header, or None if it is not of this form."""
        text = b"%b%b%b" % (BETWEEN, bytes(text), BETWEEN)
        match = self._match(text)
        if match is None or match.end() != len(text) - 1:
            return None
        series = None if self._series is None else int(match[self._series + 1])
        return series, (int(match[self._count + 1]),)

    def _keep(self, text: bytes) -> None:
        text = b"%b%b%b" % (BETWEEN, text, BETWEEN)
        match = self._match(text)
        assert match is not None
        start, end = match.span(self._count + 1)
        before, after = (part.replace(b"%", b"%%") for part in (text[:start], text[end:-1]))
        text = b"%b%%d%b" % (before, after)
        self._steady = text == self._text
        self._text = text


def form_of(text: bytes, header: Mapping[str, Any], counter: str) -> Form | None:
    """Return the form of a header, or None if it is so odd or long that it is for a parser.

    Parameters
    ----------
    text : bytes
        Part 0.
    header : mapping
        What a parser made of it.
    counter : str
        The key of its counter; a `frame` counts within its ``series``.
    """
    tokens = _tokens(text) if len(text) <= MAX_LEARNT_BYTES else []
    if len(tokens) > MAX_TOKENS or b"\\" in text or b"".join(tokens) != text:
        return None
    own = {"frame", "series"} if counter == "frame" else {counter}
    wanted = {key for key in own if whole(header.get(key)) is not None}
    pieces, keys = [], []
    for token, key in _keyed(tokens):
        if key in wanted:
            pieces.append(COUNT)
            keys.append(key)
        else:
            pieces.append(re.escape(token) if key in own else _alike(token))
    if sorted(keys) != sorted(wanted):
        return None
    form = Form(b"".join(pieces), keys, counter)
    expected = whole(header.get("series")) if "series" in wanted else None, (header[counter],)
    return form if form.read(text) == expected else None


def _keyed(tokens: Sequence[bytes]) -> Iterator[tuple[bytes, str]]:
    """Return each token, and for a value of the outermost object its key, else an empty text."""
    depth, key = 0, ""
    for token in tokens:
        if token.endswith(b":"):
            key = token.split(b'"')[1].decode("latin-1") if depth == 1 else ""
        depth += (token in (b"{", b"[")) - (token in (b"}", b"]"))
        if key and not token.endswith(b":") and not token.isspace():
            yield token, key
            key = ""
        else:
            yield token, ""


def _alike(token: bytes) -> bytes:
    """Return what matches a token and others of its kind: numbers and plain texts may differ."""
    if _is_number(token):
        return NUMBER
    return TEXT if _is_text(token) else re.escape(token)
