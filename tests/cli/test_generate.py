"""m_generate's formats: what other software reads, and what is refused."""

from __future__ import annotations

import socket
import subprocess
import sys

import numpy as np
import pytest
import zmq

from gmflow.simulate import bsread, eiger, stream2
from tests.support.scripts import DEADLINE, free_address, is_bound, port_of, row

SMALL = ["--shape", "40x30"]


@pytest.fixture
def refused_unbound(refused):
    """Start m_generate; return the line that it refuses its arguments with, before it binds."""

    def start(status, *arguments):
        address = free_address()
        line = refused(status, "m_generate", "-a", address, *arguments)
        assert not is_bound(address)
        return line

    return start


@pytest.fixture
def received(scripts, peers):
    """Return the messages that m_generate sends."""

    def messages(count, *arguments):
        address = free_address()
        generate = scripts.start("m_generate", "-a", address, "-n", count, *arguments)
        parts = peers.open(zmq.PULL, address).receive_all(count)
        result = generate.wait()
        assert (result.status, row(result.out, "output").sent) == (0, count)
        return parts

    return messages


def as_bytes(messages):
    return [[bytes(part) for part in parts] for parts in messages]


# what is sent


@pytest.mark.parametrize("encoding", ["<", "bs16-lz4<", "lz4>"])
def test_eiger_is_the_simulated_series(received, encoding):
    pytest.importorskip("imagecodecs")
    options = ["--htype", "eiger", *SMALL, "--encoding", encoding, "--seed", "5"]
    expected = as_bytes(eiger(3, (40, 30), encoding=encoding, seed=5))
    assert received(5, *options) == expected


def test_the_type_of_a_pixel(received):
    expected = as_bytes(eiger(2, (40, 30), "uint32"))
    assert received(4, "--htype", "eiger", *SMALL, "--dtype", "UINT32") == expected


def test_stream2_is_the_simulated_series(received):
    pytest.importorskip("imagecodecs")
    pytest.importorskip("cbor2")
    assert received(4, "--htype", "stream2", *SMALL) == as_bytes(stream2(2, (40, 30)))
    options = ["--encoding", "lz4", "--channels", "a,b", "--dtype", "uint8"]
    expected = as_bytes(stream2(2, (40, 30), "uint8", compression="lz4", channels=["a", "b"]))
    assert received(4, "--htype", "stream2", *SMALL, *options) == expected


def test_bsread_is_the_simulated_pulses(received, tmp_path):
    assert received(300, "--htype", "bsr_m-1.1", "--channels", "a,b:uint8[3x4]") == as_bytes(
        bsread("a,b:uint8[3x4]", 300)
    )
    file = tmp_path / "channels.json"
    text = '[{"name": "é", "type": "int16", "shape": [4, 3], "encoding": "big"}]'
    file.write_text(text, encoding="utf-8")
    (parts,) = received(1, "--htype", "bsr_m-1.1", "--channels", f"@{file}")
    assert as_bytes([parts]) == as_bytes(bsread("é:int16[3x4]:big", 1))
    assert len(parts[2]) == 24


def test_a_message_can_be_described_by_one_that_was_recorded(received, tmp_path):
    (first,) = received(1, "--htype", "bsr_m-1.1", "--channels", "a:bool,b:string")
    file = tmp_path / "000000_001.raw"
    file.write_bytes(first[1])
    assert received(1, "--htype", "bsr_m-1.1", "--channels", f"@{file}") == [first]


