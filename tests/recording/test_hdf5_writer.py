"""Recording into HDF5: what is taken, what is refused, and what a kill or a full disk leaves."""

import json
import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import zmq

from gmflow import jsonwire, simulate
from gmflow.errors import ConfigError, RecordingError
from gmflow.handlers import eiger
from gmflow.handlers.series import Image
from gmflow.message import Message
from gmflow.recording import endings as kinds
from gmflow.recording import open_writer
from gmflow.recording.base import PROMISE
from gmflow.recording.hdf5 import Hdf5Writer
from gmflow.recording.hdf5 import hdf5_writer as writer_module
from tests.support.full import times
from tests.support.hdf5_recorded import opened, record

h5py = pytest.importorskip("h5py")
pytest.importorskip("hdf5plugin")

DATA = "entry/data/data"
KILLS = times(20, 2)


def an_image(frame, series=1):
    array = np.full((30, 20), frame, "u2")
    return eiger.encode(Image(series, frame, {}, {"image": array}), "bs16-lz4<")


def an_array(frame):
    header = {"htype": "array-1.0", "type": "uint8", "shape": [3], "frame": frame}
    return [json.dumps(header).encode(), bytes([frame] * 3)]


def a_pulse(pulse_id):
    (parts,) = simulate.bsread([{"name": "A", "type": "float64"}], 1)
    header = {**json.loads(parts[0]), "pulse_id": pulse_id}
    return [json.dumps(header).encode(), *parts[1:]]


def messages(*parts):
    return [Message(parts=one) for one in parts]


@pytest.mark.parametrize("name", ["run.h5", "run.hdf5", "run.nxs"])
def test_the_ending_chooses_it(name, tmp_path):
    with open_writer(tmp_path / name) as writer:
        assert type(writer) is Hdf5Writer
        writer.write(messages(an_image(0)))
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert kinds.kind_of(tmp_path / name) == "hdf5"
    with pytest.raises(ConfigError, match="skip is for folders"):
        open_writer(tmp_path / "other.h5", 2)
    with pytest.raises(RecordingError, match="it doesn't hold messages as they came"):
        kinds.open_reader(tmp_path / name)


def test_each_kind_of_message_has_its_file(tmp_path):
    both = [part for frame in range(3) for part in (an_image(frame), an_array(frame))]
    writer = record(tmp_path, *both)
    assert (writer.written, writer.refused) == (6, 0)
    assert writer.bytes_written == sum(len(part) for parts in both for part in parts)
    assert writer.paths == [str(tmp_path / "run.h5"), str(tmp_path / "run-2.h5")]
    with opened(tmp_path) as files:
        assert [file[DATA].shape for file in files] == [(3, 30, 20), (3, 3)]


@pytest.mark.parametrize("make", [an_array, an_image, a_pulse])
def test_a_header_is_parsed_once(make, tmp_path, monkeypatch):
    sent = messages(*map(make, range(3)))
    headers = {bytes(one.parts[0]) for one in sent}
    parsed = []

    def counted(read):
        def counting(part):
            parsed.extend({bytes(part)} & headers)
            return read(part)

        return counting

    for name, module in list(sys.modules.items()):
        if name.startswith("gmflow.") and module is not jsonwire:
            for attribute in {"loads", "loads_text"} & vars(module).keys():
                monkeypatch.setattr(module, attribute, counted(getattr(module, attribute)))
    with Hdf5Writer(tmp_path / "run.h5") as writer:
        writer.write(sent)
    assert writer.written == 3
    assert parsed == [bytes(one.parts[0]) for one in sent]


def test_an_htype_may_be_a_list_of_one(tmp_path):
    parts = an_image(0)
    parts[0] = json.dumps({**json.loads(parts[0]), "htype": ["dimage-1.0"]}).encode()
    assert record(tmp_path, parts).written == 1


