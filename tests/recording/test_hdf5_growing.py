"""HDF5 files that grow: readable at any moment, whatever happens to their writer."""

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from gmflow.errors import RecordingError
from gmflow.recording.hdf5 import growing
from gmflow.recording.hdf5.columns import MAX_KEPT, MAX_ROWS
from gmflow.recording.hdf5.files import MAX_OPEN, Files
from gmflow.recording.hdf5.growing import is_known, lookup3
from tests.support.full import times
from tests.support.hdf5_recorded import Single, open_files, texts

h5py = pytest.importorskip("h5py")
pytest.importorskip("hdf5plugin")

KILLS = times(20, 2)


def program(text, *arguments, timeout=50):
    """Run a Python program of its own; return the lines that it prints."""
    command = [sys.executable, "-c", text, *map(str, arguments)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=root)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout.splitlines()


def names(folder):
    return sorted(os.listdir(folder))


@pytest.fixture
def files(tmp_path):
    files = Files(tmp_path / "run.h5")
    yield files
    files.close()


# What is written


def test_what_is_built_and_what_grows(files, tmp_path):
    file = files.create()
    file.group("/entry/data", NX_class="NXdata", signal="image")
    file.value("/entry/text", "größer", lang="de")
    file.value("/entry/empty", "")
    file.value("/entry/bytes", b"\0\xff")
    file.value("/entry/table", np.arange(6, dtype=">f4").reshape(2, 3))
    number = Single(file, "/entry/number", "u8", units="ns")
    vector = Single(file, "/entry/vector", "<i2", (3,))
    name = Single(file, "/entry/name", "S8")
    text = Single(file, "/entry/words")
    image = file.chunks("/entry/data/image", ">u2", (4, 5), (), about="all")
    file.start()
    rows = 3 * MAX_ROWS + 7
    for row in range(rows):
        number.append(row)
        vector.append((row, -row, 1))
        name.append(b"%d" % row)
        text.append(b"x" * (row % 4))
        image.append(np.full((4, 5), row, ">u2").tobytes())
    files.commit()
    with h5py.File(tmp_path / "run.h5") as read:
        entry = read["entry"]
        assert dict(entry["data"].attrs) == {"NX_class": "NXdata", "signal": "image"}
        assert entry["text"][()].decode() == "größer"
        assert entry["text"].attrs["lang"] == "de"
        assert entry["empty"][()] == b""
        assert entry["bytes"][:].tobytes() == b"\0\xff"
        assert entry["table"].dtype == ">f4"
        assert np.array_equal(entry["table"], np.arange(6).reshape(2, 3))
        assert entry["number"].dtype == "u8"
        assert entry["number"].attrs["units"] == "ns"
        assert np.array_equal(entry["number"], np.arange(rows))
        assert entry["vector"].shape == (rows, 3)
        assert entry["vector"][-1].tolist() == [rows - 1, 1 - rows, 1]
        assert entry["name"][:].tolist() == [b"%d" % row for row in range(rows)]
        assert texts(read, "entry/words") == [b"x" * (row % 4) for row in range(rows)]
        assert entry["data/image"].dtype == ">u2"
        assert entry["data/image"].chunks == (1, 4, 5)
        assert (entry["data/image"][:] == np.arange(rows)[:, None, None]).all()


def test_what_is_committed_is_not_flushed_again(files, monkeypatch):
    file, flushed = files.create(), []
    column = Single(file, "/number", "u8")
    file.start()
    flush = file._flush
    monkeypatch.setattr(file, "_flush", lambda: flushed.append(flush()))
    for number in range(3):
        column.append(number)
        assert file.dirty
        for _ in range(2):
            file.commit()
            assert not file.dirty
            assert len(flushed) == number + 1


