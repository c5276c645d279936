"""The sending side of a stream: parts are collected, and a message goes out whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from zmq.utils.jsonapi import dumps as dumps_json

from ...errors import EncodeError
from ...handlers import ENCODERS, NOT_JSON
from ...handlers.series import Image, SeriesEnd, SeriesStart
from ...message import Part
from ...statistics import Statistics
from ...validation import shown
from ..transport.send import MessageSender, check_part
from ..transport.socket import Socket

Encoder: TypeAlias = Callable[[Any], list[Part]]


class StreamSender:
    """Sends whole messages to a socket, as the only one, and counts them."""

    def __init__(
        self, socket: Socket, statistics: Statistics, timeout: float | None, copy: bool
    ) -> None:
        self._sender = MessageSender(socket)
        self._statistics = statistics
        self._timeout = timeout
        self._copy = copy
        self._collected: list[Part] = []
        self._block = True

    def send(self, part: Any, more: bool, block: bool, as_json: bool) -> None:
        """Take one part, which is no str; with the last one the message goes out.

        Raise SendTimeout if the time-out passed.
        """
        if as_json or type(part) is not bytes:
            part = self._part(part, as_json, more)
        collected = self._collected
        if not collected:
            self._block = block  # as in mflow, whose senders wait with the header alone
        collected.append(part)
        if not more:
            self._collected = []
            self.send_parts(collected, self._block)

    def send_parts(self, parts: Sequence[Part], block: bool) -> None:
        """Send a whole message; one that can't go out without blocking is dropped, counted."""
        if type(parts) is not list and type(parts) is not tuple:
            raise TypeError(
                f"parts is a list or tuple of bytes, not {type(parts).__name__}:"
                " say message.parts, or [part] for one"
            )
        if self._collected:
            parts, self._collected = [*self._collected, *parts], []
        try:
            sent = self._sender.send(parts, self._timeout if block else 0, self._copy)
        except BaseException:
            self._statistics.messages_dropped += 1
            raise
        if sent:
            self._statistics.messages_sent += 1
        else:
            self._statistics.messages_dropped += 1

    def send_value(self, htype: Any, value: Any, block: bool) -> None:
        """Send a value as its htype is written.

        Raise EncodeError if it can't be written, or nobody knows how; it is counted as dropped.
        """
        try:
            parts = _encoder_of(htype)(value)
        except Exception:
            self._statistics.messages_dropped += 1
            raise
        self.send_parts(parts, block)

    def drop(self) -> bool:
        """Drop the parts of a message that lacks its last; return True if there were any."""
        if not self._collected:
            return False
        self._collected = []
        self._statistics.messages_dropped += 1
        return True

    def _part(self, part: Any, as_json: bool, kept: bool) -> Part:
        if as_json:
            return dumps_json(part)
        if isinstance(part, np.ndarray):
            part = np.ascontiguousarray(part)
        check_part(part)
        if kept and self._copy and not isinstance(part, bytes):
            return bytes(part)  # the caller may change it before the last part comes
        return part


def value_htype(value: Any) -> Any:
    """Return the htype in a value's header; `NOT_JSON` for an item of a series that has none.

    Raise EncodeError if the value has no header with an htype.
    """
    try:
        header = value["header"] if isinstance(value, dict) else value.header
        if "htype" not in header and isinstance(value, SeriesStart | Image | SeriesEnd):
            return NOT_JSON
        return header["htype"]
    except (KeyError, TypeError, AttributeError):
        raise EncodeError(
            "the value has no header with an htype: it looks like message.data"
        ) from None


def _encoder_of(htype: Any) -> Encoder:
    if isinstance(htype, list) and len(htype) == 1:
        htype = htype[0]  # old PSI senders write a list of one name
    try:
        return ENCODERS[htype]
    except (KeyError, TypeError):
        known = ", ".join(ENCODERS)
        raise EncodeError(f"no encoder for htype {shown(htype)} (known: {known})") from None
