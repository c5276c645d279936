"""MCAP files that were cut, tampered with, or could not be written to the end.

The environment variable GMFLOW_FUZZ says how many are tampered with.
"""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import cbor2
import lz4.frame
import pytest
import zstandard
from mcap.reader import make_reader
from mcap.writer import CompressionType

from gmflow.errors import RecordingError
from gmflow.message import Message
from gmflow.recording.mcap.mcap_blocks import MAX_BYTES
from gmflow.recording.mcap.mcap_file import CHUNK, FOOTER, MAGIC, MESSAGE, MESSAGE_INDEX, pack
from gmflow.recording.mcap.mcap_file import records as mcap_records
from gmflow.recording.mcap.mcap_reader import McapReader
from gmflow.recording.mcap.mcap_writer import McapWriter
from tests.recording.test_mcap import facts, stream, write_by_library
from tests.support.full import times

COUNT = int(os.environ.get("GMFLOW_FUZZ") or times(3000))

HUGE = (0, 1, 0xFF, 0xFFFF, (1 << 32) - 1, 1 << 40, 1 << 60, (1 << 63) - 1, (1 << 64) - 1)

MAX_MEMORY = 32 << 20
"""Bytes that a file of a few ten thousand may take."""


def write(file: Path, messages: list[Message], at_once: int, is_closed: bool = True) -> None:
    """Write messages, some to a chunk; end as if the process were killed if `is_closed` is not."""
    writer = McapWriter(file)
    for start in range(0, len(messages), at_once):
        writer.write(messages[start : start + at_once])
        writer.commit()
    if is_closed:
        writer.close()
    else:
        writer._file.close()


def recording(tmp_path: Path, count: int = 40, **options: Any) -> tuple[list[Message], bytes]:
    messages = stream(count)
    write(tmp_path / "whole.mcap", messages, 10, **options)
    return messages, (tmp_path / "whole.mcap").read_bytes()


