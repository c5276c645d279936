"""m_replay -o makes another recording of one, and says if it is not whole; --list looks at it."""

import os
import resource
import shutil
import signal
import subprocess

import pytest

from tests.cli.recordings import record, recorded, times_of
from tests.cli.scripts import BIN, DEADLINE, until

MESSAGES = [
    [b'{"htype": "raw-1.0", "series": %d, "frame": %d}' % (n // 20, n % 20), bytes(n), b""]
    for n in range(60)
]
TIMES = [1_700_000_000_000_000_000 + 1_000_000 * n for n in range(60)]
LONGEST = 2.0
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
    assert (result.status, result.err.count("\n")) == (0, 1)
    assert result.out.endswith("run.h5: 20 messages, 0.002 MB, 1 refused\n"), result.out
    with h5py.File(other) as file:
        assert file["entry/data/data"][:, 0, 1].tolist() == list(range(20))
    result = scripts.run("m_replay", "--last", 0, "-o", tmp_path / "none.h5", path)
    assert (result.status, result.out) == (1, "")
    assert "none.h5 can hold none of the 1 messages" in result.err


# refused


@pytest.fixture
def refused(scripts):
    """See that a conversion is refused with one line; give it."""

    def run(status, recording, other):
        result = scripts.run("m_replay", "-o", other, recording)
        assert (result.status, result.out) == (status, "")
        (line,) = result.err.splitlines()
        return line

    return run


def test_a_file_that_is_there_stays(refused, recording, tmp_path):
    other = tmp_path / "other.mcap"
    other.write_bytes(b"precious")
    assert f"{other} is there already" in refused(1, recording, other)
    assert other.read_bytes() == b"precious"


def test_a_folder_that_is_not_empty_stays(refused, recording, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").write_bytes(b"precious")
    assert f"{other} is not empty" in refused(1, recording, other)
    assert [path.name for path in other.iterdir()] == ["notes.txt"]


def test_into_itself(refused, recording):
    alias = recording.with_name("alias" + recording.suffix)
    alias.symlink_to(recording)
    for name in (recording, recording.parent / "." / recording.name, alias):
        assert "is what is read" in refused(2, recording, name)
    assert recorded(recording) == MESSAGES


def test_a_place_that_is_not_there(refused, recording, tmp_path):
    assert "missing/other.mcap" in refused(1, recording, tmp_path / "missing" / "other.mcap")


def test_what_is_for_analysis_is_not_read(refused, tmp_path):
    assert "replay and convert a folder" in refused(1, tmp_path / "run.h5", tmp_path / "other.mcap")


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_leaves_what_was_written(scripts, tmp_path, number):
    messages = [[b"%d" % n] for n in range(MANY)]
    path, other = record(tmp_path / "run.mcap", messages), tmp_path / "other"
    script = scripts.start("m_replay", "-o", other, path)
    until((other / "000100_000.raw").exists)
    result = script.end(number)
    assert (result.status, result.out) == (1, "")
    assert result.seconds < LONGEST
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