def test_what_is_interrupted_while_it_is_left_is_not_touched_again(files, monkeypatch, tmp_path):
    file = files.create()
    column = Single(file, "/number", "u8")
    file.start()
    column.append(1)
    leave = growing._leave

    def interrupted(*arguments):
        leave(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(growing, "_leave", interrupted)
    with pytest.raises(KeyboardInterrupt):
        file.failed(OSError("no space"))
    assert file.closed
    file.close()


def test_what_a_column_keeps_back_is_bounded(files, tmp_path):
    file = files.create()
    small, large = Single(file, "/small", "u1"), Single(file, "/large", "u8", (1000,))
    text = Single(file, "/text")
    file.start()
    files.commit()
    for _ in range(MAX_ROWS + 5):
        small.append(7)
    for _ in range(40):
        large.append(np.arange(1000))
        text.append(bytes(10_000))
    file._file.flush()  # what was not kept back
    with h5py.File(tmp_path / "run.h5", swmr=True) as read:
        assert len(read["small"]) == MAX_ROWS
        assert 0 < (40 - len(read["large"])) * 8000 < MAX_KEPT
        assert 0 < 400_000 - len(read["text"]) < MAX_KEPT + 10_000


@pytest.mark.parametrize("large", [(), (1000,)])
def test_rows_of_several_columns_are_kept_back_and_written_at_once(large, files, tmp_path):
    file = files.create()
    rows = file.rows()
    rows.column("/number", "u2")
    rows.texts("/text")
    rows.column("/large", "u8", large)
    file.start()
    most = MAX_KEPT // 8000 if large else MAX_ROWS
    expected = [b"x" * (number % 5) for number in range(2 * most + 3)]
    for number, text in enumerate(expected):
        rows.append((number, text, np.full(large, number)), len(text))
    file._file.flush()
    with h5py.File(tmp_path / "run.h5", swmr=True) as read:
        assert len(read["number"]) == len(read["text_end"]) == len(read["large"]) == 2 * most
    files.commit()
    with h5py.File(tmp_path / "run.h5") as read:
        assert read["number"][:].tolist() == list(range(len(expected)))
        assert texts(read, "text") == expected
        assert (
            read["large"][:].reshape(len(expected), -1)[:, 0].tolist() == read["number"][:].tolist()
        )


def test_a_row_that_has_no_value_for_a_column_is_an_error(files):
    file = files.create()
    rows = file.rows()
    rows.column("/one", "u2")
    rows.column("/other", "u2")
    file.start()
    rows.append((1,))
    with pytest.raises(ValueError, match="shorter"):
        rows.write()


def test_a_chunk_can_say_which_filters_were_left_out(files, tmp_path):
    file = files.create()
    image = file.chunks("/image", "u2", (8, 8), ((32008, (0, 2)),))
    file.start()
    plain = np.arange(64, dtype="u2").reshape(8, 8)
    image.append(plain.tobytes(), 1)
    files.close()
    with h5py.File(tmp_path / "run.h5") as read:
        assert read["image"].id.read_direct_chunk((0, 0, 0)) == (1, plain.tobytes())
        assert np.array_equal(read["image"][0], plain)


# While it grows

READ = """
import h5py, json, sys
counts = []
for how in ({"mode": "r"}, {"mode": "r", "swmr": True}, {"mode": "r+"}):
    try:
        with h5py.File(sys.argv[1], **how) as file:
            counts.append([len(file["row"]), int(file["row"][-1])])
    except OSError as error:
        counts.append("lock" in str(error))
print(json.dumps(counts))
"""


def test_another_process_reads_it_while_it_grows_and_cannot_write_to_it(files, tmp_path):
    file = files.create()
    row = Single(file, "/row", "u8")
    file.start()
    for before, count in ((0, 10), (10, 2000)):
        for number in range(before, count):
            row.append(number)
        files.commit()
        (line,) = program(READ, tmp_path / "run.h5")
        assert json.loads(line) == [[count, count - 1], [count, count - 1], True]
    files.close()
    (line,) = program(READ, tmp_path / "run.h5")
    assert json.loads(line) == [[2000, 1999]] * 3


def test_commits_are_seen_when_the_file_is_opened_again(files, tmp_path):
    file = files.create()
    row, image = Single(file, "/row", "u8"), file.chunks("/image", "u1", (10_000,), ())
    file.start()
    for count in range(1, 40):
        row.append(count)
        image.append(bytes([count]) * 10_000)
        files.commit()
        with h5py.File(tmp_path / "run.h5", "r") as read:
            assert read["row"][:].tolist() == list(range(1, count + 1))
            assert read["image"][:, 5].tolist() == list(range(1, count + 1))


# Closing


@pytest.mark.parametrize("shape", [(2, 2), (40, 50), (300, 300)])
@pytest.mark.parametrize("filters", [(), ((32008, (0, 2)),)])
def test_a_closed_file_is_like_any_other(filters, shape, files, tmp_path):
    before = open_files()
    file = files.create()
    row, rare = Single(file, "/row", "u8"), Single(file, "/rare", "u1")
    image = file.chunks("/image", "u2", shape, filters)
    text = Single(file, "/text")
    file.start()
    plain = np.arange(np.prod(shape), dtype="u2").reshape(shape)
    for count in range(200):
        row.append(count)
        image.append(plain, 1 if filters else 0)
        text.append(b"%d" % count)
        if count % 50 == 3:
            files.commit()
    rare.append(9)
    files.close()
    assert open_files() == before
    for mode in ("r+", "r"):  # it can be written, and read then
        with h5py.File(tmp_path / "run.h5", mode) as read:
            assert read["row"][:].tolist() == list(range(200))
            assert (read["image"][:] == plain).all()
            assert texts(read, "text") == [b"%d" % count for count in range(200)]
            assert read["rare"][:].tolist() == [9]
            if mode == "r+":
                read["more"] = np.arange(100_000)
            assert read["more"][-1] == 99_999


CLOSING = """
import os, sys, time
from gmflow.recording.hdf5.files import Files
from tests.support.hdf5_recorded import Single
for delay in sys.argv[2:]:
    files = Files(f"{sys.argv[1]}/{delay}.h5")
    file = files.create()
    rows = [Single(file, f"/row_{number}", "u8") for number in range(150)]
    file.start()
    for row in rows:
        row.append(7)
    files.commit()
    hear, told = os.pipe()
    child = os.fork()
    if not child:
        os.write(told, b"x")
        files.close()
        os._exit(0)
    os.read(hear, 1)
    time.sleep(float(delay))
    os.kill(child, 9)
    os.waitpid(child, 0)
os._exit(0)
"""


def test_a_kill_while_it_is_closed_leaves_it_readable(tmp_path):
    delays = [0.0, 0.002, 0.005, 0.01, 0.02][: times(50)]
    program(CLOSING, tmp_path, *delays)
    for delay in delays:
        with h5py.File(tmp_path / f"{delay}.h5") as read:
            assert [read[f"row_{number}"][:].tolist() for number in range(150)] == [[7]] * 150


# The first bytes


@pytest.mark.parametrize(
    ("data", "checksum"),
    [
        (b"", 0xDEADBEEF),  # from lookup3.c's own test
        (b"Four score and seven years ago", 0x17770551),
    ],
)
def test_the_checksum_is_lookup3(data, checksum):
    assert lookup3(data) == checksum


@pytest.mark.parametrize("libver", ["earliest", "v108", "latest"])
def test_only_what_is_known_is_touched(libver, tmp_path):
    path = tmp_path / "any.h5"
    with h5py.File(path, "w", libver=libver):
        pass
    with open(path, "rb") as file:
        assert is_known(file.fileno()) is (libver == "latest")
    path.write_bytes(path.read_bytes()[:20])
    with open(path, "rb") as file:
        assert not is_known(file.fileno())


# Names


def test_files_are_numbered_and_the_least_recently_used_is_closed(files, tmp_path):
    columns = []
    made = []
    for number in range(MAX_OPEN + 4):
        made.append(files.create())
        columns.append(Single(made[-1], "/row", "u8"))
        made[-1].start()
        if number < MAX_OPEN:
            columns[0].append(number)  # is used all the time
        files.commit()
    closed = [file.closed for file in made]
    assert closed == [False, *[True] * 4, *[False] * (MAX_OPEN - 1)]
    expected = ["run.h5", *(f"run-{number}.h5" for number in range(2, MAX_OPEN + 5))]
    assert [Path(file.path).name for file in made] == expected
    assert names(tmp_path) == sorted(expected)
    files.close()
    assert all(file.closed for file in made)
    with h5py.File(tmp_path / "run.h5") as read:
        assert read["row"][:].tolist() == list(range(MAX_OPEN))


def test_a_later_name_that_is_taken_meanwhile_is_left_alone(files, tmp_path):
    files.create().start()
    (tmp_path / "run-2.h5").write_text("mine")
    second = files.create()
    second.start()
    assert second.path == str(tmp_path / "run-3.h5")
    assert (tmp_path / "run-2.h5").read_text() == "mine"


def test_the_first_name_that_is_taken_meanwhile_is_an_error(files, tmp_path):
    file = files.create()
    (tmp_path / "run.h5").write_text("mine")
    with pytest.raises(RecordingError, match=r"run\.h5 is there already: choose another name"):
        file.start()
    assert file.closed
    files.close()
    assert (tmp_path / "run.h5").read_text() == "mine"
    assert names(tmp_path) == ["run.h5"]


def test_a_file_that_was_never_started_leaves_nothing(files, tmp_path):
    before = open_files()
    files.create().value("/x", 1)
    (part,) = names(tmp_path)
    assert part.startswith(f".run.h5.{os.getpid()}-")
    file = files.create()
    file.value("/y", 2)
    file.start()
    files.create()
    files.close()
    assert names(tmp_path) == ["run.h5"]
    with h5py.File(tmp_path / "run.h5") as read:
        assert list(read) == ["y"]
    assert open_files() == before


def test_a_file_that_is_dropped_stands_in_the_way_of_none(files):
    for number in range(20):  # the next one may get the same place on the disk
        file = files.create()
        file.value("/x", number)
        Single(file, "/row", "u8")
        assert open_files() == 1
    file.start()


def test_parts_of_those_that_were_killed_are_removed_a_day_later(tmp_path):
    now = time.time()
    for name, age in ((".run.h5.1-a.part", 90_000), (".run.h5.2-b.part", 80_000), ("x.part", 1e6)):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (now - age, now - age))
    Files(tmp_path / "run.h5")
    assert names(tmp_path) == [".run.h5.2-b.part", "x.part"]


