"""Real traffic through the scripts: replayed, recorded and replayed again it is the same bytes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import zmq

from tests.support.captures import FOLDER, capture_names, needs_captures, read_capture
from tests.support.full import times
from tests.support.peers import Peers
from tests.support.recordings import recorded
from tests.support.scripts import Scripts, complaints, free_address

pytestmark = [needs_captures, pytest.mark.timeout(150)]

AT_ONCE = 4
IN_FULL = times(10) == 10


def round_trip(name: str, path: Path, scripts: Scripts, peers: Peers) -> tuple[str, bool, bool]:
    """Send a capture from its folder to m_dump, and what that wrote to a plain receiver."""
    messages = read_capture(name)
    address = free_address()
    sending = scripts.start("m_replay", "-q", "-a", address, FOLDER / name)
    dumping = scripts.start("m_dump", "-q", "-n", len(messages), address, path)
    for script in (sending, dumping):
        result = script.wait(60)
        assert (result.status, complaints(result.err)) == (0, ""), (name, result)
    address = free_address()
    again = scripts.start("m_replay", "-q", "-a", address, path)
    received = peers.open(zmq.PULL, address).receive_all(len(messages))
    assert again.wait(60).status == 0
    return name, recorded(path) == messages, received == messages


@pytest.mark.parametrize("ending", ["", ".mcap"])
def test_every_capture_comes_back_byte_for_byte(
    scripts: Scripts, peers: Peers, tmp_path: Path, ending: str
) -> None:
    """In full each with both endings; otherwise half of them with each."""
    if ending:
        pytest.importorskip("mcap", reason="mcap is not installed")

    def run(name: str) -> tuple[str, bool, bool]:
        folder = name.replace("/", "-").replace(".", "-")  # m_dump warns of endings
        return round_trip(name, tmp_path / (folder + ending), scripts, peers)

    names = capture_names()
    if not IN_FULL:
        names = names[bool(ending) :: 2]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(run, names))
    assert outcomes == [(name, True, True) for name in names]
