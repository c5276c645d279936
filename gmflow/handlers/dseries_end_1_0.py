"""dseries_end-1.0: the end of a series of DECTRIS detectors (stream v1).

Value: ``{"header": dict}``, as in mflow.
"""

from __future__ import annotations

from typing import Any

from ..jsonwire import dumps_compact
from ..message import Part
from ..receiver import Receiver
from .dectris import parts_of, read_header, read_rest


def receive(receiver: Receiver) -> dict[str, Any]:
    """Read one message: a dict with ``header``."""
    return read_rest(receiver, {"header": read_header(receiver)})


def encode(value: dict[str, Any]) -> list[Part]:
    """Return the parts of a message; EncodeError if ``header`` is missing."""
    return parts_of(value, {"header": dumps_compact}, "dseries_end-1.0")
