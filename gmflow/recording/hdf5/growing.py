"""An HDF5 file that can be read at every moment, and after every end of the process that writes it.

`GrowingFile` is built under a name of its own, gets its real one when it is whole, and then only
grows. It is written with SWMR, so that nothing that is on the disk ever changes; rows reach the
disk with `GrowingFile.commit`, dataset by dataset.

A file that is written with SWMR is marked so in its first bytes, the superblock, and HDF5 opens a
marked one for SWMR readers alone: after a kill that is forever. So the mark is taken away: HDF5
never looks at it again, and writes these bytes only when it flushes or closes the whole file,
which therefore never happens. The file is left as the last flush left it: HDF5 would write more
on closing it, can't do that whole after an error, and a kill meanwhile would leave it marked.

Everything here raises RecordingError where the file can't be written. It is closed then.

The superblock is described in
https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html, sections II.A (disk format:
level 0A, versions 2 and 3) and X (checksum: lookup3 by Bob Jenkins).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import prod
from struct import Struct
from typing import Any, TypeAlias

import numpy as np

from ...errors import DecodeError, RecordingError
from .columns import (
    CHUNK_BYTES,
    FAILURES,
    REFUSALS,
    Chunks,
    RowBuffer,
    failure,
    library,
    rows_in,
)

METADATA_BYTES = 128 << 20
"""Bytes of metadata that HDF5 keeps, if there are so many: its own limit."""

BLOCK_BYTES = 2048
"""Bytes of the blocks from which HDF5 allocates smaller chunks: those need not stand at the end."""

SIGNATURE = b"\x89HDF\r\n\x1a\n"

# Signature, version, sizes of offsets and lengths, flags; base, extension, end of file, root.
FIELDS = Struct("<8sBBBB4Q")
FLAGS, END = 4, 7

CHECKSUM = Struct("<I")

VERSION, SIZES = 3, (8, 8)
"""What HDF5 writes where it is asked for its latest version, which SWMR needs."""

WORDS = Struct("<3I")

MASK = 0xFFFFFFFF

Filters: TypeAlias = Sequence[tuple[int, tuple[int, ...]]]
"""HDF5's numbers of filters, each with its options; the first is applied first."""


class GrowingFile:
    """A file that is being built under the path `part` first, then grows.

    `publish` renames the part to its real name, and returns that: `path` from then on. It is
    `started` once it is built, `closed` if no more can be added, also because it could not be
    written, and `dirty` if rows were added since the last `commit`.

    What is built raises DecodeError where HDF5 has no place for it.
    """

    def __init__(self, part: str, publish: Callable[[str], str]) -> None:
        self.path = part
        self.started = self.closed = self.dirty = False
        self._publish = publish
        self._rows: list[RowBuffer] = []
        self._datasets: list[Any] = []
        self._descriptor = -1
        self._settles = False
        self._h5py = library()
        try:
            # No cache of chunks: all rows are on the disk before a flush writes their number.
            self._file = self._h5py.File(
                part, "x", libver="latest", locking="best-effort", rdcc_nbytes=0
            )
            _keep_metadata(self._file)
        except FAILURES as error:
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

        A text comes as one of fixed length in UTF-8, bytes as an array of them.
        """
        self._build(path, lambda: self._file.create_dataset(path, **_content(value)), attributes)

    def rows(self) -> RowBuffer:
        """Return what gets columns, and then rows; see `RowBuffer`."""
        self._rows.append(RowBuffer(self))
        return self._rows[-1]

    def chunks(
        self,
        path: str,
        dtype: Any,
        shape: Sequence[int],
        filters: Filters = (),
        **attributes: Any,
    ) -> Chunks:
        """Make a column whose rows are a chunk each, as the filters make it; no dimension is 0."""
        return Chunks(self, self.grow(path, dtype, shape, attributes, (1, *shape), filters))

    def grow(
        self,
        path: str,
        dtype: Any,
        shape: Sequence[int],
        attributes: dict[str, Any],
        chunk: tuple[int, ...] = (),
        filters: Filters = (),
    ) -> Any:
        """Return a new dataset without rows; in chunks of the size of columns by default."""
        create = self._h5py.h5p.create(self._h5py.h5p.DATASET_CREATE)
        create.set_fill_time(self._h5py.h5d.FILL_TIME_NEVER)
        for number, options in filters:
            create.set_filter(number, self._h5py.h5z.FLAG_MANDATORY, options)
        dtype = np.dtype(dtype)
        how = {
            "shape": (0, *shape),
            "maxshape": (None, *shape),
            "dtype": dtype,
            "chunks": chunk or (rows_in(CHUNK_BYTES, dtype, shape), *shape),
            "dcpl": create,
        }
        dataset = self._build(path, lambda: self._file.create_dataset(path, **how), attributes)
        self._datasets.append(dataset)
        return dataset

    def start(self) -> None:
        """End the building: only rows can be added from now on, and the file has its name."""
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
        """Write and flush what was added: a kill does not lose it."""
        if self.closed or not self.dirty:
            return
        for rows in self._rows:
            rows.write()
        try:
            self._flush()
        except FAILURES as error:
            raise self.failed(error) from error
        self.dirty = False

    def close(self) -> None:
        """Commit, and close; one that was not started is removed. Repeatable."""
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
        """Leave the file as its last flush left it, after an error, and return what to raise."""
        self._abandon()
        return failure(self.path, error)

    def _abandon(self) -> None:
        if self.closed:
            return
        self.closed = True
        if self.started:
            _leave(self._file, self._datasets)
        else:
            _close(self._file)
            with suppress(OSError):
                os.unlink(self.path)
        self._release()

    def _finish(self) -> None:
        """Close it as the last flush left it: whole, and not marked."""
        if not self._settles:
            self._file.close()
            return
        try:
            _settle(self._descriptor, self._file.id.get_filesize())
        finally:
            _leave(self._file, self._datasets)

    def _release(self) -> None:
        self.closed = True
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _flush(self) -> None:
        """Bring all rows to the disk, dataset by dataset: a flush of the file would mark it."""
        if not self._settles:
            self._file.flush()
            return
        if not os.fstat(self._descriptor).st_nlink:
            raise FileNotFoundError(errno.ENOENT, "it was removed while it was written")
        _settle(self._descriptor, self._file.id.get_filesize())
        # What was made first comes last: no kill leaves more images than times of them.
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
    """Keep other writers away: the mark doesn't."""
    with suppress(ImportError, OSError):
        import fcntl

        # readers of HDF5 share such a lock
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)


