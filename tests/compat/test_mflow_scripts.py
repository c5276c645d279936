"""The scripts of psi-mflow and those of gmflow, connected to each other."""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.programs import HERE, Program, Programs, free_port, running, until
from tests.support.recordings import files, write

pytest.importorskip("mflow.cli", reason="psi-mflow is not installed")

BIN = HERE.parents[1] / "bin"
TELLS = "mflow stats started"


class Scripts:
    """Starts scripts of either library by their names."""

    def __init__(self, programs: Programs) -> None:
        self._programs = programs

    def __call__(self, library: str, name: str, *arguments: object) -> Program:
        """Start ``m_<name>``."""
        if library == "mflow":
            return self._programs.module(f"mflow.cli.{name}", *arguments)
        return self._programs(BIN / f"m_{name}", *arguments)


@pytest.fixture
def scripts() -> Iterator[Scripts]:
    with running() as programs:
        yield Scripts(programs)


def tcp() -> str:
    return f"tcp://127.0.0.1:{free_port()}"


MESSAGES = [
    [b'{"htype": "raw-1.0"}', b"body"],
    [b"\x00\xff"],
    [b"", b"", b"after two empty parts"],
    [b"many parts", *(bytes([number]) * number for number in range(12))],
    [bytes(range(256)) * 1000, b"", b"\r\n"],
    [b"{}"],
    *([b"%d" % number, b"x" * number] for number in range(20)),
]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return write(tmp_path / "recording", MESSAGES)


def dump(scripts: Scripts, library: str, source: str, folder: Path, count: int) -> Program:
    """Start m_dump; only gmflow's knows how to end after some messages."""
    end = ["-n", count] if library == "gmflow" else []
    return scripts(library, "dump", *end, source, folder)


def wait_for_files(folder: Path, expected: dict[str, bytes]) -> None:
    until(lambda: files(folder) == expected, str(folder))


PAIRS = [("mflow", "gmflow"), ("gmflow", "mflow"), ("gmflow", "gmflow")]


@pytest.mark.parametrize(("replayer", "dumper"), PAIRS)
def test_a_replayed_recording_is_dumped_byte_for_byte(
    scripts: Scripts, recording: Path, tmp_path: Path, replayer: str, dumper: str
) -> None:
    address, copy = tcp(), tmp_path / "copy"
    dumping = dump(scripts, dumper, address, copy, len(MESSAGES))
    replaying = scripts(replayer, "replay", "-a", address, recording)
    replaying.end()
    wait_for_files(copy, files(recording))
    if dumper == "gmflow":
        dumping.end()


