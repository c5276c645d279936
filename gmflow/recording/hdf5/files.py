"""The HDF5 files of a recording: run.h5, then run-2.h5, run-3.h5 and so on, a layout each.

Everything here raises RecordingError where a file can't be written.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from glob import escape, glob
from logging import getLogger
from typing import Any

from ...errors import RecordingError
from .growing import GrowingFile

logger = getLogger(__name__)

MAX_OPEN = 64
"""Files that are open at once."""

MAX_DATASETS = 1 << 16
"""Datasets that grow in them, each of which takes about 26 KB of memory."""

MAX_REMEMBERED = 64
"""Sources, layouts and data headers that are remembered by each family of messages."""

OLD = 24 * 3600
"""Seconds after which a part is of one that was killed: none is built for long."""


class Files:
    """Makes the files of a recording, and keeps the last ones open.

    `path` is the first one's, `paths` are those that have got their names, in this order. Raise
    RecordingError if the first or the second is there already, or the folder can't be written.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self.paths: list[str] = []
        self._folder, self._name = os.path.split(self.path)
        self._next = 1
        self._open: list[GrowingFile] = []  # the one that was used last stands last
        self._warned = False
        self._check()
        self._clean()

    def create(self, instead: GrowingFile | None = None) -> GrowingFile:
        """Begin a file, and close the one that was not used for longest if too many are open.

        It has to be started before the next one is begun; one that was not is dropped. It takes the
        place of `instead`, which was closed.
        """
        self._make_room()
        part = f".{self._name}.{os.getpid()}-{secrets.token_hex(4)}.part"
        publish = self._number if instead is None else _replacing(instead.path)
        file = GrowingFile(os.path.join(self._folder, part), publish)
        self._open.append(file)
        return file

    def warn(self) -> None:
        """Say, once, that a file was closed to make room though more of it came."""
        if not self._warned:
            self._warned = True
            logger.warning(
                "more layouts or series alternate than files can be open (%d files, %d datasets): "
                "they are begun again and again, in more and more files",
                MAX_OPEN,
                MAX_DATASETS,
            )

    def commit(self) -> None:
        """Commit all files."""
        used = [file for file in self._open if file.dirty]
        for file in used:
            file.commit()
        if used:
            self._open = [file for file in self._open if file not in used] + used

    def close(self) -> None:
        """Commit and close all files, whatever one of them raises; repeatable."""
        problem = None
        while self._open:
            try:
                self._open.pop().close()
            except RecordingError as error:
                problem = problem or error
        if problem is not None:
            raise problem

    def _make_room(self) -> None:
        for file in self._open:
            if not file.started:
                file.close()
        self._open = [file for file in self._open if not file.closed]
        while len(self._open) >= MAX_OPEN or self._datasets() > MAX_DATASETS:
            idle = [file for file in self._open if not file.dirty]
            file = idle[0] if idle else self._open[0]
            self._open.remove(file)
            if file.dirty:
                self.warn()
            file.close()

    def _datasets(self) -> int:
        return sum(file.datasets for file in self._open)

    def _number(self, part: str) -> str:
        """Rename a file that is built to the next free name; the first one has no choice."""
        while True:
            path = self._numbered(self._next)
            self._next += 1
            try:
                _rename(part, path)
            except FileExistsError:
                if path == self.path:
                    raise _taken(path) from None
            else:
                self.paths.append(path)
                return path

    def _numbered(self, number: int) -> str:
        base, ending = os.path.splitext(self.path)
        return self.path if number == 1 else f"{base}-{number}{ending}"

    def _check(self) -> None:
        folder = self._folder or "."
        for number in (1, 2):
            if os.path.lexists(self._numbered(number)):
                raise _taken(self._numbered(number))
        if not os.path.isdir(folder):
            raise RecordingError(f"there is no folder {folder}: make it, or choose another")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise RecordingError(f"the folder {folder} can't be written to; choose another")

    def _clean(self) -> None:
        """Remove what was killed long ago while it was built."""
        parts = os.path.join(escape(self._folder), f".{escape(self._name)}.*.part")
        for part in glob(parts):
            with suppress(OSError):
                if time.time() - os.stat(part).st_mtime > OLD:
                    os.unlink(part)


class Recent(dict[Any, Any]):
    """What is remembered by key; beyond `MAX_REMEMBERED` the least recently used is forgotten."""

    def recall(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return what is remembered, or else made."""
        found = self.pop(key, None)
        if found is None:
            found = make()
            if len(self) >= MAX_REMEMBERED:
                del self[next(iter(self))]
        self[key] = found  # stands last from now on
        return found


def _taken(path: str) -> RecordingError:
    return RecordingError(f"{path} is there already: choose another name, or remove it")


def _replacing(path: str) -> Callable[[str], str]:
    def replace(part: str) -> str:
        os.replace(part, path)
        return path

    return replace


def _rename(part: str, path: str) -> None:
    """Give a file another name; raise FileExistsError if that is taken."""
    try:
        os.link(part, path)
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError:  # there are no links on this disk
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC))
        os.replace(part, path)
        return
    with suppress(FileNotFoundError):
        os.unlink(part)
