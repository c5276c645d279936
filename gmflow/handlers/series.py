"""What a series of a DECTRIS detector is made of, whichever version of the stream it came with.

`eiger.series` (stream v1) and `stream2.receive` (v2) give these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from ..errors import ConfigError, EncodeError

Array: TypeAlias = np.ndarray[Any, Any]

CHANNEL = "image"
"""The name of the only channel of stream v1, which names none."""


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
        leaves it out: what it gives is written from the other attributes.
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
        """The flatfield of the only channel; None where there is none.

        Raises
        ------
        ConfigError
            If there are several channels: take them from `flatfields`.
        """
        return _only(self.flatfields, "flatfields")

    @property
    def mask(self) -> Array | None:
        """The pixel mask of the only channel; None where there is none.

        Raises
        ------
        ConfigError
            If there are several channels: take them from `masks`.
        """
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
        The message as it came, which goes out again; None without one. `dataclasses.replace`
        leaves it out: what it gives is written from the other attributes.
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
        """The pixels of the only channel.

        Raises
        ------
        ConfigError
            If there are several channels, or none: take them from `arrays`.
        """
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
        The message as it came, which goes out again; None without one. `dataclasses.replace`
        leaves it out: what it gives is written from the other attributes.
    """

    series: int
    header: dict[str, Any]
    expected: int | None = None
    seen: int = 0
    missing: int | None = None
    value: Any = field(init=False, default=None, repr=False)


def by_channel(arrays: Any, name: str, what: str) -> Mapping[str, Array]:
    """See that an item that is to be written has its arrays by channel, and give them.

    Raises
    ------
    EncodeError
        If it has an array, or anything else, instead.
    """
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
