"""Messages to generate: mflow's raw stream, arrays, and the series of a DECTRIS detector.

Each function checks its arguments at once and gives an iterator of messages, each a list of
parts. Nothing looks at a clock, and the same arguments give the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cached_property
from itertools import count as count_up
from itertools import islice
from typing import Any

import numpy as np

from .diffraction import Array, Detector, whole_number
from .errors import ConfigError
from .jsontext import dumps, dumps_compact
from .message import Part

WINDOWS = 1021
"""How many different contents `array` has."""


def raw(size: int, count: int | None = None) -> Iterator[list[Part]]:
    """Give mflow's m_generate stream: raw-1.0 messages of zeros.

    Parameters
    ----------
    size : int
        Bytes of the second part, which is one buffer for all messages.
    count : int, optional
        How many messages; endless by default.
    """
    return islice(_raw(whole_number("size", size, 0)), _optional(count))


def _raw(size: int) -> Iterator[list[Part]]:
    header: dict[str, Any] = {"htype": "raw-1.0", "type": "int32", "shape": [1, size / 4]}
    data = bytes(size)
    for first in _numbered(header):
        yield [first, data]


def array(size: int, count: int | None = None, seed: int = 0) -> Iterator[list[Part]]:
    """Give array-1.0 messages of random int32, each other than those before it.

    The contents are windows on one buffer of random numbers that move on by a number a
    message, and are back after `WINDOWS` messages: nothing is drawn or copied.

    Parameters
    ----------
    size : int
        Bytes of the second part; what is left over of a whole int32 is dropped.
    count : int, optional
        How many messages; endless by default.
    seed : int, optional
        Of the random numbers.
    """
    length = whole_number("size", size, 0) // 4
    return islice(_array(length, whole_number("seed", seed, 0)), _optional(count))


def _array(length: int, seed: int) -> Iterator[list[Part]]:
    header: dict[str, Any] = {"htype": "array-1.0", "type": "int32", "shape": [1, length]}
    rng = np.random.default_rng(seed)
    numbers = rng.integers(-(2**31), 2**31, length + WINDOWS, "int32").astype("<i4", copy=False)
    data = _bytes(numbers)
    for frame, first in enumerate(_numbered(header)):
        start = 4 * (frame % WINDOWS)
        yield [first, data[start : start + 4 * length]]


def _numbered(header: dict[str, Any]) -> Iterator[bytes]:
    """Give a header again and again, with the number of each as its ``frame``."""
    begun = dumps(header).removesuffix(b"}")  # written once: JSON would be half of the work
    for frame in count_up():
        yield b'%s, "frame": %d}' % (begun, frame)


def eiger(
    images: int,
    shape: tuple[int, int] = (1065, 1030),
    dtype: str = "uint16",
    series: int = 1,
    seed: int = 0,
    *,
    header_detail: str = "all",
    frame_time: float = 0.01,
) -> Iterator[list[Part]]:
    """Give one series of DECTRIS stream v1: its header, its images, its end.

    Parameters
    ----------
    images : int
        How many images.
    shape : (int, int), optional
        Rows and columns, from (1, 1) up. Where it is larger than a module, gaps divide it.
    dtype : str, optional
        Of a pixel: "uint8", "uint16" or "uint32". Its largest value marks pixels without data.
    series : int, optional
        The number of the series.
    seed : int, optional
        Of all that is random. A frame depends on it, on `shape`, `dtype`, `series` and the
        frame's number only.
    header_detail : str, optional
        "all", "basic" or "none".
    frame_time : float, optional
        Seconds from frame to frame, as the messages have it.

    Raises
    ------
    ConfigError
        If an argument is not as described.
    """
    return eiger_series(
        images,
        shape,
        dtype,
        series,
        seed,
        count=1,
        header_detail=header_detail,
        frame_time=frame_time,
    )


def eiger_series(
    images: int,
    shape: tuple[int, int] = (1065, 1030),
    dtype: str = "uint16",
    series: int = 1,
    seed: int = 0,
    *,
    count: int | None = None,
    header_detail: str = "all",
    frame_time: float = 0.01,
) -> Iterator[list[Part]]:
    """Give one series like `eiger` after the other, numbered up from `series`.

    Parameters
    ----------
    count : int, optional
        How many series; endless by default.

    Raises
    ------
    ConfigError
        If an argument is not as described.
    """
    run = _Run(Detector(shape, dtype, seed), images, header_detail, frame_time)
    numbers = islice(count_up(whole_number("series", series, 0)), _optional(count))
    return (parts for number in numbers for parts in run.messages(number))


class _Run:
    """The messages of series that differ in nothing but their number."""

    def __init__(
        self, detector: Detector, images: int, header_detail: str, frame_time: float
    ) -> None:
        if header_detail not in ("all", "basic", "none"):
            raise ConfigError(f"header_detail is {header_detail!r}; it can be all, basic or none")
        if not 1e-6 <= frame_time < 1e6:
            raise ConfigError(f"frame_time is {frame_time!r}; it can be from 1e-6 s to 1e6 s")
        self.detector = detector
        self.images = whole_number("images", images, 0)
        self.header_detail = header_detail
        self.period = round(frame_time * 1e9)
        self.exposure = self.period - self.period // 1000

    def messages(self, series: int) -> Iterator[list[Part]]:
        header = _json(header_detail=self.header_detail, htype="dheader-1.0", series=series)
        yield [header, *self.details]
        for frame in range(self.images):
            yield self.image(series, frame)
        yield [_json(htype="dseries_end-1.0", series=series)]

    @cached_property
    def details(self) -> list[Part]:
        if self.header_detail == "none":
            return []
        configuration = _json(**self.detector.configuration, **self.timing)
        if self.header_detail == "basic":
            return [configuration]
        parts: list[Part] = [configuration]
        for name, table in self.detector.tables.items():
            rows, columns = table.shape
            dtype = table.dtype.name
            parts += [_json(htype=name, shape=[columns, rows], type=dtype), _bytes(table)]
        return parts

    @property
    def timing(self) -> dict[str, Any]:
        return {
            "count_time": self.exposure / 1e9,
            "detector_readout_time": (self.period - self.exposure) / 1e9,
            "frame_time": self.period / 1e9,
            "nimages": self.images,
            "ntrigger": 1,
        }

    def image(self, series: int, frame: int) -> list[Part]:
        pixels = self.detector.frame(series, frame)
        blob = _bytes(pixels)
        digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
        shape, name = list(pixels.shape[::-1]), pixels.dtype.name
        start = frame * self.period
        stop = start + self.exposure
        return [
            _json(frame=frame, hash=digest, htype="dimage-1.0", series=series),
            _json(encoding="<", htype="dimage_d-1.0", shape=shape, size=len(blob), type=name),
            blob,
            _json(htype="dconfig-1.0", real_time=self.exposure, start_time=start, stop_time=stop),
        ]


def _optional(count: int | None) -> int | None:
    return None if count is None else whole_number("count", count, 0)


def _json(**values: Any) -> bytes:
    return dumps_compact(dict(sorted(values.items())))


def _bytes(values: Array) -> memoryview:
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8).data.toreadonly()
