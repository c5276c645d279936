"""The messages of a sender of bsread: a pulse each, every 10 ms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import count as count_up
from itertools import islice
from typing import Any

from ..codecs import bsread_codec as codec
from ..errors import ConfigError, DecodeError
from ..handlers.bsread.bsread_sender import BsreadSender, bsread_sender
from ..handlers.bsread.channels import compression_of, read_channel
from ..message import Part
from .channels import DEFAULT, read_channels
from .counts import optional_count, whole_number
from .signals import signal

EPOCH = 1_700_000_000
"""The seconds since 1970 of pulse 0: nothing looks at a clock."""

PERIOD = 10_000_000
"""Nanoseconds from pulse to pulse."""


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
        What `gmflow.simulate.channels.read_channels` reads, or gives.
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
        how = compression_of(compression)
        read = [read_channel(index, one) for index, one in enumerate(described)]
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
        sender.add_channel(channel.name, signal(channel, [index, seed]), metadata)
    return map(partial(_message, sender), islice(count_up(sender.pulse_id), number))


def _message(sender: BsreadSender, pulse: int) -> list[Part]:
    seconds, nanoseconds = divmod(pulse * PERIOD, 1_000_000_000)
    return sender.parts(pulse_id=pulse, timestamp=(EPOCH + seconds, nanoseconds))
