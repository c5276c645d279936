"""Compressed bytes to plain ones and back, as detectors and bsread compress them.

Each module is one framing: `lz4` and `bslz4` (bitshuffle, then LZ4) are what the library makes,
with HDF5's framings around it; `pixels` has the encodings of DECTRIS's stream v1, `bsread_codec`
those of bsr_m-1.1. They are functions of their arguments, so any thread may call them. Nothing in
a blob is believed before it is checked: one that is cut or lies costs a `DecodeError`.
"""

from .limits import MAX_BYTES

__all__ = ["MAX_BYTES"]
