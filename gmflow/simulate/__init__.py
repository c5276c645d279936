"""Messages to generate: mflow's raw stream, arrays, series of DECTRIS detectors, bsread.

Each function checks its arguments at once and returns an iterator of messages, each a list of
parts. Nothing looks at a clock, and the same arguments give the same bytes. What compresses
needs an extra: where it is missing, the function says so, not the first message.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .buffers import array, raw
    from .eiger_streams import eiger, eiger_series, stream2, stream2_series
    from .pulses import bsread

__all__ = ["array", "bsread", "eiger", "eiger_series", "raw", "stream2", "stream2_series"]

_HOME = {
    "array": "buffers",
    "bsread": "pulses",
    "eiger": "eiger_streams",
    "eiger_series": "eiger_streams",
    "raw": "buffers",
    "stream2": "eiger_streams",
    "stream2_series": "eiger_streams",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is: a generator of zeros needs no NumPy."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_HOME[name]}", __name__), name)
    return value
