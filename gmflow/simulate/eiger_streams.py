"""Series of a simulated DECTRIS detector, with stream v1 or v2.

Both versions send the same pixels at the same times: those of `diffraction.Detector`, frame by
frame at a fixed rate. Series of one run differ in nothing but their number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import count as count_up
from itertools import islice
from typing import Any

import numpy as np

from ..codecs import pixels
from ..errors import ConfigError, DecodeError
from ..handlers import eiger as v1
from ..handlers import stream2 as v2
from ..handlers.series import CHANNEL, Array, Image, SeriesEnd, SeriesStart
from ..handlers.stream2.cbor_arrays import COMPRESSIONS
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
    bytes_each = how.itemsize if how.itemsize in (1, 2, 4) else 2
    detector = Detector(shape, dtype or np.dtype(f"u{bytes_each}").name, seed)
    if how.itemsize and detector.bytes % how.itemsize:
        raise ConfigError(
            f"encoding is {encoding!r}, but the {detector.bytes} bytes of an image can't be"
            f" divided by {how.itemsize}"
        )
    pixels.encode(np.zeros((8, 8), detector.dtype), encoding)  # the library is here, or an error
    if header_detail not in ("all", "basic", "none"):
        raise ConfigError(f"header_detail is {header_detail!r}; it can be all, basic or none")
    clock = _FrameClock(images, frame_time)
    start = partial(_start_of_v1, detector, clock, how, header_detail)
    image = partial(_image, detector, clock, [CHANNEL], {})
    return _messages(v1.encode, encoding, start, image, clock.images, _numbers(series, count))


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
    v2.encode(small, compression)  # the libraries are here, or an error
    clock = _FrameClock(images, frame_time)
    start = partial(_start_of_v2, detector, clock, names)
    image = partial(_image, detector, clock, names, {"series_date": DATE})
    return _messages(v2.encode, compression, start, image, clock.images, _numbers(series, count))


def _messages(
    encode: Callable[..., list[Part]],
    how: str,
    start: Callable[[int], SeriesStart],
    image: Callable[[int, int], Image],
    images: int,
    series: Iterable[int],
) -> Iterator[list[Part]]:
    for number in series:
        yield encode(start(number))
        for frame in range(images):
            yield encode(image(number, frame), how)
        yield encode(SeriesEnd(number, {}))


def _numbers(first: int, count: int | None) -> Iterator[int]:
    """Return the numbers of so many series, from the first one up."""
    return islice(count_up(whole_number("series", first, 0)), optional_count(count))


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


def _image(
    detector: Detector,
    clock: _FrameClock,
    channels: Sequence[str],
    header: dict[str, Any],
    series: int,
    frame: int,
) -> Image:
    counts = detector.frame(series, frame)
    masked = counts.dtype.type(detector.masked)
    arrays = {channels[0]: counts}
    for index, name in enumerate(channels[1:], 1):
        arrays[name] = np.where(counts == masked, masked, counts >> index)
    return Image(series, frame, header, arrays, **clock.times(frame))


def _start_of_v1(
    detector: Detector, clock: _FrameClock, how: pixels.Encoding, detail: str, series: int
) -> SeriesStart:
    if detail == "none":
        return SeriesStart(series, {})
    config = {
        **detector.configuration,
        "compression": "bslz4" if how.itemsize else "lz4" if how.compressed else "none",
        "count_time": clock.exposure / 1e9,
        "detector_readout_time": (clock.period - clock.exposure) / 1e9,
        "frame_time": clock.period / 1e9,
        "nimages": clock.images,
        "ntrigger": 1,
    }
    config = dict(sorted(config.items()))
    if detail == "basic":
        return SeriesStart(series, {}, config)
    flatfield, mask, rates = detector.tables.values()
    return SeriesStart(series, {}, config, {CHANNEL: flatfield}, {CHANNEL: mask}, rates)


def _start_of_v2(
    detector: Detector, clock: _FrameClock, channels: Sequence[str], series: int
) -> SeriesStart:
    flatfield, mask, _ = detector.tables.values()
    return SeriesStart(
        series,
        {},
        _config_of_v2(detector, clock, channels),
        dict.fromkeys(channels, flatfield),
        dict.fromkeys(channels, mask),
        _lookup_table(clock),
    )


def _config_of_v2(
    detector: Detector, clock: _FrameClock, channels: Sequence[str]
) -> dict[str, Any]:
    known = detector.configuration
    energy, count = known["photon_energy"], len(channels) + 1
    return v2.make_config(
        (detector.rows, detector.columns),
        detector.dtype,
        clock.images,
        channels,
        arm_date=DATE,
        beam_center_x=known["beam_center_x"],
        beam_center_y=known["beam_center_y"],
        count_time=clock.exposure / 1e9,
        countrate_correction_enabled=True,
        detector_description=known["description"],
        detector_serial_number=known["detector_number"],
        flatfield_enabled=True,
        frame_time=clock.period / 1e9,
        incident_energy=energy,
        pixel_mask_enabled=True,
        threshold_energy={name: energy * n / count for n, name in enumerate(channels, 1)},
        virtual_pixel_interpolation_enabled=True,
    )


def _lookup_table(clock: _FrameClock) -> Array:
    """Return the true counts for each that is counted; the largest number where it is too many."""
    counted = np.arange(COUNTS)
    live = 1 - counted * (DEAD_TIME * 1e9 / clock.exposure)
    most = np.iinfo(np.uint32).max
    true = np.divide(counted, live, out=np.full(COUNTS, float(most)), where=live > 0.1)
    table: Array = np.minimum(np.rint(true), most).astype("<u4")
    return table
