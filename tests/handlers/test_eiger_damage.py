"""Damaged messages of DECTRIS stream v1: each is read or is a DecodeError, in little memory."""

import json
import logging
import random
import resource

import numpy as np
import pytest

from gmflow.decoder import Decoder
from gmflow.errors import DecodeError, EncodeError, HandlerError
from gmflow.handlers import dimage_1_0, eiger
from gmflow.handlers.series import Image, SeriesEnd
from gmflow.simulate import eiger as simulated
from tests.support.damage import damaged, tries

MANY = tries(10_000)
MAX_GROWTH = 200 << 10  # KiB of memory

HTYPES = ("dheader-1.0", "dimage-1.0", "dseries_end-1.0")
WEIRD = [
    None, True, False, 0, -1, 1, 7, 2**31, 2**63, 2**64, 10**18, 10**100, 1.5, 1e308, "", "<", ">",
    "lz4<", "bs32-lz4<", "bs64-lz4<", "bs8-lz4>", "bs16-lz4", "uint8", "uint32", "float64", "O",
    "M8[ns]", "S5", "all", "none", "\ud800", "x" * 100_000, [], [[]], [0, 0], [0, 10**30],
    [2**31, 2**31], [10**9, 10**9, 10**9], [2**62, 4], [1] * 65, [10**18] * 1000, [1.0, 2.0],
    [True, True], ["20", "30"], [30, 20], [20, 30, 1], [20, -30], {}, {"a": 1}, ["dimage-1.0"],
    HTYPES[0], HTYPES[1], HTYPES[2],
]  # fmt: skip


def images(encoding, dtype):
    """Return the messages of a series."""
    begin, *frames, ended = simulated(3, (30, 20), dtype=dtype)
    decoder = Decoder(eiger.HANDLERS)
    for index, parts in enumerate(frames):
        item = decoder.decode(parts)
        item.value = None
        frames[index] = [*eiger.encode(item, encoding), *([b'{"a": [1]}'] * (index % 2))]
    return [[*begin, b"appendix"], *frames, ended]


MESSAGES = [
    [bytes(part) for part in parts]
    for encoding, dtype in [
        ("<", "uint16"),
        ("lz4<", "uint32"),
        ("bs8-lz4<", "uint8"),
        ("bs16-lz4>", "uint16"),
        ("bs32-lz4<", "uint32"),
    ]
    for parts in images(encoding, dtype)
]


def change(rng, part):
    """Change a key of an object, or take it away."""
    try:
        value = json.loads(part)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or not value:
        return damaged(rng, part)
    key = rng.choice(sorted(value))
    if rng.random() < 0.2:
        del value[key]
    else:
        value[key] = rng.choice(WEIRD)
    return json.dumps(value).encode()


def nest(rng, part):
    """Nest something deep, as the whole part or in a key of its object."""
    depth = rng.choice((5, 300, 900, 1010, 1023, 1100, 20_000))
    deep = rng.choice((b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth))
    match = rng.choice((b'"frame":', b'"series":', b'"shape":', b'"type":', b'"header_detail":'))
    before, found, after = part.partition(match)
    if not found or rng.random() < 0.2:
        return deep
    value_end = max(after.find(b',"'), 0) if b',"' in after else len(after) - 1
    return before + found + deep + after[value_end:]


def replace_by_weird(rng, part):
    return rng.choice((b"", b"{}", b"[]", b"null", b"NaN", b"7", b"\xff", bytes(1000)))


PART_DAMAGE = (*[damaged] * 5, change, change, change, nest, replace_by_weird)


def damage(rng, parts):
    parts = list(parts)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        index = rng.randrange(len(parts)) if parts else 0
        what = rng.random()
        if not parts or what < 0.05:
            parts.insert(index, rng.choice((b"", b"{}", rng.randbytes(50), b'{"htype":1}')))
        elif what < 0.12:
            del parts[index]
        elif what < 0.16:
            rng.shuffle(parts)
        else:
            parts[index] = rng.choice(PART_DAMAGE)(rng, parts[index])
    return parts


def check(item, parts):
    if isinstance(item, Image):
        about = item.value["part_2"]
        assert item.array.shape == tuple(about["shape"][::-1])
        assert item.array.dtype.name == about["type"]
        assert item.array.nbytes <= 255 * len(item.value["part_3_raw"])
        try:
            written = eiger.encode(item)
        except EncodeError as error:
            assert "recursion" in str(error)  # it can be read, but not written
        else:
            assert [bytes(part) for part in written] == parts


def test_damaged_messages_are_read_or_refused(caplog):
    caplog.set_level(logging.ERROR)
    started = []

    def series(receiver):
        started.append(receiver)
        yield from eiger.series(receiver)

    readers = [Decoder(dict.fromkeys(HTYPES, series)), Decoder()]
    rng = random.Random(5)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused = 0
    for _ in range(MANY):
        parts = damage(rng, rng.choice(MESSAGES))
        for decoder in readers:
            try:
                item = decoder.decode(parts)
                if isinstance(item, dict):
                    dimage_1_0.image(item)
            except DecodeError as error:
                # Before there is a handler, a htype may be nested too deep to be shown.
                assert not isinstance(error, HandlerError) or "handler None" in str(error)
                assert "\n" not in str(error)
                assert len(str(error)) < 700
                refused += 1
            else:
                check(item, parts)
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert len(started) == 1, "it never raised, or it would have forgotten"
    assert MANY < refused < 2 * MANY
    assert growth < MAX_GROWTH
    good = MESSAGES[:5]
    assert [readers[0].decode(parts).series for parts in good] == [1] * 5


@pytest.mark.parametrize("message", range(5))
def test_every_value_of_every_kind_everywhere(message, caplog):
    caplog.set_level(logging.ERROR)
    decoder, parts = Decoder(eiger.HANDLERS), MESSAGES[message]
    tried = 0
    for index, part in enumerate(parts):
        try:
            value = json.loads(part)
        except ValueError:
            continue
        for key in value:
            for weird in WEIRD:
                text = json.dumps(value | {key: weird}).encode()
                wrong = [*parts[:index], text, *parts[index + 1 :]]
                tried += 1
                try:
                    check(decoder.decode(wrong), wrong)
                except DecodeError as error:
                    assert not isinstance(error, HandlerError)
    refused = decoder.statistics.messages_failed
    assert refused + decoder.statistics.messages_received == tried
    assert 0 < refused < tried


@pytest.mark.parametrize("encoding", ["lz4<", "bs8-lz4<", "bs16-lz4<", "bs32-lz4>"])
def test_every_cut_of_a_blob_is_refused(encoding):
    array = np.arange(9 * 11, dtype="u4").reshape(9, 11)
    parts = eiger.encode(Image(1, 0, {}, {"image": array}), encoding)
    decoder = Decoder(eiger.HANDLERS)
    for length in range(len(parts[2])):
        with pytest.raises(DecodeError, match="frame 0 of series 1"):
            decoder.decode([*parts[:2], parts[2][:length], parts[3]])
    ended = decoder.decode([b'{"htype":"dseries_end-1.0","series":1}'])
    assert isinstance(ended, SeriesEnd)
    assert ended.seen == 1
