"""Recordings in mflow's layout: names, order, `m_dump -s`, what is refused, crashes."""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tracemalloc
from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmflow.errors import RecordingError
from gmflow.message import Message
from gmflow.recording import open_reader, open_writer
from gmflow.recording.folder.folder_reader import FolderReader
from gmflow.recording.folder.folder_writer import FolderWriter
from gmflow.recording.folder.names import is_empty, make_folder, part_name
from tests.support.captures import capture_names, needs_captures, read_capture
from tests.support.full import times

PARTS = st.lists(st.lists(st.binary(max_size=9), min_size=1, max_size=4), min_size=1, max_size=9)


def record(folder, messages, skip=None):
    with FolderWriter(folder, skip) as writer:
        writer.write([Message(parts=parts) for parts in messages])
        assert writer.written == len(messages)
    return folder


def put(folder, number, parts):
    """Write a message as mflow does: from the first part to the last, and no times."""
    for index, part in enumerate(parts):
        (folder / part_name(number, index)).write_bytes(part)


def read(folder, *which, problem=""):
    with FolderReader(folder) as reader:
        assert reader.problem == problem
        return [message.parts for message in reader.messages(*which)]


def raw(folder):
    return sorted(path.name for path in folder.glob("*.raw"))


def error_of(call, *arguments):
    with pytest.raises(RecordingError) as info:
        call(*arguments)
    assert "\n" not in str(info.value)
    return str(info.value)


# names and contents


@pytest.mark.parametrize(
    "message, part, name",
    [
        (0, 0, "000000_000.raw"),
        (12, 3, "000012_003.raw"),
        (999999, 999, "999999_999.raw"),
        (1000000, 1000, "1000000_1000.raw"),
    ],
)
def test_part_name(message, part, name):
    assert part_name(message, part) == name


def test_what_is_written_is_read(tmp_path):
    messages = [[b"{}", b"", b"\x00" * 5000], [b"one"], [b"{}", memoryview(b"view")], [b""]]
    assert read(record(tmp_path, messages)) == messages


@pytest.mark.parametrize("size", [65535, 65536, 65537, 3_000_000])
def test_large_parts_are_read_whole(tmp_path, size):
    part = os.urandom(size)
    assert read(record(tmp_path, [[part, b"end"], [b"", part]])) == [[part, b"end"], [b"", part]]


@given(PARTS)
def test_any_parts_come_back(tmp_path_factory, messages):
    assert read(record(tmp_path_factory.mktemp("recording"), messages)) == messages


@given(PARTS, st.lists(st.integers(0, 4), max_size=5))
def test_batches_of_any_length_are_one_recording(tmp_path_factory, messages, lengths):
    folder = tmp_path_factory.mktemp("recording")
    rest = [Message(parts=parts) for parts in messages]
    with open_writer(folder) as writer:
        for length in [*lengths, len(rest)]:
            writer.write(rest[:length])
            del rest[:length]
        writer.commit()
        assert writer.written == len(messages)
        assert writer.bytes_written == sum(len(part) for parts in messages for part in parts)
        assert writer.refused == 0
    with open_reader(folder) as reader:
        assert len(reader) == len(messages)
        assert [message.parts for message in reader.messages()] == messages


@needs_captures
@pytest.mark.parametrize("name", capture_names())
def test_every_capture_comes_back_byte_for_byte(tmp_path, name):
    messages = read_capture(name)
    assert read(record(tmp_path, messages)) == messages


@pytest.mark.parametrize(
    "skip, written", [(None, 3), (0, 3), (1, 0), (2, 1), (3, 2), (4, 3), (9, 3), (-1, 0)]
)
def test_skip_counts_from_one_as_in_mflow(tmp_path, skip, written):
    parts = [b"a", b"b", b"c"]
    record(tmp_path, [parts, parts], skip)
    assert len(raw(tmp_path)) == 2 * written
    assert is_empty(tmp_path) == (written == 0)
    left_out = (
        f"{tmp_path} was recorded with parts left out (m_dump -s):"
        f" message 0 has {written} of its 3 parts"
    )
    if written:
        problem = left_out if written < 3 else ""
        assert read(tmp_path, problem=problem) == [parts[:written]] * 2
    else:
        assert "holds no recording" in error_of(FolderReader, tmp_path)


