"""m_dump on the screen: a summary of what m_generate, or anybody, sends; --raw for the bytes."""

from __future__ import annotations

import re
import signal

import pytest
import zmq

from tests.support.scripts import complaints, free_address, row

HOSTILE = b'{"htype": "\x1b]0;owned\x07", "a": "\\u001b[2J"}'


@pytest.fixture
def generated(scripts):
    """Return the lines that m_dump prints of so many messages of m_generate."""

    def lines(count, *arguments):
        address = free_address()
        dump = scripts.start("m_dump", "-n", count, address)
        generate = scripts.run("m_generate", "-a", address, "-n", count, *arguments)
        assert (generate.status, complaints(generate.err)) == (0, "")
        result = dump.wait()
        assert result.status == 0
        assert row(result.err, "screen").sent == count
        return result.out.splitlines()

    return lines


def firsts(lines):
    """Return the first line of each message."""
    return [line for line in lines if re.match(r" *\d+  \S", line)]


ENCODINGS = ["<", ">", "lz4<", "bs8-lz4<", "bs16-lz4>", "bs32-lz4<"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_series_of_eiger(generated, encoding):
    if "lz4" in encoding:
        pytest.importorskip("imagecodecs")
    lines = generated(5, "--htype", "eiger", "--shape", "64x48", "--encoding", encoding)
    start, *images, end = firsts(lines)
    dtype = {"bs8": "uint8", "bs32": "uint32"}.get(encoding.partition("-")[0], "uint16")
    assert "3 images" in start and "64 x 48" in start
    for number, line in enumerate(images):
        assert re.match(rf" *{number + 1}  dimage-1.0 +series 1 frame +{number} ", line)
        assert f"64 x 48 {dtype}  {encoding:<9}  min 0 " in line
    assert "3 of 3 images" in end
    assert not any("!" in line for line in lines)


@pytest.mark.parametrize("encoding", ["bslz4", "lz4", "none"])
def test_a_series_of_stream2(generated, encoding):
    pytest.importorskip("imagecodecs")
    pytest.importorskip("cbor2")
    options = ["--encoding", encoding, "--channels", "low,high", "--dtype", "uint32"]
    lines = generated(4, "--htype", "stream2", "--shape", "64x48", *options)
    start, *images, end = firsts(lines)
    assert "stream2 start" in start and "2 images" in start
    assert all("stream2 image" in line and "2 channels" in line for line in images)
    for name in ("low", "high"):
        start = re.compile(rf" +{name}  64 x 48 uint32  min 0 ")
        assert len(list(filter(start.match, lines))) == 2
    assert "2 of 2 images" in end


@pytest.mark.parametrize("compression", ["none", "lz4", "bitshuffle_lz4"])
def test_messages_of_bsread(generated, compression):
    if compression != "none":
        pytest.importorskip("imagecodecs")
    channels = "one,two:int16[3x40]:big:none,three:string,four:uint8:modulo=2:offset=1"
    options = ["--channels", channels, "--compression", compression]
    first, second = firsts(lines := generated(2, "--htype", "bsr_m-1.1", *options))
    assert "pulse 0 " in first and "4 channels (1 without a value)  new data header" in first
    assert "pulse 1 " in second and second.endswith("  4 channels")
    suffix = "" if compression == "none" else f"  {compression}"
    assert lines[2].split()[:5] == ["two", "3", "x", "40", "int16"]
    assert lines[3] == f"        three  string  'three 0'{suffix}"
    assert lines[4].split()[:2] == ["four", "-"]


def test_the_default_channels_need_no_extra(generated):
    lines = generated(2, "--htype", "bsr_m-1.1")
    assert len(firsts(lines)) == 2
    assert not any("lz4" in line or "!" in line for line in lines)


@pytest.mark.parametrize("kind, shown", [("raw-1.0", "2 parts: "), ("array-1.0", "int32  min ")])
def test_plain_messages(generated, kind, shown):
    lines = generated(3, "--htype", kind, "-s", "0.01")
    assert len(lines) == 3
    assert all(kind in line and shown in line for line in lines)


def test_bytes_on_demand(scripts, peers):
    address = free_address()
    dump = scripts.start("m_dump", "--raw", "-n", 2, "-s", 2, address)
    peers.open(zmq.PUSH, address, bind=True).send([b"one", b"\x00\xff"], [HOSTILE, b"more"])
    assert dump.wait().out.splitlines() == ["b'one'", repr(HOSTILE)]


def test_parts_are_not_left_out_of_a_summary(scripts):
    result = scripts.run("m_dump", "-s", 2, free_address())
    assert result.status == 2
    (line,) = result.err.splitlines()
    assert "--skip" in line and "--raw" in line


def test_what_nobody_can_read(scripts, peers):
    address = free_address()
    messages = [
        [HOSTILE],
        [b"\x1b[2Jnothing"],
        [b'{"htype": "dimage-1.0", "series": 1, "frame": 0}'],
        [b'{"htype": "array-1.0", "type": "u1", "shape": [2]}', b"ab"],
    ]
    dump = scripts.start("m_dump", "-n", len(messages), address)
    peers.open(zmq.PUSH, address, bind=True).send(*messages)
    result = dump.wait()
    assert result.status == 0
    lines = result.out.splitlines()
    assert all(line.isprintable() for line in lines)
    assert [line[:8] for line in firsts(lines)] == [f"     {number}  " for number in range(4)]
    assert sum(line.startswith("        ! ") for line in lines) == 3
    assert row(result.err, "screen").sent == len(messages)


def test_what_a_handler_logs_comes_out(scripts, peers):
    """A table of the wrong size: the handler, in a native thread, leaves it out with a warning."""
    table = b'{"htype": "t", "shape": [2, 2], "type": "uint32"}'
    parts = [b'{"htype": "dheader-1.0", "header_detail": "all", "series": 1}', b"{}"]
    parts += [table, bytes(15), table, bytes(16), table, bytes(16)]
    address = free_address()
    dump = scripts.start("m_dump", "-n", 1, address)
    peers.open(zmq.PUSH, address, bind=True).send(parts)
    result = dump.wait()
    assert result.status == 0
    assert "mask 2 x 2, 0 masked" in result.out
    assert "flatfield" not in result.out
    assert "flatfield" in result.err and "15" in result.err


def test_the_first_line_does_not_wait_for_a_burst(scripts, peers):
    address = free_address()
    dump = scripts.start("m_dump", address)
    push = peers.open(zmq.PUSH, address, bind=True).until_met()
    for number in range(3):
        push.send([b'{"htype": "raw-1.0"}', b"x"])
        assert dump.out.next().startswith(f"     {number}  raw-1.0")
    assert dump.end(signal.SIGINT).status == 0


def test_a_flood_of_small_messages_ends_in_order(scripts, peers):
    address = free_address()
    dump = scripts.start("m_dump", address)
    peers.sender(peers.open(zmq.PUSH, address, bind=True))
    dump.out.next("  2000  ")
    result = dump.end()
    lines = result.out.splitlines()
    assert result.status == 0
    assert len(lines) == row(result.err, "screen").sent
    assert [int(line.split()[0]) for line in lines] == list(range(len(lines)))
