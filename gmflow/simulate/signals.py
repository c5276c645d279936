"""What the channels of a machine say from pulse to pulse: waves with a little noise.

A channel's values are windows on one buffer of numbers, which moves on by a number a pulse, and
are back after `WINDOWS` pulses: nothing is drawn or copied.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from ..handlers.bsread.channels import Channel
from .diffraction import Array

WINDOWS = 1021
"""How many different values a channel of numbers has."""

PERIOD = 100
"""Numbers from crest to crest."""

HEIGHT, NOISE = 50, 5
"""Of a wave; all of it fits the smallest integers."""


def signal(channel: Channel, seed: list[int]) -> Callable[[int], Any]:
    """Return a function of the pulse's number, from 0, that gives the channel's value.

    Parameters
    ----------
    channel : Channel
        What it is like.
    seed : list of int
        Of the noise.

    Returns
    -------
    callable
        It gives a str, or an array of the channel's type and shape (NumPy's order).
    """
    if channel.dtype is None:
        name = channel.name
        return lambda pulse: f"{name} {pulse}"
    size, shape = prod(channel.shape), channel.shape
    numbers = _numbers(channel.dtype, size + WINDOWS, np.random.default_rng(seed))

    def value(pulse: int) -> Any:
        start = pulse % WINDOWS
        return numbers[start : start + size].reshape(shape)

    return value


def _numbers(dtype: np.dtype[Any], count: int, rng: np.random.Generator) -> Array:
    wave: Array = np.sin(np.arange(count, dtype=np.float32) * np.float32(2 * np.pi / PERIOD))
    if dtype.kind == "b":
        return np.greater(wave, 0)
    wave *= HEIGHT
    wave += rng.standard_normal(count, np.float32).clip(-3, 3) * np.float32(NOISE)
    if dtype.kind == "f":
        wave /= HEIGHT
    else:
        np.rint(wave, out=wave)
    if dtype.kind == "u":
        wave += 2 * HEIGHT
    return wave.astype(dtype)
