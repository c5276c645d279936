"""What m_replay's options make of a recording: which messages, how often, changed how, and when.

`Playback` reads and changes the messages. A schedule puts into `Message.received_ns` when one is
due, in nanoseconds from the first one: as they came, faster or slower (`Recorded`), or evenly
(`Even`). All are counted from one start, so that what one message is late by is not added to the
next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeAlias

from ..errors import RecordingError
from ..message import Message
from ..recording import Reader, open_reader
from ..replay.edit import Setter, setter
from ..replay.faults import Faults
from ..replay.select import Range, numbers, select
from .program import UsageError, number_of
from .report import counted

FAULTS = ("drop", "duplicate", "reorder", "corrupt")

CHOICES = ("--first", "--last", "--series", "--frames")

SENDING = ("--address", "--mode", "--pace", "--speed", "--rate", "--loop")
"""Options of what is sent."""

LOOKED_AT = 256
"""Messages of which one must have a time, where times are needed."""

SET_BACK = 1_000_000_000
"""Nanoseconds: where times step back by more, a clock was set back; by less, they are of several
sources, or messages changed places."""

MAX_DAMAGES = 100
"""Places that can't be read and that a listing goes on behind."""


class Recorded:
    """The gaps with which messages came; none where a clock was set back or the time is unknown.

    A message whose time is a little before that of another one which came earlier is due with it.
    Between two rounds there is the mean gap of the first of them. Gaps are divided by `speed`.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._due = 0.0

    def stamp(self, messages: Iterator[Message]) -> Iterator[Message]:
        """Return messages, with the time that they are due; called again, it goes on after them."""
        began, last, gaps = self._due, 0, -1
        for message in messages:
            gaps += 1
            received_ns = message.received_ns
            if last and received_ns > last:
                self._due += (received_ns - last) / self._speed
            if received_ns > last or 0 < received_ns < last - SET_BACK:
                last = received_ns
            message.received_ns = int(self._due)
            yield message
        self._due += (self._due - began) / max(gaps, 1)


class Even:
    """Equal gaps, of so many messages a second."""

    def __init__(self, hertz: float) -> None:
        self._gap = 1e9 / hertz
        self._number = 0

    def stamp(self, messages: Iterator[Message]) -> Iterator[Message]:
        """Return messages, as of `Recorded.stamp`."""
        for message in messages:
            message.received_ns = int(self._number * self._gap)
            self._number += 1
            yield message


Schedule: TypeAlias = Recorded | Even


class Playback:
    """The messages of a recording as the options have them.

    Attributes
    ----------
    is_whole : bool
        Whether each message that is read comes out, and once.
    read : int
        How many messages of the recording, in all rounds, were read for those that came out.
    schedule : Schedule or None
        When they are due.
    damages, lost : list of str, int
        What could not be read and was passed over, as a listing does; how many messages that were.

    Raises
    ------
    UsageError, ConfigError
        If docopt's arguments contradict one another, or a value is wrong.
    """

    def __init__(self, arguments: dict[str, Any]) -> None:
        _check_options(arguments)
        self.read = 0
        self.schedule = _schedule(arguments)
        self.damages: list[str] = []
        self.lost = 0
        self._lists = bool(arguments["--list"])
        self._path = arguments["FILE"]
        self._first: int = number_of(arguments, "--first", int, 0, 0)
        self._last: int | None = number_of(arguments, "--last", int, self._first)
        self._rounds: int = number_of(arguments, "--loop", int, 1, 1)
        self._series = _range(arguments, "--series")
        self._frames = _range(arguments, "--frames")
        self._change = setter(arguments["--set"]) if arguments["--set"] else None
        chances = {name: number_of(arguments, f"--{name}", float, 0, 0.0, 1) for name in FAULTS}
        self._faults = Faults(**chances, seed=number_of(arguments, "--seed", int, 0))
        self._has_faults = any(chances.values())
        given = [option for option in CHOICES if arguments[option] is not None]
        self._choice = " and ".join([f"{option} {arguments[option]}" for option in given])
        self.is_whole = not (
            self._series or self._frames or chances["drop"] or chances["duplicate"]
        )

    def open(self) -> tuple[Reader, int]:
        """Open the recording, in a worker thread; return how many messages will be read, too.

        Raise a `UsageError` if it has not so many messages, or no times where they are needed.
        """
        reader = open_reader(self._path)
        try:
            return reader, self._count(reader)
        except BaseException:
            reader.close()
            raise

    def messages(self, reader: Reader) -> Iterator[Message]:
        """Return the messages; a `RecordingError` comes where one can't be read, or none is chosen.

        A listing goes on behind what can't be read.
        """
        return self._faults.apply(self._all(reader))

    def changes(self) -> str:
        """Return what there is to say about the values that were to be set, line by line."""
        return "" if self._change is None else _changes(self._change)

    def report(self) -> str:
        """Return what there is to say about the changes and faults that were wanted."""
        text = self.changes()
        if self._has_faults:
            made = self._faults
            text += (
                f"faults: dropped {made.dropped}, duplicated {made.duplicated},"
                f" reordered {made.reordered}, corrupted {made.corrupted}\n"
            )
        return text

    def _all(self, reader: Reader) -> Iterator[Message]:
        for _ in range(self._rounds):
            messages = self._chosen(self._read(reader))
            if self._change is not None:
                messages = map(self._change, messages)
            yield from messages if self.schedule is None else self.schedule.stamp(messages)

    def _read(self, reader: Reader) -> Iterator[Message]:
        """Return the messages that are to be chosen from; for a listing, go on behind damages."""
        first: int | None = self._first
        while first is not None:
            try:
                for message in reader.messages(first, self._last):
                    self.read += 1
                    yield message
                return
            except RecordingError as error:
                if not self._lists:
                    raise
                first = self._pass_over(error, self._end(reader))

    def _pass_over(self, error: RecordingError, end: int) -> int | None:
        """Note what can't be read; return the number of the first message behind it, if any."""
        self.damages.append(str(error))
        resume = None if len(self.damages) > MAX_DAMAGES else error.resume
        lost = (end if resume is None else min(resume, end)) - self._first - self.read
        self.read += lost
        self.lost += lost
        return resume

    def _chosen(self, messages: Iterable[Message]) -> Iterator[Message]:
        """Return those of some messages that are chosen; raise an error if none is."""
        message = None
        for message in select(messages, self._series, self._frames):
            yield message
        if message is None and self._choice and not self.damages:
            raise RecordingError(f"no message of {self._path} is in {self._choice}")

    def _count(self, reader: Reader) -> int:
        length = len(reader)
        if self._first and self._first >= length:
            raise UsageError(
                f"--first is {self._first}; {self._path} has {length} messages, counted from 0"
            )
        if isinstance(self.schedule, Recorded):
            self._check_times(reader)
        return (self._end(reader) - self._first) * self._rounds

    def _end(self, reader: Reader) -> int:
        """Return the number of the message that is the first not to be read any more."""
        return len(reader) if self._last is None else min(self._last + 1, len(reader))

    def _check_times(self, reader: Reader) -> None:
        chosen = self._chosen(reader.messages(self._first, self._last))
        if len(reader) and not any(message.received_ns for message in islice(chosen, LOOKED_AT)):
            raise UsageError(f"{self._path} doesn't say when its messages came: give a --rate")