@pytest.mark.parametrize("compression", ["none", "lz4", "bitshuffle_lz4"])
def test_psi_bsread_reads_it(scripts, compression):
    psi = pytest.importorskip("bsread", reason="psi-bsread is not installed")
    if compression != "none":
        pytest.importorskip("imagecodecs")
    channels = "number:int32,wave:float64[100],image:uint16[6x8],text:string"
    address = free_address()
    arguments = ["--htype", "bsr_m-1.1", "--channels", channels, "--compression", compression]
    scripts.start("m_generate", "-a", address, "-n", 3, *arguments)
    plain = [parts[2::2] for parts in as_bytes(bsread(channels, 3))]
    options = {"host": "127.0.0.1", "port": port_of(address), "mode": psi.PULL}
    with psi.Source(**options, receive_timeout=int(DEADLINE * 1000)) as stream:
        for pulse, (number, wave, image, text) in enumerate(plain):
            data = stream.receive().data
            assert data.pulse_id == pulse
            assert data.data["number"].value == np.frombuffer(number, "<i4")[0]
            assert np.array_equal(data.data["wave"].value, np.frombuffer(wave, "<f8"))
            expected = np.frombuffer(image, "<u2").reshape(6, 8)
            assert np.array_equal(data.data["image"].value, expected)
            assert data.data["text"].value == text.decode() == f"text {pulse}"


# what is refused


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--htype", "eiger", "--encoding", "gzip"], "--encoding is 'gzip'; it can be < or"),
        (["--htype", "eiger", "--encoding", "lz4"], "--encoding is 'lz4'; it can be < or lz4< or"),
        (["--htype", "eiger", "--encoding", ""], "--encoding is ''; it can be"),
        (["--htype", "eiger", "--encoding", "bs64-lz4<", "--shape", "3x3"], "divided by 8"),
        (["--htype", "eiger", "--dtype", "int8"], "--dtype is 'int8'; it can be uint8 or"),
        (
            ["--htype", "stream2", "--encoding", "lz4<"],
            "--encoding is 'lz4<'; it can be bslz4 or lz4 or none;",
        ),
        (["--htype", "stream2", "--channels", "a,a"], "channels are"),
        (["--htype", "stream2", "--channels", ""], "channels are ['']"),
        (["--htype", "bsr_m-1.1", "--channels", ""], "channel '' has no name; one looks like"),
        (["--htype", "bsr_m-1.1", "--channels", "a:int7"], "'int7' is neither a type"),
        (["--htype", "bsr_m-1.1", "--channels", "a:int8[4"], "'int8[4' can't be read; one looks"),
        (["--htype", "bsr_m-1.1", "--channels", "@/none/such"], "No such file"),
        (["--htype", "bsr_m-1.1", "--compression", "gzip"], "--compression is 'gzip'; it can be"),
        (["--htype", "eiger", "--channels", "a"], "--channels is for --htype stream2 and bsr_m"),
        (["--encoding", "<"], "--encoding is for --htype eiger and stream2, not raw-1.0"),
        (["--htype", "eiger", "--compression", "lz4"], "--compression is for --htype bsr_m-1.1"),
        (["--htype", "bsr_m-1.1", "--dtype", "uint8"], "--dtype is for --htype eiger and"),
        (["--htype", "eiger", "--size", "3"], "--size is for --htype raw-1.0 and array-1.0, not"),
        (["--shape", "40x30"], "--shape is for --htype eiger and stream2, not raw-1.0"),
        (["--htype", "bsr_m-1.1", "--images", "3"], "--images is for --htype eiger and stream2"),
    ],
)
def test_wrong_usage(refused_unbound, arguments, words):
    assert words in refused_unbound(2, *arguments)


WITHOUT = """
import sys
sys.modules[sys.argv.pop(1)] = None  # as if it were not installed
from gmflow.cli.generate import main
main()
"""


@pytest.mark.parametrize(
    ("library", "arguments", "extra"),
    [
        ("imagecodecs", ["--htype", "eiger", "--encoding", "bs16-lz4<"], "gmflow[eiger]"),
        ("imagecodecs", ["--htype", "bsr_m-1.1", "--compression", "lz4"], "gmflow[bsread]"),
        ("cbor2", ["--htype", "stream2", "--encoding", "none"], "gmflow[stream2]"),
    ],
)
def test_an_extra_that_is_missing_is_named_before_anything_is_bound(library, arguments, extra):
    with socket.create_server(("127.0.0.1", 0)) as server:  # to bind there would be an error
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        command = [sys.executable, "-c", WITHOUT, library, "-a", address, *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
    assert (ended.returncode, ended.stdout) == (1, "")
    (line,) = ended.stderr.splitlines()
    assert extra in line
