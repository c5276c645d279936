"""The sending side of a stream: parts are collected, and a message goes out whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from zmq.utils.jsonapi import dumps as dumps_json

from .errors import EncodeError
from .handlers import ENCODERS
from .message import Part
from .sockets import Socket
from .statistics import Statistics

Encoder: TypeAlias = Callable[[Any], list[Part]]


class Sender:
    """Sends whole messages to a socket, and counts them.

    Parameters
    ----------
    socket : Socket
        The socket; this is the only one that sends to it.
    statistics : Statistics
        The counters to keep.
    timeout : float or None
        Seconds that a blocking call waits at most.
    copy : bool
        Whether large parts are copied; otherwise they must not change until they are sent.
    """

    def __init__(
        self, socket: Socket, statistics: Statistics, timeout: float | None, copy: bool
    ) -> None:
        self._socket = socket
        self._statistics = statistics
        self._timeout = timeout
        self._copy = copy
        self._collected: list[Part] = []
        self._block = True

    def send(self, part: Any, more: bool, block: bool, as_json: bool) -> None:
        """Take one part; with the last one the message goes out.

        Raises
        ------
        TypeError
            If the part is a str.
        SendTimeout
            If the time-out passed.
        """
        self._collected.append(self._part(part, as_json, more))
        self._block = self._block and block
        if not more:
            parts, self._collected = self._collected, []
            block, self._block = self._block, True
            self.send_parts(parts, block)

    def send_parts(self, parts: list[Part], block: bool) -> None:
        """Send a whole message; one that can't go out without blocking is dropped, counted."""
        try:
            sent = self._socket.send_parts(parts, self._timeout if block else 0, self._copy)
        except BaseException:
            self._statistics.messages_dropped += 1
            raise
        if sent:
            self._statistics.messages_sent += 1
        else:
            self._statistics.messages_dropped += 1

    def send_value(self, encode: Encoder, value: Any, block: bool) -> None:
        """Send a value as `encode` writes it; one that can't be written is counted as dropped."""
        try:
            parts = encode(value)
        except Exception:
            self._statistics.messages_dropped += 1
            raise
        self.send_parts(parts, block)

    def drop(self) -> bool:
        """Drop the parts of a message whose last part did not come; tell if there were any."""
        if not self._collected:
            return False
        self._collected = []
        self._block = True
        self._statistics.messages_dropped += 1
        return True

    def _part(self, part: Any, as_json: bool, kept: bool) -> Part:
        if as_json:
            return dumps_json(part)
        if isinstance(part, str):
            raise TypeError("a part is bytes, not str: encode it first")
        if isinstance(part, np.ndarray):
            part = np.ascontiguousarray(part)
        if kept and self._copy and not isinstance(part, bytes):
            return bytes(part)  # the caller may change it before the last part comes
        return part


def encoder_of(value: Any) -> Encoder:
    """Give the function that writes a value of this htype as parts.

    Raises
    ------
    EncodeError
        If the value has no header, or its htype is not known.
    """
    try:
        header = value["header"] if isinstance(value, dict) else value.header
        htype = header["htype"]
        return ENCODERS[htype[0] if isinstance(htype, list) and len(htype) == 1 else htype]
    except (KeyError, TypeError, AttributeError):
        known = ", ".join(ENCODERS)
        raise EncodeError(f"the value has no header with a known htype ({known})") from None
