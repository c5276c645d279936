"""Recordings in mflow's layout: names, order, `m_dump -s`, and what is refused."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmflow.errors import RecordingError
from gmflow.recording.folder import (
    is_empty,
    list_messages,
    make_folder,
    part_path,
    read_message,
    write_message,
)


def names(messages):
    return [[path.name for path in paths] for paths in messages]


@pytest.mark.parametrize(
    "message, part, name",
    [
        (0, 0, "000000_000.raw"),
        (12, 3, "000012_003.raw"),
        (999999, 999, "999999_999.raw"),
        (1000000, 1000, "1000000_1000.raw"),
    ],
)
def test_part_path(tmp_path, message, part, name):
    assert part_path(tmp_path, message, part) == tmp_path / name
    assert part_path(str(tmp_path), message, part) == tmp_path / name


def test_what_is_written_is_read(tmp_path):
    messages = [[b"{}", b"", b"\x00" * 5000], [b"one"], [b"{}", memoryview(b"view")]]
    for number, parts in enumerate(messages):
        write_message(tmp_path, number, parts)
    assert [read_message(paths) for paths in list_messages(tmp_path)] == messages


@given(st.lists(st.lists(st.binary(max_size=9), min_size=1, max_size=4), min_size=1, max_size=4))
def test_any_parts_come_back(tmp_path_factory, messages):
    folder = tmp_path_factory.mktemp("recording")
    for number, parts in enumerate(messages):
        write_message(folder, number, parts)
    assert [read_message(paths) for paths in list_messages(folder)] == messages


@pytest.mark.parametrize(
    "skip, written", [(None, 3), (0, 3), (1, 0), (2, 1), (3, 2), (4, 3), (9, 3), (-1, 0)]
)
def test_skip_counts_from_one_as_in_mflow(tmp_path, skip, written):
    write_message(tmp_path, 0, [b"a", b"b", b"c"], skip)
    assert len(os.listdir(tmp_path)) == written
    assert is_empty(tmp_path) == (written == 0)


def test_the_folder_is_made(tmp_path):
    write_message(tmp_path / "new" / "run", 0, [b"a", b"b"])
    assert names(list_messages(tmp_path / "new" / "run")) == [["000000_000.raw", "000000_001.raw"]]


def test_order_is_numeric(tmp_path):
    for number in (1000000, 2, 999999, 100001):
        write_message(tmp_path, number, [b""])
    write_message(tmp_path, 7, [b""] * 1002)
    listed = names(list_messages(tmp_path))
    assert [paths[0] for paths in listed] == [
        "000002_000.raw",
        "000007_000.raw",
        "100001_000.raw",
        "999999_000.raw",
        "1000000_000.raw",
    ]
    assert listed[1][998:] == [f"000007_{n}.raw" for n in ("998", "999", "1000", "1001")]


def test_other_files_are_ignored(tmp_path):
    write_message(tmp_path, 0, [b"a"])
    for name in (
        "PROVENANCE.md",
        "000001_000.raw~",
        "000001_000.RAW",
        "00001_000.raw",
        "000001_00.raw",
        "0000001_000.raw",
        "000001_0000.raw",
        "x000001_000.raw",
        "\u0660\u0660\u0660\u0660\u0660\u0661_000.raw",
        "000001_000.raw\n",
    ):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "000002_000.raw").mkdir()
    assert names(list_messages(tmp_path)) == [["000000_000.raw"]]


def test_messages_may_lack_and_be_short(tmp_path):
    write_message(tmp_path, 3, [b"a", b"b", b"c"], skip=2)
    write_message(tmp_path, 5, [b"a", b"b", b"c"])
    assert [len(paths) for paths in list_messages(tmp_path)] == [1, 3]


@pytest.mark.parametrize("part", [0, 1])
def test_a_missing_part_is_named(tmp_path, part):
    write_message(tmp_path, 0, [b"a"])
    write_message(tmp_path, 1, [b"a", b"b", b"c"])
    part_path(tmp_path, 1, part).unlink()
    with pytest.raises(RecordingError, match=rf"000001_00{part}\.raw is missing"):
        list_messages(tmp_path)


def test_missing_folder(tmp_path):
    assert is_empty(tmp_path / "nowhere")
    with pytest.raises(RecordingError, match="nowhere does not exist; check"):
        list_messages(tmp_path / "nowhere")


def test_empty_folder(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    assert is_empty(tmp_path)
    with pytest.raises(RecordingError, match=r"holds no recording .*; name the folder"):
        list_messages(str(tmp_path))


def test_a_folder_that_is_a_file(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"")
    for refused in (list_messages, is_empty):
        with pytest.raises(RecordingError, match="is a file; name the folder"):
            refused(file)
    with pytest.raises(RecordingError, match="can't be written"):
        write_message(file, 0, [b"a"])


def test_a_part_that_went_away_is_named(tmp_path):
    write_message(tmp_path, 0, [b"a", b"b"])
    (paths,) = list_messages(tmp_path)
    paths[1].unlink()
    with pytest.raises(RecordingError, match=r"000000_001\.raw can't be read"):
        read_message(paths)


def test_an_old_recording_is_overwritten(tmp_path):
    write_message(tmp_path, 0, [b"old", b"old"])
    write_message(tmp_path, 0, [b"new"])
    assert read_message(list_messages(tmp_path)[0]) == [b"new", b"old"]


def test_a_folder_is_made_once(tmp_path):
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert is_empty(tmp_path / "a" / "b")


def test_a_folder_that_can_not_be_made_says_so(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(RecordingError, match=r"can't be made: .*; choose another"):
            make_folder(folder)
