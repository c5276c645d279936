"""Messages that no handler could read pass through m_split and m_dump as they came."""

import re

import pytest
import zmq

from tests.support.recordings import as_files, files
from tests.support.scripts import free_address, row, rows

GARBAGE = {
    "not JSON": [b"this is no JSON", b"data"],
    "half of a header": [b'{"htype": "raw-1.0", "frame": '],
    "JSON, but no object": [b"[1, 2, 3]", b"null"],
    "unknown htype": [b'{"htype": "nonsense-9.9"}', b"data"],
    "htype of another kind": [b'{"htype": {"a": []}}', b"data"],
    "wrong shape": [b'{"htype": "array-1.0", "type": "int32", "shape": [1000, 1000]}', b"abc"],
    "missing parts": [b'{"htype": "dimage-1.0", "series": 1, "frame": 1}'],
    "bsread without a data header": [b'{"htype": "bsr_m-1.1", "pulse_id": 1}', b"", b"", b""],
    "not UTF-8": [b"\xff\xfe\x00", b"\x80"],
    "a single empty message": [b""],
    "empty parts": [b"", b"", b""],
    "an empty part between": [b"{}", b"", b"data", b""],
    "1000 parts": [b"%d" % number for number in range(1000)],
    "1000 empty parts": [b""] * 1000,
    "deeply nested": [b"[" * 100_000],
    "a large part": [bytes(range(256)) * 20_000],
}
MESSAGES = list(GARBAGE.values())


def test_through_split_to_a_plain_reader(scripts, peers):
    source, *outputs = (free_address() for _ in range(3))
    split = scripts.start("m_split", source, *outputs)
    push = peers.open(zmq.PUSH, source, bind=True)
    pulls = [peers.open(zmq.PULL, address).until_met() for address in outputs]
    push.until_met().send(*MESSAGES)
    for pull in pulls:
        for name, parts in GARBAGE.items():
            assert pull.receive() == parts, name
    result = split.end()
    assert (result.status, result.err) == (0, "")
    assert {(row.received, row.sent) for row in rows(result.out).values()} == {(len(MESSAGES),) * 2}


def test_through_split_to_dump_and_stats(scripts, peers, tmp_path):
    source, one, two = (free_address() for _ in range(3))
    split = scripts.start("m_split", source, one, two)
    dump = scripts.start("m_dump", "-n", len(MESSAGES), one, tmp_path)
    stats = scripts.start("m_stats", "-n", len(MESSAGES), two)
    peers.open(zmq.PUSH, source, bind=True).until_met().send(*MESSAGES)
    for script in (dump, stats):
        result = script.wait()
        assert (result.status, result.err) == (0, "")
    assert files(tmp_path) == as_files(MESSAGES)
    assert re.search(rf"^Messages received: +{len(MESSAGES)} messages$", result.out, re.M)
    size = sum(len(part) for parts in MESSAGES for part in parts) / 1e6
    assert re.search(rf"^Total bytes received: +{size:.3f} MB$", result.out, re.M)
    assert split.end().status == 0


def test_a_dump_of_garbage_is_replayed(scripts, peers, tmp_path):
    source, output = free_address(), free_address()
    dump = scripts.start("m_dump", "-n", len(MESSAGES), source, tmp_path)
    peers.open(zmq.PUSH, source, bind=True).send(*MESSAGES)
    assert dump.wait().status == 0
    replay = scripts.start("m_replay", "-a", output, tmp_path)
    assert peers.open(zmq.PULL, output).receive_all(len(MESSAGES)) == MESSAGES
    assert replay.wait().status == 0


@pytest.mark.parametrize("name", GARBAGE)
def test_on_the_screen(scripts, peers, name):
    address = free_address()
    dump = scripts.start("m_dump", "--raw", "-n", 1, address)
    peers.open(zmq.PUSH, address, bind=True).send(GARBAGE[name])
    result = dump.wait()
    assert result.status == 0
    assert result.out.splitlines() == [repr(part) for part in GARBAGE[name]]
    assert row(result.err, "screen").sent == 1
