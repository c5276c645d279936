"""Series of a DECTRIS detector with stream v2: start, image and end messages in CBOR."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count as count_up
from itertools import islice
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..handlers import stream2 as codec
from ..handlers.series import Image, SeriesEnd, SeriesStart
from ..handlers.stream2.cbor_arrays import COMPRESSIONS
from ..message import Part
from .counts import optional_count, whole_number
from .diffraction import DEAD_TIME, Array, Detector
from .eiger_v1 import SHAPE
from .timing import Timing

DATE = "2024-01-01T00:00:00.000+00:00"
"""When the detector was armed and each series began: nothing looks at a clock."""

CHANNELS = ("threshold_1",)

COUNTS = 65536
"""Entries of the count-rate correction's look-up table, as detectors have them."""


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
    return stream2_series(
        images,
        shape,
        dtype,
        series,
        seed,
        count=1,
        compression=compression,
        channels=channels,
        frame_time=frame_time,
    )


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
    ConfigError
        If an argument is not as described.
    EncodeError
        If a library is not installed.
    """
    if compression not in COMPRESSIONS:
        allowed = ", ".join(COMPRESSIONS)
        raise ConfigError(f"compression is {compression!r:.40}; it can be {allowed}")
    detector = Detector(shape, dtype, seed)
    run = _Run(detector, images, compression, _names(channels), Timing(frame_time))
    run.check_libraries()
    numbers = islice(count_up(whole_number("series", series, 0)), optional_count(count))
    return (parts for number in numbers for parts in run.messages(number))


def _names(channels: Sequence[str]) -> list[str]:
    names = list(channels)
    if not names or not all(names) or len(set(names)) < len(names):
        raise ConfigError(f"channels are {names!r:.80}; they are names, each another one")
    return names


class _Run:
    """The messages of series that differ in nothing but their number."""

    def __init__(
        self,
        detector: Detector,
        images: int,
        compression: str,
        channels: list[str],
        timing: Timing,
    ) -> None:
        self.detector = detector
        self.images = whole_number("images", images, 0)
        self.compression = compression
        self.channels = channels
        self.timing = timing

    def check_libraries(self) -> None:
        """Write something small: what is missing is said now."""
        image = Image(0, 0, {}, {"image": np.zeros((8, 8), self.detector.dtype)})
        codec.encode(image, self.compression)

    def messages(self, series: int) -> Iterator[list[Part]]:
        yield codec.encode(self.start(series))
        for frame in range(self.images):
            yield codec.encode(self.image(series, frame), self.compression)
        yield codec.encode(SeriesEnd(series, {}))

    def start(self, series: int) -> SeriesStart:
        flatfield = self.detector.tables["dflatfield-1.0"]
        mask = self.detector.tables["dpixelmask-1.0"]
        return SeriesStart(
            series,
            {},
            self.configuration,
            dict.fromkeys(self.channels, flatfield),
            dict.fromkeys(self.channels, mask),
            self.rates,
        )

    @property
    def configuration(self) -> dict[str, Any]:
        detector, timing, channels = self.detector, self.timing, self.channels
        v1 = detector.configuration
        energy = v1["photon_energy"]
        return codec.make_config(
            (detector.rows, detector.columns),
            detector.dtype,
            self.images,
            channels,
            arm_date=DATE,
            beam_center_x=v1["beam_center_x"],
            beam_center_y=v1["beam_center_y"],
            count_time=timing.exposure / 1e9,
            countrate_correction_enabled=True,
            detector_description=v1["description"],
            detector_serial_number=v1["detector_number"],
            flatfield_enabled=True,
            frame_time=timing.period / 1e9,
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
        live = 1 - counted * (DEAD_TIME * 1e9 / self.timing.exposure)
        most = np.iinfo(np.uint32).max
        true = np.divide(counted, live, out=np.full(COUNTS, float(most)), where=live > 0.1)
        rates: Array = np.minimum(np.rint(true), most).astype("<u4")
        return rates

    def image(self, series: int, frame: int) -> Image:
        array = self.detector.frame(series, frame)
        arrays = {name: self.counts(array, index) for index, name in enumerate(self.channels)}
        times = self.timing.times(frame)
        return Image(series, frame, {"series_date": DATE}, arrays, **times)

    def counts(self, array: Array, index: int) -> Array:
        """Return what a channel counts where the first one counts `array`."""
        masked = array.dtype.type(self.detector.masked)
        return array if not index else np.where(array == masked, masked, array >> index)
