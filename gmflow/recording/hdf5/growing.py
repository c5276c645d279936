"""To leave an HDF5 file as its last flush left it: HDF5 would write more when it closes it.

After an error it can't write that whole, and a kill meanwhile would leave the file marked.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import prod
from typing import Any

import numpy as np

from ...errors import DecodeError, RecordingError
from .columns import Chunks, Column, Texts, rows_a_chunk
from .loading import FAILURES, REFUSALS, failure, library
from .superblock import is_known, settle

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


Filters = Sequence[tuple[int, tuple[int, ...]]]
"""HDF5's numbers of filters, each with its options; the first is applied first."""


class GrowingFile:
    """A file that is being built first, then grows.

    Parameters
    ----------
    part : str
        The path under which it is built.
    publish : callable
        Gives the part its name, and tells it.

    Attributes
    ----------
    path : str
        Where it is.
    started : bool
        Whether it is built.
    closed : bool
        Whether no more can be added: it was closed, or could not be written.
    dirty : bool
        Whether rows were added since the last `commit`.

    Raises
    ------
    RecordingError
        If it can't be written there, or h5py is not installed.

    What is built raises it, too, and DecodeError where HDF5 has no place for it.
    """

    def __init__(self, part: str, publish: Callable[[str], str]) -> None:
        self.path = part
        self.started = self.closed = self.dirty = False
        self._publish = publish
        self._columns: list[Column | Texts] = []
        self._datasets: list[Any] = []
        self._descriptor = -1
        self._settles = False
        self._h5py = library()
        try:
            # No cache of chunks: all rows are on the disk before a flush tells their number.
            self._file = self._h5py.File(
                part, "x", libver="latest", locking="best-effort", rdcc_nbytes=0
            )
            keep_metadata(self._file)
        except FAILURES as error:
            self.closed = True
            with suppress(OSError):
                os.unlink(part)
            raise failure(part, error) from error

    @property
    def datasets(self) -> int:
        """How many datasets grow."""
        return len(self._datasets)

    def group(self, path: str, **attributes: Any) -> None:
        """Make a group, and those above it that are missing."""
        self._build(path, lambda: self._file.require_group(path), attributes)

    def value(self, path: str, value: Any, **attributes: Any) -> None:
        """Write a dataset that doesn't grow.

        Parameters
        ----------
        path : str
        value : str, bytes, number or array-like
            A text comes as one of fixed length in UTF-8, bytes as an array of them.
        **attributes : object
        """
        self._build(path, lambda: self._file.create_dataset(path, **_content(value)), attributes)

    def column(self, path: str, dtype: Any, shape: Sequence[int] = (), **attributes: Any) -> Column:
        """Make a column whose rows have a type and a shape."""
        dataset = self._growing(path, np.dtype(dtype), tuple(shape), attributes)
        column = Column(self, dataset)
        self._columns.append(column)
        return column

    def texts(self, path: str, **attributes: Any) -> Texts:
        """Make a column of byte strings of any length; ``<path>_end`` says where each ends."""
        dataset = self._growing(path, np.dtype(np.uint8), (), attributes)
        ends = self._growing(f"{path}_end", np.dtype(np.uint64), (), {})
        texts = Texts(self, dataset, ends)
        self._columns.append(texts)
        return texts

    def chunks(
        self,
        path: str,
        dtype: Any,
        shape: Sequence[int],
        filters: Filters = (),
        **attributes: Any,
    ) -> Chunks:
        """Make a column whose rows are a chunk each, written as the filters give it.

        No dimension may be 0.
        """
        chunk = (1, *shape)
        return Chunks(
            self, self._growing(path, np.dtype(dtype), tuple(shape), attributes, chunk, filters)
        )

    def start(self) -> None:
        """End the building: only rows can be added from now on, and the file has its name.

        Raises
        ------
        RecordingError
            If the file can't be written, or its name is taken.
        """
        try:
            self._file.swmr_mode = True
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
            self._file.flush()
            self._settles = is_known(self._descriptor)
            self._flush()
            _lock(self._descriptor)
            self.path = self._publish(self.path)
        except RecordingError:
            self._abandon()
            raise
        except FAILURES as error:
            raise self.failed(error) from error
        self.started = True

    def commit(self) -> None:
        """Write and flush what was added: a kill does not lose it.

        Raises
        ------
        RecordingError
            If the file can't be written.
        """
        if self.closed or not self.dirty:
            return
        for column in self._columns:
            column.write()
        try:
            self._flush()
        except FAILURES as error:
            raise self.failed(error) from error
        self.dirty = False

    def close(self) -> None:
        """Commit, and close; one that was not started is removed. Repeatable.

        Raises
        ------
        RecordingError
            If the file can't be written.
        """
        if self.closed:
            return
        if not self.started:
            self._abandon()
            return
        self.commit()
        try:
            self._finish()
        except FAILURES as error:
            raise failure(self.path, error) from error
        finally:
            self._release()

    def failed(self, error: BaseException) -> RecordingError:
        """Leave the file as its last flush left it, after an error, and give what to raise."""
        self._abandon()
        return failure(self.path, error)

    def _abandon(self) -> None:
        if self.closed:
            return
        self.closed = True
        leave(self._file, self._datasets)
        self._release()
        if not self.started:
            with suppress(OSError):
                os.unlink(self.path)

    def _finish(self) -> None:
        """Close it as the last flush left it: whole, and not marked."""
        if not self._settles:
            self._file.close()
            return
        try:
            settle(self._descriptor, self._file.id.get_filesize())
        finally:
            leave(self._file, self._datasets)

    def _release(self) -> None:
        self.closed = True
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _flush(self) -> None:
        """Bring all rows to the disk, dataset by dataset: a flush of the file would mark it.

        What was made first comes last: no kill leaves more images than times of them.
        """
        if not self._settles:
            self._file.flush()
            return
        if not os.fstat(self._descriptor).st_nlink:
            raise FileNotFoundError(errno.ENOENT, "it was removed while it was written")
        settle(self._descriptor, self._file.id.get_filesize())
        for dataset in reversed(self._datasets):
            dataset.id.flush()

    def _build(self, path: str, make: Callable[[], Any], attributes: dict[str, Any]) -> Any:
        try:
            made = make()
            for name, value in attributes.items():
                made.attrs[name] = value
        except FAILURES as error:
            raise self.failed(error) from error
        except REFUSALS as error:
            raise DecodeError(f"HDF5 can't hold {path}: {error!s:.120}") from None
        return made

    def _growing(
        self,
        path: str,
        dtype: np.dtype[Any],
        shape: tuple[int, ...],
        attributes: dict[str, Any],
        chunk: tuple[int, ...] = (),
        filters: Filters = (),
    ) -> Any:
        create = self._h5py.h5p.create(self._h5py.h5p.DATASET_CREATE)
        create.set_fill_time(self._h5py.h5d.FILL_TIME_NEVER)
        for number, options in filters:
            create.set_filter(number, self._h5py.h5z.FLAG_MANDATORY, options)
        how = {
            "shape": (0, *shape),
            "maxshape": (None, *shape),
            "dtype": dtype,
            "chunks": chunk or (rows_a_chunk(dtype, shape), *shape),
            "dcpl": create,
        }
        dataset = self._build(path, lambda: self._file.create_dataset(path, **how), attributes)
        self._datasets.append(dataset)
        return dataset


def _content(value: Any) -> dict[str, Any]:
    """Return what a dataset is made with."""
    if isinstance(value, str):
        text = value.encode(errors="surrogatepass")
        import h5py

        return {"data": text, "dtype": h5py.string_dtype("utf-8", max(len(text), 1))}
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"data": np.frombuffer(value, np.uint8)}
    return {"data": value}


def _lock(descriptor: int) -> None:
    """Keep other writers away: the mark doesn't. Readers of HDF5 share such a lock."""
    with suppress(ImportError, OSError):
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
