"""To leave an HDF5 file as its last flush left it: HDF5 would write more when it closes it.

After an error it can't write that whole, and a kill meanwhile would leave the file marked.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from .loading import FAILURES, library

METADATA_BYTES = 128 << 20
"""Bytes of metadata that HDF5 keeps, if there are so many: its own limit."""


BLOCK_BYTES = 2048
"""Bytes of the blocks from which HDF5 gives smaller chunks: those need not stand at the end."""


def keep_metadata(file: Any) -> None:
    """Let HDF5 keep all of a file's metadata, so that it reads none when the file is left."""
    config = file.id.get_mdc_config()
    config.set_initial_size = True
    config.initial_size = config.max_size = METADATA_BYTES
    config.decr_mode = 0  # it never shrinks
    file.id.set_mdc_config(config)


def leave(file: Any, datasets: Sequence[Any]) -> None:
    """Close a file without a change to it: HDF5 writes to nowhere from now on.

    If closing fails nevertheless, the file stays open for HDF5, which would close it again when
    the process ends, and crash.

    Parameters
    ----------
    file : h5py.File
        One that keeps its metadata.
    datasets : sequence of h5py.Dataset
        Those that grow.
    """
    try:
        nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.dup2(nowhere, file.id.get_vfd_handle(), inheritable=False)
        finally:
            os.close(nowhere)
        _reach_the_end(datasets)
        file.flush()
        file.close()
    except FAILURES:
        library().h5i.inc_ref(file.id)


def _reach_the_end(datasets: Sequence[Any]) -> None:
    """Write the last of the bytes that HDF5 has given out: else it would set the length."""
    large = [one for one in datasets if _chunk_bytes(one) >= BLOCK_BYTES and not _is_filtered(one)]
    if large:
        dataset = min(large, key=_chunk_bytes)
        rows, *shape = dataset.chunks
        begin = -(-len(dataset) // rows) * rows
        dataset.resize(begin + rows, 0)
        dataset[begin:] = np.zeros((rows, *shape), dataset.dtype)


def _chunk_bytes(dataset: Any) -> int:
    return int(prod(dataset.chunks) * dataset.dtype.itemsize)


def _is_filtered(dataset: Any) -> bool:
    return bool(dataset.id.get_create_plist().get_nfilters())
