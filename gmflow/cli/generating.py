"""What m_generate sends, by its options: messages, and the line that announces them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from time import monotonic
from typing import Any, TypeAlias

from ..green.threads import in_worker_thread
from ..message import Part
from .arguments import UsageError, choice_of, number_of

KINDS = ("raw-1.0", "array-1.0", "eiger", "stream2", "bsr_m-1.1")

FOR = {
    "--size": ("raw-1.0", "array-1.0"),
    "--images": ("eiger", "stream2"),
    "--shape": ("eiger", "stream2"),
    "--encoding": ("eiger", "stream2"),
    "--dtype": ("eiger", "stream2"),
    "--channels": ("stream2", "bsr_m-1.1"),
    "--compression": ("bsr_m-1.1",),
}
"""The options that mean something for some kinds alone."""

DTYPES = ("uint8", "uint16", "uint32")

SHAPE = "1065x1030"

ENCODINGS = {
    "eiger": tuple(
        how + order
        for order in "<>"
        for how in ("", "lz4", "bs8-lz4", "bs16-lz4", "bs32-lz4", "bs64-lz4")
    ),
    "stream2": ("bslz4", "lz4", "none"),
}
"""How pixels can be sent, what is sent by default first."""

COMPRESSIONS = ("none", "lz4", "bitshuffle_lz4")

MAX_MEGABYTES = 1_000_000
MAX_PIXELS = 1_000_000_000
MAX_TEXT = 1 << 24
"""Bytes that a file of channels may have."""

TOGETHER = 0.001
"""Seconds that messages are made before they are handed over to be sent."""

Messages: TypeAlias = Iterator[list[Part]]


def messages_of(arguments: dict[str, Any]) -> tuple[Messages, str]:
    """Return the messages that the options ask for, and what they are in a few words.

    Raises
    ------
    UsageError, ConfigError
        If an option is wrong.
    EncodeError
        If a library is missing that the messages need.
    """
    kind = choice_of(arguments, "--htype", KINDS)
    for option, kinds in FOR.items():
        if arguments[option] is not None and kind not in kinds:
            raise UsageError(f"{option} is for --htype {' and '.join(kinds)}, not {kind}")
    if kind in ("eiger", "stream2"):
        return _series(arguments, kind), f"series of images of {arguments['--shape'] or SHAPE}"
    if kind == "bsr_m-1.1":
        return _pulses(arguments)
    return _buffers(arguments, kind)


def _buffers(arguments: dict[str, Any], kind: str) -> tuple[Messages, str]:
    from ..simulate import array, raw  # late: NumPy only where it is needed

    count, seed = _count(arguments), _seed(arguments)
    size = number_of(arguments, "--size", float, 0, 1.0, most=MAX_MEGABYTES)
    number = int(size * 1024 * 1024)
    messages = raw(number, count) if kind == "raw-1.0" else array(number, count, seed)
    return messages, f"messages of size {size:f} MB"


def _series(arguments: dict[str, Any], kind: str) -> Messages:
    from ..simulate import eiger_series, stream2_series

    count, seed = _count(arguments), _seed(arguments)
    how = _choice(arguments, "--encoding", ENCODINGS[kind])
    images = number_of(arguments, "--images", int, 0, _images(count))
    shape, dtype = _shape(arguments["--shape"] or SHAPE), None
    if arguments["--dtype"] is not None:
        dtype = choice_of(arguments, "--dtype", DTYPES)
    if kind == "eiger":
        series = eiger_series(images, shape, dtype, seed=seed, encoding=how)
    else:
        names = arguments["--channels"]
        channels = ["threshold_1"] if names is None else names.split(",")
        series = stream2_series(
            images,
            shape,
            dtype or "uint16",
            seed=seed,
            compression=how,
            channels=channels,
        )
    return _off_hub(islice(series, count))


def _pulses(arguments: dict[str, Any]) -> tuple[Messages, str]:
    from ..simulate import bsread
    from ..simulate.pulses import DEFAULT, read_channels

    text = _text(arguments["--channels"])
    channels = read_channels(DEFAULT if text is None else text)
    compression = _choice(arguments, "--compression", COMPRESSIONS)
    messages = bsread(channels, _count(arguments), _seed(arguments), compression=compression)
    return _off_hub(messages), f"messages of {len(channels)} channels"


def _text(channels: str | None) -> str | None:
    """Return the text of channels, which may stand in a file."""
    if channels is None or not channels.startswith("@"):
        return channels
    try:
        with open(channels[1:], encoding="utf-8") as file:
            return file.read(MAX_TEXT)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"--channels names {channels[1:]!r:.80}: {reason}") from None


def _choice(arguments: dict[str, Any], option: str, filters: Sequence[str]) -> str:
    """Return an option's value, the first of the choices if it is not given."""
    given = arguments[option] is not None
    return choice_of(arguments, option, filters) if given else filters[0]


def _count(arguments: dict[str, Any]) -> int | None:
    count: int | None = number_of(arguments, "-n", int, 1)
    return count


def _seed(arguments: dict[str, Any]) -> int:
    return int(number_of(arguments, "--seed", int, 0))


def _images(count: int | None) -> int:
    return 100 if count is None else max(count - 2, 0)


def _shape(text: str) -> tuple[int, int]:
    try:
        rows, columns = (int(word) for word in text.lower().split("x"))
    except ValueError:
        raise UsageError(f"--shape is {text!r}; it looks like 1065x1030") from None
    if rows * columns > MAX_PIXELS:
        raise UsageError(f"--shape is {text!r:.80}; it can have up to {MAX_PIXELS} pixels")
    return rows, columns


def _off_hub(messages: Messages) -> Messages:
    """Make the messages in native threads, small ones several at a time."""
    while batch := in_worker_thread(_some, messages):
        yield from batch


def _some(messages: Messages) -> list[list[Part]]:
    end = monotonic() + TOGETHER
    batch = []
    for message in messages:
        batch.append(message)
        if monotonic() > end:
            break
    return batch
