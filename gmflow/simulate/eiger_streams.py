"""Series of a simulated DECTRIS detector, with stream v1 or v2.

Both versions send the same pixels at the same times: those of `diffraction.Detector`, frame by
frame at a fixed rate. Series of one run differ in nothing but their number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import count as count_up
from itertools import islice
from typing import Any

import numpy as np

from ..codecs import pixels
from ..errors import ConfigError, DecodeError
from ..handlers import stream2 as codec
from ..handlers.series import Array, Image, SeriesEnd, SeriesStart
from ..handlers.stream2.cbor_arrays import COMPRESSIONS
from ..jsonwire import dumps_compact
from ..message import Part
from .buffers import optional_count, whole_number
from .diffraction import DEAD_TIME, Detector

SHAPE = 1065, 1030
"""Rows and columns of a detector of one megapixel."""

DATE = "2024-01-01T00:00:00.000+00:00"
"""When the detector was armed and each series began: nothing looks at a clock."""

CHANNELS = ("threshold_1",)

COUNTS = 65536
"""Entries of the count-rate correction's look-up table, as detectors have them."""


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
    how: dict[str, Any] = {"encoding": encoding, "header_detail": header_detail}
    return eiger_series(images, shape, dtype, series, seed, count=1, frame_time=frame_time, **how)


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
    ConfigError, EncodeError
        As of `eiger`.
    """
    try:
        how = pixels.check(encoding)
    except DecodeError as error:
        raise ConfigError(f"encoding is {encoding!r:.40}: {error}") from None
    width = 8 * how.itemsize if how.itemsize in (1, 2, 4) else 16
    detector = Detector(shape, dtype or f"uint{width}", seed)
    if how.itemsize and detector.bytes % how.itemsize:
        raise ConfigError(
            f"encoding is {encoding!r}, but the {detector.bytes} bytes of an image can't be"
            f" divided by {how.itemsize}"
        )
    pixels.encode(np.zeros((8, 8), detector.dtype), encoding)  # the library is here, or an error
    clock = _FrameClock(images, frame_time)
    return _numbered(_Version1(detector, clock, encoding, header_detail).messages, series, count)


def stream2(
    images: int,
    shape: tuple[int, int] = SHAPE,
    dtype: str = "uint16",
    series: int = 1,
    seed: int = 0,
    *,
    compression: str = "bslz4",
    channels: Sequence[str] = CHANNELS,
    frame_time: float = 0.01,
) -> Iterator[list[Part]]:
    """Return one series of DECTRIS stream v2: its start, its images, its end.

    Parameters
    ----------
    images, shape, dtype, series, seed, frame_time
        As of `gmflow.simulate.eiger`. The pixels of the first channel are the same.
    compression : str, optional
        How pixels are sent: "bslz4" (as detectors do by default), "lz4" or "none".
    channels : sequence of str, optional
        Names of the thresholds. Each counts half of what the one before counts.

    Raises
    ------
    ConfigError
        If an argument is not as described.
    EncodeError
        If a library is not installed: CBOR's, or the one that compresses.
    """
    how: dict[str, Any] = {"compression": compression, "channels": channels}
    return stream2_series(images, shape, dtype, series, seed, count=1, frame_time=frame_time, **how)


def stream2_series(
    images: int,
    shape: tuple[int, int] = SHAPE,
    dtype: str = "uint16",
    series: int = 1,
    seed: int = 0,
    *,
    count: int | None = None,
    compression: str = "bslz4",
    channels: Sequence[str] = CHANNELS,
    frame_time: float = 0.01,
) -> Iterator[list[Part]]:
    """Return one series like `stream2` after the other, numbered up from `series`.

    Parameters
    ----------
    count : int, optional
        How many series; endless by default.

    Raises
    ------
    ConfigError, EncodeError
        As of `stream2`.
    """
    if compression not in COMPRESSIONS:
        allowed = ", ".join(COMPRESSIONS)
        raise ConfigError(f"compression is {compression!r:.40}; it can be {allowed}")
    names = list(channels)
    if not names or not all(names) or len(set(names)) < len(names):
        raise ConfigError(f"channels are {names!r:.80}; they are names, each another one")
    detector = Detector(shape, dtype, seed)
    small = Image(0, 0, {}, {"image": np.zeros((8, 8), detector.dtype)})
    codec.encode(small, compression)  # the libraries are here, or an error
    clock = _FrameClock(images, frame_time)
    return _numbered(_Version2(detector, clock, compression, names).messages, series, count)


def _numbered(
    messages: Callable[[int], Iterator[list[Part]]], first: int, count: int | None
) -> Iterator[list[Part]]:
    """Return the messages of so many series, which are numbered up from the first."""
    numbers = islice(count_up(whole_number("series", first, 0)), optional_count(count))
    return (parts for number in numbers for parts in messages(number))


class _FrameClock:
    """How many images, and when they are taken: each counts for all but a thousandth of its time.

    `period` and `exposure` are in nanoseconds.
    """

    def __init__(self, images: int, frame_time: float) -> None:
        if not 1e-6 <= frame_time < 1e6:
            raise ConfigError(f"frame_time is {frame_time!r}; it can be from 1e-6 s to 1e6 s")
        self.images = whole_number("images", images, 0)
        self.period = round(frame_time * 1e9)
        self.exposure = self.period - self.period // 1000

    def times(self, frame: int) -> dict[str, int]:
        start = frame * self.period
        stop = start + self.exposure
        return {"real_time": self.exposure, "start_time": start, "stop_time": stop}


class _Version1:
    """The messages of a series with stream v1."""

    def __init__(
        self, detector: Detector, clock: _FrameClock, encoding: str, header_detail: str
    ) -> None:
        if header_detail not in ("all", "basic", "none"):
            raise ConfigError(f"header_detail is {header_detail!r}; it can be all, basic or none")
        self.detector = detector
        self.clock = clock
        self.encoding = encoding
        self.header_detail = header_detail

    def messages(self, series: int) -> Iterator[list[Part]]:
        header = _json(header_detail=self.header_detail, htype="dheader-1.0", series=series)
        yield [header, *self.details]
        for frame in range(self.clock.images):
            yield self.image(series, frame)
        yield [_json(htype="dseries_end-1.0", series=series)]

    @cached_property
    def details(self) -> list[Part]:
        if self.header_detail == "none":
            return []
        parts: list[Part] = [_json(**self.detector.configuration, **self.settings)]
        if self.header_detail == "all":
            for name, table in self.detector.tables.items():
                about = _json(htype=name, shape=list(table.shape[::-1]), type=table.dtype.name)
                parts += [about, table.tobytes()]
        return parts

    @property
    def settings(self) -> dict[str, Any]:
        clock, how = self.clock, pixels.check(self.encoding)
        return {
            "compression": "bslz4" if how.itemsize else "lz4" if how.compressed else "none",
            "count_time": clock.exposure / 1e9,
            "detector_readout_time": (clock.period - clock.exposure) / 1e9,
            "frame_time": clock.period / 1e9,
            "nimages": clock.images,
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
            _json(htype="dconfig-1.0", **self.clock.times(frame)),
        ]


def _json(**values: Any) -> bytes:
    return dumps_compact(dict(sorted(values.items())))


class _Version2:
    """The messages of a series with stream v2."""

    def __init__(
        self, detector: Detector, clock: _FrameClock, compression: str, channels: list[str]
    ) -> None:
        self.detector = detector
        self.clock = clock
        self.compression = compression
        self.channels = channels

    def messages(self, series: int) -> Iterator[list[Part]]:
        yield codec.encode(self.start(series))
        for frame in range(self.clock.images):
            yield codec.encode(self.image(series, frame), self.compression)
        yield codec.encode(SeriesEnd(series, {}))

    def start(self, series: int) -> SeriesStart:
        tables = self.detector.tables
        return SeriesStart(
            series,
            {},
            self.configuration,
            dict.fromkeys(self.channels, tables["dflatfield-1.0"]),
            dict.fromkeys(self.channels, tables["dpixelmask-1.0"]),
            self.rates,
        )

    @property
    def configuration(self) -> dict[str, Any]:
        detector, clock, channels = self.detector, self.clock, self.channels
        v1 = detector.configuration
        energy = v1["photon_energy"]
        return codec.make_config(
            (detector.rows, detector.columns),
            detector.dtype,
            clock.images,
            channels,
            arm_date=DATE,
            beam_center_x=v1["beam_center_x"],
            beam_center_y=v1["beam_center_y"],
            count_time=clock.exposure / 1e9,
            countrate_correction_enabled=True,
            detector_description=v1["description"],
            detector_serial_number=v1["detector_number"],
            flatfield_enabled=True,
            frame_time=clock.period / 1e9,
            incident_energy=energy,
            pixel_mask_enabled=True,
            threshold_energy={
                name: energy * (index + 1) / (len(channels) + 1)
                for index, name in enumerate(channels)
            },
            virtual_pixel_interpolation_enabled=True,
        )

    @property
    def rates(self) -> Array:
        """The true counts for each that is counted; the largest number where it is too many."""
        counted = np.arange(COUNTS)
        live = 1 - counted * (DEAD_TIME * 1e9 / self.clock.exposure)
        most = np.iinfo(np.uint32).max
        true = np.divide(counted, live, out=np.full(COUNTS, float(most)), where=live > 0.1)
        rates: Array = np.minimum(np.rint(true), most).astype("<u4")
        return rates

    def image(self, series: int, frame: int) -> Image:
        array = self.detector.frame(series, frame)
        arrays = {name: self.counts(array, index) for index, name in enumerate(self.channels)}
        return Image(series, frame, {"series_date": DATE}, arrays, **self.clock.times(frame))

    def counts(self, array: Array, index: int) -> Array:
        """Return what a channel counts where the first one counts `array`."""
        masked = array.dtype.type(self.detector.masked)
        return array if not index else np.where(array == masked, masked, array >> index)