@pytest.mark.parametrize("make", [bytes, memoryview, bytearray, zmq.Frame])
def test_parts_of_every_kind(make, tmp_path):
    assert record(tmp_path, *[[make(part) for part in an_image(n)] for n in range(3)]).written == 3
    with opened(tmp_path) as (file,):
        assert file[DATA][:, 0, 0].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([], "it has no parts"),
        ([b""], "htype None has no place in HDF5"),
        ([b"\xff\0"], "htype None has no place"),
        ([b"[1]"], "htype None has no place"),
        ([b'{"htype": "raw-1.0"}', b"x"], "htype 'raw-1.0' has no place in HDF5; dheader-1.0, "),
        ([b'{"htype": 5}'], "htype 5 has no place"),
        ([b'{"htype": ["dimage-1.0", "x"]}'], "has no place"),
        ([b'{"htype": "dimage-1.0"}'], "series is None"),
        ([b'{"htype": "dimage-1.0", "series": 1, "frame": 0}'], "parts"),
        ([b'{"htype": "dheader-1.0", "series": 1}'], "header_detail is None"),
        ([b"\xa0"], "type is None"),
        ([b"\xd9\xd9\xf7\xa1"], "no CBOR"),
        ([b"\xa0", b""], "one part"),
    ],
)
def test_what_has_no_place_is_refused_and_logged_once(parts, reason, tmp_path, caplog):
    writer = record(tmp_path, parts, an_image(0), parts, parts)
    assert (writer.written, writer.refused) == (1, 3)
    (entry,) = caplog.records
    assert (entry.name, entry.levelno) == (writer_module.__name__, logging.WARNING)
    assert "a message is not in the HDF5 file: " in caplog.text
    assert reason in caplog.text


def test_reasons_that_differ_in_numbers_are_one(tmp_path, caplog):
    cut = [an_image(frame) for frame in range(5)]
    for frame, parts in enumerate(cut):
        parts[2] = parts[2][: 17 + frame]
    assert record(tmp_path, *cut).refused == 5
    assert len(caplog.records) == 1


def test_nothing_makes_no_file(tmp_path):
    Hdf5Writer(tmp_path / "run.h5").close()
    assert not list(tmp_path.iterdir())


def test_only_what_was_committed_counts(tmp_path):
    writer = Hdf5Writer(tmp_path / "run.h5")
    writer.write(messages(an_image(0), an_image(1)))
    assert (writer.written, writer.bytes_written) == (0, 0)
    writer.commit()
    assert writer.written == 2
    with opened(tmp_path) as (file,):
        assert len(file[DATA]) == 2
    writer.write(messages(an_image(2)))
    writer.close()
    assert writer.written == 3
    for _ in range(2):
        writer.commit()
        writer.close()
    assert writer.written == 3
    with pytest.raises(RecordingError, match=r"run\.h5 is closed"):
        writer.write(messages(an_image(3)))


def test_traffic_without_a_pause_is_committed(tmp_path, monkeypatch):
    now = 100.0
    monkeypatch.setattr(writer_module.time, "monotonic", lambda: now)
    writer = Hdf5Writer(tmp_path / "run.h5")
    oldest, latest = [], 0.0
    for frame in range(60):
        oldest.append(now)
        writer.write(messages(an_image(frame)))
        if writer.written < len(oldest):
            latest = max(latest, now - oldest[writer.written])
        now += 0.03
    assert writer.written > 40
    assert latest < PROMISE - 0.03
    writer.close()


def test_what_is_there_is_an_error(tmp_path):
    (tmp_path / "run.h5").write_text("mine")
    with pytest.raises(RecordingError, match=r"run\.h5 is there already: choose another name"):
        Hdf5Writer(tmp_path / "run.h5")


@pytest.mark.parametrize("name", ["h5py", "hdf5plugin"])
def test_what_is_not_installed_is_named_at_once(name, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RecordingError, match=r"pip install 'gmflow\[hdf5\]'"):
        Hdf5Writer(tmp_path / "run.h5")