def test_two_that_record_to_the_same_name_do_not_touch_each_other(tmp_path):
    both = [Files(tmp_path / "run.h5") for _ in range(2)]
    first, second = [files.create() for files in both]
    row = Single(first, "/row", "u8")
    second.value("/other", 1)
    first.start()
    with pytest.raises(RecordingError, match=r"run\.h5 is there already"):
        second.start()
    row.append(5)
    for files in both:
        files.close()
    assert [files.paths for files in both] == [[str(tmp_path / "run.h5")], []]
    assert names(tmp_path) == ["run.h5"]
    with h5py.File(tmp_path / "run.h5") as read:
        assert list(read) == ["row"]
        assert read["row"][:].tolist() == [5]


def test_a_disk_without_links(files, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "run-2.h5").write_text("mine")
    for value in (1, 3):
        file = files.create()
        file.value("/value", value)
        file.start()
    files.close()
    assert files.paths == [str(tmp_path / name) for name in ("run.h5", "run-3.h5")]
    assert names(tmp_path) == ["run-2.h5", "run-3.h5", "run.h5"]
    assert (tmp_path / "run-2.h5").read_text() == "mine"
    with h5py.File(tmp_path / "run-3.h5") as read:
        assert read["value"][()] == 3


def test_one_file_takes_the_place_of_another(files, tmp_path):
    first = files.create()
    first.start()
    first.close()
    second = files.create(first)
    row = Single(second, "/row", "u8")
    second.start()
    row.append(1)
    files.close()
    assert names(tmp_path) == ["run.h5"]
    assert files.paths == [str(tmp_path / "run.h5")]
    with h5py.File(tmp_path / "run.h5") as read:
        assert read["row"][:].tolist() == [1]


