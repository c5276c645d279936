"""MCAP files: what is written is read, by the library's own readers too, and theirs by ours."""

from __future__ import annotations

import io
import sys
import tracemalloc
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cbor2
import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st
from mcap.reader import NonSeekingReader, SeekingReader, make_reader
from mcap.records import Chunk, Statistics
from mcap.records import Message as Record
from mcap.stream_reader import StreamReader
from mcap.writer import CompressionType, IndexType
from mcap.writer import Writer as LibraryWriter

from gmflow.errors import RecordingError
from gmflow.message import Message
from gmflow.recording import open_reader, open_writer
from gmflow.recording.mcap import mcap_reader
from gmflow.recording.mcap import mcap_writer as mcap_writing
from gmflow.recording.mcap.mcap_reader import McapReader
from gmflow.recording.mcap.mcap_writer import FULL, McapWriter
from gmflow.recording.mcap.message_cbor import LARGE, add_message, read_message
from gmflow.version import __version__
from tests.support.captures import capture_names, needs_captures, read_capture
from tests.support.full import times

START = 1_700_000_000_000_000_000


def message(number: int, *parts: Any, source: str = "") -> Message:
    return Message(parts=parts, source=source, received_ns=START + number * 1000)


def stream(count: int, size: int = 100) -> list[Message]:
    """Messages of two parts and of two sources."""
    return [
        message(i, b'{"frame": %d}' % i, bytes([i % 256]) * size, source="ab"[i % 3 == 0])
        for i in range(count)
    ]


def write(path: Path, messages: Sequence[Message], at_once: int = 100) -> McapWriter:
    with McapWriter(path) as writer:
        for start in range(0, len(messages), at_once):
            writer.write(messages[start : start + at_once])
    assert isinstance(writer, McapWriter)
    return writer


def facts(messages: Iterable[Message]) -> list[tuple[list[bytes], int, str]]:
    return [([bytes(part) for part in m.parts], m.received_ns, m.source) for m in messages]


def read(path: Path, first: int = 0, last: int | None = None) -> list[Any]:
    with McapReader(path) as reader:
        assert reader.problem == ""
        return facts(reader.messages(first, last))


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b""],
        [b"", b"", b""],
        [b"x" * 23, b"x" * 24, b"x" * 255, b"x" * 256],
        [b"x" * 4095, b"x" * 4096, b"x" * 65535, b"x" * 65536, b"y"],
        [b"z"] * 23,
        [b"z"] * 24,
        [b"z"] * 300,
        [b"big" * 3_000_000, b"", b"big" * 2_000_000],
        [b"many" * (LARGE // 4)] * 1500,  # more buffers than the system takes at once
    ],
    ids=lambda parts: f"{len(parts)} parts, {sum(map(len, parts))} bytes",
)
def test_parts_of_all_sizes(tmp_path: Path, parts: list[bytes]) -> None:
    file = tmp_path / "run.mcap"
    messages = [message(0, b"before"), message(1, *parts), message(2, b"after")]
    writer = write(file, messages)
    assert (writer.written, writer.bytes_written) == (3, sum(map(len, parts)) + 11)
    assert read(file) == facts(messages)
    with McapReader(file) as reader:
        assert [one.size for one in reader.messages()] == [one.size for one in messages]


@given(st.lists(st.binary(max_size=300), max_size=30))
def test_a_message_is_the_array_that_any_cbor_writer_makes(parts: list[bytes]) -> None:
    pieces: list[Any] = []
    size, heads = add_message(parts, pieces, [], {bytes})
    item = b"".join(pieces)
    assert item == cbor2.dumps(parts, canonical=True)
    assert size == sum(map(len, parts))
    assert size + heads == len(item)
    assert read_message(b"--" + item + b"--", 2, 2 + len(item)) == parts
    open_ended = b"\x9f" + b"".join(pieces[1:]) + b"\xff"
    assert read_message(open_ended, 0, len(open_ended)) == parts
    for end in range(len(item)):
        with pytest.raises(ValueError, match="no CBOR array"):
            read_message(item, 0, end)


