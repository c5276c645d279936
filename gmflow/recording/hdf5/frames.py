"""The images of one layout in an HDF5 file, and what came with each, row by row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ...errors import DecodeError
from ...validation import shown
from .columns import Chunks, Column
from .growing import GrowingFile
from .rows import UNKNOWN_TIME, attribute_text, link_name
from .stored import Stored

DATA = "/entry/data"
DETECTOR = "/entry/instrument/detector"
RECORDING = "/entry/recording"

HASH_BYTES = 32
"""Bytes of a hash for which there is room at least."""

TIMES = ("real_time", "start_time", "stop_time")

Layout: TypeAlias = tuple[tuple[str, str, tuple[int, ...]], ...]


@dataclass(slots=True, eq=False)
class Picture:
    """An image as it is stored.

    Attributes
    ----------
    series, frame : int
    images : dict of str to Stored
        By channel.
    times : tuple of (int or None)
        Real, start and stop time in nanoseconds.
    header, appendix : bytes-like
        Its header as JSON, and the user's own; empty where there is none.
    hash : bytes or None
        None with a stream that sends none.
    arrived : int
        Nanoseconds since 1970.
    """

    series: int
    frame: int
    images: dict[str, Stored]
    times: tuple[int | None, ...]
    header: Any
    appendix: Any
    hash: bytes | None
    received_ns: int

    @property
    def layout(self) -> Layout:
        """What all images of a file have in common: channels, types and shapes."""
        return tuple((name, *stored.layout) for name, stored in self.images.items())


class Frames:
    """The datasets of a file that grow with each image.

    Parameters
    ----------
    file : GrowingFile
        One that is being built.
    first : Picture
        Decides about channels, shapes, types and filters.

    Raises
    ------
    RecordingError
        If the file can't be written.
    """

    def __init__(self, file: GrowingFile, first: Picture) -> None:
        self.file = file
        channels = first.images
        names = ["data"] if len(channels) == 1 else [link_name(name) for name in channels]
        signal, *others = names
        about = {"auxiliary_signals": others} if others else {}
        file.group(DATA, NX_class="NXdata", signal=signal, **about)
        self._filters = [stored.filters for stored in channels.values()]
        self._images = [
            _images(file, name, channel, stored)
            for name, (channel, stored) in zip(names, channels.items(), strict=True)
        ]
        self._frame = file.column(f"{DETECTOR}/sequence_number", "u8")
        self._times = [file.column(f"{DETECTOR}/{name}", "i8", units="ns") for name in TIMES]
        self._arrived = file.column(f"{RECORDING}/arrived", "i8", units="ns", since="1970-01-01Z")
        self._header = file.texts(f"{RECORDING}/image_header")
        self._appendix = file.texts(f"{RECORDING}/image_appendix")
        self._room = 0 if first.hash is None else max(len(first.hash), HASH_BYTES)
        if self._room:
            self._hash = file.column(f"{RECORDING}/hash", f"S{self._room}")
        self._ends = ends_column(file)

    def add(self, picture: Picture) -> None:
        """Write an image of the file's layout.

        Raises
        ------
        DecodeError
            If it has to be decoded and can't be: nothing of it is written then.
        RecordingError
            If the file can't be written.
        """
        chunks = [
            (stored.data, 0)
            if stored.filters == filters
            else (stored.plain(), (1 << len(filters)) - 1)
            for stored, filters in zip(picture.images.values(), self._filters, strict=True)
        ]
        for images, (data, left_out) in zip(self._images, chunks, strict=True):
            images.append(data, left_out)
        self._frame.append(picture.frame)
        for column, time in zip(self._times, picture.times, strict=True):
            column.append(UNKNOWN_TIME if time is None else time)
        self._arrived.append(picture.received_ns)
        self._header.append(picture.header)
        self._appendix.append(picture.appendix)
        if self._room:
            known = picture.hash or b""
            self._hash.append(known if len(known) <= self._room else b"")

    def end(self, received_ns: int) -> None:
        """Note that the series ended."""
        self._ends.append(received_ns)


def _images(file: GrowingFile, name: str, channel: str, first: Stored) -> Chunks:
    about = {"channel": attribute_text(channel)}
    return file.chunks(f"{DATA}/{name}", first.dtype, first.shape, first.filters, **about)


def ends_column(file: GrowingFile) -> Column:
    """Make the column with a row for each message that said that the series ended."""
    return file.column(f"{RECORDING}/series_end", "i8", units="ns", since="1970-01-01Z")


def check_range(name: str, number: int | None, dtype: str) -> None:
    """Validate that a number has a place in a column.

    Raises
    ------
    DecodeError
        If it is too large or too small.
    """
    limits = np.iinfo(dtype)
    if number is not None and not limits.min <= number <= limits.max:
        raise DecodeError(f"{name} is {shown(number)}; {dtype} can be stored")


def by_name(path: str, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Return the paths of arrays by channel: the only one has the path itself."""
    if len(arrays) == 1:
        return {path: next(iter(arrays.values()))}
    return {f"{path}/{link_name(name)}": array for name, array in arrays.items()}
