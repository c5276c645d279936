"""A sender of bsread (bsr_m-1.1): `bsread_sender` returns what makes its messages.

A channel is described by what the program says of it, else by its first value; the data header is
made when the channels change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import count as count_up
from itertools import islice
from operator import index
from time import time_ns
from typing import Any

import numpy as np

from ...errors import ConfigError, DecodeError, EncodeError
from ...jsonwire import dumps
from ...validation import check_mapping, check_whole, refuse
from .bsread_channels import NUMBERS, compression_of, read_channel
from .bsread_encoder import channel_parts, describe
from .bsread_message import Value
from .data_header import BsreadLayout, make_layout

DESCRIBING = ("type", "shape", "encoding", "compression", "modulo", "offset")
"""What of a data header means something to a sender."""

SECOND = 1_000_000_000
"""Nanoseconds."""


def bsread_sender(
    channels: Mapping[str, Any] | None = None,
    *,
    start_pulse_id: int = 0,
    data_compression: str | None = None,
    data_header_compression: str | None = None,
) -> BsreadSender:
    """Return what makes the messages of a sender of bsread (bsr_m-1.1).

    Parameters
    ----------
    channels : mapping of str to object, optional
        By name where the values come from: a function that is called with the pulse id, or a value
        to send at every pulse. `BsreadSender.add_channel` takes more about a channel.
    start_pulse_id : int, optional
        The first message's pulse id; each other's is one more than the last one's.
    data_compression : str, optional
        How values are compressed where their channel doesn't say: "lz4" or "bitshuffle_lz4".
    data_header_compression : str, optional
        How the data header is compressed.

    Raises
    ------
    ConfigError
        If one of them can't be so.
    """
    check_mapping("channels", channels, "functions or values")
    check_whole("start_pulse_id", start_pulse_id, 0)
    sender = BsreadSender(
        start_pulse_id,
        _compression("data_compression", data_compression),
        _compression("data_header_compression", data_header_compression),
    )
    for name, function in (channels or {}).items():
        sender.add_channel(name, function)
    return sender


class BsreadSender:
    """Makes message after message; `bsread_sender` returns one.

    The data header is made when the channels change, and kept with its hash. It iterates over
    messages without end.

    Attributes
    ----------
    pulse_id : int
        The next message's pulse id.
    """

    def __init__(
        self, pulse_id: int, data_compression: str | None, data_header_compression: str | None
    ) -> None:
        self.pulse_id = pulse_id
        self._data_compression = data_compression
        self._header_compression = data_header_compression
        self._channels: dict[str, _OutgoingChannel] = {}
        self._layout: BsreadLayout | None = None

    def add_channel(
        self,
        name: str,
        function: Any = None,
        metadata: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        """Add a channel, or put it in place of the one with its name.

        Parameters
        ----------
        name : str
        function : object, optional
            A function that is called with the pulse id and returns the value, or a value to
            send at every pulse. By default there is a value where `parts` is given one.
        metadata : mapping, optional
            What the data header shall say of the channel:

            - ``type``: bool, int8 to uint64, float32, float64 or string; also a type or dtype
              of NumPy's, or float, int, bool and str.
            - ``shape``: [1] for a number, else the number of elements in each dimension, the
              fastest first: [columns, rows] for an image.
            - ``encoding``: little or big.
            - ``modulo`` and ``offset``: whole numbers. There is a value where
              (pulse id - offset) % modulo is 0; elsewhere none is asked for, or sent.
            - ``compression``: none, lz4 or bitshuffle_lz4.
            - Anything else that JSON can say.

            A type or shape that is not given is that of the first value; until there is one,
            the data header says float64 and [1].
        **more : object
            Those of them that have a name here, as keywords.

        Raises
        ------
        ConfigError
            If the channel can't be described so, or a keyword is unknown.
        """
        if not isinstance(name, str):
            raise ConfigError(f"channel {name!r:.80}: its name is not a str")
        check_mapping(f"channel {name!r:.80}: metadata", metadata, "what the data header says")
        _check_keywords(name, more)
        given = {"compression": self._data_compression, **(metadata or {}), **more, "name": name}
        self._channels[name] = _OutgoingChannel(function, given)
        self._layout = None

    def parts(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        pulse_id: int | None = None,
        timestamp: Any = None,
    ) -> list[bytes]:
        """Return the next message.

        Parameters
        ----------
        data : mapping of str to object, optional
            Values by channel name, used instead of the channel's own: numbers, arrays, lists
            of numbers, str, None where there is none at this pulse, or a `Value` with a
            timestamp of its own. A name that is new is added as a channel.
        pulse_id : int, optional
            One more than the last message's by default.
        timestamp : float or (int, int), optional
            Seconds since 1970, or seconds and nanoseconds (0 to 999,999,999); now by default.

        Returns
        -------
        list of bytes
            The values are copied.

        Raises
        ------
        EncodeError
            If a value is not what its channel says, or its function fails: names the channel.
            The pulse id stays.
        ConfigError
            If a new channel's name is no str.
        """
        pulse = self.pulse_id if pulse_id is None else _whole("pulse_id", pulse_id)
        stamp = _stamp(timestamp)
        data = data or {}
        for name in data:
            if name not in self._channels:
                self.add_channel(name)
        values = [channel.value(pulse, data) for channel in self._channels.values()]
        layout = self._layout_for(values)
        parts = [self._header(pulse, stamp, layout.hash), layout.part]
        for channel, value in zip(layout.channels, values, strict=True):
            if value.timestamp is None and value.value is not None:
                value = Value(value.value, *stamp)
            part, times = channel_parts(channel, value)
            parts += (bytes(part), times)
        self.pulse_id = pulse + 1
        return parts

    def messages(self, count: int | None = None) -> Iterator[list[bytes]]:
        """Return so many messages, endless by default, with what the channels' functions give."""
        if count is not None:
            check_whole("count", count, 0)
        return (self.parts() for _ in islice(count_up(), count))

    def __iter__(self) -> Iterator[list[bytes]]:
        return self.messages()

    def _header(self, pulse_id: int, stamp: tuple[int, int], hash_: str) -> bytes:
        header = {"htype": "bsr_m-1.1", "pulse_id": pulse_id, "hash": hash_}
        header["global_timestamp"] = {"sec": stamp[0], "ns": stamp[1]}
        if self._header_compression:
            header["dh_compression"] = self._header_compression
        return dumps(header)

    def _layout_for(self, values: list[Value]) -> BsreadLayout:
        """Return the data header, another one if a channel is new or has its first value."""
        decided = [
            channel.decide(value.value)
            for channel, value in zip(self._channels.values(), values, strict=True)
            if not channel.is_decided
        ]
        if self._layout is None or any(decided):
            channels = [channel.described for channel in self._channels.values()]
            text = dumps({"htype": "bsr_d-1.1", "channels": channels})
            try:
                self._layout = make_layout(text, False, self._header_compression)
            except DecodeError as error:
                raise EncodeError(str(error)) from None
        return self._layout


