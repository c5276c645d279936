"""Mutated bsread messages: each is read, or refused with a `DecodeError` that is no surprise."""

import json
import random
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

import gmflow
from gmflow.decoder import Decoder
from gmflow.errors import DecodeError, EncodeError, HandlerError
from gmflow.handlers import ENCODERS
from tests.support.bsread_wire import CODES, OLD_CODES
from tests.support.damage import damaged, tries

pytest.importorskip("imagecodecs")

COUNT = tries(4000)
COMPRESSIONS = ["none", "lz4", "bitshuffle_lz4"]

DEEP = b"[" * 100_000
WRONG: list[Any] = [
    None, True, 0, 1, -1, 2**31, 2**63, 10**30, 1.5, 1e300, "", "x", "big", "middle", "string",
    [], {}, [0], [-1], [1, 1], [2**62], [2**31, 2**31], [10**30], [0, 10**30], [1] * 100, [1.0],
    [[1]], ["x"], {"sec": 1}, {"ns": 1}, *CODES, *OLD_CODES, *COMPRESSIONS, "zip", "bsr_d-1.0",
]  # fmt: skip


def originals() -> Iterator[list[bytes]]:
    """Return messages that can be read: each type in each compression, small and large."""
    wave = np.arange(5000) % 200
    for compression, header_compression, order in product(COMPRESSIONS, COMPRESSIONS, "<>"):
        sender = gmflow.bsread_sender(
            data_compression=compression, data_header_compression=header_compression
        )
        values: dict[str, Any] = {"text": "h\xe4llo" * 9, "none": None, "flags": wave > 100}
        for name, code in CODES.items():
            dtype = np.dtype(order + code)
            values[f"scalar-{name}"] = wave[5].astype(dtype)
            values[f"wave-{name}"] = wave[:100].astype(dtype)
        values["image"] = wave.reshape(50, 100).astype(order + "u2")
        yield sender.parts(values, timestamp=(5, 6))
        yield sender.parts({"image": None}, timestamp=(5, 6))
        few = {name: values[name] for name in ("image", "text", "scalar-bool")}
        yield gmflow.bsread_sender(data_compression=compression).parts(few, timestamp=(5, 6))


def mutated(parts: list[bytes], dice: random.Random) -> list[bytes]:
    parts = list(parts)
    for _ in range(dice.choice((1, 1, 1, 2, 5))):
        dice.choice(MUTATIONS)(parts, dice.randrange(len(parts)), dice)
    return parts


def spoil(parts: list[bytes], index: int, dice: random.Random) -> None:
    parts[index] = damaged(dice, parts[index], number=1)


def noise(parts: list[bytes], index: int, dice: random.Random) -> None:
    parts[index] = dice.randbytes(dice.randrange(40))


def drop(parts: list[bytes], index: int, dice: random.Random) -> None:
    if len(parts) > 1:
        del parts[index]


def double(parts: list[bytes], index: int, dice: random.Random) -> None:
    parts.insert(dice.randrange(len(parts)), parts[index])


def deepen(parts: list[bytes], index: int, dice: random.Random) -> None:
    depth = dice.choice((100, 990, 1000, 1020, 100_000))
    key = dice.choice([b'"hash"', b'"global_timestamp"', b'"pulse_id"', b'"dh_compression"'])
    text = b"[" * depth + b"]" * depth
    parts[0] = parts[0].rstrip(b"}") + b"," + key + b":" + text + b"}"
    if dice.random() < 0.3:
        key = dice.choice([b"name", b"type", b"shape", b"encoding", b"compression"])
        parts[1] = b'{"channels": [{"name": "A", "' + key + b'": ' + text + b"}]}"


def empty(parts: list[bytes], index: int, dice: random.Random) -> None:
    parts[dice.choice((1, index)) % len(parts)] = b""


def say_something_else(parts: list[bytes], index: int, dice: random.Random) -> None:
    index = min(index % 2, len(parts) - 1)
    try:
        header = json.loads(parts[index])
        entry = dice.choice([header, dice.choice(header.get("channels") or [header])])
        entry[dice.choice([*entry, "compression", "shape"])] = dice.choice(WRONG)
    except (ValueError, AttributeError, TypeError, RecursionError, LookupError):
        return
    parts[index] = json.dumps(header).encode()


MUTATIONS: list[Callable[[list[bytes], int, random.Random], None]] = [
    *(spoil, spoil, spoil, spoil, spoil, spoil, spoil, noise, drop, double, deepen, empty),
    *[say_something_else] * 8,
]


def messages(count: int, seed: int = 1) -> Iterator[list[bytes]]:
    """Return so many mutated messages, the same ones each time."""
    dice = random.Random(seed)
    known = list(originals())
    for _ in range(count):
        parts = mutated(dice.choice(known), dice)
        try:
            if json.loads(parts[0])["htype"] not in ("bsr_m-1.0", "bsr_m-1.1"):
                continue
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        yield parts


def test_no_message_can_do_worse_than_be_refused() -> None:
    decoder = Decoder()
    for parts in messages(COUNT):
        try:
            message = decoder.decode(parts)
        except HandlerError as error:
            raise AssertionError(f"the handler failed: {error}") from error
        except DecodeError:
            continue
        bools = any(type(value.value) is np.bool_ for value in message.data.values())
        if message.data and not bools:
            try:
                written = ENCODERS[message.header["htype"]](message)
            except EncodeError as error:
                assert "recursion" in str(error)
            else:
                assert list(map(bytes, written)) == parts
    statistics = decoder.statistics
    assert statistics.messages_received > COUNT // 20
    assert statistics.messages_failed > COUNT // 4


def test_the_originals_can_be_read() -> None:
    for parts in originals():
        assert list(map(bytes, ENCODERS["bsr_m-1.1"](Decoder().decode(parts)))) == parts
