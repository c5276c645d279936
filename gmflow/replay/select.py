"""Which messages of a recording are replayed: those of some series, and of these some frames.

What a message says of itself is read from its header alone, by the table of formats; no image is
decoded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

from ..formats import Edge, edge_of, format_of, htype_of, whole
from ..merging.merged import HTYPE as MERGED
from ..message import Message
from ..validation import refuse

Range: TypeAlias = tuple[int, int | None]
"""The first and the last number, both within it; None for no last one."""

_range = re.compile(r"([0-9]{1,18})?(:)?([0-9]{1,18})?").fullmatch


class Numbers(NamedTuple):
    """What a message says that it is; one of htype merged-1.0, what the first one in it says.

    Attributes
    ----------
    edge : str
        ``start`` or ``end`` of a series, else an empty text.
    series : int or None
        The series that it belongs to.
    counter : str
        What counts the messages of its format: ``frame``, ``image_id`` or ``pulse_id``.
    frame : int or None
        Its own number by that; None of an edge.
    """

    edge: Edge
    series: int | None
    counter: str
    frame: int | None


def numbers(text: str, name: str) -> Range:
    """Return the range that a text names: ``5``, ``5:``, ``:9`` or ``5:9``, which is 5 to 9.

    The numbers are whole, from 0 up. Raise ConfigError, which calls the text `name`, if it is none
    of these, or its last number is below its first.
    """
    found = _range(text)
    if found is None or not (found[1] or found[3]):
        refuse(name, text, "a number from 0 up, as 5, or a range, as 5:9, 5: or :9")
    first = int(found[1] or 0)
    if not found[2]:
        return first, first
    last = int(found[3]) if found[3] else None
    if last is not None and last < first:
        refuse(name, text, f"a range from {first} up, or {last}:{first}")
    return first, last


def select(
    messages: Iterable[Message], series: Range | None = None, frames: Range | None = None
) -> Iterator[Message]:
    """Return the messages of some series and frames, in order; None for all of them."""
    if series is not None:
        messages = by_series(messages, *series)
    if frames is not None:
        messages = by_frames(messages, *frames)
    return iter(messages)


def by_series(
    messages: Iterable[Message], first: int = 0, last: int | None = None
) -> Iterator[Message]:
    """Return the messages that belong to a series from `first` to `last`: start, images and end.

    Those that name no series, as all of bsread, are left out.
    """
    for message in messages:
        if _is_within(numbers_of(message).series, first, last):
            yield message


def by_frames(
    messages: Iterable[Message], first: int = 0, last: int | None = None
) -> Iterator[Message]:
    """Return the messages whose own number is from `first` to `last`, and the edges of all series.

    Others that have no number are left out.
    """
    for message in messages:
        found = numbers_of(message)
        if found.edge or _is_within(found.frame, first, last):
            yield message


def numbers_of(message: Message) -> Numbers:
    """Return what a message says that it is; see `Numbers`."""
    message = first_in(message)
    row, edge, header = format_of(message), edge_of(message), message.header
    series = whole(header.get(row.series))
    for key in () if edge else row.counters:
        number = whole(header.get(key))
        if number is not None:
            return Numbers("", series, key, number)
    return Numbers(edge, series, row.counters[0] if row.counters else "frame", None)


def first_in(message: Message) -> Message:
    """Return part 0 of the first message in a merged one, else the message itself.

    What is merged may be merged from merged ones.
    """
    if htype_of(message) != MERGED:
        return message
    first = message
    for part in message.parts[1:]:
        first = Message(parts=(part,))
        if htype_of(first) != MERGED:
            break
    return first


def _is_within(number: int | None, first: int, last: int | None) -> bool:
    return number is not None and first <= number and (last is None or number <= last)