@pytest.mark.parametrize(
    "item", [{}, "text", 1, [1], ["text"], [b"x", [b"y"]], b"bytes", None, cbor2.CBORTag(24, [])]
)
def test_other_items_are_no_messages(item: Any) -> None:
    data = cbor2.dumps(item)
    with pytest.raises(ValueError, match="no CBOR array of byte strings"):
        read_message(data, 0, len(data))


def test_parts_of_all_kinds(tmp_path: Path) -> None:
    data = b"x" * LARGE
    parts = [zmq.Frame(b"small"), zmq.Frame(data), memoryview(data), memoryview(b"view")]
    parts += [bytearray(b"array"), bytearray(data), memoryview(zmq.Frame(data)), array("B", b"x")]
    write(tmp_path / "run.mcap", [message(0, *parts)])
    (found,) = read(tmp_path / "run.mcap")
    assert found[0] == [b"small", data, data, b"view", b"array", data, data, b"x"]


UNFIT = [
    memoryview(array("H", [1, 2])),
    memoryview(array("H", bytes(3 * LARGE))),
    memoryview(bytes(12)).cast("B", (3, 4)),
    memoryview(bytes(3 * LARGE)).cast("B", (3, LARGE)),
    memoryview(bytes(10))[::2],
    memoryview(bytes(10 * LARGE))[::2],
    array("I", [1]),
    "text",
    None,
    7,
]


@pytest.mark.parametrize("part", UNFIT, ids=lambda part: f"{type(part).__name__}")
def test_what_is_no_flat_buffer_is_refused_alone(
    tmp_path: Path, part: Any, caplog: pytest.LogCaptureFixture
) -> None:
    file, large = tmp_path / "run.mcap", bytes(LARGE)
    good = [message(i, b"%d" % i, large, source="good") for i in range(5)]
    bad = [message(9, b"before", large, part, large, source=source) for source in ("good", "bad")]
    with McapWriter(file) as writer:
        writer.write([*good[:2], *bad])
        writer.write([bad[0], *good[2:4]])
        writer.write([bad[1]])
        writer.commit()
        writer.write([bad[1], good[4]])
    assert (writer.written, writer.refused) == (5, 5)
    assert writer.bytes_written == sum(m.size for m in good)
    assert read(file) == facts(good)
    (line,) = caplog.messages
    assert line.startswith("a message is not recorded: a part is no flat buffer of bytes, but of")
    with open(file, "rb") as opened:
        reader = make_reader(opened, validate_crcs=True)
        sequences = [record.sequence for _, _, record in reader.iter_messages()]
        summary = reader.get_summary()
    assert sequences == [0, 1, 2, 3, 4]
    assert summary and summary.statistics
    assert [channel.topic for channel in summary.channels.values()] == ["good"]
    assert list(summary.statistics.channel_message_counts.values()) == [5]


@pytest.mark.parametrize("size", [10, 2 * LARGE])
def test_memory_that_changes_or_ends_while_it_waits(tmp_path: Path, size: int) -> None:
    buffers = [bytearray(size) for _ in range(3)]
    view, read_only = memoryview(buffers[1]), memoryview(bytes(size))
    numbers = array("b", bytes(size))
    with McapWriter(tmp_path / "run.mcap") as writer:
        writer.write([message(0, buffers[0], view, memoryview(buffers[2]), numbers, read_only)])
        for buffer in buffers:
            buffer[:] = b"x" * size
        numbers[0] = 1
        view.release()
        read_only.release()
        buffers[1].clear()
    assert read(tmp_path / "run.mcap") == facts([message(0, *[bytes(size)] * 5)])


def test_frames_are_not_copied(tmp_path: Path) -> None:
    data = bytes(20 << 20)
    parts = [data, zmq.Frame(data), memoryview(zmq.Frame(data)), memoryview(data)]
    tracemalloc.start()
    try:
        write(tmp_path / "run.mcap", [message(0, *parts)])
        assert tracemalloc.get_traced_memory()[1] < len(data)
    finally:
        tracemalloc.stop()


