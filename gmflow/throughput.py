"""How fast messages come in: rates for each sampling interval, and the summary at the end.

The two classes behave, print and name things as mflow's do: scripts read their lines. They take
the counters of any stream, as long as these have `total_bytes_received` and `messages_received`.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict, deque
from collections.abc import MutableSequence
from types import SimpleNamespace
from typing import Any, Protocol

RATES = "Data rate: {data_rate: >10.3f} MB/s    Message rate: {message_rate: >10.3f} Hz"

SUMMARY = """\
Total elapsed time:   {total_elapsed_time: >10.3f} s
Average message size: {average_message_size: >10.3f} MB
Total bytes received: {total_bytes_received: >10.3f} MB
Average data rate:    {average_data_rate: >10.3f} MB/s
Messages received:    {messages_received: >10d} messages
Average message rate: {average_message_rate: >10.3f} Hz"""

IN_BYTES = {"average_message_size", "total_bytes_received", "average_data_rate", "data_rate"}
"""The values that are kept in bytes and shown in megabytes."""

RULE = "_" * 60


class Counters(Protocol):
    """What is read of a stream's statistics."""

    total_bytes_received: int
    messages_received: int


class ThroughputStatistics:
    """Samples the counters of a stream and keeps the rates in between.

    Parameters
    ----------
    buffer : mutable sequence, optional
        Where the samples go: dicts of ``message_rate`` (1/s) and ``data_rate`` (bytes/s). The
        last 100 are kept by default.
    namespace : argparse.Namespace or the like, optional
        Where the running state is kept. Its attributes are always assigned whole, so that it
        may live in another process.
    sampling_interval : float, optional
        The seconds that must have passed before the next sample.

    Attributes
    ----------
    n : argparse.Namespace or the like
        ``initial_time``, and as dicts of ``total_bytes_received``, ``messages_received`` and
        ``time``: ``last_sampled_statistics`` and ``last_received_statistics``.
    """

    MB_FACTOR = 1 / 10**6

    def __init__(
        self,
        buffer: MutableSequence[dict[str, float]] | None = None,
        namespace: Any = None,
        sampling_interval: float = 0.2,
    ) -> None:
        self.sampling_interval = sampling_interval
        self.n = SimpleNamespace() if namespace is None else namespace
        self._buffer = deque(maxlen=100) if buffer is None else buffer
        self._logger = logging.getLogger(type(self).__name__)
        self.n.initial_time = time.time()
        self.n.last_sampled_statistics = _reading(0, 0, self.n.initial_time)
        self.n.last_received_statistics = _reading(0, 0, self.n.initial_time)

    def save_statistics(self, message_statistics: Counters) -> bool:
        """Note the counters as they stand; return True if a sample was taken."""
        self.n.last_received_statistics = _reading(
            message_statistics.total_bytes_received,
            message_statistics.messages_received,
            time.time(),
        )
        return self._sample(after=self.sampling_interval)

    def flush(self) -> bool:
        """Sample what came since the last sample at once; return True if there was anything."""
        return self._sample(after=0)

    def get_last_sampled_statistics(self) -> dict[str, float] | None:
        """Return the last sample, None if there is none yet."""
        return self._buffer[-1] if len(self._buffer) else None

    def get_statistics_raw(self) -> MutableSequence[dict[str, float]]:
        """Return the buffer with all samples."""
        return self._buffer

    def get_statistics(self) -> dict[str, Any]:
        """Return the summary from the start to the last message.

        Returns
        -------
        dict
            By name: ``average_data_rate`` (bytes/s), ``average_message_rate`` (1/s),
            ``average_message_size`` (bytes), ``messages_received``, ``total_bytes_received``,
            ``total_elapsed_time`` (s). Empty if no message was received.
        """
        last = self.n.last_received_statistics
        elapsed = last["time"] - self.n.initial_time
        messages, size = last["messages_received"], last["total_bytes_received"]
        if elapsed <= 0 or messages == 0:
            return {}
        return OrderedDict(
            average_data_rate=size / elapsed,
            average_message_rate=messages / elapsed,
            average_message_size=size / messages,
            messages_received=messages,
            total_bytes_received=size,
            total_elapsed_time=elapsed,
        )

    def _sample(self, after: float) -> bool:
        last, now = self.n.last_sampled_statistics, self.n.last_received_statistics
        elapsed = now["time"] - last["time"]
        if elapsed <= max(after, 0):
            return False
        sample = {
            "message_rate": (now["messages_received"] - last["messages_received"]) / elapsed,
            "data_rate": (now["total_bytes_received"] - last["total_bytes_received"]) / elapsed,
        }
        self._buffer.append(sample)
        self.n.last_sampled_statistics = dict(now)
        self._logger.info(RATES.format(**_in_megabytes(sample, self.MB_FACTOR)))
        return True


class ThroughputStatisticsPrinter:
    """Prints a line of rates for each sample, and the summary when it is closed.

    Parameters
    ----------
    sampling_interval : float, optional
        The seconds between two lines.

    Attributes
    ----------
    statistics : ThroughputStatistics
        What is printed.
    """

    def __init__(self, sampling_interval: float = 0.2) -> None:
        self.statistics = ThroughputStatistics(sampling_interval=sampling_interval)

    def save_statistics(self, message_statistics: Counters) -> None:
        """Note the counters after a message; print a line if the interval is over."""
        if self.statistics.save_statistics(message_statistics):
            self.print_statistics()

    def print_statistics(self) -> None:
        """Print the rates of the last sample, zeros before the first one."""
        sample = self.statistics.get_last_sampled_statistics()
        rates = sample or {"data_rate": 0.0, "message_rate": 0.0}
        print(RATES.format(**_in_megabytes(rates, self.statistics.MB_FACTOR)))

    def print_summary(self) -> None:
        """Print totals and averages."""
        summary = self.statistics.get_statistics()
        if summary:
            print(RULE)
            print(SUMMARY.format(**_in_megabytes(summary, self.statistics.MB_FACTOR)))
        else:
            print("No messages received.")
        print(RULE)

    def close(self, print_summary: bool = True) -> None:
        """Print what no sample holds yet, then the summary if it is wanted."""
        if self.statistics.flush():
            self.print_statistics()
        if print_summary:
            self.print_summary()


def _reading(size: int, messages: int, now: float) -> dict[str, float]:
    return {"total_bytes_received": size, "messages_received": messages, "time": now}


def _in_megabytes(values: dict[str, Any], factor: float) -> dict[str, Any]:
    return {key: value * factor if key in IN_BYTES else value for key, value in values.items()}
