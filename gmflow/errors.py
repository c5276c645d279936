"""Every error gmflow raises: one root, and a type for each thing that can go wrong.

An error says what was wrong, with what, and what to do about it, in one line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import zmq


class GmflowError(Exception):
    """The root of all errors of gmflow."""


class ConnectError(GmflowError, RuntimeError):
    """A socket could not be opened, or is used where it can't be."""


class ConfigError(GmflowError, ValueError):
    """A setting or a configuration file is wrong: names the key, its value and what is allowed."""


class DecodeError(GmflowError):
    """A message could not be read.

    Attributes
    ----------
    parts : sequence of bytes-like
        The parts of the message, as received.
    """

    def __init__(self, reason: str, parts: Sequence[Any] = ()) -> None:
        super().__init__(reason)
        self.parts = parts


class HeaderError(DecodeError):
    """Part 0 is no JSON object, or names no htype."""


class UnknownHtype(DecodeError):
    """No handler is registered for the message's htype."""


class HandlerError(DecodeError):
    """A handler failed on the message; the cause is chained."""


class MessageError(DecodeError):
    """The message has fewer parts than its handler reads, or a part of another kind."""


class EncodeError(GmflowError, ValueError):
    """A value can't be written as a message."""


class RecordingError(GmflowError, OSError):
    """A recording can't be read or written.

    Attributes
    ----------
    resume : int or None
        The number of the first message behind what can't be read; None where there is none.
    """

    resume: int | None = None


class SendTimeout(GmflowError, zmq.Again):
    """A message could not be sent within the send time-out; nothing of it went out."""

    def __init__(self, reason: str) -> None:
        zmq.Again.__init__(self)
        self.strerror = reason

    def __str__(self) -> str:
        return str(self.strerror)
