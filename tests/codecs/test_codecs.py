"""Codecs: what is encoded decodes to the same bytes, and what can't be decoded is refused."""

import sys
import tracemalloc
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from gmflow.codecs import MAX_BYTES, bslz4, lz4, pixels
from gmflow.codecs import bsread_codec as bsread
from gmflow.codecs.blocks import MAX_BLOCK, RUN_BYTES
from gmflow.errors import DecodeError, EncodeError

pytestmark = pytest.mark.usefixtures("each_library")

ITEM_SIZES = (1, 2, 4, 8)
ENCODINGS = [f"{how}{order}" for order in "<>" for how in ("", "lz4", "bs8-lz4", "bs16-lz4")]
PIXELS = ["u1", "u2", "u4", "f4"]

# Where a block ends, one more or less, and what is left over of a group of 8.
COUNTS = st.one_of(
    st.integers(0, 70),
    st.sampled_from([255, 256, 257, 1023, 1024, 1025, 4097, 8191, 8192, 8193, 20_001]),
)


@st.composite
def contents(draw: Callable, itemsize: int) -> bytes:
    """Return elements that compress well, hardly or not at all."""
    count, seed = draw(COUNTS), draw(st.integers(0, 9))
    spread = draw(st.sampled_from([1, 2, 60, 256]))
    numbers = np.random.default_rng(seed).integers(0, spread, count * itemsize, dtype="u1")
    return numbers.tobytes()


def frame(size: int, block_bytes: int, *blocks: bytes) -> bytes:
    """Return LZ4 blocks in HDF5's framing."""
    header = size.to_bytes(8, "big") + block_bytes.to_bytes(4, "big")
    return header + b"".join(len(block).to_bytes(4, "big") + block for block in blocks)


def lengths(blob: bytes, end: int) -> list[int]:
    """Return the lengths of the blocks in a blob, up to `end`."""
    found, position = [], 12
    while position < end:
        found.append(int.from_bytes(blob[position : position + 4], "big"))
        position += 4 + found[-1]
    return found


def noise(size: int) -> bytes:
    return np.random.default_rng(7).bytes(size)


# --- Round trips ---------------------------------------------------------------------------


@given(st.data(), st.sampled_from(ITEM_SIZES), st.sampled_from([1, 3, 16, 1024]))
def test_bslz4_round_trip(data, itemsize, groups):
    content = data.draw(contents(itemsize))
    for block_bytes in (8192, groups * 8 * itemsize):
        blob = bslz4.encode(content, itemsize, block_bytes)
        assert blob[:12] == frame(len(content), block_bytes)
        assert bslz4.decode(blob, len(content), itemsize) == content
        assert bslz4.decode_blocks(blob[12:], len(content), itemsize, block_bytes) == content


@given(contents(1), st.sampled_from([1, 100, 4096, 1 << 30]))
def test_lz4_round_trip(content, block_bytes):
    assert lz4.decode_block(lz4.encode_block(content), len(content)) == content
    assert lz4.decode_hdf5(lz4.encode_hdf5(content, block_bytes), len(content)) == content


@given(
    st.data(),
    st.sampled_from(ENCODINGS),
    st.sampled_from(PIXELS),
    st.lists(st.integers(0, 40), min_size=1, max_size=3),
)
def test_images_round_trip(data, encoding, dtype, shape):
    shape = (*shape[:-1], shape[-1] * 4)  # so that elements of 32 bits divide every image
    seed, spread = data.draw(st.integers(0, 9)), data.draw(st.sampled_from([1, 3, 250]))
    image = np.random.default_rng(seed).integers(0, spread, shape).astype(dtype)
    blob = pixels.encode(image, encoding)
    decoded = pixels.decode(blob, encoding, shape, np.dtype(dtype))
    assert decoded.shape == shape
    assert decoded.dtype == np.dtype(dtype).newbyteorder(encoding[-1])
    assert np.array_equal(decoded, image)


@pytest.mark.parametrize("image", [np.arange(48, dtype=">u2"), np.eye(16, dtype="u4")[::2, ::2]])
def test_images_of_any_byte_order_and_strides_are_encoded(image):
    for encoding in ENCODINGS:
        decoded = pixels.decode(pixels.encode(image, encoding), encoding, image.shape, image.dtype)
        assert np.array_equal(decoded, image)
        assert decoded.dtype.newbyteorder("=") == image.dtype.newbyteorder("=")