class _OutgoingChannel:
    """One channel: `described` as the data header has it, `is_decided` once no value matters."""

    __slots__ = ("_function", "_given", "_modulo", "_offset", "described", "is_decided")

    def __init__(self, function: Any, given: Mapping[str, Any]) -> None:
        self._function = function
        self._given = given = {key: entry for key, entry in given.items() if entry is not None}
        if isinstance(given.get("shape"), tuple):
            given["shape"] = list(given["shape"])
        if not isinstance(given.get("type", ""), str):
            self._name_type()
        self._modulo: int = given.get("modulo", 1)
        self._offset: int = given.get("offset", 0)
        self.is_decided = "type" in given and ("shape" in given or given["type"] == "string")
        self.described = self._describe(None)
        self._check()

    @property
    def _label(self) -> str:
        return f"channel {self._given['name']!r:.80}"

    def value(self, pulse_id: int, data: Mapping[str, Any]) -> Value:
        """Return the value at a pulse: that of `data`, else the channel's own."""
        if (pulse_id - self._offset) % self._modulo:
            return Value()
        name = self._given["name"]
        if name in data:
            value = data[name]
        elif callable(self._function):
            value = self._call(pulse_id)
        else:
            value = self._function
        return value if isinstance(value, Value) else Value(value)

    def decide(self, value: Any) -> bool:
        """Take type and shape from a value if it is not None, and return True if it isn't."""
        if value is None:
            return False
        self.described = self._describe(value)
        self.is_decided = True
        return True

    def _call(self, pulse_id: int) -> Any:
        try:
            return self._function(pulse_id)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise EncodeError(f"{self._label}: its function failed: {reason:.200}") from error

    def _name_type(self) -> None:
        """Put a name in place of a type of NumPy's or Python's."""
        given, type_ = self._given, self._given["type"]
        dtype = np.dtype(type_) if isinstance(type_, (type, np.dtype)) else None
        if type_ is not str and (dtype is None or dtype.name not in NUMBERS):
            refuse(f"{self._label}: type", type_, f"string, {', '.join(NUMBERS)}")
        given["type"] = "string" if dtype is None or type_ is str else dtype.name
        if dtype is not None and dtype.str.startswith(">"):
            given.setdefault("encoding", "big")

    def _describe(self, value: Any) -> dict[str, Any]:
        derived = describe(self._given["name"], value)
        if "type" in self._given:
            derived["encoding"] = "little"
        return {**derived, **self._given}

    def _check(self) -> None:
        check_whole(f"{self._label}: modulo", self._modulo, 1)
        check_whole(f"{self._label}: offset", self._offset, 0)
        try:
            dumps(self.described)
            read_channel(0, self.described)
        except DecodeError as error:
            raise ConfigError(str(error)) from None
        except (TypeError, ValueError, RecursionError) as error:
            raise ConfigError(f"{self._label}: JSON can't say its metadata: {error}") from None


