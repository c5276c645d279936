"""bsread: the channels of a simulated machine, a pulse every 10 ms, and the text that names them.

The values of a channel are waves with a little noise: windows on one buffer of numbers, which moves
on by a number a pulse and is back after `WINDOWS` pulses. Nothing is drawn or copied.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count as count_up
from itertools import islice
from math import prod
from typing import Any

import numpy as np

from ..codecs import bsread_codec as codec
from ..errors import ConfigError, DecodeError
from ..handlers.bsread import bsread_channels
from ..handlers.bsread.bsread_channels import COMPRESSIONS, NUMBERS, ORDERS, BsreadChannel
from ..handlers.bsread.bsread_sender import BsreadSender, bsread_sender
from ..handlers.series import Array
from ..jsonwire import loads
from ..message import Part
from .buffers import WINDOWS, optional_count, whole_number

EPOCH = 1_700_000_000
"""The seconds since 1970 of pulse 0: nothing looks at a clock."""

PERIOD = 10_000_000
"""Nanoseconds from pulse to pulse."""

WAVE = 100
"""Numbers from crest to crest."""

HEIGHT, NOISE = 50, 5
"""Of a wave; all of it fits the smallest integers."""

DEFAULT = (
    "intensity:float64,position:float64[2],valid:bool,profile:uint16[2048],"
    "image:uint16[512x1024],events:uint8[256],charge:float32:modulo=10,name:string"
)

MAX_BYTES = 1 << 30
"""Bytes that a value may have."""

EXAMPLE = "image:uint16[512x1024]:lz4"

TYPES = ("string", *NUMBERS)
OPTIONS = ("none", *COMPRESSIONS, *ORDERS, "modulo=N", "offset=N")

SHAPED = re.compile(r"([^\[\]]*)(?:\[(\d{1,9}(?:x\d{1,9})*)\])?")
"""A name or a type, and the shape that may stand behind it."""

NUMBERED = re.compile(r"(modulo|offset)=(\d{1,9})")


def bsread(
    channels: str | Sequence[Mapping[str, Any]] = DEFAULT,
    count: int | None = None,
    seed: int = 0,
    *,
    compression: str = "none",
    start_pulse_id: int = 0,
) -> Iterator[list[Part]]:
    """Return messages of htype bsr_m-1.1, of one pulse after the other.

    Parameters
    ----------
    channels : str or sequence of mapping, optional
        What `read_channels` reads or returns.
    count : int, optional
        How many messages; endless by default.
    seed : int, optional
        Of the noise in the values.
    compression : str, optional
        Of the data header, and of channels that name none: "none", "lz4" or "bitshuffle_lz4".
    start_pulse_id : int, optional
        The first pulse's. Values and timestamps depend on a pulse's id, not on the first one.

    Raises
    ------
    ConfigError
        If an argument is not as described.
    EncodeError
        If the library that compresses is not installed.
    """
    described = read_channels(channels) if isinstance(channels, str) else list(channels)
    number = optional_count(count)
    seed = whole_number("seed", seed, 0)
    try:
        how = bsread_channels.compression_of(compression)
        read = [bsread_channels.read_channel(index, one) for index, one in enumerate(described)]
    except DecodeError as error:
        raise ConfigError(str(error)) from None
    for name in filter(None, {how, *(channel.compression for channel in read)}):
        codec.encode(bytes(64), name, 1, "<")  # the library is here, or an error
    sender = bsread_sender(
        start_pulse_id=whole_number("start_pulse_id", start_pulse_id, 0),
        data_compression=how,
        data_header_compression=how,
    )
    for index, (channel, metadata) in enumerate(zip(read, described, strict=True)):
        sender.add_channel(channel.name, _signal(channel, [index, seed]), metadata)
    return map(partial(_message, sender), islice(count_up(sender.pulse_id), number))


def _message(sender: BsreadSender, pulse: int) -> list[Part]:
    seconds, nanoseconds = divmod(pulse * PERIOD, 1_000_000_000)
    return sender.parts(pulse_id=pulse, timestamp=(EPOCH + seconds, nanoseconds))


def _signal(channel: BsreadChannel, seed: list[int]) -> Callable[[int], Any]:
    """Return a function of the pulse's number that returns the value, as NumPy has its shape."""
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
    wave: Array = np.sin(np.arange(count, dtype=np.float32) * np.float32(2 * np.pi / WAVE))
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


