"""What m_replay's options make of a recording: which messages, how often, changed how, and when."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from ..message import Message
from ..recording import Reader, open_reader
from ..recording.changing import setter
from ..recording.faults import Faults
from ..recording.selecting import Range, numbers, select
from .pacing import Even, Recorded, Schedule
from .program import UsageError, number_of

FAULTS = ("drop", "duplicate", "reorder", "corrupt")

SENDING = ("--address", "--mode", "--pace", "--speed", "--rate", "--loop")
"""Options of what is sent."""


class Playback:
    """The messages of a recording as the options have them.

    Parameters
    ----------
    arguments : dict
        What docopt found.

    Attributes
    ----------
    read : int
        How many messages of the recording, in all rounds, it took for those given so far.
    schedule : Schedule or None
        When they are due.

    Raises
    ------
    UsageError, ConfigError
        If options contradict one another, or a value is wrong.
    """

    def __init__(self, arguments: dict[str, Any]) -> None:
        _check_together(arguments)
        self.read = 0
        self.schedule = _schedule(arguments)
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

    def open(self) -> tuple[Reader, int]:
        """Open the recording; give how many messages of it will be read in all, too.

        It is blocking work: call it off the hub.

        Raises
        ------
        UsageError
            If the recording has not so many messages, or no times where they are needed.
        RecordingError
            If it can't be read.
        """
        reader = open_reader(self._path)
        try:
            return reader, self._count(reader)
        except BaseException:
            reader.close()
            raise

    def messages(self, reader: Reader) -> Iterator[Message]:
        """Give the messages."""
        return self._faults.apply(self._all(reader))

    def report(self) -> str:
        """Give what there is to say about the changes and faults that were wanted."""
        text = ""
        if self._change is not None and self._change.unchanged:
            text += f"--set: without such a header, unchanged: {self._change.unchanged}\n"
        if self._has_faults:
            made = self._faults
            text += (
                f"faults: dropped {made.dropped}, duplicated {made.duplicated},"
                f" reordered {made.reordered}, corrupted {made.corrupted}\n"
            )
        return text

    def _all(self, reader: Reader) -> Iterator[Message]:
        for _ in range(self._rounds):
            messages = self._counted(reader.messages(self._first, self._last))
            messages = select(messages, self._series, self._frames)
            if self._change is not None:
                messages = map(self._change, messages)
            yield from messages if self.schedule is None else self.schedule.stamp(messages)

    def _counted(self, messages: Iterator[Message]) -> Iterator[Message]:
        for message in messages:
            self.read += 1
            yield message

    def _count(self, reader: Reader) -> int:
        length = len(reader)
        if self._first and self._first >= length:
            raise UsageError(
                f"--first is {self._first}; {self._path} has {length} messages, counted from 0"
            )
        if isinstance(self.schedule, Recorded):
            self._check_times(reader)
        last = length if self._last is None else min(self._last + 1, length)
        return (last - self._first) * self._rounds

    def _check_times(self, reader: Reader) -> None:
        for message in islice(reader.messages(self._first, self._first), 1):
            if not message.arrived:
                raise UsageError(f"{self._path} doesn't say when its messages came: give a --rate")


def _check_together(arguments: dict[str, Any]) -> None:
    given = [option for option, value in arguments.items() if value not in (None, False)]
    if "--list" in given and "--output" in given:
        raise UsageError("--list shows what is in FILE, --output makes another: give one of them")
    sending = [option for option in SENDING if option in given]
    for other in ("--list", "--output"):
        if other in given and sending:
            raise UsageError(f"{sending[0]} is for sending: leave it out, or {other}")
    if "--rate" in given and ("--pace" in given or "--speed" in given):
        raise UsageError("--rate is for equal gaps, --pace and --speed for those of the recording")


def _schedule(arguments: dict[str, Any]) -> Schedule | None:
    rate = number_of(arguments, "--rate", float, 1e-6)
    speed = number_of(arguments, "--speed", float, 1e-6, 1.0)
    if rate is not None:
        return Even(rate)
    return Recorded(speed) if arguments["--pace"] or arguments["--speed"] is not None else None


def _range(arguments: dict[str, Any], option: str) -> Range | None:
    return None if arguments[option] is None else numbers(arguments[option], option)
