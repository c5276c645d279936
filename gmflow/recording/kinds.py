"""Which kind of recording a path is: its ending decides, and any other path is a folder."""

from __future__ import annotations

import os
from typing import Literal

from ..errors import ConfigError, RecordingError
from .reading import Reader
from .writing import Aside, Writer, inline

ENDINGS: dict[str, Literal["mcap", "hdf5"]] = {
    ".mcap": "mcap",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".nxs": "hdf5",
}

Path = str | os.PathLike[str]


def kind_of(path: Path) -> Literal["mcap", "hdf5", "folder"]:
    """Give the kind of recording at a path, or to be written there."""
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
        from .folder_writing import FolderWriter

        return FolderWriter(path, skip)
    if skip:
        raise ConfigError(f"skip is for folders: {os.fspath(path)} holds whole messages")
    if kind == "mcap":
        from .mcap_writing import McapWriter

        return McapWriter(path, aside)
    from .hdf5 import Hdf5Writer

    return Hdf5Writer(path)


def open_reader(path: Path) -> Reader:
    """Open a recording.

    Raises
    ------
    RecordingError
        If it can't be read, holds no messages of gmflow's or mflow's, is of a kind that is
        only written, or what its kind needs is not installed.
    """
    kind = kind_of(path)
    if kind == "folder":
        from .folder_reading import FolderReader

        return FolderReader(path)
    if kind == "mcap":
        from .mcap_reading import McapReader

        return McapReader(path)
    raise RecordingError(
        f"{os.fspath(path)} is for analysis: it doesn't hold messages as they came;"
        " replay and convert a folder or a .mcap file"
    )