def _keep_metadata(file: Any) -> None:
    """Let HDF5 keep all of a file's metadata, so that it reads none when the file is left."""
    config = file.id.get_mdc_config()
    config.set_initial_size = True
    config.initial_size = config.max_size = METADATA_BYTES
    config.decr_mode = 0  # it never shrinks
    file.id.set_mdc_config(config)


def _leave(file: Any, datasets: Sequence[Any]) -> None:
    """Close a file that keeps its metadata without a change to it: HDF5 writes to nowhere."""
    try:
        nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.dup2(nowhere, file.id.get_vfd_handle(), inheritable=False)
        finally:
            os.close(nowhere)
        _reach_the_end(datasets)
        file.flush()
    except FAILURES:
        library().h5i.inc_ref(file.id)
    else:
        _close(file)


def _close(file: Any) -> None:
    """Close a file; if that fails it stays open: HDF5 would crash at the end of the process."""
    try:
        file.close()
    except FAILURES:
        library().h5i.inc_ref(file.id)


def _reach_the_end(datasets: Sequence[Any]) -> None:
    """Write the last of the bytes that HDF5 has given out: else it would set the length."""
    plain = [one for one in datasets if not one.id.get_create_plist().get_nfilters()]
    large = [one for one in plain if _chunk_bytes(one) >= BLOCK_BYTES]
    if large:
        dataset = min(large, key=_chunk_bytes)
        rows, *shape = dataset.chunks
        begin = -(-len(dataset) // rows) * rows
        dataset.resize(begin + rows, 0)
        dataset[begin:] = np.zeros((rows, *shape), dataset.dtype)


def _chunk_bytes(dataset: Any) -> int:
    return int(prod(dataset.chunks) * dataset.dtype.itemsize)


def is_known(descriptor: int) -> bool:
    """Return True if a file's superblock is one that is understood, with the right checksum."""
    block = os.pread(descriptor, FIELDS.size + CHECKSUM.size, 0)
    if len(block) != FIELDS.size + CHECKSUM.size:
        return False
    signature, version, *sizes = FIELDS.unpack_from(block)[:4]
    return (signature, version, tuple(sizes)) == (
        SIGNATURE,
        VERSION,
        SIZES,
    ) and CHECKSUM.unpack_from(block, FIELDS.size) == (lookup3(block[: FIELDS.size]),)


def _settle(descriptor: int, end: int) -> None:
    """Take the mark of a known file away, and say that HDF5 has given out bytes up to an end."""
    if os.fstat(descriptor).st_size < end:  # readers refuse a file that is shorter than it says
        os.ftruncate(descriptor, end)
    fields = FIELDS.unpack_from(os.pread(descriptor, FIELDS.size, 0))
    if fields[FLAGS] or end != fields[END]:  # and what stands behind the end
        block = FIELDS.pack(*fields[:FLAGS], 0, *fields[FLAGS + 1 : END], end, *fields[END + 1 :])
        os.pwrite(descriptor, block + CHECKSUM.pack(lookup3(block)), 0)


def lookup3(data: bytes) -> int:
    """Return the checksum of HDF5's metadata: hashlittle of lookup3.c, begun with 0."""
    a = b = c = (0xDEADBEEF + len(data)) & MASK
    last = max(len(data) - 1, 0) // WORDS.size * WORDS.size
    for position in range(0, last, WORDS.size):
        x, y, z = WORDS.unpack_from(data, position)
        a, b, c = _mixed(a + x & MASK, b + y & MASK, c + z & MASK)
    if not data:
        return c
    x, y, z = WORDS.unpack(data[last:].ljust(WORDS.size, b"\0"))
    return _final(a + x & MASK, b + y & MASK, c + z & MASK)


def _mixed(a: int, b: int, c: int) -> tuple[int, int, int]:
    for bits in (4, 6, 8, 16, 19, 4):
        a, b, c = b, c + b & MASK, a - c & MASK ^ _turned(c, bits)
    return a, b, c


def _final(a: int, b: int, c: int) -> int:
    for bits in (14, 11, 25, 16, 4, 14, 24):
        a, b, c = b, (c ^ b) - _turned(b, bits) & MASK, a
    return b


def _turned(word: int, bits: int) -> int:
    return (word << bits | word >> 32 - bits) & MASK
