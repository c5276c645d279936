"""The wire formats, a row each: what everything asks that chooses, matches, keeps, counts or shows.

A row says where the header of a message has its name, its counter and its series, which messages
open and end a series and which ones a late viewer needs first. The functions below read a message
by its row; they only look at `Message.header`, which is parsed once. A header that is of no row
is `GENERIC`: users' formats, in any JSON object, count and name series as DECTRIS's stream v1 does.

In stream v2 a message is named by its ``type``, and its number and series are ``image_id`` and
``series_id``. The field's words for these, ``frame`` and ``series``, name them too, and
``image_id`` the ``frame`` of stream v1: see `value_at`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from .cborwire import CborHeader
from .jsonwire import loads

if TYPE_CHECKING:
    from .message import Message

Edge: TypeAlias = Literal["start", "end", ""]

MAX_COUNT = 1 << 63
"""Whole numbers from here on count nothing: not every reader of JSON knows them."""


@dataclass(frozen=True)
class Format:
    """A wire format.

    Attributes
    ----------
    name : str
        As the documentation has it.
    htypes : tuple of str
        The names of its messages. Those of JSON stand for other versions, too: ``dheader-2.0`` is
        read by the row of ``dheader-1.0``, unless it has one of its own.
    htype_key : str
        Where the header has the name.
    is_cbor : bool
        Part 0 is a map in CBOR, not JSON.
    counters : tuple of str
        The keys that count messages; the first one that is there does.
    series : str
        The key of the series that the counter counts within.
    starts, ends : tuple of str
        The htypes that open and end a series.
    needed_first : tuple of str
        The htypes without which a late viewer can't read those after them.
    images_announced : callable
        Return how many images a start says will come, or None.
    aliases : mapping of str to str
        Other names that a key has for users.
    """

    name: str
    htypes: tuple[str, ...] = ()
    htype_key: str = "htype"
    is_cbor: bool = False
    counters: tuple[str, ...] = ("frame", "pulse_id")
    series: str = "series"
    starts: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    needed_first: tuple[str, ...] = ()
    images_announced: Callable[[Message], int | None] = lambda start: None
    aliases: Mapping[str, str] = field(default_factory=dict)


def whole(value: Any) -> int | None:
    """Return a value of a header if it can count something, else None."""
    return value if type(value) is int and -MAX_COUNT < value < MAX_COUNT else None


def _images_of_v1(start: Message) -> int | None:
    try:
        config = loads(start.parts[1])
        number, triggers = whole(config["nimages"]), whole(config.get("ntrigger", 1))
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    return None if number is None or triggers is None else number * triggers


def _images_of_v2(start: Message) -> int | None:
    number = whole(start.header.get("number_of_images"))
    return None if number is None or number < 0 else number


STREAM_V1 = Format(
    "DECTRIS stream v1",
    htypes=("dheader-1.0", "dimage-1.0", "dseries_end-1.0"),
    starts=("dheader-1.0",),
    ends=("dseries_end-1.0",),
    needed_first=("dheader-1.0",),
    images_announced=_images_of_v1,
    aliases={"image_id": "frame", "series_id": "series"},
)

STREAM_V2 = Format(
    "DECTRIS stream v2",
    htypes=("start", "image", "end"),
    htype_key="type",
    is_cbor=True,
    counters=("image_id",),
    series="series_id",
    starts=("start",),
    ends=("end",),
    needed_first=("start",),
    images_announced=_images_of_v2,
    aliases={"frame": "image_id", "series": "series_id"},
)

GENERIC = Format("generic")

FORMATS = (
    STREAM_V1,
    STREAM_V2,
    Format("bsread 1.0", ("bsr_m-1.0",), counters=("pulse_id",), needed_first=("bsr_m-1.0",)),
    Format("bsread 1.1", ("bsr_m-1.1",), counters=("pulse_id",), needed_first=("bsr_m-1.1",)),
    Format("array-1.0", ("array-1.0",)),
    Format("raw-1.0", ("raw-1.0",)),
    Format("merged-1.0", ("merged-1.0",), counters=()),
    GENERIC,
)

COUNTERS = tuple(dict.fromkeys(key for row in FORMATS for key in row.counters))
"""The keys that count messages in any format."""

_JSON, _CBOR = (
    {htype: row for row in FORMATS for htype in row.htypes if row.is_cbor is cbor}
    for cbor in (False, True)
)
_FAMILIES = {htype.partition("-")[0]: htype for htype in _JSON}


def htype_of(message: Message) -> str:
    """Return the name of a message, an empty text for none.

    It is the ``htype`` in a JSON header, which may be a list of one name as old senders write it,
    and the ``type`` of a stream v2 message: start, image or end.
    """
    header = message.header
    htype = header.get("type" if type(header) is CborHeader else "htype")
    if isinstance(htype, list) and len(htype) == 1:
        htype = htype[0]
    return htype if isinstance(htype, str) else ""


def title_of(message: Message) -> str:
    """Return what a message is called where people read it: its htype, or what it is instead."""
    htype, header = htype_of(message), message.header
    if type(header) is CborHeader:
        return f"stream2 {htype}" if htype in _CBOR else "not JSON"
    if not header:
        return "not JSON" if message.parts else "no parts"
    return htype or "no htype"


def format_of(message: Message) -> Format:
    """Return the row that a message is of."""
    return _place_of(message)[0]


def edge_of(message: Message) -> Edge:
    """Return "start" or "end" if a message opens or ends a series, else an empty text."""
    row, htype = _place_of(message)
    if htype in row.starts:
        return "start"
    return "end" if htype in row.ends else ""


def is_series_edge(message: Message) -> bool:
    """Return True if a message opens or ends a series."""
    row, htype = _place_of(message)
    return htype in row.starts or htype in row.ends


def is_needed_first(message: Message) -> bool:
    """Return True if a late viewer needs a message to read those that come after it."""
    row, htype = _place_of(message)
    return htype in row.needed_first


def series_of(message: Message) -> int | str | None:
    """Return the number or name of the series that a message is of, None if it says none."""
    series = message.header.get(format_of(message).series)
    return series if type(series) in (int, str) else None


def counter_of(message: Message) -> tuple[str, int] | None:
    """Return the key that counts a message and its number, or None."""
    header = message.header
    for key in format_of(message).counters:
        number = whole(header.get(key))
        if number is not None:
            return key, number
    return None


def value_at(message: Message, key: str) -> Any:
    """Return what a message's header has under a key, or under what its format calls it.

    ``frame`` and ``image_id`` both name the number of an image, ``series`` and ``series_id`` that
    of a series, in both of DECTRIS's streams. None where there is nothing.
    """
    header = message.header
    value = header.get(key)
    if value is None:
        value = header.get(format_of(message).aliases.get(key, key))
    return value


def images_announced(start: Message) -> int | None:
    """Return the number of images that the start of a series announces, if it does."""
    row, htype = _place_of(start)
    return row.images_announced(start) if htype in row.starts else None


def _place_of(message: Message) -> tuple[Format, str]:
    """Return the row of a message, and its htype as the row has it."""
    header = message.header
    rows, key = (_CBOR, "type") if type(header) is CborHeader else (_JSON, "htype")
    htype: Any = header.get(key)
    row = rows.get(htype) if type(htype) is str else None
    return _other_place_of(message) if row is None else (row, htype)


def _other_place_of(message: Message) -> tuple[Format, str]:
    """Return the same of a message whose htype is of no row, or is in a list."""
    if type(message.header) is CborHeader:
        return GENERIC, ""
    htype = htype_of(message)
    if htype not in _JSON:
        family, dash, _ = htype.partition("-")
        htype = _FAMILIES.get(family, "") if dash else ""
    return _JSON.get(htype, GENERIC), htype
