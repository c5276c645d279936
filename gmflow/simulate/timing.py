"""When the frames of a series are taken: by their numbers, not by a clock."""

from __future__ import annotations

from ..errors import ConfigError


class Timing:
    """Frames at a fixed rate, each exposed for all but a thousandth of its time.

    Parameters
    ----------
    frame_time : float
        Seconds from frame to frame.

    Attributes
    ----------
    period, exposure : int
        Nanoseconds from frame to frame, and of these that pixels count.

    Raises
    ------
    ConfigError
        If `frame_time` is not from 1e-6 to 1e6.
    """

    def __init__(self, frame_time: float) -> None:
        if not 1e-6 <= frame_time < 1e6:
            raise ConfigError(f"frame_time is {frame_time!r}; it can be from 1e-6 s to 1e6 s")
        self.period = round(frame_time * 1e9)
        self.exposure = self.period - self.period // 1000

    def times(self, frame: int) -> dict[str, int]:
        """Return a frame's ``real_time``, ``start_time`` and ``stop_time`` in nanoseconds."""
        start = frame * self.period
        return {
            "real_time": self.exposure,
            "start_time": start,
            "stop_time": start + self.exposure,
        }
