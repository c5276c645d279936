"""What a photon-counting detector sees behind a crystal: frames, and the tables of its series.

Frames are drawn as real ones look and still fast enough to stream. The expected intensity is
computed once: background, rings, the beam stop's shadow. Of it a few realisations of Poisson
noise are made (up to 16, as far as they fit in 256 MiB, and at least 2), each when it is first
drawn, which takes 30 to 60 ms a megapixel. A frame is a copy of one of them, picked at random,
with its own Bragg spots on top: the crystal turns by a step a frame, and the spots come and go.
That takes about 0.5 ms a megapixel.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..handlers.series import Array
from .buffers import whole_number

MODULE, GAP = (514, 1030), (37, 10)
"""Rows and columns of a detector module, and between two."""

MAX_NOISE_BYTES = 2**28

TURN = 90
"""Frames after which the same reflections come back."""

DEAD_TIME = 2.7e-7
"""Of a pixel, in seconds."""


class Detector:
    """A detector in front of a crystal: what it is, and what its pixels count.

    `shape` is (rows, columns); `dtype` is uint8, uint16 or uint32, whose largest value marks the
    gaps. Raise ConfigError if they are not.
    """

    def __init__(self, shape: tuple[int, int], dtype: str, seed: int) -> None:
        if dtype not in ("uint8", "uint16", "uint32"):
            raise ConfigError(f"dtype is {dtype!r}; it can be uint8, uint16 or uint32")
        if len(shape) != 2:
            raise ConfigError(f"shape is {shape!r}; it must be rows and columns")
        self.rows = whole_number("rows", shape[0], 1)
        self.columns = whole_number("columns", shape[1], 1)
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self.bytes = self.rows * self.columns * self.dtype.itemsize
        self.masked = int(np.iinfo(dtype).max)
        self.seed = whole_number("seed", seed, 0)
        self.centre = 0.46 * self.rows, 0.52 * self.columns  # off the gaps of a 1M
        kept = MAX_NOISE_BYTES // self.bytes
        self.noise: list[Array | None] = [None] * max(2, min(16, kept))

    @property
    def configuration(self) -> dict[str, Any]:
        """What the detector tells of itself, by DECTRIS's keys."""
        beam_y, beam_x = self.centre
        return {
            "beam_center_x": beam_x,
            "beam_center_y": beam_y,
            "bit_depth_image": 8 * self.dtype.itemsize,
            "bit_depth_readout": 16,
            "countrate_correction_applied": True,
            "countrate_correction_count_cutoff": self.masked - 1,
            "data_collection_date": "2024-01-01T00:00:00.000+00:00",
            "description": "gmflow simulated detector",
            "detector_distance": 0.1,
            "detector_number": "S-00-0000",
            "flatfield_correction_applied": True,
            "number_of_excluded_pixels": int(self.gaps.sum()),
            "omega_increment": 360 / TURN,
            "omega_start": 0.0,
            "photon_energy": 12398.42,
            "pixel_mask_applied": True,
            "sensor_material": "Si",
            "sensor_thickness": 0.00045,
            "threshold_energy": 6199.21,
            "trigger_mode": "ints",
            "virtual_pixel_correction_applied": True,
            "wavelength": 1.0,
            "x_pixel_size": 0.000075,
            "x_pixels_in_detector": self.columns,
            "y_pixel_size": 0.000075,
            "y_pixels_in_detector": self.rows,
        }

    @cached_property
    def tables(self) -> dict[str, Array]:
        """Flatfield, pixel mask and count-rate table (pairs of true and counted rate)."""
        flatfield = self.random(1).normal(1, 0.03, (self.rows, self.columns))
        flatfield[self.gaps] = 1
        rate = np.linspace(0, 4.5e6, 1001)
        return {
            "dflatfield-1.0": flatfield.astype("<f4"),
            "dpixelmask-1.0": self.gaps.astype("<u4"),
            "dcountrate_table-1.0": np.stack([rate, rate * np.exp(-rate * DEAD_TIME)], 1).astype(
                "<f4"
            ),
        }

    @cached_property
    def gaps(self) -> Array:
        """Where no pixel is, as booleans."""
        row = np.arange(self.rows) % (MODULE[0] + GAP[0]) >= MODULE[0]
        column = np.arange(self.columns) % (MODULE[1] + GAP[1]) >= MODULE[1]
        return row[:, np.newaxis] | column

    @cached_property
    def offsets(self) -> tuple[Array, Array]:
        """Rows and columns from the beam, in halves of the detector's shorter side."""
        unit = min(self.rows, self.columns) / 2
        row = (np.arange(self.rows) + 0.5 - self.centre[0]) / unit
        column = (np.arange(self.columns) + 0.5 - self.centre[1]) / unit
        return row[:, np.newaxis], column

    @cached_property
    def transmission(self) -> Array:
        """What gets past the beam stop and its holder, and on a pixel, from 0 to 1."""
        row, column = self.offsets
        shadow = (np.hypot(row, column) < 0.09) | ((abs(row) < 0.02) & (column > 0))
        return np.where(self.gaps, 0, np.where(shadow, 0.02, 1))

    @cached_property
    def expected(self) -> Array:
        """The counts a pixel has on average without Bragg spots: background and rings."""
        radius = np.hypot(*self.offsets)
        counts = 1 + 24 * np.exp(-radius / 0.35)
        for ring, height in (0.35, 14), (0.55, 9), (0.78, 5):
            counts += height * np.exp(-(((radius - ring) / 0.012) ** 2) / 2)
        return counts * self.transmission

    @cached_property
    def spots(self) -> tuple[Array, Array, Array]:
        """Of each reflection the frame it is brightest in, its 25 pixels and their counts then."""
        number = max(1, self.rows * self.columns // 400)
        rng = self.random(2)
        peak, row, column = (rng.uniform(0, n, number) for n in (TURN, self.rows, self.columns))
        around = np.indices((5, 5)).reshape(2, 25) - 2
        rows = row.astype(int)[:, np.newaxis] + around[0]
        columns = column.astype(int)[:, np.newaxis] + around[1]
        off = (rows < 0) | (rows >= self.rows) | (columns < 0) | (columns >= self.columns)
        pixels = np.where(off, 0, rows * self.columns + columns)
        squares = (rows + 0.5 - row[:, np.newaxis]) ** 2 + (
            columns + 0.5 - column[:, np.newaxis]
        ) ** 2
        height = rng.lognormal(4.6, 1.2, number)[:, np.newaxis]
        counts = height * np.exp(-squares / 1.6) * self.transmission.reshape(-1)[pixels]
        return peak, pixels, np.where(off, 0, counts)

    def frame(self, series: int, frame: int) -> Array:
        """Return the counts of one frame, as (rows, columns)."""
        rng = self.random(3, series, frame)
        image = self.background(int(rng.integers(len(self.noise)))).copy()
        flat = image.reshape(-1)
        pixels, counts = self.bright(rng, frame)
        flat[pixels] = np.minimum(flat[pixels] + counts, self.masked - 1)
        return image

    def background(self, index: int) -> Array:
        """Return one realisation of the noise; makes it where it was not drawn before."""
        image = self.noise[index]
        if image is None:
            counts = np.minimum(self.random(4, index).poisson(self.expected), self.masked - 1)
            image = np.where(self.gaps, self.masked, counts).astype(self.dtype)
            self.noise[index] = image
        return image

    def bright(self, rng: np.random.Generator, frame: int) -> tuple[Array, Array]:
        """Return the pixels that Bragg spots light up in a frame, each once, and their counts."""
        peak, pixels, counts = self.spots
        distance = (frame - peak + TURN / 2) % TURN - TURN / 2
        seen = abs(distance) < 4
        strength = np.exp(-(distance[seen] ** 2) / 4)[:, np.newaxis]
        drawn = rng.poisson(counts[seen] * strength)
        lit = drawn > 0
        unique, index = np.unique(pixels[seen][lit], return_inverse=True)
        return unique, np.bincount(index, drawn[lit], len(unique)).astype(np.int64)

    def random(self, *purpose: int) -> np.random.Generator:
        """Return the generator for one purpose, the same each time."""
        return np.random.default_rng([*purpose, self.seed])