# Errors


@pytest.mark.parametrize("there", ["run.h5", "run-2.h5"])
def test_what_is_there_is_not_overwritten(there, tmp_path):
    (tmp_path / there).write_text("mine")
    with pytest.raises(RecordingError, match=f"{there} is there already: choose another name"):
        Files(tmp_path / "run.h5")
    assert (tmp_path / there).read_text() == "mine"


@pytest.mark.parametrize("folder", ["nowhere", "file"])
def test_a_folder_that_is_none(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match=f"there is no folder .*{folder}: make it"):
        Files(tmp_path / folder / "run.h5")


@pytest.mark.parametrize("name", ["h5py", "hdf5plugin"])
def test_what_is_not_installed_is_named(name, files, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RecordingError, match=r"pip install 'gmflow\[hdf5\]'") as caught:
        files.create()
    assert name in str(caught.value)


PERMISSION = """
import os, sys
import h5py, hdf5plugin
from gmflow.errors import RecordingError
from gmflow.recording.hdf5.files import Files
os.chdir(sys.argv[1])  # whoever may not write there may not come there by its whole path either
files = Files("before.h5")
os.chmod(".", 0o555)
if os.geteuid() == 0:
    os.setuid(65534)
for attempt in (files.create, lambda: Files("run.h5")):
    try:
        attempt()
    except RecordingError as error:
        print(error)
"""