def test_bytes_that_are_skipped_are_not_counted(tmp_path):
    with FolderWriter(tmp_path, 2) as writer:
        writer.write([Message(parts=[b"header", b"image"])] * 3)
        assert (writer.written, writer.bytes_written) == (3, 18)


# what is in the folder


def test_the_folder_is_made(tmp_path):
    folder = record(tmp_path / "new" / "run", [[b"a", b"b"]])
    assert raw(folder) == ["000000_000.raw", "000000_001.raw"]


def test_order_is_numeric(tmp_path):
    for number in (1000000, 2, 999999, 100001, 123456789012345678):
        put(tmp_path, number, [b"%d" % number])
    put(tmp_path, 7, [b"%d" % part for part in range(1002)])
    messages = read(tmp_path)
    assert [int(parts[0]) for number, parts in enumerate(messages) if number != 1] == [
        2,
        100001,
        999999,
        1000000,
        123456789012345678,
    ]
    assert messages[1] == [b"%d" % part for part in range(1002)]


def test_other_files_are_ignored(tmp_path):
    put(tmp_path, 0, [b"a"])
    for name in (
        "PROVENANCE.md",
        "times.csv",
        "000001_000.raw~",
        "000001_000.RAW",
        "00001_000.raw",
        "000001_00.raw",
        "0000001_000.raw",
        "000001_0000.raw",
        "x000001_000.raw",
        "1234567890123456789_000.raw",
        "000001_1234567890.raw",
        "\u0660\u0660\u0660\u0660\u0660\u0661_000.raw",
        "000001_000.raw\n",
    ):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "000002_000.raw").mkdir()
    assert read(tmp_path) == [[b"a"]]


def test_numbers_may_lack(tmp_path):
    for number in (3, 5, 500):
        put(tmp_path, number, [b"%d" % number] * number)
    assert [len(parts) for parts in read(tmp_path)] == [3, 5, 500]


@pytest.mark.parametrize(
    "which, expected",
    [
        ((), [0, 1, 2, 3]),
        ((2,), [2, 3]),
        ((1, 2), [1, 2]),
        ((0, 0), [0]),
        ((3, 99), [3]),
        ((4,), []),
        ((2, 1), []),
    ],
)
def test_first_and_last_count_the_messages_that_are_there(tmp_path, which, expected):
    for number, place in zip((4, 8, 1000000, 2000000), b"0123", strict=True):
        put(tmp_path, number, [b"%c" % place])
    assert [int(parts[0]) for parts in read(tmp_path, *which)] == expected


def test_a_reader_can_read_again(tmp_path):
    with FolderReader(record(tmp_path, [[b"a"], [b"b"]])) as reader:
        assert [list(map(list, m.parts)) for m in reader.messages()] == [[[97]], [[98]]]
        assert len(list(reader.messages())) == len(reader) == 2
        reader.close()


@pytest.mark.parametrize("part", [0, 1])
def test_a_missing_part_is_named_when_it_is_reached(tmp_path, part):
    for number in range(3):
        put(tmp_path, number, [b"a", b"b", b"c"])
    (tmp_path / part_name(1, part)).unlink()
    with FolderReader(tmp_path) as reader:
        messages = reader.messages()
        assert next(messages).parts == [b"a", b"b", b"c"]
        reason = error_of(next, messages)
        assert f"{tmp_path}/000001_00{part}.raw is missing: restore it, or move message 1" in reason


def test_what_comes_after_a_missing_part_can_be_read(tmp_path):
    for number in range(10, 14):
        put(tmp_path, number, [b"%d" % number, b"b"])
    with FolderReader(tmp_path) as reader:
        for number in (11, 13):
            (tmp_path / part_name(number, 0)).unlink()
        for first, resume in ((0, 2), (2, None)):
            messages = reader.messages(first)
            assert next(messages).parts == [b"%d" % (10 + first), b"b"]
            with pytest.raises(RecordingError) as error:
                next(messages)
            assert error.value.resume == resume


def test_a_part_that_can_not_be_read_is_named(tmp_path):
    put(tmp_path, 0, [b"a", b"b"])
    with FolderReader(tmp_path) as reader:
        (tmp_path / "000000_001.raw").unlink()
        (tmp_path / "000000_001.raw").mkdir()
        reason = error_of(next, reader.messages())
    assert "000000_001.raw can't be read: Is a directory" in reason


