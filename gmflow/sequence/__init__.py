"""Missing, duplicate and late messages, by the counter in their headers."""

from .tracker import SequenceTracker

__all__ = ["SequenceTracker"]
