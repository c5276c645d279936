"""Channels of bsread described by a text, as one writes it on a command line.

``NAME:TYPE[SHAPE]:OPTION...`` for each, with commas between:
``intensity:float64,image:uint16[512x1024]:bitshuffle_lz4,name:string``. Or JSON, as a data
header has its channels.
"""

from __future__ import annotations

import re
from typing import Any

from ..errors import ConfigError, DecodeError
from ..handlers import bsread_channels
from ..handlers.bsread_types import COMPRESSIONS, ORDERS
from ..jsontext import loads

DEFAULT = (
    "intensity:float64,position:float64[2],valid:bool,profile:uint16[2048],"
    "image:uint16[512x1024],events:uint8[256],charge:float32:modulo=10,name:string"
)

MOST_BYTES = 1 << 30
"""Bytes that a value may have."""

CHANNEL = re.compile(
    r"(?P<name>[^:\[\],]+)"
    r"(?::(?P<type>\w+)(?:\[(?P<shape>\d{1,9}(?:x\d{1,9})*)\])?)?"
    r"(?P<options>(?::[\w=]+)*)"
)
NUMBERED = re.compile(r"(modulo|offset)=(\d{1,9})")


def read_channels(text: str) -> list[dict[str, Any]]:
    """Give the channels that a text describes, as a data header lists them.

    Parameters
    ----------
    text : str
        ``NAME``, ``NAME:TYPE``, ``NAME:TYPE[SHAPE]`` and options behind colons, with commas
        between channels. A shape is rows x columns; without one the value is a single number,
        and without a type it is float64. Options are a compression (lz4, bitshuffle_lz4), a byte
        order (little, big), ``modulo=N`` and ``offset=N``: a value at pulses with
        ``pulse_id % N == offset``. Or the JSON of a data header, or of its list of channels,
        where shapes are the other way round, as the format has them: columns first.

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
        if (channel.size or 0) > MOST_BYTES:
            raise ConfigError(
                f"channel {channel.name!r:.80} has {channel.size} bytes; up to {MOST_BYTES} are"
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
    match = CHANNEL.fullmatch(text)
    if match is None:
        raise ConfigError(
            f"channel {text!r:.80} can't be read; one looks like image:uint16[512x1024]:lz4"
        )
    shape = [int(number) for number in (match["shape"] or "1").split("x")]
    type_, options = match["type"] or "float64", match["options"].split(":")[1:]
    channel = {"name": match["name"], "type": type_, "shape": shape[::-1], "encoding": "little"}
    for option in options:
        channel.update(_option(text, option))
    return channel


def _option(text: str, option: str) -> dict[str, Any]:
    if option in ("none", *COMPRESSIONS):
        return {"compression": option}
    if option in ORDERS:
        return {"encoding": option}
    numbered = NUMBERED.fullmatch(option)
    if numbered is None:
        allowed = ", ".join([*COMPRESSIONS, *ORDERS, "modulo=N", "offset=N"])
        raise ConfigError(f"channel {text!r:.80}: {option!r:.40} is none of {allowed}")
    return {numbered[1]: int(numbered[2])}


def _check_turns(name: str, described: dict[str, Any]) -> None:
    """See that a channel has a value at some pulse."""
    modulo, offset = described.get("modulo", 1), described.get("offset", 0)
    if type(modulo) is not int or type(offset) is not int or not 0 <= offset < modulo:
        raise ConfigError(
            f"channel {name!r:.80} has modulo {modulo!r:.20} and offset {offset!r:.20}; they are"
            " whole numbers, and the offset is less"
        )
