"""Missing, duplicate and late messages, by the counter in their headers."""

from .tracker import SequenceTracker, images_announced

__all__ = ["SequenceTracker", "images_announced"]
