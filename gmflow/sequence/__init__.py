"""Missing, duplicate and late messages, by the counter in their headers."""

from .tracker import Continuity, images_announced

__all__ = ["Continuity", "images_announced"]
