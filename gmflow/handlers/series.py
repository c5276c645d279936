"""What the series of DECTRIS's detectors are made of, either version: start, images, end.

`SeenSeries` counts which images of a series came, for `SeriesEnd`: a bit a frame, so that each
counts once. What a lying message can take is bounded: `BLOCK` bits for a frame far from all others,
`MAX_FRAMES` a series, and `MAX_SERIES` of them.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from ..errors import ConfigError, DecodeError, EncodeError
from ..validation import shown

Array: TypeAlias = np.ndarray[Any, Any]

CHANNEL = "image"
"""The name of the only channel of stream v1, which names none."""

MAX_SERIES = 8
"""Series that are remembered at once: images of the last ones may still come late."""

MAX_FRAMES = 1 << 24
"""Frames of a series that are told apart, 2 MiB of bits; of later ones every message counts."""

BLOCK = 1 << 12
"""Frames whose bits are one number."""


@dataclass(slots=True, eq=False)
class SeriesStart:
    """A series begins.

    Attributes
    ----------
    series : int
        Its number.
    header : dict
        v1: part 0. v2: the message without its arrays.
    config : dict
        The detector's configuration, by DECTRIS's keys; empty where the detector sends none.
    flatfields, masks : mapping of str to numpy.ndarray
        By channel, (rows, columns), float32 and uint32; empty where the detector sends none.
    countrate_table : numpy.ndarray or None
        v1: (entries, 2), float32. v2: the look-up table, (entries,), uint32.
    appendix : object
        The user's own: v1's header appendix, JSON or bytes; v2's user_data. None without.
    value : object
        The message as it came, which goes out again; None without one. `dataclasses.replace`
        leaves it out: its copy is written from the other attributes.
    """

    series: int
    header: dict[str, Any]
    config: dict[str, Any] = field(default_factory=dict)
    flatfields: Mapping[str, Array] = field(default_factory=dict)
    masks: Mapping[str, Array] = field(default_factory=dict)
    countrate_table: Array | None = None
    appendix: Any = None
    value: Any = field(init=False, default=None, repr=False)

    @property
    def flatfield(self) -> Array | None:
        """The flatfield of the only channel, None without one; ConfigError if there are several."""
        return _only(self.flatfields, "flatfields")

    @property
    def mask(self) -> Array | None:
        """The mask of the only channel, None without one; ConfigError if there are several."""
        return _only(self.masks, "masks")


@dataclass(slots=True, eq=False)
class Image:
    """An image of a series.

    Attributes
    ----------
    series, frame : int
        The number of its series, and its own in the series, from 0.
    header : dict
        v1: part 0. v2: the message without its arrays.
    arrays : mapping of str to numpy.ndarray
        Its pixels by channel, each (rows, columns).
    real_time, start_time, stop_time : int or None
        Nanoseconds: the exposure, and when it began and ended since the series began.
    appendix : object
        The user's own: v1's image appendix, JSON or bytes; v2's user_data. None without.
    value : object
        As of `SeriesStart`.
    """

    series: int
    frame: int
    header: dict[str, Any]
    arrays: Mapping[str, Array]
    real_time: int | None = None
    start_time: int | None = None
    stop_time: int | None = None
    appendix: Any = None
    value: Any = field(init=False, default=None, repr=False)

    @property
    def array(self) -> Array:
        """The pixels of the only channel; ConfigError if there are several, or none."""
        array = _only(self.arrays, "arrays")
        if array is None:
            raise ConfigError(f"frame {self.frame} of series {self.series} has no channels")
        return array


@dataclass(slots=True, eq=False)
class SeriesEnd:
    """A series ends.

    Attributes
    ----------
    series : int
        Its number.
    header : dict
        v1: part 0. v2: the message.
    expected : int or None
        Images that its start promised; None where it did not say, or was not seen.
    seen : int
        Images of it that came, each frame once.
    missing : int or None
        Those that did not come; None where nobody knows how many were expected.
    value : object
        As of `SeriesStart`.
    """

    series: int
    header: dict[str, Any]
    expected: int | None = None
    seen: int = 0
    missing: int | None = None
    value: Any = field(init=False, default=None, repr=False)


def number_of(header: Mapping[Any, Any], key: str) -> int:
    """Return the number of a series or an image; DecodeError if it is no whole number from 0 up."""
    number = header.get(key)
    if type(number) is not int or number < 0:
        raise DecodeError(f"the header's {key} is {shown(number)}; it is a whole number from 0 up")
    return number


def by_channel(arrays: Any, name: str, what: str) -> Mapping[str, Array]:
    """Return the arrays of an item to be written; EncodeError if they are not by channel."""
    if not isinstance(arrays, Mapping):
        raise EncodeError(
            f"{what}: {name} is of {type(arrays).__name__};"
            f' it can be a mapping of channels to arrays, as in {{"{CHANNEL}": array}}'
        )
    return arrays


def _only(arrays: Mapping[str, Array], name: str) -> Array | None:
    if not arrays:
        return None
    if len(arrays) > 1:
        channels = ", ".join(map(str, arrays))
        raise ConfigError(f"there are several channels: take them from {name}: {channels:.200}")
    return next(iter(arrays.values()))


class SeenSeries:
    """Remembers the series of one stream, each under its number."""

    __slots__ = ("_series",)

    def __init__(self) -> None:
        self._series: dict[int, _SeenFrames] = {}  # the one that was used last stands last

    def begin(self, number: int, expected: int | None, start: Hashable) -> None:
        """Note the start of a series, and the images that it promises.

        It restarts, unless it has not ended and its images came before its start, or the
        start comes again (equal to the first one), as it does where streams of several receivers
        are merged.
        """
        frames = self._series.get(number)
        if frames is None or frames.told is not None or frames.start not in (None, start):
            self._series.pop(number, None)
            frames = self._of(number)
        frames.expected, frames.start = expected, start

    def add(self, number: int, frame: int) -> None:
        """Note an image of a series, whether its start was seen or not."""
        self._of(number).add(frame)

    def end(self, number: int) -> tuple[int | None, int, int | None]:
        """Return the images of a series that were expected, seen, and missing.

        An end that comes again says what has changed since the one before, so that a sum over
        all ends is right: 0, 0 and 0; where images came late, more seen and less missing.
        """
        frames = self._of(number)
        expected, seen, missing = frames.count()
        before = frames.told or (0, 0, 0)
        frames.told = expected or 0, seen, missing or 0
        if expected is None or missing is None:
            return None, seen - before[1], None
        return expected - before[0], seen - before[1], missing - before[2]

    def _of(self, number: int) -> _SeenFrames:
        series = self._series
        frames = series.pop(number, None)
        if frames is None:
            frames = _SeenFrames()
            if len(series) >= MAX_SERIES:
                del series[next(iter(series))]
        series[number] = frames
        return frames


class _SeenFrames:
    __slots__ = ("_beyond", "_blocks", "expected", "start", "told")

    def __init__(self) -> None:
        self.expected: int | None = None
        self.start: Hashable = None  # until it comes
        self.told: tuple[int, int, int] | None = None  # at the last end: expected, seen, missing
        self._blocks: dict[int, int] = {}
        self._beyond = 0

    def add(self, frame: int) -> None:
        if frame >= MAX_FRAMES:
            self._beyond += 1
            return
        block, place = divmod(frame, BLOCK)
        self._blocks[block] = self._blocks.get(block, 0) | 1 << place

    def count(self) -> tuple[int | None, int, int | None]:
        seen = self._beyond + sum(bits.bit_count() for bits in self._blocks.values())
        expected = self.expected
        if expected is None:
            return None, seen, None
        if expected >= MAX_FRAMES:
            return expected, seen, max(expected - seen, 0)
        return expected, seen, expected - self._count_below(expected)

    def _count_below(self, frame: int) -> int:
        last, rest = divmod(frame, BLOCK)
        whole = sum(bits.bit_count() for block, bits in self._blocks.items() if block < last)
        return whole + (self._blocks.get(last, 0) & ((1 << rest) - 1)).bit_count()