def test_cut_anywhere(tmp_path: Path) -> None:
    messages, data = recording(tmp_path)
    ends = []
    for one in messages:
        ends.append(data.index(b"\x58\x64" + one.parts[1], ends[-1] if ends else 0) + 102)
    file = tmp_path / "cut.mcap"
    file.write_bytes(data)
    expected = facts(messages)
    sizes = {*range(0, len(data), len(data) // times(len(data))), *ends, *(end - 1 for end in ends)}
    for size in sorted(sizes, reverse=True):
        os.truncate(file, size)
        whole = sum(end <= size for end in ends)
        with McapReader(file) as reader:
            assert len(reader) == whole
            assert facts(reader.messages()) == expected[:whole]
            check_problem(reader.problem, whole, len(messages))


def check_problem(problem: str, whole: int, count: int) -> None:
    assert problem.startswith("the file was not closed")
    if 0 < whole < count:
        assert f"after message {whole - 1}" in problem


@pytest.mark.parametrize("compression", [CompressionType.ZSTD, CompressionType.NONE])
@pytest.mark.parametrize("chunks", [True, False])
def test_others_files_cut_anywhere(
    tmp_path: Path, compression: CompressionType, chunks: bool
) -> None:
    messages = stream(400)
    data = write_by_library(messages, compression=compression, use_chunking=chunks)
    expected, before = facts(messages), 0
    step = 97 * len(data) // times(len(data))
    for size in [*range(7, len(data), step), len(data) - 1]:
        (tmp_path / "cut.mcap").write_bytes(data[:size])
        with McapReader(tmp_path / "cut.mcap") as reader:
            assert facts(reader.messages()) == expected[: len(reader)]
            assert before <= len(reader)
            assert reader.problem
            before = len(reader)
    assert before == 400


def test_a_tail_of_zeros(tmp_path: Path) -> None:
    messages, data = recording(tmp_path, is_closed=False)
    (tmp_path / "run.mcap").write_bytes(data + bytes(5000))
    with McapReader(tmp_path / "run.mcap") as reader:
        assert facts(reader.messages()) == facts(messages)
        assert reader.problem == (
            f"the file is damaged at byte {len(data)}: what comes after message 39 can't be read"
        )


@pytest.mark.parametrize("is_closed", [True, False])
@pytest.mark.parametrize("chunk", [0, 1, 3])
def test_a_damaged_chunk(tmp_path: Path, is_closed: bool, chunk: int) -> None:
    messages, data = recording(tmp_path, is_closed=is_closed)
    damaged = bytearray(data)
    first, stop = chunk * 10, chunk * 10 + 10
    damaged[data.index(messages[first + 5].parts[0]) + 3] ^= 4
    (tmp_path / "run.mcap").write_bytes(damaged)
    with McapReader(tmp_path / "run.mcap") as reader:
        assert len(reader) == 40
        assert facts(reader.messages(0, first - 1)) == facts(messages[:first])
        assert facts(reader.messages(stop)) == facts(messages[stop:])
        found = reader.messages()
        assert facts([next(found) for _ in range(first)]) == facts(messages[:first])
        with pytest.raises(RecordingError) as refusal:
            next(found)
    assert refusal.value.resume == (stop if stop < 40 else None)
    text = str(refusal.value)
    assert f"run.mcap: messages {first} to {stop - 1} can't be read: the chunk at byte" in text
    assert "its checksum is wrong" in text
    assert (f"those up to {first - 1}" in text) is (first > 0)
    assert (f"those from {stop} on" in text) is (stop < 40)


def test_a_damaged_length_costs_nothing(tmp_path: Path) -> None:
    messages, data = recording(tmp_path)
    summary = make_reader(open(tmp_path / "whole.mcap", "rb")).get_summary()  # noqa: SIM115
    assert summary
    damaged = bytearray(data)
    damaged[summary.chunk_indexes[1].chunk_start_offset + 6] ^= 1
    (tmp_path / "run.mcap").write_bytes(damaged[:-100])
    with McapReader(tmp_path / "run.mcap") as reader:
        assert facts(reader.messages()) == facts(messages)


def test_a_damaged_summary(tmp_path: Path) -> None:
    messages, data = recording(tmp_path)
    damaged = bytearray(data)
    damaged[-200] ^= 1
    (tmp_path / "run.mcap").write_bytes(damaged)
    with McapReader(tmp_path / "run.mcap") as reader:
        assert reader.problem == "its index is damaged: its checksum is wrong"
        assert facts(reader.messages()) == facts(messages)


def made(*records: bytes) -> bytes:
    """Return a file that was not closed, of records that may lie."""
    channel = pack(mcap_records().Channel(1, "s", "cbor", {}, 0))
    return MAGIC + channel + b"".join(records)


def a_record(opcode: int, content: bytes, length: int | None = None) -> bytes:
    return struct.pack("<BQ", opcode, len(content) if length is None else length) + content


def a_message(number: int) -> bytes:
    head = struct.pack("<HIQQ", 1, number, number, number)
    return a_record(MESSAGE, head + cbor2.dumps([b"%d" % number]))


def a_chunk(
    content: bytes, size: int | None = None, how: bytes = b"", stored: int | None = None
) -> bytes:
    size = len(content) if size is None else size
    head = struct.pack("<QQQII", 0, 0, size, 0, len(how)) + how
    stored = len(content) if stored is None else stored
    return a_record(CHUNK, head + struct.pack("<Q", stored) + content)


def an_index(count: int, size: int | None = None, entries: int | None = None) -> bytes:
    entries = count if entries is None else entries
    size = 16 * count if size is None else size
    return a_record(MESSAGE_INDEX, struct.pack("<HI", 1, size) + bytes(16 * entries))


THREE = b"".join(map(a_message, range(3)))


def read_all(file: Path, data: bytes) -> tuple[int, str, list[bytes], str]:
    """Return the length, the problem, what can be read, and the error that ends it."""
    file.write_bytes(data)
    found: list[bytes] = []
    with McapReader(file) as reader:
        try:
            found.extend(one.parts[0] for one in reader.messages())
        except RecordingError as error:
            return len(reader), reader.problem, found, str(error)
        return len(reader), reader.problem, found, ""


def test_a_file_without_any_index(tmp_path: Path) -> None:
    chunks = [a_chunk(THREE), a_message(3), a_message(4), a_chunk(a_message(5))]
    count, problem, found, error = read_all(tmp_path / "run.mcap", made(*chunks))
    assert (count, found, error) == (6, [b"%d" % number for number in range(6)], "")
    assert problem == "the file was not closed: it ends after message 5"


@pytest.mark.parametrize("is_known", [True, False])
def test_a_chunk_is_read_where_its_indexes_may_not_be_all(tmp_path: Path, is_known: bool) -> None:
    # The second index of the chunk is cut, or of a channel whose record only the chunk has.
    other = pack(mcap_records().Channel(2, "t", "cbor", {}, 0))
    second = a_message(1)[:9] + b"\2\0" + a_message(1)[11:]
    records = (b"" if is_known else other) + a_message(0) + second
    last = an_index(1)[:-1] if is_known else an_index(1).replace(b"\1\0", b"\2\0", 1)
    data = made(*([other] if is_known else []), a_chunk(records), an_index(1), last)
    count, problem, found, error = read_all(tmp_path / "run.mcap", data)
    assert (count, found, error) == (2, [b"0", b"1"], "")
    assert problem.startswith("the file was not closed: it ")


@pytest.mark.parametrize(
    "counted, found, lost, error",
    [
        (2, 2, "message 1 can't be read", "it holds more messages than its index says"),
        (1, 1, "message 0 can't be read", "it holds more messages than its index says"),
        (4, 3, "message 3 can't be read", "it holds fewer messages than its index says"),
    ],
)
def test_a_chunk_that_holds_more_or_less_than_is_declared(
    tmp_path: Path, counted: int, found: int, lost: str, error: str
) -> None:
    data = made(a_chunk(THREE), an_index(counted), a_chunk(a_message(3)), an_index(1))
    count, _, there, said = read_all(tmp_path / "run.mcap", data)
    assert (count, there) == (counted + 1, [b"%d" % number for number in range(found)])
    assert lost in said
    assert error in said
    with McapReader(tmp_path / "run.mcap") as reader:
        assert [one.parts for one in reader.messages(counted)] == [[b"3"]]


@pytest.mark.parametrize("size, is_right", [(48, True), (49, False), (1 << 31, False), (32, True)])
def test_an_index_that_is_longer_than_its_record(tmp_path: Path, size: int, is_right: bool) -> None:
    before = made(a_chunk(a_message(9)), an_index(1), a_chunk(THREE))
    data = before + an_index(3, size) + a_message(4)
    count, problem, _, _ = read_all(tmp_path / "run.mcap", data)
    assert count == 1 + (size // 16 + 1 if is_right else 3)
    damage = f"the file is damaged at byte {len(before)}: what comes after message 3 can't be read"
    assert (problem == damage) is not is_right


@pytest.mark.parametrize("how", [b"zstd", b"lz4"])
@pytest.mark.parametrize(
    "size, error",
    [
        (MAX_BYTES + 1, f"it would decompress to {MAX_BYTES + 1} bytes; up to {MAX_BYTES} can"),
        ((1 << 64) - 1, "it would decompress to 18446744073709551615 bytes"),
        (MAX_BYTES, "can't"),
    ],
)
def test_the_size_that_a_chunk_declares_is_limited(
    tmp_path: Path, how: bytes, size: int, error: str
) -> None:
    tracemalloc.start()
    try:
        data = made(a_chunk(b"some bytes", size, how), an_index(1))
        count, _, found, said = read_all(tmp_path / "run.mcap", data)
        assert tracemalloc.get_traced_memory()[1] < MAX_MEMORY
    finally:
        tracemalloc.stop()
    assert (count, found) == (1, [])
    assert error in said


@pytest.mark.parametrize(
    "chunk, error",
    [
        (a_chunk(THREE, len(THREE) + 1), "its sizes are wrong"),
        (a_chunk(THREE, len(THREE) - 1), "its sizes are wrong"),
        (a_chunk(THREE, stored=len(THREE) + 1), "its sizes are wrong"),
        (a_chunk(THREE, how=b"brotli"), "it is compressed by b'brotli'; zstd and lz4 can be read"),
        (a_chunk(a_record(MESSAGE, bytes(22), 23)), "a record in it is longer than itself"),
        (a_chunk(a_message(0).replace(b"\1\0", b"\7\0", 1)), "is of the unknown channel 7"),
        (a_chunk(lz4.frame.compress(THREE), len(THREE) - 1, b"lz4"), "its sizes are wrong"),
        (a_chunk(lz4.frame.compress(THREE), len(THREE) + 1, b"lz4"), "its sizes are wrong"),
        (a_chunk(zstandard.compress(THREE), len(THREE) - 1, b"zstd"), "its sizes are wrong"),
        (a_chunk(zstandard.compress(THREE), len(THREE) + 1, b"zstd"), "its sizes are wrong"),
        (a_chunk(b"12", 255 * 2 + 1, b"lz4"), "2 bytes can't decompress to 511"),
        (a_chunk(b"12345678", 255 * 8, b"lz4"), "it can't be decompressed"),
    ],
    ids=range(12),
)
def test_a_chunk_whose_sizes_are_wrong(tmp_path: Path, chunk: bytes, error: str) -> None:
    data = made(a_chunk(a_message(0)), an_index(1), chunk, an_index(1))
    count, _, found, said = read_all(tmp_path / "run.mcap", data)
    assert (count, found) == (2, [b"0"])
    assert "message 1 can't be read: the chunk at byte" in said
    assert error in said


@pytest.mark.parametrize(
    "record",
    [a_record(MESSAGE, bytes(21)), pack(mcap_records().Channel(2, "t" * (1 << 20), "cbor", {}, 0))],
    ids=["a message that is too short", "a channel that is too large"],
)
def test_records_outside_of_chunks_have_limits(tmp_path: Path, record: bytes) -> None:
    before = made(a_message(0), a_message(1))
    count, problem, found, _ = read_all(tmp_path / "run.mcap", before + record + a_message(2))
    assert (count, found) == (2, [b"0", b"1"])
    assert f"the file is damaged at byte {len(before)}: " in problem


@pytest.mark.parametrize("start", [0, 7, 1 << 62], ids=["none", "in the magic", "beyond the end"])
def test_a_summary_that_begins_where_it_can_not(tmp_path: Path, start: int) -> None:
    footer = a_record(FOOTER, struct.pack("<QQI", start, 0, 0))
    data = made(a_chunk(THREE), an_index(3)) + footer + MAGIC
    count, problem, found, _ = read_all(tmp_path / "run.mcap", data)
    assert (count, found) == (3, [b"0", b"1", b"2"])
    assert problem == ("its index is damaged: it begins where it can't" if start else "")


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "run.mcap").write_bytes(b"precious")
    with pytest.raises(RecordingError, match=r"run\.mcap is there already: choose another name"):
        McapWriter(tmp_path / "run.mcap")
    assert (tmp_path / "run.mcap").read_bytes() == b"precious"


def test_places_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="its folder is missing; make it"):
        McapWriter(tmp_path / "missing" / "run.mcap")
    (tmp_path / "file").touch()
    with pytest.raises(RecordingError, match="can't be made: Not a directory"):
        McapWriter(tmp_path / "file" / "run.mcap")


def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    user = os.geteuid()
    if user == 0:  # who may write everywhere
        os.seteuid(65534)
    try:
        with pytest.raises(RecordingError, match="can't be made: Permission denied; choose"):
            McapWriter(tmp_path / "run.mcap")
    finally:
        os.seteuid(user)


def test_a_file_that_is_removed(tmp_path: Path) -> None:
    with McapWriter(tmp_path / "run.mcap") as writer:
        writer.write(stream(10))
        writer.commit()
        (tmp_path / "run.mcap").unlink()
        writer.write(stream(10))
        with pytest.raises(RecordingError, match="it was removed while it was written"):
            writer.commit()
    assert writer.written == 10


def test_after_its_end(tmp_path: Path) -> None:
    writer = McapWriter(tmp_path / "run.mcap")
    writer.close()
    writer.close()
    with pytest.raises(RecordingError, match="is closed"):
        writer.write(stream(1))
    with pytest.raises(RecordingError, match="is closed"):
        writer.commit()


FULL_DISK = """
import resource, sys
from gmflow.errors import RecordingError
from gmflow.recording.mcap.mcap_writer import McapWriter
from tests.recording.test_mcap import stream
path, limit, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
messages = stream(50, size)
try:
    with McapWriter(path) as writer:
        errors = []
        for start in range(0, 50, 10):
            try:
                writer.write(messages[start : start + 10])
                writer.commit()
            except RecordingError as error:
                errors.append(str(error))
    print(writer.written, writer.bytes_written, *sorted(set(errors)), sep="\\n")
except RecordingError as error:
    print("error", error, sep="\\n")
"""


def on_a_full_disk(file: Path, limit: int, size: int = 10_000) -> list[str]:
    """Record 50 messages of which no more than some bytes can be written."""
    command = [sys.executable, "-c", FULL_DISK, str(file), str(limit), str(size)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=50, cwd=root)
    return done.stdout.splitlines()


@pytest.mark.parametrize("size", [10_000, 100_000])
def test_a_full_disk(tmp_path: Path, size: int) -> None:
    file = tmp_path / "run.mcap"
    written, count, error = on_a_full_disk(file, 25 * size, size)
    assert error == f"{file} can't be written: File too large; make room, or choose another disk"
    messages = stream(50, size)[:20]
    assert (int(written), int(count)) == (20, sum(m.size for m in messages))
    with McapReader(file) as reader:
        assert reader.problem == ""  # there was room for the summary
        assert facts(reader.messages()) == facts(messages)


def test_a_disk_that_is_full_to_the_last_byte(tmp_path: Path) -> None:
    messages = stream(50, 10_000)
    write(tmp_path / "part.mcap", messages[:30], 10, is_closed=False)
    limit = (tmp_path / "part.mcap").stat().st_size
    written, _, error = on_a_full_disk(tmp_path / "run.mcap", limit)
    assert (written, "can't be written" in error) == ("30", True)
    assert (tmp_path / "run.mcap").stat().st_size == limit
    with McapReader(tmp_path / "run.mcap") as reader:
        assert reader.problem == "the file was not closed: it ends after message 29"
        assert facts(reader.messages()) == facts(messages[:30])


def test_no_room_for_the_summary_alone(tmp_path: Path) -> None:
    messages = stream(50, 10_000)
    write(tmp_path / "part.mcap", messages, 10, is_closed=False)
    limit = (tmp_path / "part.mcap").stat().st_size + 100
    kind, error = on_a_full_disk(tmp_path / "run.mcap", limit)
    assert kind == "error"
    assert "run.mcap can't be written: File too large" in error
    with McapReader(tmp_path / "run.mcap") as reader:
        assert facts(reader.messages()) == facts(messages)


def test_no_room_at_all(tmp_path: Path) -> None:
    kind, error = on_a_full_disk(tmp_path / "run.mcap", 0)
    assert (kind, "File too large" in error) == ("error", True)
    assert not (tmp_path / "run.mcap").exists()


KILLED = """
import sys
from gmflow.recording.mcap.mcap_writer import McapWriter
from tests.recording.test_mcap import message
with McapWriter(sys.argv[1]) as writer:
    number, said = 0, 0
    while True:
        writer.write([message(i, b"%d" % i, bytes(i % 20000)) for i in range(number, number + 7)])
        number += 7
        if number % 490 == 0:
            writer.commit()
        if writer.written != said:
            said = writer.written
            print(said, flush=True)
"""


@pytest.mark.parametrize("seed", range(times(5, 2)))
def test_killed(tmp_path: Path, seed: int) -> None:
    file, random = tmp_path / "run.mcap", Random(seed)
    command = [sys.executable, "-c", KILLED, str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as child:
        assert child.stdout
        lines = [child.stdout.readline() for _ in range(random.randrange(1, 60))]
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.readlines()
    said = int([line for line in lines if line.endswith(b"\n")][-1])
    with McapReader(file) as reader:
        assert len(reader) >= said
        assert reader.problem.startswith("the file was not closed")
        for number, found in enumerate(reader.messages()):
            assert found.parts == [b"%d" % number, bytes(number % 20000)]
        assert number == len(reader) - 1


def flip(random: Random, data: bytearray) -> None:
    for _ in range(random.choice((1, 1, 2, 8))):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def cut(random: Random, data: bytearray) -> None:
    del data[random.randrange(len(data)) :]


def repeat(random: Random, data: bytearray) -> None:
    start, size = random.randrange(len(data)), random.randrange(400)
    data[start:start] = data[start : start + size]


def lie(random: Random, data: bytearray) -> None:
    """Put a number in the place of what may have been one."""
    places = (len(data), 300, 300)
    start = random.randrange(len(data))
    start = random.choice((start, start % places[1], len(data) - 1 - start % places[2]))
    width = random.choice((1, 2, 4, 8))
    number = random.choice((*HUGE, len(data), start)) & ((1 << 8 * width) - 1)
    data[start : start + width] = number.to_bytes(width, "little")


def lie_of_a_record(random: Random, data: bytearray) -> None:
    """Change the head of what may be a record."""
    kind = random.choice((2, 4, 5, 6, 7, 8, 11, 15))
    start = data.find(bytes([kind]), random.randrange(len(data)))
    if start >= 0:
        place = start + random.choice((0, 1, 1, 9, 17, 25, 33, 41, 49))
        data[place : place + 8] = random.choice(HUGE).to_bytes(8, "little")


CHANGES: tuple[Callable[[Random, bytearray], None], ...] = (
    flip, cut, repeat, lie, lie, lie_of_a_record, lie_of_a_record,
)  # fmt: skip


def originals(tmp_path: Path) -> list[bytes]:
    messages = stream(60)
    ours = [recording(tmp_path / name, 60, is_closed=bool(name)) for name in ("", "closed")]
    others: list[dict[str, Any]] = [
        {},
        {"compression": CompressionType.LZ4},
        {"compression": CompressionType.LZ4, "enable_crcs": False},
        {"enable_crcs": False},
        {"compression": CompressionType.NONE, "enable_crcs": False},
        {"compression": CompressionType.NONE, "enable_crcs": False, "use_statistics": False},
        {"use_chunking": False, "enable_crcs": False},
    ]
    return [data for _, data in ours] + [write_by_library(messages, **o) for o in others]


def mutants(originals: list[bytes], seed: int) -> Iterator[bytes]:
    random = Random(seed)
    for _ in range(COUNT):
        data = bytearray(random.choice(originals))
        for change in random.choices(CHANGES, k=random.choice((1, 1, 2, 4))):
            change(random, data)
            data = data or bytearray(b"\x89")
        yield bytes(data)


@pytest.mark.timeout(60 + COUNT // 50)
def test_tampered_files(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir()
    file = tmp_path / "run.mcap"
    outcomes = set()
    for data in mutants(originals(tmp_path), 1):
        file.write_bytes(data)
        outcomes.add(outcome(file))
    assert outcomes == {"read", "problem", "refused at the start", "refused on the way"}


def outcome(file: Path) -> str:
    """Read a file whatever it is; anything but a RecordingError fails the test."""
    tracemalloc.start()
    try:
        with McapReader(file) as reader:
            assert 0 <= len(reader) < 10_000
            try:
                found = sum(1 for _ in reader.messages())
                list(reader.messages(30, 31))
            except RecordingError as error:
                assert 0 < len(str(error)) < 1000
                return "refused on the way"
            assert found == len(reader)
            return "problem" if reader.problem else "read"
    except RecordingError as error:
        assert 0 < len(str(error)) < 1000
        return "refused at the start"
    finally:
        assert tracemalloc.get_traced_memory()[1] < MAX_MEMORY
        tracemalloc.stop()