@needs_captures
@pytest.mark.parametrize("name", capture_names())
def test_every_capture(tmp_path: Path, name: str) -> None:
    parts = read_capture(name)
    messages = [message(i, *p, source=name) for i, p in enumerate(parts)]
    with open_writer(tmp_path / "run.mcap") as writer:
        writer.write(messages)
    with open_reader(tmp_path / "run.mcap") as reader:
        assert len(reader) == len(parts)
        found = list(reader.messages())
    assert facts(found) == facts(messages)
    assert [[bytes(p) for p in m.parts] for m in found] == parts


def test_many_small_messages_in_order(tmp_path: Path) -> None:
    file, count = tmp_path / "run.mcap", times(200_000, 50_000)
    with McapWriter(file) as writer:
        for start in range(0, count, 1000):
            writer.write([message(i, b"%d" % i, b"data") for i in range(start, start + 1000)])
    with McapReader(file) as reader:
        assert len(reader) == writer.written == count
        for number, found in enumerate(reader.messages()):
            assert found.parts == [b"%d" % number, b"data"]
            assert found.received_ns == START + number * 1000
        assert number == count - 1
        middle = reader.messages(34_567, 34_568)
        assert [m.parts[0] for m in middle] == [b"34567", b"34568"]


@pytest.mark.parametrize("is_closed", [True, False])
def test_first_and_last(tmp_path: Path, is_closed: bool) -> None:
    messages = stream(50)
    writer = McapWriter(tmp_path / "run.mcap")
    for start in range(0, 50, 10):
        writer.write(messages[start : start + 10])
        writer.commit()
    if is_closed:
        writer.close()
    with McapReader(tmp_path / "run.mcap") as reader:
        assert len(reader) == 50
        for first in range(-1, 53):
            for last in (None, *range(first - 1, 53)):
                expected = messages[max(first, 0) : None if last is None else max(last + 1, 0)]
                assert facts(reader.messages(first, last)) == facts(expected)
        one, other = reader.messages(), reader.messages(20)
        assert facts([next(one), next(other), next(one)]) == facts(messages[i] for i in (0, 20, 1))
    writer.close()


@pytest.mark.parametrize("messages", [[], [Message(parts=["text"])]])
def test_what_was_made_for_no_message_is_removed(tmp_path: Path, messages: list[Message]) -> None:
    file = tmp_path / "run.mcap"
    with McapWriter(file) as writer:
        assert writer.paths == [str(file)]
        assert file.exists()
        writer.write(messages)
    assert writer.paths == []
    assert not file.exists()
    write(file, [message(0, b"a")])


def test_a_file_that_took_its_name_stays(tmp_path: Path) -> None:
    with McapWriter(tmp_path / "run.mcap"):
        (tmp_path / "run.mcap").rename(tmp_path / "moved.mcap")
        (tmp_path / "run.mcap").write_bytes(b"precious")
    assert (tmp_path / "run.mcap").read_bytes() == b"precious"


def test_a_recording_that_is_killed_before_its_first_message(tmp_path: Path) -> None:
    writer = McapWriter(tmp_path / "run.mcap")
    (tmp_path / "empty.mcap").touch()
    for name in ("run.mcap", "empty.mcap"):
        with open_reader(tmp_path / name) as reader:
            assert (len(reader), list(reader.messages())) == (0, [])
            assert reader.problem == "the file was not closed: it ends before its first message"
    writer.close()


def test_unknown_times_stay_unknown(tmp_path: Path) -> None:
    write(tmp_path / "run.mcap", [Message(parts=[b"x"]), message(1, b"y")])
    assert [m[1] for m in read(tmp_path / "run.mcap")] == [0, START + 1000]


def test_views_outlive_the_reader(tmp_path: Path) -> None:
    data = [bytes([i]) * (1 << 20) for i in range(10)]
    write(tmp_path / "run.mcap", [message(0, part) for part in data])
    with McapReader(tmp_path / "run.mcap") as reader:
        parts = [m.parts[0] for m in reader.messages()]
    assert parts == data
    with pytest.raises(RecordingError, match="closed"):
        next(reader.messages())


