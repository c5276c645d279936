"""What is refused is refused with a typed error that says it in one line of bounded length."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

MAX_LINE = 300


class Refusal:
    """What was raised: the error, and its line."""

    error: Exception
    line: str


@contextmanager
def refused(kind: type[Exception], *texts: str, most: int = MAX_LINE) -> Iterator[Refusal]:
    """Expect an error of exactly this kind, whose line holds each of these texts."""
    refusal = Refusal()
    with pytest.raises(kind) as caught:
        yield refusal
    refusal.error, refusal.line = caught.value, str(caught.value)
    assert type(caught.value) is kind, repr(caught.value)
    assert 0 < len(refusal.line) <= most, refusal.line
    assert refusal.line.isprintable(), refusal.line
    for text in texts:
        assert text in refusal.line, refusal.line