@given(
    st.data(),
    st.sampled_from(ITEM_SIZES),
    st.sampled_from(["lz4", "bitshuffle_lz4"]),
    st.sampled_from("<>"),
)
def test_bsread_round_trip(data, itemsize, compression, order):
    content = data.draw(contents(itemsize))
    part = bsread.encode(content, compression, itemsize, order)
    for size in (len(content), None):
        assert bsread.decode(part, compression, size, order, itemsize=itemsize) == content


@pytest.mark.parametrize("written", "<>")
def test_bsread_reads_a_size_in_either_byte_order(written):
    content = b"a waveform" * 99
    shuffled = bsread.encode(content, "bitshuffle_lz4", 1, written)
    plain = bsread.encode(content, "lz4", 1, written)
    assert int.from_bytes(plain[:4], "little" if written == "<" else "big") == 990
    for order in "<>":
        for size in (len(content), None):
            assert bsread.decode(plain, "lz4", size, order) == content
            assert bsread.decode(shuffled, "bitshuffle_lz4", size, order) == content


@pytest.mark.parametrize(
    "buffer", [bytearray, memoryview, lambda data: np.frombuffer(data, ">u4").reshape(4, -1)]
)
def test_any_buffer_is_encoded(buffer):
    content = bytes(range(256)) * 4
    assert bslz4.encode(buffer(content), 4) == bslz4.encode(content, 4)
    assert lz4.encode_block(buffer(content)) == lz4.encode_block(content)
    assert lz4.encode_hdf5(buffer(content)) == lz4.encode_hdf5(content)


@pytest.mark.parametrize("buffer", [bytearray, memoryview, zmq.Frame])
def test_any_buffer_is_decoded(buffer):
    content = bytes(range(256)) * 4
    assert bslz4.decode(buffer(bslz4.encode(content, 4)), 1024, 4) == content
    assert lz4.decode_block(buffer(lz4.encode_block(content)), 1024) == content
    assert pixels.decode(buffer(content), "<", (1024,), "u1").tobytes() == content


def test_nothing_is_the_lz4_of_nothing():
    for blob in (b"", lz4.encode_block(b"")):
        assert lz4.decode_block(blob, 0) == b""
        assert pixels.decode(blob, "lz4<", (0, 7), "u2").shape == (0, 7)
        assert pixels.decode(b"", "bs16-lz4<", (0, 7), "u2").shape == (0, 7)


def test_a_large_image_is_decoded_in_several_runs():
    image = np.random.default_rng(3).poisson(2, (1303, 2071)).astype("u2")
    blob = pixels.encode(image, "bs16-lz4<")
    assert image.nbytes > 2 * RUN_BYTES
    assert np.array_equal(pixels.decode(blob, "bs16-lz4<", image.shape, image.dtype), image)
    whole = bslz4.encode(image, 2, block_bytes=4 << 20)  # a block that is more than a run
    assert bslz4.decode(whole, image.nbytes, 2) == image.tobytes()
    for block_bytes in (1 << 30, 4 << 20, 1 << 20, 9999):
        blob = lz4.encode_hdf5(image, block_bytes)
        assert lz4.decode_hdf5(blob, image.nbytes) == image.tobytes()


def test_decoded_pixels_are_their_own():
    image = np.arange(4096, dtype="u2").reshape(64, 64)
    for encoding in ("lz4<", "bs16-lz4<"):
        blob = bytearray(pixels.encode(image, encoding))
        decoded = pixels.decode(blob, encoding, image.shape, "u2")
        blob[:] = bytes(len(blob))
        assert np.array_equal(decoded, image)


@pytest.mark.parametrize("encoding", ["<", "lz4<", "bs16-lz4<"])
def test_decoded_pixels_are_read_only_however_they_were_sent(encoding):
    image = np.arange(4096, dtype="u2").reshape(64, 64)
    blob = bytearray(pixels.encode(image, encoding))
    assert not pixels.decode(blob, encoding, image.shape, "u2").flags.writeable


# --- A block that is as long as its content ------------------------------------------------


def block_as_long_as_its_content(size: int) -> bytes:
    """Return bytes whose LZ4 has as many."""
    for zeros in range(size):
        content = bytes(zeros) + noise(size)[zeros:]
        if len(lz4.encode_block(content)) == size:
            return content
    raise AssertionError("LZ4 has no such block")


