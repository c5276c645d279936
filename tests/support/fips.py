"""MD5 as a machine in FIPS mode has it."""

from hashlib import md5
from typing import Any


def fips_md5(data: Any, *, usedforsecurity: bool = True) -> Any:
    """Return the hash, or raise ValueError if it is not said that it is for no security."""
    if usedforsecurity:
        raise ValueError("disabled for FIPS")
    return md5(data, usedforsecurity=False)
