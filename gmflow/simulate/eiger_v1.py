"""Series of a DECTRIS detector with stream v1: dheader, dimage and dseries_end messages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cached_property
from itertools import count as count_up
from itertools import islice
from typing import Any

import numpy as np

from ..codecs import pixels
from ..errors import ConfigError, DecodeError
from ..jsonwire import dumps_compact
from ..message import Part
from .counts import optional_count, whole_number
from .diffraction import Array, Detector
from .timing import Timing

SHAPE = 1065, 1030
"""Rows and columns of a detector of one megapixel."""


def eiger(
    images: int,
    shape: tuple[int, int] = SHAPE,
    dtype: str | None = None,
    series: int = 1,
    seed: int = 0,
    *,
    encoding: str = "<",
    header_detail: str = "all",
    frame_time: float = 0.01,
) -> Iterator[list[Part]]:
    """Return one series of DECTRIS stream v1: its header, its images, its end.

    Parameters
    ----------
    images : int
        How many images.
    shape : (int, int), optional
        Rows and columns, from (1, 1) up. Where it is larger than a module, gaps divide it.
    dtype : str, optional
        Of a pixel: "uint8", "uint16" or "uint32"; by default as wide as what the encoding
        shuffles, or "uint16". Its largest value marks pixels without data.
    series : int, optional
        The number of the series.
    seed : int, optional
        Of all that is random. The pixels of a frame depend on it, on `shape`, `dtype`, `series`
        and the frame's number only.
    encoding : str, optional
        How pixels are sent: "<" (not compressed), "lz4<", "bs8-lz4<", "bs16-lz4<", "bs32-lz4<";
        with ">" big-endian.
    header_detail : str, optional
        "all", "basic" or "none".
    frame_time : float, optional
        Seconds from frame to frame, as the messages have it.

    Raises
    ------
    ConfigError
        If an argument is not as described.
    EncodeError
        If the library that compresses is not installed.
    """
    return eiger_series(
        images,
        shape,
        dtype,
        series,
        seed,
        count=1,
        encoding=encoding,
        header_detail=header_detail,
        frame_time=frame_time,
    )


def eiger_series(
    images: int,
    shape: tuple[int, int] = SHAPE,
    dtype: str | None = None,
    series: int = 1,
    seed: int = 0,
    *,
    count: int | None = None,
    encoding: str = "<",
    header_detail: str = "all",
    frame_time: float = 0.01,
) -> Iterator[list[Part]]:
    """Return one series like `eiger` after the other, numbered up from `series`.

    Parameters
    ----------
    count : int, optional
        How many series; endless by default.

    Raises
    ------
    ConfigError
        If an argument is not as described.
    EncodeError
        If the library that compresses is not installed.
    """
    how = _read(encoding)
    detector = Detector(shape, dtype or f"uint{_width(how)}", seed)
    if how.itemsize and detector.bytes % how.itemsize:
        raise ConfigError(
            f"encoding is {encoding!r}, but the {detector.bytes} bytes of an image can't be"
            f" divided by {how.itemsize}"
        )
    pixels.encode(np.zeros((8, 8), detector.dtype), encoding)  # the library is here, or an error
    run = _Run(detector, images, encoding, header_detail, Timing(frame_time))
    numbers = islice(count_up(whole_number("series", series, 0)), optional_count(count))
    return (parts for number in numbers for parts in run.messages(number))


def _read(encoding: str) -> pixels.Encoding:
    try:
        return pixels.check(encoding)
    except DecodeError as error:
        raise ConfigError(f"encoding is {encoding!r:.40}: {error}") from None


def _width(how: pixels.Encoding) -> int:
    return 8 * how.itemsize if how.itemsize in (1, 2, 4) else 16


class _Run:
    """The messages of series that differ in nothing but their number."""

    def __init__(
        self, detector: Detector, images: int, encoding: str, header_detail: str, timing: Timing
    ) -> None:
        if header_detail not in ("all", "basic", "none"):
            raise ConfigError(f"header_detail is {header_detail!r}; it can be all, basic or none")
        self.detector = detector
        self.images = whole_number("images", images, 0)
        self.encoding = encoding
        self.header_detail = header_detail
        self.timing = timing

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
        configuration = _json(**self.detector.configuration, **self.settings)
        if self.header_detail == "basic":
            return [configuration]
        parts: list[Part] = [configuration]
        for name, table in self.detector.tables.items():
            rows, columns = table.shape
            dtype = table.dtype.name
            parts += [_json(htype=name, shape=[columns, rows], type=dtype), _bytes(table)]
        return parts

    @property
    def settings(self) -> dict[str, Any]:
        timing, how = self.timing, pixels.check(self.encoding)
        return {
            "compression": "bslz4" if how.itemsize else "lz4" if how.compressed else "none",
            "count_time": timing.exposure / 1e9,
            "detector_readout_time": (timing.period - timing.exposure) / 1e9,
            "frame_time": timing.period / 1e9,
            "nimages": self.images,
            "ntrigger": 1,
        }

    def image(self, series: int, frame: int) -> list[Part]:
        array = self.detector.frame(series, frame)
        blob = memoryview(pixels.encode(array, self.encoding)).toreadonly()
        digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
        about = {
            "encoding": self.encoding,
            "htype": "dimage_d-1.0",
            "shape": list(array.shape[::-1]),
            "size": len(blob),
            "type": array.dtype.name,
        }
        return [
            _json(frame=frame, hash=digest, htype="dimage-1.0", series=series),
            _json(**about),
            blob,
            _json(htype="dconfig-1.0", **self.timing.times(frame)),
        ]


def _json(**values: Any) -> bytes:
    return dumps_compact(dict(sorted(values.items())))


def _bytes(values: Array) -> memoryview:
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8).data.toreadonly()
