"""Codecs beside those of others: they read what is encoded here, and the other way round.

The vendor's decoder (dectris-compression), HDF5 with its filters (h5py, hdf5plugin), and the
libraries that Python senders use (bitshuffle, lz4, psi-bsread).
"""

import numpy as np
import pytest

from gmflow.codecs import bslz4, lz4, pixels
from gmflow.codecs import bsread_codec as bsread

pytestmark = pytest.mark.usefixtures("each_library")

SHAPES = [(1,), (7,), (9, 1), (64, 64), (13, 4099), (517, 1031)]
DTYPES = ["u1", "u2", "u4", ">u2", "i8", "f4", "f8"]


def image(shape, dtype, spread=5):
    numbers = np.random.default_rng(sum(shape)).integers(0, spread, shape)
    return numbers.astype(dtype)


def noise(shape, dtype):
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer(np.random.default_rng(2).bytes(size), dtype).reshape(shape)


def cases():
    for shape in SHAPES:
        for dtype in DTYPES:
            yield image(shape, dtype)
            yield noise(shape, dtype)


def same(decoded, array):
    return bytes(decoded) == array.tobytes()


def test_dectris_reads_bslz4():
    dectris = pytest.importorskip("dectris.compression")
    for array in cases():
        blob = bslz4.encode(array, array.itemsize)
        assert same(dectris.decompress(blob, "bslz4", elem_size=array.itemsize), array)


def test_dectris_reads_lz4_in_hdf5_framing():
    dectris = pytest.importorskip("dectris.compression")
    for array in cases():
        for block_bytes in (1 << 30, 8192, 1000):
            blob = lz4.encode_hdf5(array, block_bytes)
            assert same(dectris.decompress(blob, "lz4"), array)


@pytest.fixture
def hdf5():
    """Return functions that write and read a chunk of an HDF5 file as it is, with filters."""
    h5py = pytest.importorskip("h5py")
    filters = pytest.importorskip("hdf5plugin")
    file = h5py.File("codecs", "w", driver="core", backing_store=False)

    def read(array, blob, filter_):
        name = f"read {len(file)}"
        data = file.create_dataset(name, array.shape, array.dtype, chunks=array.shape, **filter_)
        data.id.write_direct_chunk((0,) * array.ndim, blob)
        return file[name][()]

    def write(array, filter_):
        name = f"write {len(file)}"
        data = file.create_dataset(name, data=array, chunks=array.shape, **filter_)
        mask, blob = data.id.read_direct_chunk((0,) * array.ndim)
        assert not mask
        return blob

    with file:
        yield read, write, filters


def test_hdf5_reads_bslz4(hdf5):
    read, _, filters = hdf5
    for array in cases():
        for elements in (8192 // array.itemsize, 128):
            blob = bslz4.encode(array, array.itemsize, elements * array.itemsize)
            assert same(read(array, blob, filters.Bitshuffle(nelems=elements)), array)


def test_bslz4_of_hdf5_is_read(hdf5):
    _, write, filters = hdf5
    for array in cases():
        for elements in (0, 1024):
            blob = write(array, filters.Bitshuffle(nelems=elements))
            assert same(bslz4.decode(blob, array.nbytes, array.itemsize), array)
            order = ">" if array.dtype.str.startswith(">") else "<"
            encoding = f"bs{array.itemsize * 8}-lz4{order}"
            assert np.array_equal(
                pixels.decode(blob, encoding, array.shape, array.dtype).view("u1"),
                array.view("u1"),
            )


def test_hdf5_reads_lz4(hdf5):
    read, _, filters = hdf5
    for array in cases():
        for block_bytes in (1 << 30, 1000):
            blob = lz4.encode_hdf5(array, block_bytes)
            assert same(read(array, blob, filters.LZ4()), array)


def test_lz4_of_hdf5_is_read(hdf5):
    _, write, filters = hdf5
    for array in cases():
        for block_bytes in (0, 1000):
            blob = write(array, filters.LZ4(nbytes=block_bytes))
            assert same(lz4.decode_hdf5(blob, array.nbytes), array)


def test_bitshuffle_reads_blocks_and_is_read():
    bitshuffle = pytest.importorskip("bitshuffle")
    for array in cases():
        elements = 8192 // array.itemsize
        blob = bslz4.encode(array, array.itemsize)
        blocks = np.frombuffer(blob, "u1")[12:]
        assert same(bitshuffle.decompress_lz4(blocks, array.shape, array.dtype, elements), array)
        for elements in (8192 // array.itemsize, 64):
            theirs = bitshuffle.compress_lz4(array, elements)
            block_bytes = elements * array.itemsize
            decoded = bslz4.decode_blocks(theirs, array.nbytes, array.itemsize, block_bytes)
            assert same(decoded, array)


def test_lz4_reads_a_block_and_is_read():
    block = pytest.importorskip("lz4.block")
    for array in cases():
        data = array.tobytes()
        ours = lz4.encode_block(array)
        assert block.decompress(ours, uncompressed_size=len(data)) == data
        for mode in ("default", "high_compression") if len(data) < 100_000 else ("fast",):
            theirs = block.compress(data, mode=mode, store_size=False)
            assert lz4.decode_block(theirs, len(data)) == data
    assert block.decompress(lz4.encode_block(b""), uncompressed_size=0) == b""
    assert lz4.decode_block(block.compress(b"", store_size=False), 0) == b""


def test_bsread_reads_and_is_read():
    theirs = pytest.importorskip("bsread.data.compression")
    for name, codec in (("lz4", theirs.LZ4), ("bitshuffle_lz4", theirs.BitshuffleLZ4)):
        for array in cases():
            order = ">" if array.dtype.str.startswith(">") else "<"
            dtype = order + array.dtype.str[1:]
            part = bsread.encode(array, name, array.itemsize, order)
            # It takes the shape as the header has it, the fastest first.
            decoded = codec.unpack_data(part, dtype, array.shape[::-1])
            assert same(decoded, array)
            packed = codec.pack_data(array, array.dtype)
            decoded = bsread.decode(packed, name, array.nbytes, order, itemsize=array.itemsize)
            assert same(decoded, array)
        empty = np.empty(0)
        packed = codec.pack_data(empty, empty.dtype)
        assert bsread.decode(packed, name, 0, "<", itemsize=8) == b""
