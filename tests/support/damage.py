"""Damaged bytes, the same ones in every run: what the fuzz tests share.

Each kind of damage changes a bytearray in place, by dice. GMFLOW_FUZZ says how many damaged
messages or blobs a test tries; without it they are a tenth of what GMFLOW_FULL asks for.
"""

import os
from collections.abc import Callable, Sequence
from random import Random

from tests.support.full import times

Damage = Callable[[Random, bytearray], None]

SIZES = (0, 1, 127, 0xFF, 0x2000, 0xFFFF, 1 << 30, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)
LARGE_SIZES = (1 << 32, 1 << 40, 1 << 60, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
ORDERS = ("big", "little")


def tries(count: int, least: int = 1) -> int:
    """Return how many to try: GMFLOW_FUZZ, or `count` in full and a tenth by default."""
    return int(os.environ.get("GMFLOW_FUZZ") or times(count, least))


def flip(dice: Random, data: bytearray) -> None:
    """Flip one bit, or a few, near the beginning as often as anywhere."""
    for _ in range(dice.choice((1, 1, 2, 8))):
        if data:
            data[_place(dice, data)] ^= 1 << dice.randrange(8)


def cut(dice: Random, data: bytearray) -> None:
    """Cut the end off."""
    del data[dice.randrange(len(data) + 1) :]


def grow(dice: Random, data: bytearray) -> None:
    """Add something at the end."""
    data += dice.randbytes(dice.choice((1, 8, 300)))


def insert(dice: Random, data: bytearray) -> None:
    """Add something inside."""
    place = dice.randrange(len(data) + 1)
    data[place:place] = dice.randbytes(dice.randrange(1, 40))


def remove(dice: Random, data: bytearray) -> None:
    """Take something out."""
    place = dice.randrange(len(data) + 1)
    del data[place : place + dice.randrange(1, 40)]


def repeat(dice: Random, data: bytearray) -> None:
    """Have a stretch twice."""
    place, size = dice.randrange(len(data) + 1), dice.randrange(64)
    data[place:place] = data[place : place + size]


def lie(dice: Random, data: bytearray) -> None:
    """Put a number of 4 or 8 bytes where a size may have been."""
    width = dice.choice((4, 8))
    number = dice.choice(SIZES if width == 4 else SIZES + LARGE_SIZES)
    place = dice.choice((0, 4, 8, _place(dice, data)))
    data[place : place + width] = number.to_bytes(width, dice.choice(ORDERS))  # type: ignore[arg-type]


DAMAGE: tuple[Damage, ...] = (flip, flip, cut, grow, insert, remove, repeat, lie, lie)


def damaged(
    dice: Random, data: bytes, kinds: Sequence[Damage] = DAMAGE, number: int | None = None
) -> bytes:
    """Return data with one kind of damage, seldom with several, or with a `number` of them."""
    changed = bytearray(data)
    for _ in range(number or dice.choice((1, 1, 1, 2, 5))):
        dice.choice(kinds)(dice, changed)
    return bytes(changed)


def _place(dice: Random, data: bytearray) -> int:
    return dice.randrange(min(len(data), dice.choice((16, 400, 1 << 30)))) if data else 0
