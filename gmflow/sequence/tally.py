"""From numbers that should rise evenly: which are missing, came twice or late, or restarted."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from math import gcd

MAX_GAPS = 256
"""Gaps that are remembered of a track; the numbers of older ones stay missing, come what may."""

RUN = 3
"""Numbers in a row that rise and are no news: then the counter has restarted."""


class Tally:
    """What all tracks of a stream count in common, as `SequenceTracker.snapshot` names it.

    The step is how much the counter grows from one message to the next; 0 has it learnt.
    """

    __slots__ = (
        "_filled",
        "_learns",
        "_moves",
        "_span",
        "duplicates",
        "missing",
        "out_of_order",
        "restarts",
        "step",
    )

    def __init__(self, step: int = 0) -> None:
        self.step = step
        self.missing = 0
        self.duplicates = 0
        self.out_of_order = 0
        self.restarts = 0
        self._learns = step == 0
        self._span = 0  # of all moves forward together,
        self._moves = 0  # their number,
        self._filled = 0  # and how many numbers that they left out came late

    def settle(self, step: int) -> None:
        """Take this for the step, unless one was given."""
        if self._learns:
            self.step, self._learns = step, False

    def advance(self, count: int) -> None:
        """Count moves forward by one step."""
        self._span += count * self.step
        self._moves += count

    def move(self, ahead: int) -> int:
        """Count a move forward by so much; return how many numbers it left out."""
        self._span += ahead
        self._moves += 1
        if self._learns and (not self.step or ahead % self.step):
            self.step = gcd(self.step, ahead)
            self.missing = self._span // self.step - self._moves - self._filled
            return ahead // self.step - 1
        left_out = max(ahead // self.step - 1, 0)
        self.missing += left_out
        return left_out

    def fill(self) -> None:
        """Count a number that was missing and came late."""
        self.missing -= 1
        self.out_of_order += 1
        self._filled += 1


class Track:
    """The numbers of one series, or of a stream that has none.

    A number ahead of all leaves a gap. One that is behind fills its gap, or has come before, or
    is from before the first one; several in a row of those are the counter's new start. Where it
    is known that the numbers begin at `first`, what is left out before the first one that comes is
    missing, too.
    """

    __slots__ = ("_behind", "_first", "_gaps", "_known_from", "_tally", "highest")

    def __init__(self, tally: Tally, first: int | None = None) -> None:
        self._tally = tally
        self._first = first
        self._begin()

    def _begin(self) -> None:
        self.highest = (self._first or 0) - self._tally.step
        self._known_from = self._first  # of each number from here on it is known if it came
        self._gaps: list[tuple[int, int]] = []  # each between two numbers that came, in order
        self._behind: list[int] = []  # the last numbers that were no news, as long as they rise

    def advance(self, count: int) -> None:
        """Count messages whose numbers are the next ones."""
        self._tally.advance(count)
        self.highest += count * self._tally.step
        self._behind.clear()

    def repeat(self, count: int) -> None:
        """Count messages that all have the highest number: senders do that who don't count."""
        self.follow((self.highest,))
        self._tally.duplicates += count - 1

    def follow(self, numbers: Sequence[int]) -> None:
        """Note the numbers of the next messages."""
        if self._known_from is None:
            self.highest = self._known_from = numbers[0]
            numbers = numbers[1:]
        elif self._goes_on(numbers):
            self.advance(len(numbers))
            return
        for number in numbers:
            if number > self.highest:
                self._move_to(number)
            elif not self._fill(number):
                self._come_again(number)

    def end(self, count: int) -> None:
        """Note that there are `count` numbers in all: what has not come of them is missing."""
        step = self._tally.step
        after = (self._first or 0) + count * step
        if self.highest + step < after:
            self._move_to(after)
            self.highest = after - step

    def _goes_on(self, numbers: Sequence[int]) -> bool:
        step, first = self._tally.step, self.highest + self._tally.step
        after = first + len(numbers) * step
        if numbers[0] != first or numbers[-1] != after - step or not step:
            return False
        return list(numbers) == list(range(first, after, step))

    def _move_to(self, number: int) -> None:
        if self._tally.move(number - self.highest):
            self._gaps.append((self.highest, number))
            if len(self._gaps) > MAX_GAPS:
                self._known_from = self._gaps.pop(0)[1]
        self.highest = number
        if self._behind:
            self._behind.clear()

    def has_seen(self, number: int) -> bool:
        """Return True if a number has come before."""
        first = self._known_from
        return first is not None and first <= number <= self.highest and self._gap_of(number) < 0

    def _fill(self, number: int) -> bool:
        """Fill a gap, if the number lies in one."""
        index = self._gap_of(number)
        if index < 0:
            return False
        gaps, step = self._gaps, self._tally.step
        before, after = gaps[index]
        rest = [(before, number), (number, after)]
        gaps[index : index + 1] = [gap for gap in rest if gap[1] - gap[0] > step]
        self._tally.fill()
        return True

    def _gap_of(self, number: int) -> int:
        """Return the place of the gap that a number lies in, below 0 for none."""
        step = self._tally.step
        index = bisect(self._gaps, (number,)) - 1
        if index >= 0:
            before, after = self._gaps[index]
            # What lies closer to the end was not counted as missing.
            if not before < number <= after - step or (number - before) % step:
                return -1
        return index

    def _come_again(self, number: int) -> None:
        tally, behind = self._tally, self._behind
        if behind and number <= behind[-1]:
            behind.clear()
        behind.append(number)
        self._count_again(number, 1)
        if len(behind) == RUN:
            for one in behind:
                self._count_again(one, -1)
            tally.restarts += 1
            if self._first is not None and behind[0] < self._first:
                self._first = None
            self._begin()
            self.follow(behind)

    def _count_again(self, number: int, count: int) -> None:
        if self._known_from is not None and number < self._known_from:
            self._tally.out_of_order += count
        else:
            self._tally.duplicates += count
