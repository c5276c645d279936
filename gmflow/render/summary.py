"""One message as a few lines of text, for a person who watches a stream.

``Summaries().text(parts)`` decodes a message, by the handlers that remember a series, and says
what is in it: number, htype, and what one looks for in such a message. Sees lists of bytes
alone. What is on the wire can't make it fail, and can't reach a terminal unescaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..decoder import Decoder, Handler
from ..errors import DecodeError
from ..handlers import DEFAULT, eiger
from ..message import Part
from .lines import lines_of
from .words import printable

INDENT = " " * 8


class Summaries:
    """Sums up the messages of one stream, one after the other.

    Parameters
    ----------
    handlers : mapping of str to handler, optional
        Which handler reads which htype; by default the built-in ones, and for DECTRIS
        detectors those that give arrays.
    """

    def __init__(self, handlers: Mapping[str, Handler] | None = None) -> None:
        table = {**DEFAULT, **eiger.HANDLERS} if handlers is None else handlers
        self._decoder = Decoder(table, copy=False)
        self._number = 0

    def text(self, parts: Sequence[Part]) -> str:
        """Return the lines for the next message, each with its line end.

        The first begins with the number of the message, from 0, and its htype. Further ones are
        indented; one that begins with ``!`` says why the message can't be decoded.
        """
        value, error = None, None
        try:
            value = self._decoder.decode(parts)
        except DecodeError as raised:
            error = raised
        first, *more = lines_of(parts, value, error)
        lines = [f"{self._number:>6}  {first}", *(f"{INDENT}{line}" for line in more)]
        self._number += 1
        return "".join([f"{printable(line.rstrip())}\n" for line in lines])

    def close(self) -> None:
        """Close the handlers that are running."""
        self._decoder.close()
