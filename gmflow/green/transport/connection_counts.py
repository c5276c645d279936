"""Counts a socket's connections from what libzmq's monitor reports of them."""

from __future__ import annotations

import os

import zmq

OPENED = int(zmq.EVENT_ACCEPTED | zmq.EVENT_CONNECTED)
FAILED = int(
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)
SHAKEN = int(zmq.EVENT_HANDSHAKE_SUCCEEDED)
CLOSED = int(zmq.EVENT_DISCONNECTED)
EVENTS = OPENED | FAILED | SHAKEN | CLOSED
"""What is listened for. Attempts to connect, which may be very many, are not."""

MECHANISM_MISMATCH = 0x11000001  # ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH of zmq.h

_NEW, _MAYBE, _UP = range(3)

_SILENT = "the peer is no ZeroMQ socket, or of a kind that does not go with this one"


class Connections:
    """Counts connections from a monitor's events.

    libzmq names the file descriptor of a connection when it opens and closes, but not when its
    handshake is done. Where several are open without one, `_MAYBE` are those that it may have
    been.

    Attributes
    ----------
    peers : int
        Connections with their handshake done, now.
    connected, disconnected : int
        How many there came to be, and how many of those have ended.
    handshake_failed : int
        Connections that ended without a handshake.
    """

    def __init__(self) -> None:
        self.peers = 0
        self.connected = 0
        self.disconnected = 0
        self.handshake_failed = 0
        self._states: dict[int, int] = {}
        self._unclaimed = 0  # handshakes of one of those that are _MAYBE
        self._reason = ""

    def note(self, event: int, value: int) -> str:
        """Take in an event; tell what has changed, ``connected`` for instance, or nothing."""
        changed = ""
        if event & OPENED:
            self._states[value] = _NEW
        elif event == SHAKEN:
            self._states = {fd: max(state, _MAYBE) for fd, state in self._states.items()}
            self._unclaimed += 1
            self.peers += 1
            self.connected += 1
            changed = "connected"
        elif event & FAILED:
            self._reason = _words(event, value)  # the end of the same connection follows
        elif event == CLOSED:
            changed = self._end(self._states.pop(value, _NEW))
        if list(self._states.values()).count(_MAYBE) == self._unclaimed:
            self._states = {fd: state and _UP for fd, state in self._states.items()}
            self._unclaimed = 0
        return changed

    def _end(self, state: int) -> str:
        if state == _UP or (state == _MAYBE and self._unclaimed and not self._reason):
            self._unclaimed -= state == _MAYBE
            self.peers -= 1
            self.disconnected += 1
            return "disconnected"
        self.handshake_failed += 1
        reason = self._reason or _SILENT
        self._reason = ""
        return reason

    def snapshot(self) -> dict[str, int]:
        """Give the counters as a plain dict."""
        names = ("peers", "connected", "disconnected", "handshake_failed")
        return {name: getattr(self, name) for name in names}


def _words(event: int, value: int) -> str:
    if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
        return f"the peer was refused, ZAP status {value}"
    if event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        return f"{_SILENT}, or it left ({os.strerror(value)})"
    if value == MECHANISM_MISMATCH:
        return "only one of the two sides has security switched on"
    return f"the peer broke ZeroMQ's protocol, error {value:#x}"
