"""The handlers that come with gmflow: the table that reads, by htype, and its inverse.

A stream takes a copy of `DEFAULT`, so what one stream registers no other sees. What a program adds
to it, as programs for mflow do, the streams it makes later have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ..message import Part
from ..receiver import Receiver
from . import (
    array_1_0,
    bsr_m,
    dheader_1_0,
    dimage_1_0,
    dseries_end_1_0,
    eiger,
    merged_1_0,
    raw_1_0,
    stream2,
)

NOT_JSON = "not JSON"
"""Under this name stands in a table what reads messages whose first part is no JSON object."""

DEFAULT: dict[str, Callable[[Receiver], Any]] = {
    "array-1.0": array_1_0.receive,
    "raw-1.0": raw_1_0.receive,
    "bsr_m-1.0": bsr_m.receive_1_0,
    "bsr_m-1.1": bsr_m.receive_1_1,
    "dheader-1.0": dheader_1_0.receive,
    "dimage-1.0": dimage_1_0.receive,
    "dseries_end-1.0": dseries_end_1_0.receive,
    "merged-1.0": merged_1_0.receive,
    NOT_JSON: stream2.receive,
}
"""Which handler reads which htype."""

BUILT_IN = frozenset(DEFAULT.values())
"""Those that leave the header as it is; those of programs may change the one that they get."""

ENCODERS: Mapping[str, Callable[[Any], list[Part]]] = MappingProxyType(
    {
        "array-1.0": array_1_0.encode,
        "raw-1.0": raw_1_0.encode,
        "bsr_m-1.0": bsr_m.encode,
        "bsr_m-1.1": bsr_m.encode,
        "dheader-1.0": eiger.encode,
        "dimage-1.0": eiger.encode,
        "dseries_end-1.0": eiger.encode,
        "merged-1.0": merged_1_0.encode,
        NOT_JSON: stream2.encode,
    }
)
"""What turns the value of which htype back into parts."""
