"""What a source's messages say about those that never came, by the counter in their headers.

No clock and no socket: bursts of messages and the time come from outside. What counts a message,
and which ones open and end a series, `gmflow.formats` says.

A tracker sees every message of every source. As long as headers differ in nothing but the next
number, a burst costs one comparison of bytes, and no header is parsed; all else is read from
`Message.header`, which is parsed once for all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..cborwire import SELF_DESCRIBED, TEXT, UNSIGNED, CborHeader, encode_head, head, read_header
from ..errors import ConfigError
from ..formats import (
    MAX_COUNT,
    Format,
    counter_of,
    edge_of,
    format_of,
    images_announced,
    series_of,
    whole,
)
from ..message import Message, Part
from .tally import Tally, Track

MAX_SERIES = 8
"""Series that are remembered at once: images of the last ones may still come late."""

MAX_PREDICTED_BYTES = 1024
"""Bytes of a JSON header that is predicted; in CBOR, those up to its number."""

MAX_PATIENCE = 64
"""Bursts until a header is predicted again, at most, where predictions were wrong."""


class SequenceTracker:
    """Follows the counter of a stream: ``frame`` within its ``series``, or ``pulse_id``.

    Which one, the first message that has one decides by its row in `gmflow.formats`; in DECTRIS's
    stream v2 it is ``image_id`` within its ``series_id``. A `pulse_id` grows by a step that is
    learnt, unless it is given: it is the greatest common divisor of all its moves forward, and what
    was counted as missing is corrected when it turns out smaller. All else counts by 1, unless a
    step is given; it is a whole number from 1 up, or ConfigError is raised.

    A new series starts at number 0; the images that its start announced and that have not come by
    its end are missing, too. A start opens a new series, also where one of its number was there
    before.
    """

    __slots__ = (
        "_counter",
        "_last",
        "_newest",
        "_patience",
        "_prediction",
        "_series",
        "_tally",
        "_wait",
        "_within",
    )

    def __init__(self, step: int | None = None) -> None:
        if step is not None and (type(step) is not int or step < 1):
            raise ConfigError(f"step is {step!r}; it can be a whole number from 1 up")
        self._tally = Tally(step or 0)
        self._counter: str | None = None
        self._within = ""  # the key of the series that it counts within
        self._series: dict[int | None, _Series] = {}
        self._newest: int | None = None
        self._last: float | None = None
        self._prediction: _Prediction | None = None
        self._patience, self._wait = 1, 0  # bursts: from a wrong prediction to the next, and left

    def follow(self, messages: Sequence[Message], now: float) -> None:
        """Note the next messages of the stream, in order; `now` is in seconds."""
        if not messages:
            return
        self._last = now
        if self._prediction is not None:
            if self._follow_predicted(messages, self._prediction):
                self._patience = 1
                return
            self._prediction = None
            self._wait = self._patience
            self._patience = min(2 * self._patience, MAX_PATIENCE)
        self._follow_each(messages)
        self._wait -= 1
        if self._wait < 0 and self._tally.step:
            self._prediction = self._predict(messages[-1])

    def snapshot(self, now: float) -> dict[str, Any] | None:
        """Return what was found by the time `now`; None before the first message.

        Returns
        -------
        dict
            ``counter`` (its key, or None where no header has one), ``missing``, ``duplicates``,
            ``out_of_order`` (came late, no longer missing), ``restarts`` (the counter fell back)
            and ``seconds_since_last``.
        """
        if self._last is None:
            return None
        tally = self._tally
        return {
            "counter": self._counter,
            "missing": tally.missing,
            "duplicates": tally.duplicates,
            "out_of_order": tally.out_of_order,
            "restarts": tally.restarts,
            "seconds_since_last": max(now - self._last, 0.0),
        }

    def _follow_predicted(self, messages: Sequence[Message], prediction: _Prediction) -> bool:
        """Follow messages whose headers are as predicted; return True if all are."""
        track, step = prediction.track, self._tally.step
        if prediction.fits(messages, track.highest + step, step):
            track.advance(len(messages))
            return True
        if prediction.fits(messages, track.highest, 0):
            track.repeat(len(messages))
            return True
        return False

    def _predict(self, message: Message) -> _Prediction | None:
        """Return what predicts the headers after this one, if it says its number in plain."""
        number = whole(message.header.get(self._counter or ""))
        within = message.header.get(self._within) if self._within else None
        series = self._series.get(whole(within))
        if number is None or series is None:
            return None
        return _prediction_of(message, self._counter or "", number, series.track)

    def _follow_each(self, messages: Sequence[Message]) -> None:
        counter, within = self._counter, self._within
        current: Any = None  # a series,
        numbers: list[int] = []  # and those of its messages in a row that are not followed yet
        for message in messages:
            header = message.header
            if counter is None:
                counter, within = self._choose(message)
            number = header.get(counter) if counter else None
            if type(number) is int and -MAX_COUNT < number < MAX_COUNT:
                series = header.get(within) if within else None
                if type(series) is not int:
                    series = None
                if series != current:
                    self._follow_numbers(current, numbers)
                    current, numbers = series, []
                numbers.append(number)
            elif header:
                self._follow_numbers(current, numbers)
                numbers = []
                self._mark(message)
        self._follow_numbers(current, numbers)

    def _follow_numbers(self, series: int | None, numbers: Sequence[int]) -> None:
        if numbers:
            self._track_of(whole(series), numbers[0]).follow(numbers)

    def _choose(self, message: Message) -> tuple[str | None, str]:
        """Choose the counter to follow, if there is one; return it and its series' key."""
        found = counter_of(message)
        if found is not None:
            self._counter = found[0]
            if self._counter != "pulse_id":
                self._within = format_of(message).series
                self._tally.settle(1)
        return self._counter, self._within

    def _mark(self, message: Message) -> None:
        """Note that a series begins or ends, if a message says so."""
        edge, number = edge_of(message), whole(series_of(message))
        if not edge or number is None or self._counter == "pulse_id":
            return
        series = self._series.get(number)
        if edge == "start":
            self._begin(number, series, images_announced(message))
        elif series is not None:
            series.has_ended = True
            if series.announced is not None:
                series.track.end(series.announced)

    def _begin(self, number: int, series: _Series | None, announced: int | None) -> None:
        self._tally.settle(1)
        if series is None:
            series = self._open(number, begins=True)
        elif series.has_ended:
            series = self._open_again(number)
        else:
            # A viewer that connects again is sent the same start again: what comes next says.
            series.starts_again = True
        if announced is not None:
            series.announced = announced

    def _track_of(self, series: int | None, number: int) -> Track:
        known = self._series.get(series)
        if known is None:
            known = self._open(series)
        elif known.starts_again:
            known.starts_again = False
            if known.track.has_seen(number):
                announced = known.announced
                known = self._open_again(series)
                known.announced = announced
        return known.track

    def _open_again(self, series: int | None) -> _Series:
        """Open a series whose number was there before: its detector was restarted."""
        del self._series[series]
        self._tally.restarts += 1
        self._newest = None
        return self._open(series, begins=True)

    def _open(self, series: int | None, begins: bool = False) -> _Series:
        newest = self._newest
        if series is not None and newest is not None and series < newest:
            self._tally.restarts += 1
        known = series is not None and (begins or newest is not None)
        self._series[series] = opened = _Series(Track(self._tally, 0 if known else None))
        self._newest = series
        if len(self._series) > MAX_SERIES:
            del self._series[next(iter(self._series))]
        return opened


