"""Which kind of recording a path is.

Where one is written, the path's ending decides, and any other path is a folder. Where one is
read, it is what is there that decides, whatever it is called.
"""

from __future__ import annotations

import os
from stat import S_ISREG
from typing import Literal

from ..errors import ConfigError, RecordingError
from .base import Aside, Reader, Writer, inline

ENDINGS: dict[str, Literal["mcap", "hdf5"]] = {
    ".mcap": "mcap",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".nxs": "hdf5",
}

HDF5 = b"\x89HDF\r\n\x1a\n"
"""How HDF5 files begin."""

Path = str | os.PathLike[str]


def kind_of(path: Path) -> Literal["mcap", "hdf5", "folder"]:
    """Return the kind of recording that is written at a path."""
    return ENDINGS.get(os.path.splitext(os.fspath(path))[1].lower(), "folder")


def open_writer(path: Path, skip: int | None = None, aside: Aside = inline) -> Writer:
    """Begin a recording.

    Parameters
    ----------
    path : path
        Where; see `kind_of`. A file must not be there yet.
    skip : int, optional
        For a folder: leave out parts from this one on, counted from 1; None and 0 leave out none.
    aside : callable, optional
        Where work is done that can be done while something else is written.

    Raises
    ------
    ConfigError
        If there is a `skip` and it is no folder.
    RecordingError
        If it can't be written there, or what its kind needs is not installed.
    """
    kind = kind_of(path)
    if kind == "folder":
        from .folder.folder_writer import FolderWriter

        return FolderWriter(path, skip)
    if skip:
        raise ConfigError(f"skip is for folders: {os.fspath(path)} holds whole messages")
    if kind == "mcap":
        from .mcap.mcap_writer import McapWriter

        return McapWriter(path, aside)
    from .hdf5 import Hdf5Writer

    return Hdf5Writer(path)


def open_reader(path: Path) -> Reader:
    """Open a recording: a folder, or a file that begins as an MCAP file does.

    Raises
    ------
    RecordingError
        If it can't be read, holds no messages of gmflow's or mflow's, is of a kind that is
        only written, or what its kind needs is not installed.
    """
    if os.path.isdir(path):
        from .folder.folder_reader import FolderReader

        return FolderReader(path)
    from .mcap.mcap_file import MAGIC

    begin, kind = _begin(path), kind_of(path)
    if begin == HDF5 or (kind == "hdf5" and begin != MAGIC):
        raise RecordingError(
            f"{os.fspath(path)} is for analysis: it doesn't hold messages as they came;"
            " replay and convert a folder or a .mcap file"
        )
    if begin != MAGIC and kind != "mcap":
        raise RecordingError(
            f"{os.fspath(path)} is a file, but no MCAP file: name one, or the folder of a recording"
        )
    from .mcap.mcap_reader import McapReader

    return McapReader(path)


def _begin(path: Path) -> bytes:
    """Return the first 8 bytes of a file; none of what is no file."""
    name = os.fspath(path)
    try:
        if not S_ISREG(os.stat(path).st_mode):
            return b""  # such as a pipe, which would wait
        with open(path, "rb") as file:
            return file.read(8)
    except FileNotFoundError as error:
        other = name.rstrip("/") + ".mcap"
        hint = f"did you mean {other}?" if os.path.isfile(other) else "check the name"
        raise RecordingError(f"{name} does not exist; {hint}") from error
    except OSError as error:
        raise RecordingError(
            f"{name} can't be read: {error.strerror}; check the name, and that it may be read"
        ) from error
