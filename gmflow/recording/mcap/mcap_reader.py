"""Reading MCAP files (https://mcap.dev/spec): ours, those that were cut, and those of others.

Others' files may be compressed, and may do without chunks and indexes. Their messages must be
what ours are: CBOR arrays of byte strings, one for each part.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate

from ...errors import RecordingError
from ...message import Message
from ..base import Reader
from .blocks import Block, OtherMessages, Span, messages_in, read_block
from .mcap_index import Contents, read_summary
from .message_cbor import NoMessage
from .records import McapFile, records
from .scanning import scan


class McapReader(Reader):
    """Reads the messages of an MCAP file, one chunk at a time.

    Small parts are bytes, large ones views that keep their chunk in memory. A chunk whose
    checksum is wrong raises when it is reached; the messages before and after it can be read.

    Parameters
    ----------
    path : path
        The file.

    Raises
    ------
    RecordingError
        If it can't be read, is no MCAP file or holds other messages, or the library is not
        installed.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        records()
        self._file = McapFile(path)
        try:
            contents = _contents(self._file)
        except BaseException as error:
            self._file.close()
            if isinstance(error, OtherMessages):
                raise self._refusal(error) from None
            raise
        self.problem = contents.problem
        self._spans = contents.spans
        self._sources = contents.sources
        self._starts = list(accumulate((span.messages for span in self._spans), initial=0))

    def __len__(self) -> int:
        return self._starts[-1]

    def messages(self, first: int = 0, last: int | None = None) -> Iterator[Message]:
        end = len(self) if last is None else min(last + 1, len(self))
        number = max(first, 0)
        at = bisect_right(self._starts, number) - 1
        while number < end:
            span, start, stop = self._spans[at], self._starts[at], self._starts[at + 1]
            block = self._read(span, start)
            try:
                for message in messages_in(block, self._sources, number - start):
                    if number == stop:
                        raise ValueError("it holds more messages than its index says")
                    yield message
                    number += 1
                    if number == end:
                        return
                if number < stop:
                    raise ValueError("it holds fewer messages than its index says")
            except NoMessage as error:
                raise self._unreadable(number, number + 1, str(error)) from error
            except ValueError as error:
                first_lost = min(number, stop - 1)
                raise self._unreadable(first_lost, stop, _damage(span, error)) from error
            except OtherMessages as error:
                raise self._refusal(error) from None
            at += 1

    def close(self) -> None:
        self._file.close()

    def _read(self, span: Span, start: int) -> Block:
        try:
            return read_block(self._file, span)
        except ValueError as error:
            stop = start + span.messages
            raise self._unreadable(start, stop, _damage(span, error)) from error

    def _unreadable(self, first: int, stop: int, reason: str) -> RecordingError:
        """Say which messages can't be read, and how to get at the others."""
        what = f"message {first}" if stop - first == 1 else f"messages {first} to {stop - 1}"
        rest = [f"up to {first - 1}"] if first else []
        rest += [f"from {stop} on"] if stop < len(self) else []
        others = f"; read those {' and those '.join(rest)}" if rest else ""
        error = RecordingError(f"{self._file.path}: {what} can't be read: {reason}{others}")
        error.resume = stop if stop < len(self) else None
        return error

    def _refusal(self, error: OtherMessages) -> RecordingError:
        return RecordingError(f"{self._file.path} {error}")


def _damage(span: Span, error: ValueError) -> str:
    return f"the chunk at byte {span.place} is damaged: {error}"


def _contents(file: McapFile) -> Contents:
    """Return what is in a file: from its summary if that says it all, else by going through it."""
    footer = file.footer()
    if footer is None:
        return scan(file, closed=False)
    start, crc = footer
    problem = ""
    try:
        contents = read_summary(file, start, crc) if start else None
    except ValueError as error:
        contents, problem = None, f"its index is damaged: {error}; "
    if contents is None:
        contents = scan(file, closed=True)
        contents.problem = (problem + contents.problem).removesuffix("; ")
    return contents
