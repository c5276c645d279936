"""Channels of bsread described by a text, as one writes it on a command line.

``NAME:TYPE[SHAPE]:OPTION...`` for each, with commas between:
``intensity:float64,image:uint16[512x1024]:bitshuffle_lz4,name:string``. All but the name can be
left out. Or JSON, as a data header has its channels.
"""

from __future__ import annotations

import re
from typing import Any

from ..errors import ConfigError, DecodeError
from ..handlers.bsread import channels as bsread_channels
from ..handlers.bsread.channels import COMPRESSIONS, NUMBERS, ORDERS
from ..jsonwire import loads

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


def read_channels(text: str) -> list[dict[str, Any]]:
    """Return the channels that a text describes, as a data header lists them.

    Parameters
    ----------
    text : str
        ``NAME:TYPE[SHAPE]:OPTION...`` for each channel, with commas between. All but the name
        can be left out, also ``NAME[SHAPE]`` and ``NAME:OPTION``. A shape is rows x columns;
        without one the value is a single number, and without a type it is float64. Options are a
        compression (none, lz4, bitshuffle_lz4), a byte order (little, big), ``modulo=N`` and
        ``offset=N``: a value at pulses with
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
