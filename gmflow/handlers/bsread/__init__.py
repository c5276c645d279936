"""bsread: messages of channels, each with a value and a timestamp (bsr_m-1.0 and 1.1)."""

from .bsread_message import BsreadMessage, Value

__all__ = ["BsreadMessage", "Value"]
