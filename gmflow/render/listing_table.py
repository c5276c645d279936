"""The table of a recording for a person: a few lines, from what `Listing.as_dict` returns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..replay.listing import MAX_COUNTED
from .words import cut, many, number, printable, size, time_of

MEGA = 1e6

WIDTH = 40
"""Columns for an htype or a source's name."""

NUMBERED = "series counter numbers count expected missing duplicates out_of_order restarts ended"


def text_of(listing: dict[str, Any]) -> str:
    """Return the lines, each with its line end; what came over the network is escaped."""
    lines = [*_head(listing), "", *_totals(listing, "htype")]
    if len(listing["sources"]) > 1:
        lines += ["", *_totals(listing, "source")]
    if listing["numbered"]:
        lines += ["", *_numbered(listing)]
    return "".join([f"{line.rstrip()}\n" for line in lines])


def _head(listing: dict[str, Any]) -> Iterator[str]:
    counts = many(listing["messages"], "message"), many(listing["parts"], "part")
    yield ", ".join([*counts, size(listing["bytes"])])
    if listing["timed"]:
        first, last = (time_of(*divmod(listing[name], 10**9)) for name in ("first", "last"))
        yield f"from {first}"
        yield f"to   {last}, {', '.join(_rates(listing))}"
    without = listing["messages"] - listing["timed"]
    if without:
        yield f"{without} without an arrival time" if listing["timed"] else "no arrival times"
    sources = listing["sources"]
    if len(sources) == 1 and sources[0]["source"]:
        yield f"source {printable(_source(sources[0]))}"
    for problem in filter(None, (listing["problem"], *listing["damages"])):
        yield f"! {printable(problem)}"


def _rates(listing: dict[str, Any]) -> Iterator[str]:
    yield f"{listing['seconds']:.3f} s"
    if listing["rate"] is not None:
        yield f"{number(listing['rate'])} messages/s"
        yield f"{listing['bytes'] / listing['seconds'] / MEGA:.1f} MB/s"


def _totals(listing: dict[str, Any], name: str) -> Iterator[str]:
    head = [name, "messages", "bytes", "parts each"]
    rows = [
        [_named(_key(row, name)), str(row["messages"]), size(row["bytes"]), _parts(row)]
        for row in listing[f"{name}s"]
    ]
    yield from _aligned(head, rows)
    yield from _more(listing["more"][f"{name}s"])


def _numbered(listing: dict[str, Any]) -> Iterator[str]:
    head = NUMBERED.split()
    rows = [[_cell(row, name) for name in head] for row in listing["numbered"]]
    if len(listing["sources"]) > 1:
        head = ["source", *head]
        rows = [
            [_named(_source(row)), *cells]
            for row, cells in zip(listing["numbered"], rows, strict=True)
        ]
    yield from _aligned([name.replace("_", " ") for name in head], rows)
    yield from _more(listing["more"]["numbered"])


def _cell(row: dict[str, Any], name: str) -> str:
    if name == "numbers":
        name = "first"
        if row["first"] != row["last"]:
            return f"{number(row['first'])} to {number(row['last'])}"
    value = row[name]
    if name == "ended":
        return "-" if row["series"] is None else "yes" if value else "no"
    if value is None:
        return "-"
    return number(value) if isinstance(value, int) else str(value)


def _parts(row: dict[str, Any]) -> str:
    least, most = row["least_parts"], row["most_parts"]
    return str(most) if least == most else f"{least} to {most}"


def _key(row: dict[str, Any], name: str) -> str:
    return _source(row) if name == "source" else str(row[name])


def _source(row: dict[str, Any]) -> str:
    """Return a source's name without the word that a topology begins it with."""
    return str(row["source"]).removeprefix("source ")


def _named(text: str) -> str:
    return printable(cut(text, WIDTH)) or "-"


def _more(others: dict[str, int]) -> Iterator[str]:
    if others["rows"]:
        least = "at least " if others["rows"] >= MAX_COUNTED else ""
        yield f"... and {least}{others['rows']} more, with {many(others['messages'], 'message')}"


def _aligned(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Return the lines of a table: the first column from the left, all others from the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        first, *rest = (
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join([first, *rest])