class OneWay(io.RawIOBase):
    """A file that can only be read from its beginning to its end."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "rb")  # noqa: SIM115

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


def by_library(found: Iterable[tuple[Any, Any, Any]]) -> list[Any]:
    """Return what the library's reader found, as `facts` does."""
    return [
        (cbor2.loads(record.data), record.log_time, channel.metadata["source"])
        for schema, channel, record in found
        if schema.name == "gmflow.Message" and channel.message_encoding == "cbor"
    ]


def test_the_library_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "run.mcap"
    messages = [*stream(3000, 5000), message(3000, b"large" * 300_000, source="c")]
    write(path, messages)
    expected = facts(messages)
    with open(path, "rb") as file:
        reader = make_reader(file, validate_crcs=True)
        assert isinstance(reader, SeekingReader)
        assert reader.get_header().library == f"gmflow {__version__}"
        summary = reader.get_summary()
        assert summary
        assert sorted(c.topic for c in summary.channels.values()) == ["a", "b", "c"]
        assert by_library(reader.iter_messages()) == expected
        part = reader.iter_messages(starting_at=START + 500_000, ending_before=START + 700_000)
        assert by_library(part) == expected[500:700]
        of_one = reader.iter_messages(topics="c", reverse=True)
        assert by_library(of_one) == expected[3000:]
        check_statistics(summary.statistics, len(summary.chunk_indexes), expected)
        file.seek(0)
        one_way = NonSeekingReader(io.BufferedReader(OneWay(path)), validate_crcs=True)
        assert by_library(one_way.iter_messages(log_time_order=False)) == expected
        records = StreamReader(file, validate_crcs=True).records
        sequences = [record.sequence for record in records if isinstance(record, Record)]
        assert sequences == list(range(3001))


def check_statistics(statistics: Statistics | None, chunks: int, expected: Sequence[Any]) -> None:
    sources = [source for _, _, source in expected]
    assert statistics
    assert statistics.message_count == len(expected)
    assert statistics.chunk_count == chunks > 2
    assert (statistics.channel_count, statistics.schema_count) == (3, 1)
    counts = sorted(statistics.channel_message_counts.values())
    assert counts == sorted(sources.count(source) for source in "abc")
    assert statistics.message_start_time == START
    assert statistics.message_end_time == START + 3_000_000


def test_message_indexes_point_at_the_messages(tmp_path: Path) -> None:
    messages = stream(500)
    write(tmp_path / "run.mcap", messages)
    data = (tmp_path / "run.mcap").read_bytes()
    summary = make_reader(io.BytesIO(data)).get_summary()
    assert summary
    (index,) = summary.chunk_indexes
    records = StreamReader(io.BytesIO(data), emit_chunks=True).records
    chunk = next(record for record in records if isinstance(record, Chunk))
    found = {}
    for channel, place in index.message_index_offsets.items():
        assert data[place] == 7
        size = int.from_bytes(data[place + 11 : place + 15], "little")
        table = memoryview(data)[place + 15 : place + 15 + size].cast("Q")
        for time, offset in zip(table[::2], table[1::2], strict=True):
            assert chunk.data[offset] == 5
            assert chunk.data[offset + 9] == channel
            assert int.from_bytes(chunk.data[offset + 15 : offset + 23], "little") == time
            found[offset] = time
    assert [found[offset] for offset in sorted(found)] == [m.received_ns for m in messages]


OTHERS: dict[str, dict[str, Any]] = {
    "zstd": {},
    "lz4": {"compression": CompressionType.LZ4},
    "plain": {"compression": CompressionType.NONE},
    "no chunks": {"use_chunking": False},
    "no checksums": {"enable_crcs": False},
    "no index": {"index_types": IndexType.NONE},
    "no message index": {"index_types": IndexType.CHUNK},
    "no statistics": {"use_statistics": False},
    "no channels at the end": {"repeat_channels": False},
    "nothing at the end": {
        "index_types": IndexType.NONE,
        "use_statistics": False,
        "repeat_channels": False,
        "repeat_schemas": False,
        "use_summary_offsets": False,
    },
}