@pytest.mark.parametrize(("one", "other"), PAIRS[:2])
def test_what_one_has_dumped_the_other_replays(
    scripts: Scripts, recording: Path, tmp_path: Path, one: str, other: str
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    address = tcp()
    dump(scripts, one, address, first, len(MESSAGES))
    scripts(other, "replay", "-a", address, recording).end()
    wait_for_files(first, files(recording))
    address = tcp()
    dump(scripts, one, address, second, len(MESSAGES))
    scripts(other, "replay", "-a", address, first).end()
    wait_for_files(second, files(recording))


@pytest.mark.parametrize("skip", [1, 2, 3])
def test_both_dumps_skip_the_same_parts(
    scripts: Scripts, recording: Path, tmp_path: Path, skip: int
) -> None:
    expected = {name: data for name, data in files(recording).items() if int(name[7:10]) + 1 < skip}
    for library in ("mflow", "gmflow"):
        address, folder = tcp(), tmp_path / library
        dumping = scripts(library, "dump", "-s", skip, address, folder)
        scripts("gmflow", "replay", "-a", address, recording).end()
        if expected:
            wait_for_files(folder, expected)
        if library == "gmflow":
            dumping.interrupt(signal.SIGTERM)
            dumping.end()
        assert files(folder) == expected


def test_both_dumps_show_the_same_on_the_screen(scripts: Scripts, recording: Path) -> None:
    expected = [str(part) for parts in MESSAGES for part in parts]
    for library in ("mflow", "gmflow"):
        address = tcp()
        end = ["--raw", "-n", len(MESSAGES)] if library == "gmflow" else []
        dumping = scripts(library, "dump", *end, address)
        scripts("gmflow", "replay", "-a", address, recording).end()
        assert [dumping.line() for _ in expected] == expected


# generate and stats


def summary(lines: list[str]) -> dict[str, str]:
    """Return what m_stats has counted in all, by name."""
    pattern = re.compile(r"(Messages received|Total bytes received): +([0-9.]+) ")
    return dict(match.groups() for line in lines if (match := pattern.match(line)))


@pytest.mark.parametrize(("push", "pull"), [("push", "pull"), ("pub", "sub")])
def test_mflow_generates_and_gmflow_shows(scripts: Scripts, push: str, pull: str) -> None:
    address = tcp()
    generating = scripts("mflow", "generate", "-a", address, "-s", 0.05, "-m", push)
    watching = scripts("gmflow", "stats", "-m", pull, "-i", 0.1, "-n", 500, address)
    lines = watching.end()
    assert lines[0].startswith(TELLS)
    assert any(line.startswith("Data rate: ") for line in lines)
    found = summary(lines)
    assert found["Messages received"] == "500"
    assert 500 * 0.05 * 1.048 < float(found["Total bytes received"]) < 500 * 0.05 * 1.048 * 1.01
    assert generating.line() == "Sending messages of size 0.050000 MB"


@pytest.mark.parametrize(("push", "pull"), [("push", "pull"), ("pub", "sub")])
def test_gmflow_generates_and_mflow_shows(scripts: Scripts, push: str, pull: str) -> None:
    address = tcp()
    watching = scripts("mflow", "stats", "-m", pull, "-i", 0, address)
    generating = scripts("gmflow", "generate", "-a", address, "-s", 0.01, "-m", push)
    for _ in range(20):
        watching.wait_for(lambda line: line.startswith("Data rate: "))
    generating.interrupt(signal.SIGINT)
    generating.end()
    watching.interrupt(signal.SIGINT)
    found = summary(watching.end())
    assert int(found["Messages received"]) >= 20
    assert float(found["Total bytes received"]) > int(found["Messages received"]) * 0.01


def test_both_stats_count_the_same(scripts: Scripts) -> None:
    found = {}
    for library in ("mflow", "gmflow"):
        address, count = tcp(), 300
        end = ["-n", count] if library == "gmflow" else []
        watching = scripts(library, "stats", "-i", 0, *end, address)
        scripts("gmflow", "generate", "-a", address, "-s", 0.001, "-n", count).end()
        if library == "mflow":
            for _ in range(count):
                watching.wait_for(lambda line: line.startswith("Data rate: "))
            watching.interrupt(signal.SIGINT)
        found[library] = summary(watching.end())
    assert found["gmflow"] == found["mflow"]
    assert found["gmflow"]["Messages received"] == "300"


# split


@pytest.mark.parametrize(("splitter", "around"), PAIRS[:2])
def test_a_split_stream_is_the_same_on_every_output(
    scripts: Scripts, recording: Path, tmp_path: Path, splitter: str, around: str
) -> None:
    source, outputs = tcp(), {name: tcp() for name in ("mflow", "gmflow")}
    scripts(splitter, "split", source, *outputs.values())
    for library, address in outputs.items():
        dump(scripts, library, address, tmp_path / library, len(MESSAGES))
    scripts(around, "replay", "-a", source, recording).end()
    for library in outputs:
        wait_for_files(tmp_path / library, files(recording))


def configuration(path: Path, source: str, streams: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps({"source": {"address": source}, "streams": streams}))
    return path


def test_one_configuration_chooses_the_same_for_both(scripts: Scripts, tmp_path: Path) -> None:
    # of one part each: psi-mflow counts the parts where it should count the messages
    recording = write(tmp_path / "recording", [[b"message %d" % number] for number in range(25)])
    chosen = write(tmp_path / "chosen", [[b"message %d" % number] for number in (6, 13, 20)])
    for library in ("mflow", "gmflow"):
        # psi-mflow binds to tcp://* alone
        source, whole, some = tcp(), f"tcp://*:{free_port()}", f"tcp://*:{free_port()}"
        streams = [
            {"address": whole, "mode": "PUSH", "queue_size": 10},
            {"address": some, "mode": "push", "modulo": 7},
        ]
        config = configuration(tmp_path / f"{library}.json", source, streams)
        splitting = scripts(library, "split", "-c", config)
        folders = [tmp_path / f"{library}-{which}" for which in ("whole", "some")]
        for address, folder in zip((whole, some), folders, strict=True):
            scripts("gmflow", "dump", address.replace("*", "127.0.0.1"), folder)
        scripts("mflow", "replay", "-a", source, recording).end()
        wait_for_files(folders[0], files(recording))
        wait_for_files(folders[1], files(chosen))
        if library == "gmflow":
            splitting.interrupt(signal.SIGTERM)
            splitting.end()


def test_gmflow_chooses_whole_messages_for_mflow(
    scripts: Scripts, recording: Path, tmp_path: Path
) -> None:
    source, output = tcp(), f"tcp://*:{free_port()}"
    chosen = write(tmp_path / "chosen", MESSAGES[2::3])
    config = configuration(
        tmp_path / "split.json", source, [{"address": output, "mode": "PUSH", "modulo": 3}]
    )
    scripts("gmflow", "split", "-c", config)
    dump(scripts, "mflow", output.replace("*", "127.0.0.1"), tmp_path / "some", 0)
    scripts("mflow", "replay", "-a", source, recording).end()
    wait_for_files(tmp_path / "some", files(chosen))