def test_missing_folder(tmp_path):
    assert is_empty(tmp_path / "nowhere")
    assert "nowhere does not exist; check" in error_of(FolderReader, tmp_path / "nowhere")


def test_empty_folder(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    assert is_empty(tmp_path)
    reason = error_of(FolderReader, str(tmp_path))
    assert "holds no recording (files such as 000000_000.raw); name the folder" in reason


def test_a_folder_that_is_a_file(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"")
    for refused in (FolderReader, is_empty):
        assert "is a file; name the folder" in error_of(refused, file)
    assert "can't be made" in error_of(FolderWriter, file)


def test_a_folder_is_made_once(tmp_path):
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert is_empty(tmp_path / "a" / "b")


def test_a_folder_that_can_not_be_made_says_so(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(RecordingError, match=r"can't be made: .*; choose another"):
            make_folder(folder)


def test_a_folder_of_many_messages_takes_little_memory(tmp_path):
    count = 20_000
    for number in range(count):
        os.close(os.open(tmp_path / part_name(number, 0), os.O_CREAT | os.O_WRONLY))
    tracemalloc.start()
    try:
        with FolderReader(tmp_path) as reader:
            assert len(reader) == count
            assert tracemalloc.get_traced_memory()[1] < 64 * count
    finally:
        tracemalloc.stop()


def test_nothing_stays_open(tmp_path):
    record(tmp_path, [[b"a", b"b" * 70000]])
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "times.csv").write_text("time,value\n")
    before = os.listdir("/dev/fd")
    for _ in range(3):
        record(tmp_path, [[b"a", b"b" * 70000]])
        assert len(read(tmp_path)) == 1
        error_of(FolderReader, tmp_path / "other")
        error_of(FolderWriter, tmp_path / "other")
    assert os.listdir("/dev/fd") == before


# an older recording in the same folder


def test_an_old_recording_is_overwritten(tmp_path):
    record(tmp_path, [[b"old", b"old"], [b"old"] * 9, [b"old"] * 2])
    record(tmp_path, [[b"new"], [b"new", b"new"]])
    assert read(tmp_path) == [[b"new"], [b"new", b"new"], [b"old", b"old"]]


def test_parts_of_an_old_message_that_was_not_whole_are_gone(tmp_path):
    record(tmp_path, [[b"old"] * 9] * 2)
    for part in range(5):
        (tmp_path / part_name(0, part)).unlink()
    assert read(record(tmp_path, [[b"new"]])) == [[b"new"], [b"old"] * 9]


def test_an_old_part_with_a_huge_number_takes_no_time(tmp_path):
    put(tmp_path, 1, [b"old"] * 3)
    (tmp_path / "000000_999999999.raw").write_bytes(b"old")
    assert read(record(tmp_path, [[b"new"]])) == [[b"new"], [b"old"] * 3]


def test_an_old_part_that_can_not_be_removed_is_an_error(tmp_path, monkeypatch):
    record(tmp_path, [[b"old"] * 3] * 2)
    unlink = os.unlink

    def refuse(name, **options):
        if name == "000001_002.raw":
            raise PermissionError(errno.EPERM, "Operation not permitted")
        unlink(name, **options)

    with FolderWriter(tmp_path) as writer:
        monkeypatch.setattr(os, "unlink", refuse)
        new = Message(parts=[b"new"])
        reason = error_of(writer.write, [new, new])
        assert "000001_002.raw can't be written: Operation not permitted; check" in reason
        assert writer.written == 1
    assert len((tmp_path / "times.csv").read_text().splitlines()) == 2
    problem = f"{tmp_path} was cut: its last message, 1, is left out"
    assert read(tmp_path, problem=problem) == [[b"new"]]


def test_nothing_changes_before_the_first_message(tmp_path):
    record(tmp_path, [[b"old", b"old"]] * 3)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with FolderWriter(tmp_path) as writer:
        writer.write([])
        writer.write([Message(parts=[])])
        writer.commit()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_what_was_made_for_no_message_is_removed(tmp_path):
    (tmp_path / "there").mkdir()
    for folder in (tmp_path / "there", tmp_path / "there" / "a" / "b"):
        with FolderWriter(folder) as writer:
            assert writer.paths == [str(folder)]
            assert (folder / "times.csv").exists()
        assert writer.paths == []
        assert list((tmp_path / "there").iterdir()) == []


def test_what_others_put_into_a_folder_stays(tmp_path):
    folder = tmp_path / "a" / "b"
    with FolderWriter(folder):
        (tmp_path / "a" / "notes").write_text("mine")
    assert not folder.exists()
    assert (tmp_path / "a" / "notes").exists()
    with FolderWriter(folder):
        folder.rename(tmp_path / "moved")
        folder.mkdir()
    assert folder.exists()
    assert os.listdir(tmp_path / "moved") == []


def test_a_folder_is_recorded_into_once_at_a_time(tmp_path):
    with FolderWriter(tmp_path) as writer:
        before = os.listdir("/dev/fd")
        for _ in range(3):
            reason = error_of(FolderWriter, tmp_path)
        assert reason == (
            f"the folder {tmp_path} is being recorded into by another program or recorder:"
            " choose another folder"
        )
        assert os.listdir("/dev/fd") == before
        writer.write([Message(parts=[b"a"])])
        error_of(FolderWriter, tmp_path)
    assert read(tmp_path) == [[b"a"]]
    assert read(record(tmp_path, [[b"b"]])) == [[b"b"]]


HOLDER = """
import os, subprocess, sys
from gmflow.recording import open_writer
writer = open_writer(sys.argv[1])
child = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL, close_fds=False)
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_a_recorder_that_is_killed_holds_no_folder(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        child = int(holder.stdout.readline())
        try:
            assert "is being recorded into" in error_of(FolderWriter, tmp_path)
            holder.kill()
            holder.wait(30)
            os.kill(child, 0)  # it is there, and has no lock
            assert read(record(tmp_path, [[b"a"]])) == [[b"a"]]
        finally:
            holder.kill()
            os.kill(child, signal.SIGKILL)


FORKED = """
import os, sys
from gmflow.message import Message
from gmflow.recording import open_writer
until, end = os.pipe()
with open_writer(sys.argv[1]) as writer:
    writer.write([Message(parts=[b"a"])])
    child = os.fork()
    if not child:
        os.close(end)
        os.read(until, 1)
        os._exit(0)
with open_writer(sys.argv[1]):
    print("again")
os.close(end)
os.waitpid(child, 0)
"""


def test_a_fork_holds_no_folder_after_the_recording(tmp_path):
    assert run(FORKED, tmp_path) == ["again"]


def test_a_recording_begins_while_another_ends_without_a_message(tmp_path, monkeypatch):
    first = FolderWriter(tmp_path)
    flock = fcntl.flock

    def end_first(file, operation):
        monkeypatch.setattr(fcntl, "flock", flock)
        first.close()
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", end_first)
    assert read(record(tmp_path, [[b"a"]])) == [[b"a"]]
    assert len((tmp_path / "times.csv").read_text().splitlines()) == 2


def test_a_file_system_without_locks_is_recorded_to(tmp_path, monkeypatch):
    def refuse(file, operation):
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert read(record(tmp_path, [[b"a"]])) == [[b"a"]]


OVERWRITTEN = """
import itertools, os, signal, sys
from gmflow.message import Message
from gmflow.recording import open_writer
def counted(call, calls, limit):
    def counting(*arguments, **options):
        if next(calls) == limit:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **options)
    return counting
