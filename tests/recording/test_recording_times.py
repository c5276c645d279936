"""The times of a folder: who writes them, what is read of damaged ones, and of those of others."""

import csv
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmflow.errors import RecordingError
from gmflow.message import Message
from gmflow.recording.folder.folder_reader import FolderReader
from gmflow.recording.folder.folder_writer import FolderWriter
from gmflow.recording.folder.names import part_name
from gmflow.recording.folder.times import HEADING
from tests.support import full

SOURCES = st.text(
    st.one_of(
        st.sampled_from(',"\n\r; \\#'), st.characters(exclude_categories=["Cs"], min_codepoint=1)
    ),
    max_size=8,
)
NANOSECONDS = st.integers(0, 2**63 - 1)


def record(folder, known, skip=None):
    """Write a message of three parts for each arrival time and source."""
    with FolderWriter(folder, skip) as writer:
        writer.write([Message(parts=[b"a", b"bc", b""], received_ns=a, source=s) for a, s in known])
    return folder / "times.csv"


def known(folder):
    with FolderReader(folder) as reader:
        return [(message.received_ns, message.source) for message in reader.messages()]


def test_there_is_a_row_for_each_message(tmp_path):
    times = record(tmp_path, [(1718000000123456789, "eiger"), (0, ""), (3, "a,b")])
    assert times.read_text() == (
        "message,parts,kept,bytes,arrived,source\n"
        '0,3,3,3,1718000000123456789,"eiger"\n'
        '1,3,3,3,0,""\n'
        '2,3,3,3,3,"a,b"\n'
    )
    assert known(tmp_path) == [(1718000000123456789, "eiger"), (0, ""), (3, "a,b")]


def test_a_row_says_how_many_parts_were_left_out(tmp_path):
    times = record(tmp_path, [(5, "s")], skip=2)
    assert times.read_text().splitlines()[1] == '0,3,1,1,5,"s"'
    assert known(tmp_path) == [(5, "s")]


@given(st.lists(st.tuples(NANOSECONDS, SOURCES), min_size=1, max_size=9))
def test_any_times_and_sources_come_back(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("recording")
    times = record(folder, rows)
    assert known(folder) == rows
    with open(times, encoding="utf-8", newline="") as file:
        found = [(int(row["arrived"]), row["source"]) for row in csv.DictReader(file)]
    assert found == rows


def test_a_source_that_is_no_text_is_written_all_the_same(tmp_path):
    record(tmp_path, [(1, "\udc80")])
    assert known(tmp_path) == [(1, "\\udc80")]


def test_the_system_clock_comes_back(tmp_path):
    now = time.time_ns()
    record(tmp_path, [(now, "s")])
    assert known(tmp_path) == [(now, "s")]


def test_a_folder_of_mflow_has_no_times(tmp_path):
    record(tmp_path, [(1, "s")]).unlink()
    assert known(tmp_path) == [(0, "")]


def test_times_are_joined_by_number(tmp_path):
    record(tmp_path, [(number, f"s{number % 3}") for number in range(10)])
    for part in range(3):
        (tmp_path / part_name(4, part)).unlink()
    (tmp_path / "000012_000.raw").write_bytes(b"by hand")
    expected = [(number, f"s{number % 3}") for number in range(10) if number != 4]
    assert known(tmp_path) == [*expected, (0, "")]


@settings(max_examples=full.times(100, 30))
@given(st.lists(st.tuples(NANOSECONDS, SOURCES), min_size=1, max_size=4), st.data())
def test_a_cut_end_costs_the_rows_that_are_not_whole(tmp_path_factory, rows, data):
    folder = tmp_path_factory.mktemp("recording")
    times = record(folder, rows)
    whole = times.read_bytes()
    size = data.draw(st.integers(0, len(whole)))
    times.write_bytes(whole[:size])
    sizes = []
    for count in range(1, len(rows) + 1):
        record(folder, rows[:count])
        sizes.append(times.stat().st_size)
    times.write_bytes(whole[:size])
    left = sum(end <= size for end in sizes)
    assert known(folder) == rows[:left] + [(0, "")] * (len(rows) - left)


@pytest.mark.parametrize("source", ["a\nb", "a\rb", 'a"\n"b', "a,\nb"])
def test_a_row_that_is_cut_at_a_line_end_within_its_source_is_ignored(tmp_path, source):
    times = record(tmp_path, [(1, source), (2, source)])
    assert known(tmp_path) == [(1, source), (2, source)]
    whole = times.read_bytes()
    times.write_bytes(whole[: whole.rindex(b"\n", 0, -1) + 1])
    assert known(tmp_path) == [(1, source), (0, "")]


@pytest.mark.parametrize(
    "row",
    [
        b"",
        b"\n",
        b"1,2,3\n",
        b"1,3,3,3,x,s\n",
        b"1,3,3,3,-5,s\n",
        b"-1,3,3,3,5,s\n",
        b"1,3,3,3,9223372036854775808,s\n",
        b"99999999999999999999999,3,3,3,5,s\n",
        b"1,3,3,3,5,s,more\n",
        b"\xff\xfe\n",
        b"7,3,3,3,5,s\n",
    ],
)
def test_a_row_that_makes_no_sense_is_ignored(tmp_path, row):
    times = record(tmp_path, [(1, "s"), (2, "t"), (3, "u")])
    rows = times.read_bytes().splitlines(keepends=True)
    times.write_bytes(b"".join([rows[0], rows[1], row, rows[3]]))
    assert known(tmp_path) == [(1, "s"), (0, ""), (3, "u")]


def test_the_times_of_an_older_recording_are_gone(tmp_path):
    record(tmp_path, [(1, "old"), (2, "old"), (3, "old")])
    record(tmp_path, [(9, "new")])
    assert known(tmp_path) == [(9, "new"), (0, ""), (0, "")]


def test_the_times_of_an_interrupted_start_are_replaced(tmp_path):
    (tmp_path / "times.csv").write_bytes(HEADING[:7])
    record(tmp_path, [(9, "new")])
    assert known(tmp_path) == [(9, "new")]


def test_somebody_elses_file_of_that_name_is_left_alone(tmp_path):
    times = tmp_path / "times.csv"
    times.write_text("time,current\n1,2\n")
    (tmp_path / "000000_000.raw").write_bytes(b"a")
    assert known(tmp_path) == [(0, "")]
    with pytest.raises(RecordingError, match=r"times\.csv is not of a recording: move it away"):
        FolderWriter(tmp_path)
    assert times.read_text() == "time,current\n1,2\n"


def test_times_that_can_not_be_used_say_so(tmp_path):
    (tmp_path / "000000_000.raw").write_bytes(b"a")
    (tmp_path / "times.csv").mkdir()
    with pytest.raises(RecordingError, match=r"times\.csv can't be read: Is a directory; check"):
        FolderReader(tmp_path)
    with pytest.raises(RecordingError, match=r"times\.csv can't be written: Is a directory;"):
        FolderWriter(tmp_path)


class Watched(bytes):
    """A part that notes what is in the folder, and the rows, whenever its length is asked for."""

    def __len__(self):
        rows = (self.folder / "times.csv").read_text().count("\n") - 1
        self.seen.append((len(list(self.folder.glob("*.raw"))), rows))
        return super().__len__()


def test_a_row_is_there_before_its_files(tmp_path):
    part = Watched(b"part")
    part.folder, part.seen = tmp_path, []
    with FolderWriter(tmp_path) as writer:
        writer.write([Message(parts=[b"a"])])
        writer.write([Message(parts=[b"b", part])])
    assert next(rows for files, rows in part.seen if files == 2) == 2