def read_channels(text: str) -> list[dict[str, Any]]:
    """Return the channels that a text describes, as a data header lists them.

    Parameters
    ----------
    text : str
        ``NAME:TYPE[SHAPE]:OPTION...`` for each channel, with commas between. All but the name
        can be left out, also ``NAME[SHAPE]`` and ``NAME:OPTION``. A shape is rows x columns;
        without one the value is a single number, and without a type it is float64. Options are a
        compression (none, lz4, bitshuffle_lz4), a byte order (little, big), ``modulo=N`` and
        ``offset=N``: a value at pulses with ``pulse_id % N == offset``. Or the JSON of a data
        header, or of its list of channels, where shapes are the other way round, as the format
        has them: columns first.

    Raises
    ------
    ConfigError
        If the text describes no channels: says where it is wrong.
    """
    begun = text.lstrip()[:1]
    one_by_one = [one.strip() for one in text.split(",")]
    channels = _from_json(text) if begun in ("{", "[") else list(map(_channel, one_by_one))
    if not channels:
        raise ConfigError("there are no channels; describe at least one")
    try:
        read = bsread_channels.read_channels({"channels": channels}, old=False)
    except DecodeError as error:
        raise ConfigError(str(error)) from None
    for described, channel in zip(channels, read, strict=True):
        if (channel.size or 0) > MAX_BYTES:
            raise ConfigError(
                f"channel {channel.name!r:.80} has {channel.size} bytes; up to {MAX_BYTES} are"
                " possible"
            )
        _check_turns(channel.name, described)
    return channels


def _from_json(text: str) -> list[Any]:
    try:
        value = loads(text.encode("utf-8", "surrogateescape"))
    except ValueError as error:
        raise ConfigError(f"the channels are no JSON: {error}") from None
    channels = value.get("channels") if isinstance(value, dict) else value
    if not isinstance(channels, list):
        raise ConfigError("the JSON has no list of channels, nor is it one")
    return channels


def _channel(text: str) -> dict[str, Any]:
    first, *rest = text.split(":")
    name, shape = _shaped(text, first)
    if not name:
        raise ConfigError(f"channel {text!r:.80} has no name; one looks like {EXAMPLE}")
    type_, own = _type(text, rest.pop(0)) if rest and not _option(rest[0]) else ("", "")
    if shape and own:
        raise _unread(text, f"{type_}[{own}]", f"says a shape, and so does {first!r:.40}")
    numbers = [int(number) for number in (shape or own or "1").split("x")]
    channel = {"name": name, "type": type_ or "float64", "shape": numbers[::-1]}
    channel["encoding"] = "little"
    for word in rest:
        option = _option(word)
        if not option:
            raise _unread(text, word, f"is none of {', '.join(OPTIONS)}")
        channel.update(option)
    return channel


def _type(text: str, piece: str) -> tuple[str, str]:
    """Return the type and the shape that the piece behind the name says, "" for what it doesn't."""
    type_, shape = _shaped(text, piece)
    if type_ and type_.lower() not in TYPES:
        types, options = ", ".join(TYPES), ", ".join(OPTIONS)
        raise _unread(text, piece, f"is neither a type ({types}) nor an option ({options})")
    return type_, shape


def _shaped(text: str, piece: str) -> tuple[str, str]:
    match = SHAPED.fullmatch(piece)
    if match is None:
        raise _unread(text, piece, "can't be read")
    return match[1], match[2] or ""


def _option(word: str) -> dict[str, Any]:
    """Return what an option says of its channel; nothing if it is none."""
    if word in ("none", *COMPRESSIONS):
        return {"compression": word}
    if word in ORDERS:
        return {"encoding": word}
    numbered = NUMBERED.fullmatch(word)
    return {numbered[1]: int(numbered[2])} if numbered else {}


def _unread(text: str, piece: str, reason: str) -> ConfigError:
    return ConfigError(f"channel {text!r:.80}: {piece!r:.40} {reason}; one looks like {EXAMPLE}")


def _check_turns(name: str, described: dict[str, Any]) -> None:
    """Validate that a channel has a value at some pulse."""
    modulo, offset = described.get("modulo", 1), described.get("offset", 0)
    if type(modulo) is not int or type(offset) is not int or not 0 <= offset < modulo:
        raise ConfigError(
            f"channel {name!r:.80} has modulo {modulo!r:.20} and offset {offset!r:.20}; they are"
            " whole numbers, and the offset is less"
        )
