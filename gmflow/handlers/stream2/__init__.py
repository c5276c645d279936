"""DECTRIS's stream v2: series of images in CBOR, one part a message.

`receive` is the handler, `encode` its inverse; `array_of` returns the array of any other tag.
"""

from .cbor_arrays import array_of
from .stream2_decoder import receive
from .stream2_encoder import encode, make_config

__all__ = ["array_of", "encode", "make_config", "receive"]
