"""The library that writes HDF5, h5py, and what its errors mean."""

from __future__ import annotations

import os
import re
from types import ModuleType

from ...errors import RecordingError

FAILURES = (OSError, RuntimeError)
"""What h5py raises where the operating system refuses."""

REFUSALS = (TypeError, ValueError)
"""What h5py and NumPy raise where HDF5 can't hold something."""

ERRNO = re.compile(r"errno = (\d+)")
"""Where HDF5 says why, in an error that has no number."""


def library() -> ModuleType:
    """Return h5py, which can write and read the filters of detectors from now on.

    Raises
    ------
    RecordingError
        If it is not installed: install the extra gmflow[hdf5].
    """
    try:
        import h5py
        import hdf5plugin  # noqa: F401  # registers the filters
    except ImportError as missing:
        raise RecordingError(
            f"HDF5 needs h5py and hdf5plugin ({missing}): pip install 'gmflow[hdf5]'"
        ) from None
    module: ModuleType = h5py
    return module


def failure(path: str, error: BaseException) -> RecordingError:
    """Return the error that says why a file can't be written."""
    return RecordingError(f"{path} can't be written: {_reason(error)}; check the disk")


def _reason(error: BaseException) -> str:
    number = getattr(error, "errno", None)
    if number is None and (found := ERRNO.search(str(error))):
        number = int(found[1])
    if number is not None:
        return os.strerror(number)
    return f"{error!s:.120}".replace("\n", " ")
