"""Folders recorded by psi-mflow's script and by gmflow, each replayed and read by the other."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import zmq

from gmflow.message import Message
from gmflow.recording.folder.folder_reader import FolderReader
from gmflow.recording.folder.folder_writer import FolderWriter
from gmflow.recording.folder.names import part_name
from tests.support.captures import capture_names, needs_captures, read_capture
from tests.support.programs import HERE, PATIENCE, Programs, free_port, running, until

pytest.importorskip("mflow.cli", reason="psi-mflow is not installed")

BIN = HERE.parents[1] / "bin"

MESSAGES = [
    [b'{"htype": "raw-1.0"}', b"body"],
    [b"one part"],
    [b""],
    [b"", b"", b"after two empty parts"],
    [b"before two empty parts", b"", b""],
    [b"%d of many" % part for part in range(1000)],
    [bytes(range(256)) * 1000, b"", b"\r\n"],
    *([b"%d" % number, b"x" * number] for number in range(20)),
]


@pytest.fixture
def programs() -> Iterator[Programs]:
    with running() as programs:
        yield programs


@contextmanager
def socket(kind: int) -> Iterator[zmq.Socket]:
    """Return a plain pyzmq socket that never waits for longer than `PATIENCE`."""
    with zmq.Context() as context, context.socket(kind) as socket:
        socket.set(zmq.LINGER, 0)
        socket.set(zmq.RCVTIMEO, int(PATIENCE * 1000))
        socket.set(zmq.SNDTIMEO, int(PATIENCE * 1000))
        yield socket


def replay(programs: Programs, library: str, folder: Path, count: int) -> list[list[bytes]]:
    """Return what a plain peer receives of a replayed folder; there must be no more of it."""
    address = f"tcp://127.0.0.1:{free_port()}"
    with socket(zmq.PULL) as peer:
        peer.connect(address)
        if library == "mflow":
            program = programs.module("mflow.cli.replay", "-a", address, folder)
        else:
            program = programs(BIN / "m_replay", "-a", address, folder)
        received = [peer.recv_multipart() for _ in range(count)]
        program.end()
        assert not peer.poll(0)
    return received


def dump(
    programs: Programs, library: str, folder: Path, messages: Sequence[Sequence[bytes]]
) -> None:
    """Send messages from a plain peer to m_dump, and wait until all files are there."""
    with socket(zmq.PUSH) as peer:
        address = f"tcp://127.0.0.1:{peer.bind_to_random_port('tcp://127.0.0.1')}"
        if library == "mflow":
            programs.module("mflow.cli.dump", address, folder)
        else:
            programs(BIN / "m_dump", address, folder)
        for parts in messages:
            peer.send_multipart(parts)
        last = [folder / part_name(len(messages) - 1, part) for part in range(len(messages[-1]))]
        sizes = [len(part) for part in messages[-1]]
        until(lambda: [p.stat().st_size for p in last if p.exists()] == sizes, f"{last}")


def write(folder: Path, messages: Sequence[Sequence[bytes]]) -> Path:
    with FolderWriter(folder) as writer:
        writer.write(
            [Message(parts=parts, received_ns=time.time_ns(), source="a,b") for parts in messages]
        )
    return folder


def read(folder: Path) -> list[Message]:
    with FolderReader(folder) as reader:
        assert reader.problem == ""
        return list(reader.messages())


def test_what_mflow_has_dumped_is_read_and_replayed(programs: Programs, tmp_path: Path) -> None:
    dump(programs, "mflow", tmp_path, MESSAGES)
    found = read(tmp_path)
    assert [message.parts for message in found] == MESSAGES
    assert {(message.received_ns, message.source) for message in found} == {(0, "")}
    assert replay(programs, "gmflow", tmp_path, len(MESSAGES)) == MESSAGES


def test_what_is_written_with_its_times_is_replayed_by_mflow(
    programs: Programs, tmp_path: Path
) -> None:
    write(tmp_path, MESSAGES)
    assert (tmp_path / "times.csv").stat().st_size > 0
    assert replay(programs, "mflow", tmp_path, len(MESSAGES)) == MESSAGES


def test_what_gmflow_has_dumped_is_replayed_by_mflow(programs: Programs, tmp_path: Path) -> None:
    begin = time.time_ns()
    dump(programs, "gmflow", tmp_path, MESSAGES)
    found = read(tmp_path)
    assert [message.parts for message in found] == MESSAGES
    received_ns = [message.received_ns for message in found]
    assert received_ns == sorted(received_ns)
    assert begin <= received_ns[0] <= received_ns[-1] <= time.time_ns()
    assert replay(programs, "mflow", tmp_path, len(MESSAGES)) == MESSAGES


@pytest.mark.parametrize("library", ["mflow", "gmflow"])
@needs_captures
def test_captures_are_replayed_by_both(programs: Programs, tmp_path: Path, library: str) -> None:
    messages = [parts for name in capture_names() for parts in read_capture(name)[:5]]
    write(tmp_path, messages)
    assert replay(programs, library, tmp_path, len(messages)) == messages


def test_names_past_999999_come_back_in_the_order_of_their_numbers(
    programs: Programs, tmp_path: Path
) -> None:
    numbers = range(999_990, 1_000_010)
    for number in numbers:
        for part in range(2):
            (tmp_path / part_name(number, part)).write_bytes(b"%d %d" % (number, part))
    expected = [[b"%d 0" % number, b"%d 1" % number] for number in numbers]
    assert [message.parts for message in read(tmp_path)] == expected
    assert replay(programs, "gmflow", tmp_path, len(expected)) == expected