def overwrite(folder, limit):
    calls = itertools.count()
    writer = open_writer(folder)
    for name in ("open", "write", "unlink", "ftruncate"):
        setattr(os, name, counted(getattr(os, name), calls, limit))
    new = [Message(parts=[b"new", b"n"], received_ns=9, source="new") for _ in range(3)]
    writer.write(new)
    os._exit(0)
for number, folder in enumerate(sys.argv[1:]):
    child = os.fork()
    if not child:
        overwrite(folder, number)
    status = os.waitpid(child, 0)[1]
    print(os.WTERMSIG(status), os.waitstatus_to_exitcode(status))
"""


def test_a_kill_while_overwriting_leaves_whole_messages_with_their_own_times(tmp_path):
    old = [Message(parts=[b"old"] * 4, received_ns=1, source="old")] * 6
    folders = [tmp_path / str(call) for call in range(60)]
    for folder in folders:
        with FolderWriter(folder) as writer:
            writer.write(old)
    found = set()
    ends = run(OVERWRITTEN, *folders)
    killed = ends.index("0 0")  # so many calls are made
    assert ends == ["9 -9"] * killed + ["0 0"] * (60 - killed)
    for folder in folders[:killed]:
        with FolderReader(folder) as reader:
            messages = [(*message.parts, message.source) for message in reader.messages()]
        new = messages.count((b"new", b"n", "new"))
        left = messages[new:]
        assert messages[:new] == [(b"new", b"n", "new")] * new
        assert set(left) <= {(*[b"old"] * 4, "old"), (*[b"old"] * 4, "")}
        assert 5 - new <= len(left) <= 6 - new
        found.add((new, bool(reader.problem)))
    assert {(0, True), (1, False), (1, True), (2, False), (2, True)} <= found


# errors


UNFIT = [
    memoryview(array("H", [1, 2])),
    memoryview(bytes(12)).cast("B", (3, 4)),
    memoryview(bytes(10))[::2],
    "text",
    None,
    7,
]


@pytest.mark.parametrize("part", UNFIT, ids=lambda part: type(part).__name__)
def test_what_is_no_flat_buffer_is_refused_alone(tmp_path, caplog, part):
    bad, good = Message(parts=[b"a", part]), Message(parts=[b"a", bytearray(b"b")])
    with FolderWriter(tmp_path) as writer:
        writer.write([good, bad, good, bad])
        assert (writer.written, writer.refused, writer.bytes_written) == (2, 2, 4)
    assert read(tmp_path) == [[b"a", b"b"]] * 2
    (line,) = caplog.messages
    assert line.startswith("a message is not recorded: a part is no flat buffer of bytes, but of")


def test_what_is_left_out_is_not_looked_at(tmp_path):
    record(tmp_path, [[b"a", "text"]], skip=2)
    assert raw(tmp_path) == ["000000_000.raw"]


def test_a_message_without_parts_is_refused(tmp_path, caplog):
    with FolderWriter(tmp_path) as writer:
        writer.write([Message(parts=[b"a"]), Message(parts=[]), Message(parts=[b"b"])])
        assert (writer.written, writer.refused) == (2, 1)
    assert read(tmp_path) == [[b"a"], [b"b"]]
    assert caplog.messages == [
        "a message is not recorded: it has no parts, and a folder holds nothing but parts"
    ]


def test_a_shorter_part_leaves_nothing_of_a_longer_one(tmp_path):
    record(tmp_path, [[b"long and old"]])
    assert read(record(tmp_path, [[b"new"]])) == [[b"new"]]


def test_old_and_new_parts_never_make_one_message(tmp_path):
    record(tmp_path, [[b"old", b"old"]] * 3)
    (tmp_path / "000001_000.raw").unlink()
    (tmp_path / "000001_000.raw").mkdir()
    with FolderWriter(tmp_path) as writer:
        new = Message(parts=[b"new", b"new"])
        assert "Is a directory" in error_of(writer.write, [new, new])
    (tmp_path / "000001_000.raw").rmdir()
    assert read(tmp_path) == [[b"new", b"new"], [b"old", b"old"]]
    part_1 = Watched(b"new", tmp_path)
    with FolderWriter(tmp_path) as writer:
        writer.write([Message(parts=[b"new", part_1])])
    assert ["000000_001.raw", "000002_000.raw", "000002_001.raw"] in part_1.seen


class Watched(bytes):
    """A part that notes which files there are whenever its length is asked for."""

    def __new__(cls, data, folder):
        part = super().__new__(cls, data)
        part.folder, part.seen = folder, []
        return part

    def __len__(self):
        self.seen.append(raw(self.folder))
        return super().__len__()


def test_part_0_is_written_last(tmp_path):
    part_0 = Watched(b"header", tmp_path)
    record(tmp_path, [[b"before"], [part_0, b"1", b"2"]])
    assert ["000000_000.raw", "000001_000.raw", "000001_001.raw", "000001_002.raw"] in part_0.seen
    assert not any("000001_000.raw" in seen and len(seen) < 4 for seen in part_0.seen)


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_full_disk_takes_the_message_back(tmp_path, part):
    (tmp_path / part_name(2, part)).symlink_to("/dev/full")
    writer = FolderWriter(tmp_path)
    writer.write([Message(parts=[b"a"])])
    many = [Message(parts=[b"a", b"b", b"c"], received_ns=7)] * 3
    reason = error_of(writer.write, many)
    path = tmp_path / part_name(2, part)
    assert reason.startswith(f"{path} can't be written: No space left on device; check the folder")
    assert (writer.written, writer.bytes_written) == (2, 4)
    writer.close()
    writer.close()
    assert raw(tmp_path) == [
        "000000_000.raw",
        "000001_000.raw",
        "000001_001.raw",
        "000001_002.raw",
    ]
    assert len((tmp_path / "times.csv").read_text().splitlines()) == 3
    with FolderReader(tmp_path) as reader:
        assert [message.received_ns for message in reader.messages()] == [0, 7]
        assert reader.problem == ""


def test_it_goes_on_when_there_is_space_again(tmp_path):
    (tmp_path / "000001_000.raw").symlink_to("/dev/full")
    with FolderWriter(tmp_path) as writer:
        error_of(writer.write, [Message(parts=[b"a"], received_ns=1), Message(parts=[b"b"])])
        writer.write([Message(parts=[b"c"], received_ns=3)])
        assert writer.written == 2
    with FolderReader(tmp_path) as reader:
        assert [(m.parts, m.received_ns) for m in reader.messages()] == [([b"a"], 1), ([b"c"], 3)]


LIMITED = """
import resource, signal, sys
from gmflow.errors import RecordingError
from gmflow.message import Message
from gmflow.recording import open_writer
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
writer = open_writer(sys.argv[1])
messages = [Message(parts=[b"head", b"x" * size], source=source)
            for size, source in eval(sys.argv[2])]
