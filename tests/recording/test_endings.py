"""Which kind of recording is opened: what is there decides, not what it is called."""

import os
from pathlib import Path

import pytest

from gmflow.errors import ConfigError, RecordingError
from gmflow.message import Message
from gmflow.recording import open_reader, open_writer
from gmflow.recording.endings import kind_of

HDF5 = b"\x89HDF\r\n\x1a\n" + bytes(100)


def record(path: Path) -> Path:
    with open_writer(path) as writer:
        writer.write([Message(parts=[b"a"])])
    return path


def refusal(path: Path) -> str:
    with pytest.raises(RecordingError) as error:
        open_reader(path)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    "name, kind",
    [
        ("run", "folder"),
        ("run.mcap", "mcap"),
        ("RUN.MCAP", "mcap"),
        ("run.mcap.bak", "folder"),
        ("run.h5", "hdf5"),
        ("run.hdf5", "hdf5"),
        ("a.mcap/run.nxs", "hdf5"),
    ],
)
def test_what_is_written_is_called_for(name: str, kind: str) -> None:
    assert kind_of(name) == kind_of(Path(name)) == kind


def test_whole_messages_have_no_skip(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"skip is for folders: .*run\.mcap holds whole messages"):
        open_writer(tmp_path / "run.mcap", 2)
    open_writer(tmp_path / "run.mcap", 0).close()


@pytest.mark.parametrize("written", ["run", "run.mcap"])
@pytest.mark.parametrize("name", ["other", "other.mcap", "other.bin", "other.h5"])
def test_what_is_there_is_read_whatever_its_name(tmp_path: Path, written: str, name: str) -> None:
    path = record(tmp_path / written).rename(tmp_path / name)
    with open_reader(path) as reader:
        assert [message.parts for message in reader.messages()] == [[b"a"]]


@pytest.mark.parametrize("name", ["run.h5", "run.mcap", "run.bin", "run"])
def test_hdf5_is_for_analysis(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(HDF5)
    assert f"{name} is for analysis: it doesn't hold messages" in refusal(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"text", bytes(1000)])
def test_other_files_are_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.bin").write_bytes(content)
    assert "run.bin is a file, but no MCAP file: name one, or" in refusal(tmp_path / "run.bin")
    (tmp_path / "run.h5").write_bytes(content)
    assert "run.h5 is for analysis" in refusal(tmp_path / "run.h5")
    (tmp_path / "run.mcap").write_bytes(content or b"x")
    assert "run.mcap is no MCAP file; check the name" in refusal(tmp_path / "run.mcap")


def test_what_is_missing(tmp_path: Path) -> None:
    for name in ("run", "run.mcap", "run.h5"):
        assert refusal(tmp_path / name) == f"{tmp_path / name} does not exist; check the name"
    record(tmp_path / "run.mcap")
    assert refusal(tmp_path / "run").endswith(f"exist; did you mean {tmp_path / 'run.mcap'}?")
    with pytest.raises(RecordingError, match=r"run/ does not exist; did you mean .*/run\.mcap\?"):
        open_reader(f"{tmp_path}/run/")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "run")
    assert "run is a file, but no MCAP file" in refusal(tmp_path / "run")


def test_what_can_not_be_reached(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "run.mcap can't be read: Not a directory; check" in refusal(tmp_path / "file/run.mcap")