def _check_options(arguments: dict[str, Any]) -> None:
    given = [option for option, value in arguments.items() if value not in (None, False)]
    if "--list" in given and "--output" in given:
        raise UsageError("--list shows what is in FILE, --output makes another: give one of them")
    sending = [option for option in SENDING if option in given]
    for other in ("--list", "--output"):
        if other in given and sending:
            raise UsageError(f"{sending[0]} is for sending: leave it out, or {other}")
    if "--rate" in given and ("--pace" in given or "--speed" in given):
        raise UsageError("--rate is for equal gaps, --pace and --speed for those of the recording")


def _changes(change: Setter) -> str:
    """Return what there is to say about values that were set."""
    text = ""
    for key in change.added if change.changed else ():
        text += f"--set {key}: in no header before, added to {counted(change.changed)}\n"
    if change.unchanged:
        text += f"--set: no header that it fits into, unchanged: {counted(change.unchanged)}\n"
    return text


def _schedule(arguments: dict[str, Any]) -> Schedule | None:
    rate = number_of(arguments, "--rate", float, 1e-6)
    speed = number_of(arguments, "--speed", float, 1e-6, 1.0)
    if rate is not None:
        return Even(rate)
    return Recorded(speed) if arguments["--pace"] or arguments["--speed"] is not None else None


def _range(arguments: dict[str, Any], option: str) -> Range | None:
    return None if arguments[option] is None else numbers(arguments[option], option)