try:
    for message in messages:
        writer.write([message])
except RecordingError as error:
    print(error)
writer.close()
print(writer.written)
"""


def run(text, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", text, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=50,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "messages, file",
    [
        ([(9_000, ""), (10_000, ""), (20_000, "")], "000002_001.raw"),
        ([(10, "s"), (10, "s" * 5_000), (10, "s" * 5_000)], "times.csv"),
    ],
)
def test_a_file_that_may_not_grow_takes_the_message_back(tmp_path, messages, file):
    error, written = run(LIMITED, tmp_path, messages)
    assert error.startswith(f"{tmp_path / file} can't be written: File too large; check")
    assert written == "2"
    with FolderReader(tmp_path) as reader:
        assert reader.problem == ""
        found = [(len(m.parts[1]), m.source) for m in reader.messages()]
    assert found == messages[:2]
    assert (tmp_path / "times.csv").read_bytes().endswith(b"\n")


def test_a_folder_that_vanishes_is_an_error(tmp_path):
    folder = tmp_path / "run"
    with FolderWriter(folder) as writer:
        writer.write([Message(parts=[b"a"])])
        shutil.rmtree(folder)
        reason = error_of(writer.write, [Message(parts=[b"a", b"b"])])
        assert f"{folder}/000001_001.raw can't be written: the folder is gone" in reason
        folder.mkdir()
        error_of(writer.write, [Message(parts=[b"a", b"b"])])
        assert writer.written == 1
    assert os.listdir(folder) == []


FORBIDDEN = """
import os, sys
from gmflow.errors import RecordingError
from gmflow.message import Message
from gmflow.recording.folder.folder_writer import FolderWriter
os.chdir(sys.argv[1])
writer = FolderWriter(".")
writer.write([Message(parts=[b"a"])])
os.chmod(".", 0o555)
if os.geteuid() == 0:  # root may write everywhere
    os.setuid(65534)