class _Series:
    """The numbers of a series, and what its start and its end said."""

    __slots__ = ("announced", "has_ended", "starts_again", "track")

    def __init__(self, track: Track) -> None:
        self.track = track
        self.announced: int | None = None
        self.has_ended = False
        self.starts_again = False


class _Prediction:
    """The headers that come next, if they differ from the last in nothing but their number."""

    __slots__ = ("_after", "_before", "_is_cbor", "track")

    def __init__(self, before: bytes, after: bytes, is_cbor: bool, track: Track) -> None:
        self._before = before
        self._after = after
        self._is_cbor = is_cbor
        self.track = track

    def fits(self, messages: Sequence[Message], first: int, step: int) -> bool:
        """Return True if all headers are so, with numbers from `first` on."""
        try:
            parts = [message.parts[0] for message in messages]
        except IndexError:
            return False
        count = len(parts)
        if first + (count - 1) * step >= MAX_COUNT or not self._fits(parts[0], first):
            return False
        numbers = range(first, first + count * step, step) if step else (first,) * count
        if self._is_cbor:
            return all(map(self._fits, parts, numbers))
        return count == 1 or self._all_fit(parts, tuple(numbers))

    def _fits(self, part: Part, number: int) -> bool:
        # The map of a message in CBOR goes on behind its number, with megabytes of pixels.
        digits = encode_head(UNSIGNED, number) if self._is_cbor else b"%d" % number
        text = b"".join((self._before, digits, self._after))
        size = len(text)
        if len(part) != size and not self._is_cbor:
            return False
        return (part[:size] if type(part) is bytes else bytes(memoryview(part)[:size])) == text

    def _all_fit(self, parts: Sequence[Part], numbers: tuple[int, ...]) -> bool:
        # No JSON text has a zero byte, so that equal texts with them between are equal parts.
        one = b"%b%%d%b\0" % (self._before.replace(b"%", b"%%"), self._after.replace(b"%", b"%%"))
        texts = one * len(parts) % numbers
        return (
            sum(map(len, parts)) + len(parts) == len(texts) and b"\0".join([*parts, b""]) == texts
        )


def _prediction_of(message: Message, key: str, number: int, track: Track) -> _Prediction | None:
    """Return what predicts the headers after a message's, if its number stands there in plain."""
    begin = bytes(memoryview(message.parts[0])[: MAX_PREDICTED_BYTES + 1])
    if type(message.header) is CborHeader:
        before = _before_in_cbor(begin, key, number, format_of(message))
        return None if before is None else _Prediction(before, b"", True, track)
    # Without escapes, what has the key's name once has it as the key in the header, not within.
    name = b'"%b"' % key.encode()
    if len(begin) > MAX_PREDICTED_BYTES or b"\\" in begin or begin.count(name) != 1:
        return None
    found = _number_behind(begin, begin.index(name) + len(name))
    if found is None or found[1] != b"%d" % number:
        return None
    return _Prediction(begin[: found.start(1)], begin[found.end(1) :], False, track)


def _before_in_cbor(begin: bytes, key: str, number: int, row: Format) -> bytes | None:
    """Return what stands before a message's number, if name and series stand there, too."""
    name = encode_head(TEXT, len(key)) + key.encode()
    before = begin[: begin.find(name) + len(name)]
    digits = encode_head(UNSIGNED, max(number, 0))
    try:
        _, _, after = head(before, len(SELF_DESCRIBED) if before[:3] == SELF_DESCRIBED else 0)
        # A map that ends with the number is one only if the key is the map's own.
        header = read_header(b"\xbf%b%b\xff" % (before[after:], digits))
    except ValueError:
        return None
    is_whole = header.get(key) == number and {row.htype_key, row.series} <= header.keys()
    return before if is_whole and begin.startswith(before + digits) else None


_number_behind = re.compile(rb"\s*:\s*(-?[0-9]{1,19})(?=[\s,}])").match
