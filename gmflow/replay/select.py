"""Which messages of a recording are replayed: those of some series, and of these some frames.

The numbers of a message are read from part 0 alone: from its JSON header, or, in DECTRIS's
stream v2, from how its CBOR begins; no image is decoded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple, TypeAlias

from ..cborwire import CborHeader
from ..filters import EDGES, htype_of
from ..message import Message
from ..sequence import stream2
from ..sequence.reading import whole
from ..sequence.tracker import COUNTERS
from ..validation import refuse

Range: TypeAlias = tuple[int, int | None]
"""The first and the last number, both within it; None for no last one."""

MERGED = "merged-1.0"

_range = re.compile(r"([0-9]{1,18})?(:)?([0-9]{1,18})?").fullmatch


class Numbers(NamedTuple):
    """What a message says that it is.

    Attributes
    ----------
    kind : str
        ``start`` and ``end`` of a series, ``image`` if it has a frame's number, ``pulse`` if it
        has a pulse_id instead; else an empty text.
    series : int or None
        The series that it belongs to.
    frame : int or None
        Its own number: the `frame` in a JSON header (DECTRIS's stream v1, array-1.0), else its
        ``pulse_id`` (bsread); in stream v2 its ``image_id``. A message of htype merged-1.0 has
        the numbers of the first message in it.
    """

    kind: Literal["start", "image", "pulse", "end", ""]
    series: int | None
    frame: int | None


NOTHING = Numbers("", None, None)


def numbers(text: str, name: str) -> Range:
    """Return the range that a text names: ``5``, ``5:``, ``:9`` or ``5:9``, which is 5 to 9.

    Parameters
    ----------
    text : str
        Whole numbers from 0 up, the first and the last one; both are within the range.
    name : str
        What an error calls it, as ``--frames``.

    Raises
    ------
    ConfigError
        If it is none of these, or its last number is below its first.
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
        kind, _, frame = numbers_of(message)
        if kind in ("start", "end") or _is_within(frame, first, last):
            yield message


def numbers_of(message: Message) -> Numbers:
    """Return what a message says that it is; see `Numbers`."""
    htype = htype_of(message)
    if htype == MERGED:
        message = _first_of(message)
        htype = htype_of(message)
    header = message.header
    if not header or type(header) is CborHeader:
        return _of_stream2(message)
    series = whole(header.get("series"))
    if htype.startswith(EDGES):
        return Numbers("start" if htype.startswith(EDGES[0]) else "end", series, None)
    for key in COUNTERS:
        number = whole(header.get(key))
        if number is not None:
            return Numbers("image" if key == "frame" else "pulse", series, number)
    return Numbers("", series, None)


def _first_of(merged: Message) -> Message:
    """Return part 0 of the first message in a merged one, which may be merged from merged ones."""
    message = merged
    for part in merged.parts[1:]:
        message = Message(parts=(part,))
        if htype_of(message) != MERGED:
            break
    return message


def _of_stream2(message: Message) -> Numbers:
    for kind, series, number, _ in stream2.read_all((message,)):
        if kind == b"image":
            return Numbers("image", series, number)
        return Numbers("start" if kind == b"start" else "end", series, None)
    return NOTHING


def _is_within(number: int | None, first: int, last: int | None) -> bool:
    return number is not None and first <= number and (last is None or number <= last)