def _check_keywords(name: str, more: Mapping[str, Any]) -> None:
    for word in more:
        if word not in DESCRIBING:
            raise ConfigError(
                f"channel {name!r:.80}: {word} is unknown; there are {', '.join(DESCRIBING)}, and"
                f" metadata={{{word!r}: ...}} for what else the data header shall say"
            )


def _compression(name: str, value: Any) -> str | None:
    try:
        return compression_of(value)
    except DecodeError as error:
        raise ConfigError(f"{name}: {error}") from None


def _whole(name: str, value: Any) -> int:
    try:
        number = int(index(value))
    except TypeError:
        number = -1
    if number < 0:
        raise EncodeError(f"{name} is {value!r:.40}; it can be a whole number from 0 up")
    return number


def _stamp(timestamp: Any) -> tuple[int, int]:
    """Return seconds and nanoseconds since 1970."""
    seconds, rest = -1, 0
    if timestamp is None:
        seconds, rest = divmod(time_ns(), SECOND)
    elif isinstance(timestamp, tuple) and len(timestamp) == 2:
        with suppress(TypeError):
            seconds, rest = int(index(timestamp[0])), int(index(timestamp[1]))
    elif isinstance(timestamp, (int, float, np.integer, np.floating)) and 0 <= timestamp < 1 << 63:
        seconds, rest = divmod(round(timestamp * SECOND), SECOND)
    if not (0 <= seconds < 1 << 64 and 0 <= rest < SECOND):
        allowed = f"seconds, or (seconds, nanoseconds from 0 to {SECOND - 1:,})"
        raise EncodeError(f"timestamp is {timestamp!r:.40}; it can be {allowed}")
    return seconds, rest
