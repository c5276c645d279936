"""What a source's messages say about those that never came, by the counter in their headers.

No clock and no socket: bursts of messages and the time are given in from outside. It sees every
message of every source, so a burst costs a comparison or a regular expression, not a parse.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..burst import burst_of
from ..errors import ConfigError
from ..jsonwire import loads, opens
from ..message import Message, Part
from . import stream2
from .reading import MAX_PATIENCE, Form, form_of, matters, whole
from .tally import Tally, Track

__all__ = ["SequenceTracker", "images_announced"]

COUNTERS = ("frame", "pulse_id")
"""The keys of part 0 that count messages; the first one that is there is followed."""

MAX_SERIES = 8
"""Series that are remembered at once: images of the last ones may still come late."""


class SequenceTracker:
    """Follows the counter of a stream: ``frame`` within its ``series``, or ``pulse_id``.

    Which one, the first message that has one decides; in DECTRIS's stream v2, whose messages are
    CBOR, it is ``image_id``, in all else as a `frame`. A `frame` counts by 1; the step of a
    `pulse_id` is learnt: it is the greatest common divisor of all its moves forward, and what
    was counted as missing is corrected when it turns out smaller. A new series starts at
    frame 0; the images that its dheader-1.0 announced and that have not come by its
    dseries_end-1.0 are missing, too.

    Parameters
    ----------
    step : int, optional
        How much the counter grows from message to message, where that is known.

    Raises
    ------
    ConfigError
        If `step` is no whole number from 1 up.
    """

    __slots__ = (
        "_counter",
        "_form",
        "_last",
        "_misfits",
        "_newest",
        "_patience",
        "_tally",
        "_totals",
        "_track",
        "_tracks",
    )

    def __init__(self, step: int | None = None) -> None:
        if step is not None and (type(step) is not int or step < 1):
            raise ConfigError(f"step is {step!r}; it can be a whole number from 1 up")
        self._tally = Tally(step or 0)
        self._counter: str | None = None
        self._form: Form | None = None
        self._misfits, self._patience = 0, 1
        self._tracks: dict[int | None, Track] = {}
        self._track: Track | None = None  # of the message that was followed last
        self._newest: int | None = None
        self._totals: dict[int | None, int] = {}
        self._last: float | None = None

    def follow(self, messages: Sequence[Message], now: float) -> None:
        """Note the next messages of the stream, in order; `now` is in seconds."""
        if not messages:
            return
        self._last = now
        burst = burst_of(messages)
        texts, joined = burst.texts, burst.text
        if self._form is not None and self._follow_all(self._form, joined, texts):
            return
        if self._counter in (None, stream2.COUNTER) and self._follow_stream2(messages):
            return
        if matters(joined):
            for message, text in zip(messages, texts, strict=True):
                if opens(text):
                    self._follow_one(message, text)

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

    def _follow_all(self, form: Form, joined: bytes, texts: Sequence[Part]) -> bool:
        """Follow messages of one form; return True if they are."""
        track, step, count = self._track, self._tally.step, len(texts)
        if track is not None and step:
            if form.stands(joined, count, track.highest):  # first, because it costs next to nothing
                track.repeat(count)
                return True
            if form.goes_on(joined, count, track.highest + step, step):
                track.advance(count)
                return True
        found = form.read_all(joined, texts)
        if found is not None:
            series, numbers = found
            self._track_of(series).follow(numbers)
        return found is not None

    def _follow_one(self, message: Message, text: Part) -> None:
        found = self._form.read(text) if self._form is not None else None
        if found is None:
            header = message.header
            if self._counter is None:
                self._choose(header)
            number = whole(header.get(self._counter or ""))
            if number is None:
                self._mark(message)
                return
            self._learn(bytes(text), header)
            found = whole(header.get("series")) if self._counter == "frame" else None, (number,)
        series, numbers = found
        self._track_of(series).follow(numbers)

    def _follow_stream2(self, messages: Sequence[Message]) -> bool:
        """Follow messages of DECTRIS's stream v2; return True if the first one can be one."""
        parts = messages[0].parts
        if not parts or not stream2.begins_map(parts[0]):
            return False
        for kind, series, number, part in stream2.read_all(messages):
            if kind == b"start":
                self._begin(series, stream2.images(part))
            elif kind == b"end":
                self._end(series)
            elif number is not None:
                self._counter = stream2.COUNTER
                self._tally.settle(1)
                self._track_of(series).follow((number,))
        return True

    def _choose(self, header: dict[str, Any]) -> None:
        """Choose the counter to follow, if there is one."""
        counters = (key for key in COUNTERS if whole(header.get(key)) is not None)
        self._counter = next(counters, None)
        if self._counter == "frame":
            self._tally.settle(1)

    def _learn(self, text: bytes, header: dict[str, Any]) -> None:
        """Learn the form of headers; after each time, more must have been of another form."""
        self._misfits += 1
        if self._misfits >= self._patience:
            self._misfits, self._patience = 0, min(4 * self._patience, MAX_PATIENCE)
            self._form = form_of(text, header, self._counter or "") or self._form

    def _mark(self, message: Message) -> None:
        """Note that a series begins or ends."""
        htype, series = message.header.get("htype"), whole(message.header.get("series"))
        if series is None or self._counter == "pulse_id":
            return
        if htype == "dheader-1.0":
            self._begin(series, images_announced(message))
        elif htype == "dseries_end-1.0":
            self._end(series)

    def _begin(self, series: int, total: int | None) -> None:
        self._tally.settle(1)
        self._track_of(series, begins=True)
        if total is not None:
            self._totals[series] = total

    def _end(self, series: int) -> None:
        if series in self._totals and series in self._tracks:
            self._tracks[series].end(self._totals[series])

    def _track_of(self, series: int | None, begins: bool = False) -> Track:
        track = self._tracks.get(series)
        if track is None:
            track = self._start(series, begins)
        self._track = track
        return track

    def _start(self, series: int | None, begins: bool) -> Track:
        newest = self._newest
        if series is not None and newest is not None and series < newest:
            self._tally.restarts += 1
        known = series is not None and (begins or newest is not None)
        self._tracks[series] = track = Track(self._tally, 0 if known else None)
        self._newest = series
        while len(self._tracks) > MAX_SERIES:
            oldest = next(iter(self._tracks))
            del self._tracks[oldest]
            self._totals.pop(oldest, None)
        return track


def images_announced(start: Message) -> int | None:
    """Return the number of images that a dheader-1.0 announces, if it does."""
    try:
        config = loads(start.parts[1])
        number, triggers = whole(config["nimages"]), whole(config.get("ntrigger", 1))
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    return None if number is None or triggers is None else number * triggers