def write_by_library(
    messages: Sequence[Message], encoding: str = "cbor", is_closed: bool = True, **options: Any
) -> bytes:
    file = io.BytesIO()
    writer = LibraryWriter(file, chunk_size=20_000, **options)
    writer.start()
    channels: dict[str, int] = {}
    for number, one in enumerate(messages):
        if one.source not in channels:
            channels[one.source] = writer.register_channel(one.source, encoding, 0)
        channel, data = channels[one.source], cbor2.dumps(list(one.parts))
        writer.add_message(channel, one.received_ns, data, one.received_ns, number)
        if number == len(messages) // 2:
            writer.add_attachment(0, 0, "note", "text/plain", b"an attachment")
    if is_closed:
        writer.finish()
    return file.getvalue()


@pytest.mark.parametrize("is_closed", [True, False])
@pytest.mark.parametrize("options", OTHERS.values(), ids=OTHERS)
def test_files_of_the_library(tmp_path: Path, options: dict[str, Any], is_closed: bool) -> None:
    messages = stream(1000)
    data = write_by_library(messages, is_closed=is_closed, **options)
    (tmp_path / "other.mcap").write_bytes(data)
    with McapReader(tmp_path / "other.mcap") as reader:
        assert bool(reader.problem) is not is_closed
        assert 700 < len(reader) <= 1000
        assert facts(reader.messages()) == facts(messages[: len(reader)])
        assert facts(reader.messages(555, 560)) == facts(messages[555:561])
        assert len(reader) == 1000 or not is_closed


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_whole_file_is_not_gone_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_ours: bool
) -> None:
    messages = stream(1000)
    if is_ours:
        write(tmp_path / "run.mcap", messages)
    else:
        (tmp_path / "run.mcap").write_bytes(write_by_library(messages))
    monkeypatch.delattr(mcap_reader, "_scan")
    assert read(tmp_path / "run.mcap") == facts(messages)


@pytest.mark.parametrize("options", OTHERS.values(), ids=OTHERS)
def test_other_encodings_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    data = write_by_library(stream(10), "ros1", **options)
    (tmp_path / "other.mcap").write_bytes(data)
    with pytest.raises(RecordingError, match=r"other\.mcap holds messages in 'ros1' \('b'\)"):
        McapReader(tmp_path / "other.mcap")


def test_other_cbor_is_refused(tmp_path: Path) -> None:
    file = io.BytesIO()
    writer = LibraryWriter(file)
    writer.start()
    channel = writer.register_channel("t", "cbor", 0)
    for number, item in enumerate([[b"good"], {"a": 1}, [b"good"]]):
        writer.add_message(channel, number, cbor2.dumps(item), 0)
    writer.finish()
    (tmp_path / "other.mcap").write_bytes(file.getvalue())
    with McapReader(tmp_path / "other.mcap") as reader:
        found = reader.messages()
        assert next(found).parts == [b"good"]
        with pytest.raises(
            RecordingError, match=r"message 1 can't be read: it is no CBOR .* from 2"
        ):
            next(found)
        assert [m.parts for m in reader.messages(2)] == [[b"good"]]


@pytest.mark.parametrize("content", [b"{}", b"not MCAP", b"\x89HDF\r\n\x1a\n" + bytes(100)])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.mcap").write_bytes(content)
    with pytest.raises(RecordingError, match=r"run\.mcap is no MCAP file"):
        McapReader(tmp_path / "run.mcap")


def test_what_is_not_there_or_no_file(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="No such file"):
        McapReader(tmp_path / "run.mcap")
    (tmp_path / "folder.mcap").mkdir()
    with pytest.raises(RecordingError, match="directory"):
        McapReader(tmp_path / "folder.mcap")


@pytest.mark.parametrize("kind", [McapReader, McapWriter])
def test_the_library_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Any]
) -> None:
    monkeypatch.setitem(sys.modules, "mcap", None)
    with pytest.raises(RecordingError, match=r"need the library mcap .*: pip install 'gmflow\[mca"):
        kind(tmp_path / "run.mcap")
    assert not (tmp_path / "run.mcap").exists()