def test_no_permission(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    later, first = program(PERMISSION, folder)
    folder.chmod(0o755)
    assert later.startswith(".before.h5.")
    assert later.endswith(".part can't be written: Permission denied; check the disk")
    assert first == "the folder . can't be written to; choose another"


FULL = """
import json, os, resource, sys
import numpy as np
from gmflow.errors import RecordingError
from gmflow.recording.hdf5.files import Files
from tests.support.hdf5_recorded import Single
where, by_column = sys.argv[1], sys.argv[2] == "column"
files = Files(where)
other = files.create()
others = Single(other, "/row", "u8")
other.start()
file = files.create()
row, wide = Single(file, "/row", "u8"), Single(file, "/wide", "u8", (1000,))
image = file.chunks("/image", "<u8", (1000,), ())
file.start()
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
added = safe = 0
try:
    while True:
        (wide if by_column else image).append(np.full(1000, added, "<u8"))
        row.append(added)
        others.append(added)
        added += 1
        if added % 7 == 0:
            files.commit()
            safe = added
except RecordingError as error:
    said = str(error)
closed = file.closed
for _ in range(2):
    files.commit()
    files.close()
print(json.dumps([said, closed, added, safe, len(os.listdir("/proc/self/fd"))]), flush=True)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits files as Linux does")
@pytest.mark.parametrize("what", ["column", "image"])
def test_a_full_disk_leaves_what_was_committed(what, tmp_path):
    (line,) = program(FULL, tmp_path / "run.h5", what)
    said, closed, added, safe, descriptors = json.loads(line)
    assert said == f"{tmp_path}/run-2.h5 can't be written: File too large; check the disk"
    assert closed
    assert 200 < added < 260
    assert descriptors <= 8
    with h5py.File(tmp_path / "run-2.h5", "r") as read:
        data = read["wide" if what == "column" else "image"]
        assert safe <= len(data) <= added
        assert (data[:safe] == np.arange(safe)[:, None]).all()
        assert (data[safe:] == np.arange(safe, len(data))[:, None]).all()
        assert read["row"][:safe].tolist() == list(range(safe))
    with h5py.File(tmp_path / "run.h5", "r") as read:
        assert read["row"][:safe].tolist() == list(range(safe))


KILLED = """
import os, random, sys, time
import numpy as np
from gmflow.recording.hdf5.files import Files
from tests.support.hdf5_recorded import Single
from tests.support.kills import last_told

def write(folder, told):
    files = Files(folder + "/run.h5")
    file = files.create()
    file.value("/config", "x" * 1000)
    rows = [Single(file, f"/row_{number}", "u8") for number in range(6)]
    text = Single(file, "/text")
    image = file.chunks("/image", "<u8", (500,), ())
    file.start()
    count = 0
    while True:
        for _ in range(20):
            image.append(np.full(500, count, "<u8"))
            for row in rows:
                row.append(count)
            text.append(b"%d" % count)
            count += 1
        files.commit()
        os.write(told, count.to_bytes(8, "big"))
        time.sleep(random.uniform(0, 0.01))

for number in range(int(sys.argv[2])):
    os.mkdir(f"{sys.argv[1]}/{number}")
    print(last_told(write, f"{sys.argv[1]}/{number}", 0.2))
"""


def test_a_kill_loses_nothing_that_was_committed(tmp_path):
    for number, line in enumerate(program(KILLED, tmp_path, KILLS)):
        path, safe = tmp_path / str(number) / "run.h5", int(line)
        assert safe
        with h5py.File(path, "r") as read:
            expected = np.arange(safe)
            assert np.array_equal(read["image"][:safe, -1], expected)
            for column in range(6):
                assert np.array_equal(read[f"row_{column}"][:safe], expected)
            assert texts(read, "text")[:safe] == [b"%d" % row for row in range(safe)]
            assert read["image"][safe:, 0].tolist() == list(range(safe, len(read["image"])))


def test_that_files_are_begun_again_and_again_is_said_once(files, caplog):
    for _ in range(3):
        files.warn()
    assert [record.getMessage()[:28] for record in caplog.records] == [
        "more layouts or series alter"
    ]
