"""m_replay -o makes another recording of one, and says if it is not whole; --list looks at it."""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys

import pytest

from gmflow.recording import open_reader
from tests.support.recordings import record, recorded, times_of
from tests.support.scripts import BIN, DEADLINE, until

MESSAGES = [
    [b'{"htype": "raw-1.0", "series": %d, "frame": %d}' % (n // 20, n % 20), bytes(n), b""]
    for n in range(60)
]
TIMES = [1_700_000_000_000_000_000 + 1_000_000 * n for n in range(60)]
MANY = 60_000


@pytest.fixture(params=["folder", "run.mcap"])
def recording(request, tmp_path):
    return record(tmp_path / request.param, MESSAGES, TIMES)


@pytest.mark.parametrize("name", ["other", "other.mcap"])
def test_into_another_kind(scripts, recording, tmp_path, name):
    other = tmp_path / name
    result = scripts.run("m_replay", "-o", other, recording)
    assert (result.status, result.err) == (0, "")
    assert result.out == f"{other}: 60 messages, 0.004 MB\n"
    assert recorded(other) == MESSAGES
    assert times_of(other) == TIMES


def test_a_part_of_it_and_changed(scripts, recording, tmp_path):
    other = tmp_path / "other.mcap"
    arguments = ["--series", "1", "--set", "series=9", "--duplicate", "1"]
    result = scripts.run("m_replay", *arguments, "-o", other, recording)
    assert result.status == 0
    messages = recorded(other)
    assert messages[::2] == messages[1::2]
    changed = [[header.replace(b'"series": 1', b'"series": 9'), *r] for header, *r in MESSAGES]
    assert messages[::2] == changed[20:40]
    assert "duplicated 20" in result.out


def test_quiet(scripts, recording, tmp_path):
    result = scripts.run("m_replay", "-q", "-o", tmp_path / "other.mcap", recording)
    assert (result.status, result.out, result.err) == (0, "", "")
    assert recorded(tmp_path / "other.mcap") == MESSAGES


def test_into_hdf5(scripts, tmp_path):
    """What it can't hold is counted, and said why; a file that holds nothing is no success."""
    h5py = pytest.importorskip("h5py")
    header = b'{"htype": "array-1.0", "type": "int32", "shape": [1, 2], "frame": %d}'
    arrays = [[header % n, n.to_bytes(4, "little") * 2] for n in range(20)]
    path, other = record(tmp_path / "run.mcap", [[b"noise"], *arrays]), tmp_path / "run.h5"
    result = scripts.run("m_replay", "-o", other, path)
    assert (result.status, result.err.count("\n")) == (1, 2)
    assert result.err.endswith(f": 1 of 21 messages are not in {other}, as told above\n")
    assert result.out.endswith("run.h5: 20 messages, 0.002 MB, 1 refused\n"), result.out
    with h5py.File(other) as file:
        assert file["entry/data/data"][:, 0, 1].tolist() == list(range(20))
    result = scripts.run("m_replay", "--last", 0, "-o", tmp_path / "none.h5", path)
    assert (result.status, result.out) == (1, "")
    assert "none.h5 can hold none of the 1 messages" in result.err


def test_the_files_of_it_are_named(scripts, tmp_path):
    h5py = pytest.importorskip("h5py")
    header = b'{"htype": "array-1.0", "type": "uint8", "shape": [%d], "frame": %d}'
    arrays = [[header % (n + 1, n), bytes(n + 1)] for n in range(6)]
    path = record(tmp_path / "run.mcap", arrays)
    for count, named in ((2, "a.h5, a-2.h5"), (4, "b.h5, b-2.h5, b-3.h5, b-4.h5")):
        name = f"{named[0]}.h5"
        result = scripts.run("m_replay", "--last", count - 1, "-o", tmp_path / name, path)
        assert result.out.endswith(f" MB, in {count} files: {named}\n"), result
    result = scripts.run("m_replay", "-o", tmp_path / "c.h5", path)
    assert result.out.endswith(" MB, in 6 files: c.h5, c-2.h5, c-3.h5, ..., c-6.h5\n"), result
    with h5py.File(tmp_path / "c-6.h5") as file:
        assert file["entry/data/data"].shape == (1, 6)


def test_nothing_is_made_of_nothing(scripts, recording, tmp_path):
    other = tmp_path / "other.mcap"
    result = scripts.run("m_replay", "--drop", 1, "-o", other, recording)
    assert (result.status, result.out, other.exists()) == (1, "", False)
    assert result.err == f"m_replay: no message is left to write: {other} is not made\n"


# refused


def test_a_file_that_is_there_stays(refused, recording, tmp_path):
    other = tmp_path / "other.mcap"
    other.write_bytes(b"precious")
    assert f"{other} is there already" in refused(1, "m_replay", recording, "-o", other)
    assert other.read_bytes() == b"precious"


def test_a_folder_that_is_not_empty_stays(refused, recording, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").write_bytes(b"precious")
    assert f"{other} is not empty" in refused(1, "m_replay", recording, "-o", other)
    assert [path.name for path in other.iterdir()] == ["notes.txt"]


def test_into_itself(refused, recording):
    alias = recording.with_name("alias" + recording.suffix)
    alias.symlink_to(recording)
    for name in (recording, recording.parent / "." / recording.name, alias):
        assert "is what is read" in refused(2, "m_replay", recording, "-o", name)
    assert recorded(recording) == MESSAGES


def test_a_place_that_is_not_there(refused, recording, tmp_path):
    assert "missing/other.mcap" in refused(
        1, "m_replay", recording, "-o", tmp_path / "missing" / "other.mcap"
    )


def test_what_is_for_analysis_is_not_read(refused, tmp_path):
    (tmp_path / "run.h5").touch()
    assert "replay and convert a folder" in refused(
        1, "m_replay", tmp_path / "run.h5", "-o", tmp_path / "other.mcap"
    )


# what goes wrong


def test_no_space(tmp_path):
    """A limit on the size of files stands for a full disk: what was written can be read."""
    messages = [[b"%d" % n, os.urandom(100_000)] for n in range(100)]
    path, other = record(tmp_path / "run.mcap", messages), tmp_path / "other.mcap"
    done = subprocess.run(
        [BIN / "m_replay", "-o", other, path],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000)),
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert str(other) in line and "messages are in" in line
    left = recorded(other)
    assert left == messages[: len(left)]
    assert f"; {len(left)} messages are in {other}" in line


def test_an_extra_that_is_missing(scripts, tmp_path, monkeypatch):
    """What was written before it was missed is in a recording that is closed."""
    (tmp_path / "cbor2.py").write_text("raise ImportError('as if it was not installed')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    path = record(tmp_path / "run.mcap", [*MESSAGES, [b"\xa1\x61a\x01"]])
    other = tmp_path / "other.mcap"
    result = scripts.run("m_replay", "--set", "x=1", "-o", other, path)
    assert (result.status, result.out) == (1, "")
    (line,) = result.err.splitlines()
    assert "gmflow[stream2]" in line and line.endswith(f"; 60 messages are in {other}")
    assert len(recorded(other)) == 60
    with open_reader(other) as reader:
        assert reader.problem == ""


FAILING = """
import sys
from gmflow.cli.readahead import ReadAhead
from gmflow.cli.progress import Bar
from gmflow.cli.conversion import convert
from gmflow.cli.program import run_program
from gmflow.errors import ConfigError
from gmflow.message import Message

def messages():
    for number in range(300):
        yield Message(parts=[b"%d" % number])
    raise {error}

def body(arguments, console):
    convert(ReadAhead(messages()), arguments["OTHER"], 400, console, Bar(console.err))

run_program("Usage: failing OTHER", body)
"""


@pytest.mark.parametrize(
    "error, status, said",
    [
        ("MemoryError", 1, "not enough memory: 300 messages are in"),
        ("ConfigError('it is wrong')", 2, "it is wrong; 300 messages are in"),
        ("OSError(5, 'oh dear', 'this')", 1, "[Errno 5] oh dear: 'this'; 300 messages are in"),
        ("KeyError('a bug')", 1, "KeyError: 'a bug'"),
    ],
)
def test_whatever_fails_the_recording_is_closed(tmp_path, error, status, said):
    other = tmp_path / "other.mcap"
    done = subprocess.run(
        [sys.executable, "-c", FAILING.format(error=error), other],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )
    assert (done.returncode, said in done.stderr) == (status, True), done.stderr
    assert recorded(other) == [[b"%d" % n] for n in range(300)]
    with open_reader(other) as reader:
        assert reader.problem == ""


def test_a_stop_while_the_other_disk_hangs(scripts, recording, tmp_path, monkeypatch):
    hangs = """import os, time
opened = os.open
def hang(path, *arguments, **others):
    if str(path).endswith("other.mcap"):
        time.sleep(60)
    return opened(path, *arguments, **others)
os.open = hang
"""
    (tmp_path / "sitecustomize.py").write_text(hangs)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    script = scripts.start("m_replay", "-o", tmp_path / "other.mcap", recording)
    script.until_ready()
    script.until_idle()
    result = script.end(signal.SIGINT)
    assert (result.status, result.out) == (1, "")
    assert result.err.endswith(f" messages, before {tmp_path / 'other.mcap'} was open\n")


def test_a_stop_leaves_what_was_written(scripts, tmp_path):
    messages = [[b"%d" % n] for n in range(MANY)]
    path, other = record(tmp_path / "run.mcap", messages), tmp_path / "other"
    script = scripts.start("m_replay", "-o", other, path)
    until((other / "000100_000.raw").exists)
    result = script.end(signal.SIGTERM)
    assert (result.status, result.out) == (1, "")
    (line,) = result.err.splitlines()
    left = recorded(other)
    assert 100 < len(left) < MANY
    assert left == messages[: len(left)]
    assert line == (
        f"m_replay: stopped after {len(left)} of {MANY} messages; {len(left)} messages are in"
        f" {other}: remove it, or keep what it has"
    )


# --list


def test_list(scripts, recording):
    result = scripts.run("m_replay", "--list", recording)
    assert (result.status, result.err) == (0, "")
    assert "60 messages" in result.out
    assert "raw-1.0" in result.out


def test_list_of_a_part(scripts, recording):
    result = scripts.run("m_replay", "--list", "-q", "--last", 9, recording)
    assert (result.status, result.err) == (0, "")
    assert "10 messages" in result.out


def test_list_of_nothing(scripts, recording, tmp_path):
    shutil.rmtree(recording) if recording.is_dir() else recording.unlink()
    result = scripts.run("m_replay", "--list", recording)
    assert (result.status, result.out, result.err.count("\n")) == (1, "", 1)


def test_list_goes_on_behind_what_is_missing_in_a_folder(scripts, tmp_path):
    path = record(tmp_path / "run", MESSAGES)
    for number in (7, 8, 40):
        (path / f"{number:06d}_001.raw").unlink()
    result = scripts.run("m_replay", "--list", path)
    lines = result.out.splitlines()
    assert lines[0].startswith("57 messages, ")
    assert [line.split(" is missing")[0] for line in lines if line.startswith("! ")] == [
        f"! {path}/{number:06d}_001.raw" for number in (7, 8, 40)
    ]
    assert result.status == 1
    assert result.err == "m_replay: 3 of 60 messages can't be read, as told above\n"
    result = scripts.run("m_replay", "--list", "--first", 6, "--last", 10, path)
    assert result.err == "m_replay: 2 of 5 messages can't be read, as told above\n"
    assert result.out.startswith("3 messages, ")


def test_list_goes_on_behind_a_chunk_that_is_damaged(scripts, tmp_path):
    messages = [[b"%d" % n, b"%d" % n * 500_000] for n in range(30)]
    path = record(tmp_path / "run.mcap", messages)
    with open(path, "r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"damaged")
    result = scripts.run("m_replay", "--list", path)
    (told,) = [line for line in result.out.splitlines() if line.startswith("! ")]
    assert "is damaged" in told
    lost, count = map(int, re.findall(r"(\d+) of (\d+) messages can't be read", result.err)[0])
    assert 0 < lost < 15 and count == 30
    assert result.out.startswith(f"{30 - lost} messages, ")
    assert result.status == 1
    result = scripts.run("m_replay", "-o", tmp_path / "other.mcap", path)
    assert (result.status, result.out) == (1, "")
    assert 0 < len(recorded(tmp_path / "other.mcap")) < 30 - lost


def test_list_ends_behind_very_many_damages(scripts, tmp_path):
    path = record(tmp_path / "run", [[b"%d" % n, b""] for n in range(400)])
    for number in range(100, 400, 2):
        (path / f"{number:06d}_000.raw").unlink()
    result = scripts.run("m_replay", "--list", path)
    assert result.out.count("\n! ") == 101
    assert result.out.startswith("200 messages, ")
    assert result.err == "m_replay: 200 of 400 messages can't be read, as told above\n"


def test_list_says_once_what_is_wrong(scripts, tmp_path):
    path = record(tmp_path / "run.mcap", MESSAGES)
    os.truncate(path, path.stat().st_size - 40)
    result = scripts.run("m_replay", "--list", path)
    assert (result.status, result.err) == (0, "")
    assert result.out.count("\n! ") == 1