def test_what_is_old_is_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(mcap_writing, "monotonic", lambda: now)
    with McapWriter(tmp_path / "run.mcap") as writer:
        for since, written in [(0.0, 0), (0.1, 0), (0.49, 3), (0.5, 3), (0.6, 3), (0.99, 6)]:
            now = 100 + since
            writer.write([message(0, b"x")])
            assert writer.written == written
        writer.commit()
        writer.commit()
        assert (writer.written, writer.bytes_written) == (6, 6)


class Aside:
    """Does work later, when somebody waits for it, and knows how much was begun and not done."""

    def __init__(self) -> None:
        self.open = 0

    def __call__(self, work: Callable[[], Any]) -> Callable[[], Any]:
        self.open += 1

        def wait() -> Any:
            self.open -= 1
            return work()

        return wait


def test_chunks_are_packed_aside_and_written_in_order(tmp_path: Path) -> None:
    aside = Aside()
    messages = [message(number, bytes([number]) * (3 << 20)) for number in range(20)]
    with McapWriter(tmp_path / "run.mcap", aside) as writer:
        for one in messages:
            writer.write([one])
            assert aside.open <= 2  # of 6 MiB each
        assert 20 - 2 * (mcap_writing.AHEAD + 1) <= writer.written < 20
        writer.commit()
        assert (writer.written, aside.open) == (20, 0)
        writer.write([message(20, b"after")])
    with McapReader(tmp_path / "run.mcap") as reader:
        found = [bytes(one.parts[-1]) for one in reader.messages()]
    assert found == [bytes(one.parts[-1]) for one in messages] + [b"after"]


@pytest.mark.parametrize("mebibytes, most", [(1, 3), (4, 3), (6, 2), (9, 1), (40, 1)])
def test_what_is_packed_ahead_is_bounded_by_its_bytes(
    tmp_path: Path, mebibytes: int, most: int
) -> None:
    aside = Aside()
    part = bytes(mebibytes << 20)
    with McapWriter(tmp_path / "run.mcap", aside) as writer:
        seen = set()
        for number in range(80 // mebibytes + 2):
            writer.write([message(number, part)])
            seen.add(aside.open)
        assert max(seen) == most


def test_an_error_aside_is_raised_and_what_was_before_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = McapWriter(tmp_path / "run.mcap", Aside())
    writer.write([message(0, b"x" * (5 << 20))])
    writer.commit()
    writer.write([message(1, b"x" * (5 << 20))])

    def fail(*_: Any) -> int:
        raise RecordingError("no memory is left")

    monkeypatch.setattr(mcap_writing, "crc32", fail)
    with pytest.raises(RecordingError, match="no memory is left"):
        writer.commit()
    monkeypatch.undo()
    writer.close()
    with McapReader(tmp_path / "run.mcap") as reader:
        assert (len(reader), reader.problem) == (1, "")


def test_too_many_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcap_writing, "MAX_CHANNELS", 2)
    messages = [message(i, b"x", source=source) for i, source in enumerate("aba")]
    with McapWriter(tmp_path / "run.mcap") as writer:
        writer.write(messages)
        writer.commit()
        for _ in range(2):
            with pytest.raises(RecordingError, match="holds up to 2 sources, not more"):
                writer.write([message(3, b"x", source="c")])
    assert read(tmp_path / "run.mcap") == facts(messages)


def test_little_memory(tmp_path: Path) -> None:
    def traffic() -> Iterator[list[Message]]:
        for start in range(0, 4_000, 20):
            yield [message(i, b"%d" % i, bytes(10_000)) for i in range(start, start + 20)]

    tracemalloc.start()
    try:
        with McapWriter(tmp_path / "run.mcap") as writer:
            for messages in traffic():
                writer.write(messages)
        with McapReader(tmp_path / "run.mcap") as reader:
            assert sum(1 for _ in reader.messages()) == 4_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5 * FULL