def test_a_folder_that_vanishes_is_an_error_and_what_was_written_stays(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    writer = Hdf5Writer(folder / "run.h5")
    writer.write(messages(an_image(0)))
    writer.commit()
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(RecordingError, match="No such file or directory"):
        writer.write(messages(an_array(0)))
    writer.commit()
    writer.close()
    assert writer.written == 1
    with opened(tmp_path / "elsewhere") as (file,):
        assert len(file[DATA]) == 1


FULL = """
import json, resource, sys
from gmflow.errors import RecordingError
from gmflow.recording.hdf5 import Hdf5Writer
from tests.recording.test_hdf5_writer import an_array, an_image, messages
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
writer = Hdf5Writer(sys.argv[1])
given = 0
try:
    while True:
        writer.write(messages(*[an_image(given + n) for n in range(10)], an_array(given % 256)))
        given += 10
        if given % 200 == 0:
            writer.commit()
except RecordingError as error:
    said = str(error)
writer.commit()
writer.close()
print(json.dumps([said, given, writer.written]), flush=True)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits files as Linux does")
def test_a_full_disk(tmp_path):
    (line,) = child(FULL, tmp_path / "run.h5")
    said, given, written = json.loads(line)
    assert said == f"{tmp_path}/run.h5 can't be written: File too large; check the disk"
    frames = written // 11 * 10
    assert 0 < frames <= given
    with opened(tmp_path) as (images, arrays):
        assert images["entry/instrument/detector/sequence_number"][:frames].tolist() == list(
            range(frames)
        )
        assert images[DATA][:frames, 29, 19].tolist() == list(range(frames))
        assert len(arrays[DATA]) >= written // 11


WIDE_AND_FULL = """
import json, os, resource, sys
from gmflow import simulate
from gmflow.errors import RecordingError
from gmflow.recording.hdf5 import Hdf5Writer
from tests.recording.test_hdf5_writer import messages
channels = [{"name": f"CH{number}", "type": "float64"} for number in range(int(sys.argv[2]))]
sent = messages(*simulate.bsread(channels, 40))
writer = Hdf5Writer(sys.argv[1])
writer.write(sent[:5])
writer.commit()
size = os.path.getsize(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
try:
    for message in sent[5:]:
        writer.write([message])
    writer.commit()
    said = "nothing"
except RecordingError as error:
    said = str(error)
writer.close()
print(json.dumps([said, writer.written]), flush=True)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits files as Linux does")
def test_a_full_disk_ends_a_wide_recording_too(tmp_path):
    channels = times(800, 400)
    (line,) = child(WIDE_AND_FULL, tmp_path / "run.h5", channels)
    said, written = json.loads(line)
    assert said == f"{tmp_path}/run.h5 can't be written: File too large; check the disk"
    assert written >= 5
    with opened(tmp_path) as (file,):
        pulses = file["messages/pulse_id"][:written].tolist()
        for number in (0, channels // 2, channels - 1):
            assert file[f"data/CH{number}/pulse_id"][:written].tolist() == pulses


KILLED = """
import os, random, signal, sys, time
from gmflow.recording.hdf5 import Hdf5Writer
from gmflow.recording.base import PROMISE
from tests.recording.test_hdf5_writer import an_array, an_image, messages

def write(path, told):
    writer = Hdf5Writer(path)
    frame = 0
    while True:
        writer.write(messages(an_image(frame), an_array(frame % 256)))
        frame += 1
        os.write(told, b"%d %d %.3f\\n" % (frame, writer.written // 2, time.monotonic()))

for number in range(int(sys.argv[2])):
    hear, told = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.mkdir(f"{sys.argv[1]}/{number}")
            write(f"{sys.argv[1]}/{number}/run.h5", told)
        finally:
            os._exit(1)
    os.close(told)
    rows, end = [], None
    with os.fdopen(hear) as lines:
        for line in lines:
            rows.append(line.split())
            now = time.monotonic()
            end = end or now + random.uniform(PROMISE, 2 * PROMISE)
            if now > end and rows[-1][1] != "0":
                break
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        rows += [line.split() for line in lines if line.endswith("\\n")]
    latest = float(rows[-1][2])  # what a busy machine lets wait after that is nobody's promise
    old = sum(float(time) < latest - PROMISE for _, _, time in rows)
    print(old, rows[-1][1])
"""


@pytest.mark.timeout(120)
def test_a_kill_loses_nothing_that_is_older_than_promised(tmp_path):
    places = [tmp_path / str(number) for number in range(min(KILLS, 4))]
    for place in places:
        place.mkdir()
    with ThreadPoolExecutor(len(places)) as pool:
        each = KILLS // len(places)
        kills = pool.map(lambda place: child(KILLED, place, each, timeout=110), places)
        killed = [
            (place / str(n), line)
            for place, lines in zip(places, kills, strict=True)
            for n, line in enumerate(lines)
        ]
    assert len(killed) == KILLS
    for folder, line in killed:
        old, written = map(int, line.split())
        assert written > 0
        with opened(folder) as (images, arrays):
            there = len(images["entry/instrument/detector/sequence_number"])
            assert there >= max(old, written)
            frames = np.arange(there)
            assert np.array_equal(images["entry/instrument/detector/sequence_number"], frames)
            assert np.array_equal(images[DATA][:there, 3, 4], frames)
            assert len(arrays[DATA]) >= max(old, written)
            assert np.array_equal(arrays[DATA][:written, 0], frames[:written] % 256)


def child(text, *arguments, timeout=50):
    """Run a Python program of its own; return the lines that it prints."""
    command = [sys.executable, "-c", text, *map(str, arguments)]
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=root)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