@pytest.mark.parametrize(
    ("itemsize", "before", "last"),
    [(1, 0, 8192), (2, 1, 4096), (4, 300, 8192), (8, 300, 4096)],  # 300 are more than a run
)
def test_bslz4_block_as_long_as_its_content_is_lz4(itemsize, before, last):
    imagecodecs = pytest.importorskip("imagecodecs")
    shuffled = block_as_long_as_its_content(last)
    content = imagecodecs.bitshuffle_decode(shuffled, itemsize=itemsize, blocksize=8192 // itemsize)
    content = bytes(before * 8192) + content + bytes(itemsize)  # one element is left over
    zeros = lz4.encode_block(bytes(8192))
    blob = frame(len(content), 8192, *[zeros] * before, lz4.encode_block(shuffled))
    blob += bytes(itemsize)
    assert lengths(blob, len(blob) - itemsize)[-1] == last
    assert bslz4.decode(blob, len(content), itemsize) == content
    assert bslz4.encode(content, itemsize) == blob


def test_bslz4_block_that_does_not_shrink_is_lz4():
    content = noise(5 * 8192 + 4096 + 7)
    blob = bslz4.encode(content, 1)
    assert [length > 8192 for length in lengths(blob, len(blob) - 7)] == [True] * 5 + [False]
    assert lengths(blob, len(blob) - 7)[-1] > 4096
    assert bslz4.decode(blob, len(content), 1) == content


def test_hdf5_block_as_long_as_its_content_is_stored():
    content = noise(300)
    assert (
        lz4.decode_hdf5(frame(300, 100, *(content[n : n + 100] for n in (0, 100, 200))), 300)
        == content
    )
    assert lz4.encode_hdf5(content, 128) == frame(
        300, 128, content[:128], content[128:256], content[256:]
    )


def test_hdf5_block_that_does_not_shrink_may_be_lz4():
    content = noise(300)
    blocks = [lz4.encode_block(content[n : n + 100]) for n in (0, 100, 200)]
    assert min(map(len, blocks)) > 100
    assert lz4.decode_hdf5(frame(300, 100, *blocks), 300) == content


# --- The framings of DECTRIS v1 ------------------------------------------------------------


IMAGE = np.random.default_rng(5).poisson(1, (61, 67)).astype("u4")
BLOB = pixels.encode(IMAGE, "bs32-lz4<")


@pytest.mark.parametrize("prefix", [BLOB[:12], bytes(12), b""], ids=["hdf5", "zeros", "none"])
def test_deviating_framings(prefix):
    decoded = pixels.decode(prefix + BLOB[12:], "bs32-lz4<", IMAGE.shape, IMAGE.dtype)
    assert np.array_equal(decoded, IMAGE)


def test_bits_of_the_encoding_need_not_be_those_of_the_pixels():
    image = np.arange(48, dtype="u4").reshape(6, 8)
    blob = bslz4.encode(image, 2)
    assert np.array_equal(pixels.decode(blob, "bs16-lz4<", (6, 8), "u4"), image)


@pytest.mark.parametrize(
    ("encoding", "known"),
    [
        ("<", (0, False, "<")),
        (">", (0, False, ">")),
        ("", (0, False, "<")),
        ("lz4<", (0, True, "<")),
        ("lz4", (0, True, "<")),
        ("bs8-lz4<", (1, True, "<")),
        ("bs16lz4>", (2, True, ">")),
        ("bs32-lz4<", (4, True, "<")),
        ("bs64-lz4>", (8, True, ">")),
    ],
)
def test_encodings(encoding, known):
    assert pixels.check(encoding) == known


@pytest.mark.parametrize(
    "encoding", ["bs16<", "bs12-lz4<", "bs-lz4<", "-lz4<", "lz4<>", "LZ4<", "<\n", None]
)
def test_no_encodings(encoding):
    with pytest.raises(DecodeError, match="is unknown"):
        pixels.check(encoding)
    with pytest.raises(DecodeError, match="is unknown"):
        pixels.decode(b"", encoding, (0,), "u1")
    with pytest.raises(EncodeError, match="can't be written; it can be <, lz4<"):
        pixels.encode(IMAGE, encoding)


@pytest.mark.parametrize("encoding", ["", "lz4", "bs16lz4<"])
def test_what_is_read_but_not_written(encoding):
    pixels.check(encoding)
    with pytest.raises(EncodeError, match=f"encoding '{encoding}' can't be written; it can be <"):
        pixels.encode(IMAGE, encoding)


@pytest.mark.parametrize("name", ["uint17", "O", "S0", 5])
def test_a_type_that_numpy_does_not_have(name):
    with pytest.raises(DecodeError, match="is not a number type of NumPy"):
        pixels.decode(b"\0\0", "<", (1,), name)


# --- What is refused -----------------------------------------------------------------------


CONTENT = np.random.default_rng(1).poisson(1, 25_003).astype("u2").tobytes()
FRAMED = bslz4.encode(CONTENT, 2)


def test_cut_bslz4():
    for kept in (*range(15), 16, 17, 1000, *range(len(FRAMED) - 9, len(FRAMED))):
        said = r"the blob (is cut|has \d+ bytes)|bytes follow the last"
        with pytest.raises(DecodeError, match=said):
            bslz4.decode(FRAMED[:kept], len(CONTENT), 2)


def test_a_cut_says_where():
    end = 16 + lengths(FRAMED, len(FRAMED) - 6)[0]
    for kept, text in [
        (end - 7, rf"LZ4 block 1 of 7 has {end - 16} bytes, {end - 23} are there"),
        (end, rf"its {end} bytes end before LZ4 block 2 of 7"),
        (end + 3, rf"its {end + 3} bytes end before LZ4 block 2 of 7"),
        (len(FRAMED) - 2, "4 bytes follow the last block, 6 are expected"),
    ]:
        with pytest.raises(DecodeError, match=text):
            bslz4.decode(FRAMED[:kept], len(CONTENT), 2)
    for cut, decode in (
        (lz4.encode_hdf5(CONTENT)[:-1], lz4.decode_hdf5),
        (bslz4.encode(CONTENT[:16], 2)[:-1], partial(bslz4.decode, itemsize=2)),
    ):
        size = int.from_bytes(cut[:8], "big")
        text = rf"block 1 of 1 has {len(cut) - 15} bytes, {len(cut) - 16} are there"
        with pytest.raises(DecodeError, match=text):
            decode(cut, size)


def test_blocks_that_decode_to_more_or_fewer_bytes_than_they_shall():
    small, right, large = (lz4.encode_block(bytes(size)) for size in (63, 64, 65))
    assert bslz4.decode(frame(128, 64, right, right), 128, 8) == bytes(128)
    for blocks, text in [
        ((right, small), "LZ4 block 2 of 2 decodes to 63 bytes, not 64"),
        ((small, large), "LZ4 block 1 of 2 decodes to 63 bytes, not 64"),
        ((large, small), "LZ4 block 1 of 2 of .* is not the LZ4 of 64"),
        ((b"", right), "LZ4 block 1 of 2 of 0 bytes is not the LZ4 of 64"),
        ((right, b"\xff" * 9), "LZ4 block 2 of 2 of 9 bytes is not the LZ4 of 64"),
        ((right, noise(64)), "LZ4 block 2 of 2"),
    ]:
        with pytest.raises(DecodeError, match=text):
            bslz4.decode(frame(128, 64, *blocks), 128, 8)
        if len(blocks[1]) != 64:  # in HDF5's LZ4 that one is stored
            with pytest.raises(DecodeError, match=text):
                lz4.decode_hdf5(frame(128, 64, *blocks), 128)


def test_a_lying_size_costs_no_memory():
    lies = [
        lambda: lz4.decode_block(bytes(100_000), 1 << 29),
        lambda: lz4.decode_hdf5(frame(1 << 30, 1 << 30, bytes(100_000)), 1 << 30),
        lambda: bslz4.decode(frame(1 << 30, 8192, *[bytes(16)] * 1000), 1 << 30, 2),
        lambda: bslz4.decode(frame(1 << 30, 1 << 30, bytes(100_000)), 1 << 30, 2),
        lambda: bsread.decode(b"\0\0\0\x40" + bytes(100_000), "lz4", None, "<"),
        lambda: bsread.decode(frame(1 << 30, 1 << 30, bytes(9)), "bitshuffle_lz4", None, "<"),
        lambda: pixels.decode(bytes(100_000), "bs32-lz4<", (1 << 14, 1 << 14), "u4"),
    ]
    tracemalloc.start()
    try:
        for lie in lies:
            with pytest.raises(DecodeError):
                lie()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


def test_bytes_left_over():
    for blob in (FRAMED + b"x", FRAMED + bytes(8)):
        with pytest.raises(DecodeError, match="bytes follow the last block, 6 are expected"):
            bslz4.decode(blob, len(CONTENT), 2)
    with pytest.raises(DecodeError, match="1 bytes follow the last block, 0 are expected"):
        lz4.decode_hdf5(lz4.encode_hdf5(CONTENT) + b"x", len(CONTENT))
    with pytest.raises(DecodeError, match="not the LZ4 of"):
        lz4.decode_block(lz4.encode_block(CONTENT) + b"x", len(CONTENT))


@pytest.mark.parametrize("size", [0, len(CONTENT) - 1, len(CONTENT) + 1, 1 << 63])
def test_another_size_than_expected(size):
    for call in (
        lambda: bslz4.decode(FRAMED, size, 2),
        lambda: lz4.decode_hdf5(lz4.encode_hdf5(CONTENT), size),
        lambda: lz4.decode_block(lz4.encode_block(CONTENT), size),
        lambda: bsread.decode(FRAMED, "bitshuffle_lz4", size, "<", itemsize=2),
        lambda: bsread.decode(bsread.encode(CONTENT, "lz4", 2, "<"), "lz4", size, "<"),
        lambda: pixels.decode(CONTENT, "<", (size,), "u1"),
        lambda: pixels.decode(FRAMED, "bs16-lz4<", (size,), "u1"),
        lambda: pixels.decode(FRAMED[12:], "bs16-lz4<", (size,), "u1"),
    ):
        with pytest.raises(DecodeError):
            call()


def test_a_header_that_lies():
    for size in (0, 1, len(CONTENT) - 2, 1 << 40):
        for blob, decode in (
            (FRAMED, partial(bslz4.decode, itemsize=2)),
            (lz4.encode_hdf5(CONTENT), lz4.decode_hdf5),
        ):
            lie = size.to_bytes(8, "big") + blob[8:]
            text = f"the blob declares {size} bytes, {len(CONTENT)} are expected"
            with pytest.raises(DecodeError, match=text):
                decode(lie, len(CONTENT))


def test_the_smallest_and_the_largest_blocks():
    for block_bytes in (16, MAX_BLOCK):
        blob = bslz4.encode(CONTENT, 2, block_bytes)
        assert bslz4.decode(blob, len(CONTENT), 2) == CONTENT
    for block_bytes in (1, MAX_BLOCK):
        assert lz4.decode_hdf5(lz4.encode_hdf5(CONTENT, block_bytes), len(CONTENT)) == CONTENT
    for block_bytes in (0, MAX_BLOCK + 1):
        with pytest.raises(EncodeError, match=f"blocks of {block_bytes} bytes"):
            lz4.encode_hdf5(CONTENT, block_bytes)


@pytest.mark.parametrize("block_bytes", [0, 8, 8200, MAX_BLOCK + 16])
def test_impossible_block_sizes(block_bytes):
    blob = FRAMED[:8] + block_bytes.to_bytes(4, "big") + FRAMED[12:]
    with pytest.raises(DecodeError, match=f"blocks of {block_bytes} bytes"):
        bslz4.decode(blob, len(CONTENT), 2)
    with pytest.raises(EncodeError, match=f"blocks of {block_bytes} bytes"):
        bslz4.encode(CONTENT, 2, block_bytes)


@pytest.mark.parametrize("itemsize", [0, 3, 16])
def test_impossible_elements(itemsize):
    with pytest.raises(DecodeError, match="1, 2, 4 or 8 can"):
        bslz4.decode(FRAMED, len(CONTENT), itemsize)
    with pytest.raises(DecodeError, match="1, 2, 4 or 8 can"):
        bslz4.decode(frame(0, 8192), 0, itemsize)
    with pytest.raises(EncodeError, match="1, 2, 4 or 8 can"):
        bslz4.encode(CONTENT, itemsize)
    with pytest.raises(DecodeError, match="no whole number of elements of 4"):
        bslz4.decode(FRAMED, len(CONTENT), 4)
    with pytest.raises(EncodeError, match="no whole number of elements of 4"):
        bslz4.encode(CONTENT, 4)


def test_a_size_above_the_cap_is_refused_before_anything_is_read():
    for size in (MAX_BYTES + 1, 1 << 62, 10**5000):
        for call in (
            lambda size=size: lz4.decode_block(b"x", size),
            lambda size=size: pixels.decode(b"x", "lz4<", (size, 1), "u1"),
            lambda size=size: pixels.decode(b"x", "bs16-lz4<", (size, 1), "u2"),
            lambda size=size: bslz4.decode_blocks(b"x", size, 1),
            lambda size=size: bslz4.decode(FRAMED, size, 1),
            lambda size=size: lz4.decode_hdf5(FRAMED, size),
            lambda size=size: bsread.decode(FRAMED, "bitshuffle_lz4", size, "<"),
        ):
            with pytest.raises(DecodeError, match=f"up to {MAX_BYTES} are allowed"):
                call()
        with pytest.raises(DecodeError, match="are expected"):
            bsread.decode(b"\0\0\0\1x", "lz4", size, "<")
        with pytest.raises(DecodeError, match="are expected"):
            pixels.decode(b"x", "<", (size, 1), "u1")
    with pytest.raises(DecodeError, match="50006 bytes; up to 50005 are allowed"):
        bslz4.decode(FRAMED, len(CONTENT), 2, most=50_005)
    assert bslz4.decode(FRAMED, len(CONTENT), 2, most=50_006) == CONTENT


def test_more_than_lz4_can_make_of_the_bytes_is_refused():
    tight = lz4.encode_block(bytes(1 << 20))
    assert lz4.decode_block(tight, 1 << 20) == bytes(1 << 20)
    for call in (
        lambda: lz4.decode_block(bytes(100), 25_501),
        lambda: bslz4.decode(frame(1 << 30, 1 << 30, bytes(100)), 1 << 30, 4),
        lambda: lz4.decode_hdf5(frame(1 << 30, 1 << 30, bytes(100)), 1 << 30),
        lambda: bsread.decode(b"\0\0\0\x40" + bytes(100), "lz4", 1 << 30, "<"),
        lambda: pixels.decode(bytes(100), "lz4<", (1 << 15, 1 << 15), "u1"),
    ):
        with pytest.raises(DecodeError, match="LZ4 makes at most 255 of each"):
            call()
    with pytest.raises(DecodeError, match="100 bytes are not the LZ4 of 25500"):
        lz4.decode_block(bytes(100), 25_500)  # so many could be


@pytest.mark.parametrize("shape", [(-1, -4), (2.0, 2), (True, 4), (1,) * 65, (0, 1 << 64)])
def test_shapes_that_no_array_has(shape):
    for encoding in ("<", "bs8-lz4<"):
        blob = pixels.encode(np.zeros(1 if 0 not in shape else 0, "u1"), encoding)
        with pytest.raises(DecodeError, match="shape"):
            pixels.decode(blob, encoding, shape, "u1")


def test_bsread_refuses_what_is_no_value():
    part = bsread.encode(b"text" * 9, "lz4", 1, "<")
    for compression in ("none", "LZ4", "", None, 7):
        with pytest.raises(DecodeError, match="neither lz4 nor bitshuffle_lz4"):
            bsread.decode(part, compression, 36, "<")
        with pytest.raises(EncodeError, match="neither lz4 nor bitshuffle_lz4"):
            bsread.encode(b"", compression, 1, "<")
    with pytest.raises(DecodeError, match="3 bytes; its size alone has 4"):
        bsread.decode(part[:3], "lz4", None, "<")
    with pytest.raises(
        DecodeError, match="declares 36 bytes, 603979776 in the other byte order; 37"
    ):
        bsread.decode(part, "lz4", 37, "<")
    with pytest.raises(DecodeError, match="fits in neither byte order"):
        bsread.decode(part[:-1], "lz4", None, "<")


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    monkeypatch.setattr(bslz4, "fast_library", lambda: None)
    said = (
        r"^this needs imagecodecs \(.*\): pip install imagecodecs, or gmflow with an extra"
        r" that brings it, 'gmflow\[eiger\]' or 'gmflow\[bsread\]'$"
    )
    with pytest.raises(DecodeError, match=said):
        bslz4.decode(FRAMED, len(CONTENT), 2)
    for size in (1, None):
        with pytest.raises(DecodeError, match=said):
            bsread.decode(b"\1\0\0\0x", "lz4", size, "<")
    with pytest.raises(DecodeError, match=said):
        lz4.decode_block(b"x", 1)
    for encoding in ("lz4<", "bs32-lz4<"):
        with pytest.raises(EncodeError, match=said):
            pixels.encode(IMAGE, encoding)
    with pytest.raises(EncodeError, match=said):
        bsread.encode(bytes(64), "lz4", 1, "<")
    assert pixels.decode(IMAGE.tobytes(), "<", IMAGE.shape, "u4").sum() == IMAGE.sum()
