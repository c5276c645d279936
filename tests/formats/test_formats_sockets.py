"""Stream v2 through sockets and scripts, its maps written in ways that no short cut knows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cbor2
import pytest
import zmq

from gmflow import Topology
from gmflow.message import Message
from tests.formats.samples import IMAGES, Sample, stream_v2
from tests.support.green import books, endpoint, peer, until
from tests.support.peers import Peers
from tests.support.recordings import record, recorded
from tests.support.scripts import Scripts, free_address, row

SAMPLES = {sample.name.partition(", ")[2]: sample for sample in stream_v2()}

written = pytest.mark.parametrize("name", ["as sent", "long id, sorted", "all at once"])


@pytest.fixture
def peers() -> Iterator[Peers]:
    opened = Peers()
    yield opened
    opened.close()


@pytest.fixture
def scripts(peers: Peers) -> Iterator[Scripts]:
    started = Scripts()
    yield started
    started.close()


@pytest.fixture
def topology() -> Iterator[Topology]:
    made = Topology()
    yield made
    made.stop(0.2)
    books(made.statistics())


def whole_series(sample: Sample, series: int, numbers: Sequence[int]) -> list[list[bytes]]:
    return [list(message.parts) for message in sample.messages(numbers, series)]


def received(socket: Any, count: int) -> list[list[bytes]]:
    """Return the next messages of a plain socket while the hub runs."""
    messages = []
    for _ in range(count):
        until(lambda: socket.poll(0), 10)
        messages.append(socket.recv_multipart())
    return messages


@written
def test_outputs_share_series_and_each_receiver_gets_start_and_end(
    topology: Topology, name: str
) -> None:
    sample = SAMPLES[name]
    messages = [*whole_series(sample, 1, range(6)), *whole_series(sample, 2, range(6))]
    with ExitStack() as stack:
        detector = stack.enter_context(peer(zmq.PUSH))
        receivers = [stack.enter_context(peer(zmq.PULL)) for _ in range(2)]
        source = topology.source(endpoint(detector))
        for place, receiver in enumerate(receivers):
            topology.output(source, endpoint(receiver), share=(place, 2), series=True)
        topology.start()
        for parts in messages:
            detector.send_multipart(parts)
        for place, receiver in enumerate(receivers):
            edges = [0, 7, 8, 15]
            images = [1 + place, 3 + place, 5 + place, 9 + place, 11 + place, 13 + place]
            expected = [messages[number] for number in sorted([*edges, *images])]
            assert received(receiver, len(expected)) == expected
            assert not receiver.poll(20)


@written
@pytest.mark.parametrize("watched", [False, True])
def test_a_late_viewer_gets_the_start_first(topology: Topology, name: str, watched: bool) -> None:
    sample = SAMPLES[name]
    start, *images, end = whole_series(sample, 7, range(3))
    with ExitStack() as stack:
        detector = stack.enter_context(peer(zmq.PUSH))
        source = topology.source(endpoint(detector))
        reached: list[Message] = []
        topology.sink(source, reached.append, decode=False)
        tap = topology.tap(source, "tcp://127.0.0.1:*", name="tap")
        topology.start()
        if watched:
            early = stack.enter_context(peer(zmq.SUB, tap.address))
            until(lambda: tap.snapshot()["subscriptions"] == 1, 10)
        for parts in (start, images[0]):
            detector.send_multipart(parts)
        until(lambda: len(reached) == 2, 10)
        if watched:
            assert received(early, 2) == [start, images[0]]
        late = stack.enter_context(peer(zmq.SUB, tap.address))
        assert received(late, 1) == [start]
        for parts in (images[1], end):
            detector.send_multipart(parts)
        assert received(late, 2) == [images[1], end]


@written
def test_stats_sees_the_counter_and_what_is_missing(
    scripts: Scripts, peers: Peers, name: str
) -> None:
    sample = SAMPLES[name]
    messages = whole_series(sample, 1, [0, 1, 2, 5, 6, 8, 9])
    address = free_address()
    script = scripts.start("m_stats", "-i", "0", "-n", len(messages), address)
    peers.open(zmq.PUSH, address, bind=True).until_met().send(*messages)
    result = script.wait()
    assert (result.status, result.err) == (0, "")
    missing = IMAGES - 7
    assert re.search(rf"^Missing upstream: +{missing} messages by image_id$", result.out, re.M)
    assert re.search(r"^Duplicates: +0 messages$", result.out, re.M)


@pytest.fixture(params=["run", "run.mcap"])
def recording(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / request.param


@written
def test_replay_of_some_series_and_frames_with_other_values(
    scripts: Scripts, peers: Peers, recording: Path, name: str
) -> None:
    sample = SAMPLES[name]
    series = {number: whole_series(sample, number, range(5)) for number in (4, 5, 6)}
    record(recording, [parts for one in series.values() for parts in one])
    address = free_address()
    arguments = ["--series", "5:6", "--frames", "1:2", "--set", "series=70000"]
    script = scripts.start("m_replay", "-a", address, *arguments, recording)
    reader = peers.reader(peers.open(zmq.PULL, address))
    result = script.wait()
    assert (result.status, result.err) == (0, "")
    chosen = [series[number][place] for number in (5, 6) for place in (0, 2, 3, 6)]
    got = [cbor2.loads(part) for (part,) in reader.rest()]
    assert [one["series_id"] for one in got] == [70_000] * 8
    assert [one.get("image_id") for one in got] == [None, 1, 2, None] * 2
    assert [dict(one, series_id=0) for one in got] == [
        dict(cbor2.loads(part), series_id=0) for (part,) in chosen
    ]
    assert row(result.out, "output").sent == 8


@written
def test_a_copy_with_other_numbers_changes_not_a_byte_else(
    scripts: Scripts, recording: Path, name: str, tmp_path: Path
) -> None:
    messages = whole_series(SAMPLES[name], 3, range(5))
    record(recording, messages)
    there, back = tmp_path / "there.mcap", tmp_path / "back.mcap"
    for path, other, number in ((recording, there, 9), (there, back, 3)):
        result = scripts.run("m_replay", "-o", other, "--set", f"series_id={number}", path)
        assert (result.status, result.err) == (0, "")
    assert recorded(back) == messages
    assert {cbor2.loads(part)["series_id"] for (part,) in recorded(there)} == {9}


@written
def test_a_list_of_what_is_there_and_missing(scripts: Scripts, recording: Path, name: str) -> None:
    messages = [
        *whole_series(SAMPLES[name], 3, [0, 1, 2, 5, 6, 6]),
        *whole_series(SAMPLES[name], 4, range(IMAGES)),
    ]
    result = scripts.run("m_replay", "--list", record(recording, messages))
    assert (result.status, result.err) == (0, "")
    rows = [" ".join(line.split()) for line in result.out.splitlines()]
    assert [one.split(" ")[:3] for one in rows if one.startswith("stream2 ")] == [
        ["stream2", "start", "2"],
        ["stream2", "image", "18"],
        ["stream2", "end", "2"],
    ]
    head, *numbered = rows[-3:]
    assert head.startswith("series counter numbers count expected missing duplicates")
    assert numbered == [
        "3 image_id 0 to 6 6 12 7 1 0 0 yes",
        "4 image_id 0 to 11 12 12 0 0 0 0 yes",
    ]