for attempt in (lambda: writer.write([Message(parts=[b"b", b"c"])]), lambda: FolderWriter(".")):
    try:
        attempt()
    except RecordingError as error:
        print(error)
writer.close()
print(writer.written)
"""


def test_a_folder_without_permission_says_so(tmp_path):
    later, at_once, written = run(FORBIDDEN, tmp_path)
    tmp_path.chmod(0o755)
    assert later.startswith("./000001_001.raw can't be written: Permission denied; check")
    assert at_once == "the folder . can't be written to; choose another"
    assert written == "1"
    assert read(tmp_path) == [[b"a"]]


# a process that is killed


def test_a_last_message_without_part_0_is_left_out(tmp_path):
    record(tmp_path, [[b"a", b"b"]] * 3)
    (tmp_path / "000002_000.raw").unlink()
    with FolderReader(tmp_path) as reader:
        assert [message.parts for message in reader.messages()] == [[b"a", b"b"]] * 2
        assert len(reader) == 2
        assert reader.problem == f"{tmp_path} was cut: its last message, 2, is left out"


@pytest.mark.parametrize("skip", [None, 2])
@pytest.mark.parametrize("data", [b"", b"he"])
def test_a_last_message_that_is_shorter_than_announced_is_left_out(tmp_path, skip, data):
    record(tmp_path, [[b"head", b"b"]] * 3, skip)
    (tmp_path / "000002_000.raw").write_bytes(data)
    with FolderReader(tmp_path) as reader:
        assert len(list(reader.messages())) == len(reader) == 2
        assert "was cut" in reader.problem


def test_a_last_message_that_lacks_an_empty_part_is_left_out(tmp_path):
    record(tmp_path, [[b"head", b""]] * 2)
    (tmp_path / "000001_001.raw").unlink()
    with FolderReader(tmp_path) as reader:
        assert len(reader) == 1


def test_nothing_may_be_left(tmp_path):
    record(tmp_path, [[b"a", b"b"]])
    (tmp_path / "000000_000.raw").unlink()
    with FolderReader(tmp_path) as reader:
        assert list(reader.messages()) == []
        assert "its last message, 0, is left out" in reader.problem


def test_a_file_with_a_huge_part_number_takes_no_time(tmp_path):
    put(tmp_path, 0, [b"a"])
    (tmp_path / "000001_999999999.raw").write_bytes(b"")
    with FolderReader(tmp_path) as reader:
        assert [message.parts for message in reader.messages()] == [[b"a"]]
        assert "its last message, 1, is left out" in reader.problem


ENDLESS = """
import hashlib, json, os, sys
from gmflow.message import Message
from gmflow.recording import open_writer
from tests.support.kills import last_told
noise = os.urandom(40_000)
def message(number):
    parts = [noise[number % 999 : number * 7919 % 20_000] for _ in range(number % 4)]
    digest = hashlib.sha256(b"|".join(parts)).hexdigest()
    header = {"number": number, "parts": len(parts), "sha256": digest}
    return Message(parts=[json.dumps(header).encode(), *parts], received_ns=number + 1, source="s")
