"""Messages into HDF5 files: each into a file of its family, by its htype.

A family reads messages with their handlers, and stores them in the file of their layout. What it
can't read or HDF5 can't hold is refused: counted, and why is logged once.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from logging import getLogger

from ...cborwire import is_map
from ...errors import DecodeError, RecordingError
from ...formats import STREAM_V1, htype_of
from ...message import Message
from ...validation import shown
from ..base import PROMISE, Writer
from .arrays_family import ArraysFamily
from .bsread_family import BsreadFamily
from .columns import library
from .files import Files
from .series_families import EigerFamily, Stream2Family

logger = getLogger(__name__)

COMMIT_AFTER = PROMISE / 2
"""Seconds after which a message is committed, where messages come one after the other."""

NUMBER = re.compile(r"\d+")

MAX_REASONS = 100
"""Reasons of refusals that are told apart; later ones are only counted."""


class Hdf5Writer(Writer):
    """Writes messages into ``run.h5``, and what has another layout into ``run-2.h5`` and so on.

    Images of DECTRIS's stream v1 and v2, bsread and array-1.0 are stored; all else is refused.
    One file holds one series, the channels of one data header, or arrays of one shape and type.
    No file is made before a message came that is stored. Raise RecordingError if the first one
    is there already, can't be written, or h5py is not installed.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__()
        library()
        self._files = Files(path)
        self.paths = self._files.paths
        eiger, stream2 = EigerFamily(self._files), Stream2Family(self._files)
        self._series = [eiger, stream2]
        self._add: dict[str, Callable[[Message], None]] = {
            **dict.fromkeys(STREAM_V1.htypes, eiger.add),
            **dict.fromkeys(("bsr_m-1.0", "bsr_m-1.1"), BsreadFamily(self._files).add),
            "array-1.0": ArraysFamily(self._files).add,
        }
        self._add_stream2 = stream2.add
        self._kept = self._kept_bytes = 0
        self._due = 0.0
        self._is_open = True

    def write(self, messages: Sequence[Message]) -> None:
        if not self._is_open:
            raise RecordingError(f"{self._files.path} is closed: begin another recording")
        try:
            for message in messages:
                self._store(message)
        except RecordingError:
            self._leave()
            raise
        if self._kept and time.monotonic() >= self._due:
            self.commit()

    def commit(self) -> None:
        if not self._is_open:
            return
        try:
            for family in self._series:
                family.commit()
            self._files.commit()
        except RecordingError:
            self._leave()
            raise
        self.written += self._kept
        self.bytes_written += self._kept_bytes
        self._kept = self._kept_bytes = 0

    def close(self) -> None:
        if not self._is_open:
            return
        self.commit()
        self._is_open = False
        self._files.close()  # which has nothing more to write

    def _store(self, message: Message) -> None:
        try:
            add = self._add.get(htype_of(message))
            if add is None:
                add = self._search(message)
            add(message)
        except DecodeError as error:
            self._refuse(str(error))
            return
        if not self._kept:
            self._due = time.monotonic() + COMMIT_AFTER
        self._kept += 1
        self._kept_bytes += message.size

    def _search(self, message: Message) -> Callable[[Message], None]:
        """Return what stores a message that doesn't simply name its family."""
        if not message.parts:
            raise DecodeError("it has no parts")
        if is_map(message.parts[0]):
            return self._add_stream2
        htype = message.header.get("htype")
        raise DecodeError(f"htype {shown(htype)} has no place in HDF5; {', '.join(self._add)}")

    def _refuse(self, why: str) -> None:
        """Count a message, and log why: once for all that differ in nothing but numbers."""
        self.refused += 1
        reason = NUMBER.sub("0", why)
        if reason in self._reasons or len(self._reasons) >= MAX_REASONS:
            return
        self._reasons.add(reason)
        logger.warning("a message is not in the HDF5 file: %s", why)

    def _leave(self) -> None:
        """Close all files after an error, with what can still be written."""
        self._is_open = False
        with suppress(RecordingError):
            self._files.close()