def write(folder, told):
    writer = open_writer(folder)
    while True:
        first = writer.written
        writer.write([message(number) for number in range(first, first + 1 + first % 9)])
        os.write(told, writer.written.to_bytes(8, "big"))
for folder in sys.argv[1:]:
    print(last_told(write, folder, 0.03))
"""


def test_a_kill_at_any_moment_loses_nothing_that_was_written(tmp_path):
    folders = [tmp_path / str(attempt) for attempt in range(times(20, 4))]
    for folder, written in zip(folders, map(int, run(ENDLESS, *folders)), strict=True):
        assert written
        with FolderReader(folder) as reader:
            messages = list(reader.messages())
        assert len(messages) >= written
        for number, message in enumerate(messages):
            header, *parts = message.parts
            digest = hashlib.sha256(b"|".join(parts)).hexdigest()
            assert json.loads(header) == {"number": number, "parts": len(parts), "sha256": digest}
            assert (message.received_ns, message.source) == (number + 1, "s")
        shutil.rmtree(folder)


def test_no_numpy_is_loaded_for_a_folder(tmp_path):
    text = (
        "import sys\nfrom gmflow.recording import endings as kinds\n"
        "from gmflow.recording.folder import folder_reader as reading, folder_writer as writing\n"
        "print(*sys.modules)"
    )
    (modules,) = run(text)
    assert not {"numpy", "mcap", "h5py"} & set(modules.split())


def test_a_folder_that_is_moved_is_followed(tmp_path):
    with FolderWriter(tmp_path / "run") as writer:
        writer.write([Message(parts=[b"a"])])
        Path(tmp_path / "run").rename(tmp_path / "moved")
        writer.write([Message(parts=[b"b"])])
    assert read(tmp_path / "moved") == [[b"a"], [b"b"]]
