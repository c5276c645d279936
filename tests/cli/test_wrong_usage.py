"""What goes wrong is one line on standard error that says what to do; 2 for wrong usage, else 1."""

import json
import shutil
import socket

import pytest
import zmq

from tests.support.scripts import DEADLINE, NAMES, free_address, until

SOURCE = "tcp://127.0.0.1:9999"
ELSEWHERE = "tcp://192.0.2.1:9999"  # of the block for documentation: no machine has it
GOOD = {"source": {"address": SOURCE}, "streams": [{"address": "tcp://127.0.0.1:9998"}]}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "000000_000.raw").write_bytes(b"{}")
    return tmp_path


@pytest.fixture
def taken():
    """An address that somebody has."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"


# arguments


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("arguments", [["--nonsense"], ["-x", "7"], ["-m"], list("abcdefg")])
def test_wrong_arguments(refused, name, arguments):
    if name == "m_split" and len(arguments) == 7:
        arguments = ["-c", *arguments]
    line = refused(2, name, *arguments)
    assert "usage:" in line
    assert f"{name} --help" in line


@pytest.mark.parametrize("name", ["m_stats", "m_dump", "m_replay", "m_split", "m_merge"])
def test_no_arguments(refused, name):
    assert f"usage: {name}" in refused(2, name)


@pytest.mark.parametrize(
    "name, option, value",
    [
        ("m_stats", "-n", "x"),
        ("m_stats", "-n", "0"),
        ("m_stats", "-n", "1.5"),
        ("m_stats", "-i", "-1"),
        ("m_stats", "-i", "nan"),
        ("m_stats", "-m", "push"),
        ("m_dump", "-n", "x"),
        ("m_dump", "-s", "-1"),
        ("m_dump", "-s", "one"),
        ("m_dump", "-m", "pub"),
        ("m_generate", "-n", "x"),
        ("m_generate", "-n", "-3"),
        ("m_generate", "--rate", "0"),
        ("m_generate", "--rate", "inf"),
        ("m_generate", "--rate", "fast"),
        ("m_generate", "-s", "-1"),
        ("m_generate", "-s", "big"),
        ("m_generate", "-m", "pull"),
        ("m_generate", "--seed", "-1"),
        ("m_generate", "--htype", "jpeg"),
        ("m_replay", "-m", "sub"),
    ],
)
def test_wrong_value(refused, folder, name, option, value):
    last = {"m_generate": [], "m_replay": [folder]}.get(name, [SOURCE])
    line = refused(2, name, option, value, *last)
    assert repr(value) in line
    assert "it can be" in line


@pytest.mark.parametrize("shape", ["12", "12x", "axb", "1x2x3", "0x7", "-1x5"])
def test_wrong_shape(refused, shape):
    line = refused(2, "m_generate", "--htype", "eiger", f"--shape={shape}")
    assert "--shape is" in line or "rows is" in line


@pytest.mark.parametrize("images", ["x", "-1"])
def test_wrong_number_of_images(refused, images):
    line = refused(2, "m_generate", "--htype", "eiger", f"--images={images}")
    assert "--images" in line and repr(images) in line


# addresses


@pytest.mark.parametrize("mode", ["push", "pub"])
@pytest.mark.parametrize("name", ["m_generate", "m_replay"])
def test_address_in_use(refused, taken, folder, name, mode):
    line = refused(1, name, "-m", mode, "-a", taken, *([folder] if name == "m_replay" else []))
    assert taken in line
    assert "choose another port" in line


def test_address_in_use_of_split(refused, taken):
    line = refused(1, "m_split", SOURCE, free_address(), taken)
    assert taken in line
    assert "choose another port" in line


@pytest.mark.parametrize("name", ["m_generate", "m_replay"])
def test_address_of_another_machine(refused, folder, name):
    line = refused(1, name, "-a", ELSEWHERE, *([folder] if name == "m_replay" else []))
    assert ELSEWHERE in line
    assert "this machine has no such address" in line


def test_address_of_another_machine_of_split(refused):
    assert "this machine has no such address" in refused(1, "m_split", SOURCE, ELSEWHERE)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "address",
    [
        "nonsense",
        "127.0.0.1:9999",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:port",
        "tcp://127.0.0.1:99999",
        "tcp://127.0.0.1:-1",
        "http://127.0.0.1:80",
        "",
    ],
)
def test_malformed_address(scripts, folder, name, address):
    arguments = {
        "m_generate": ["-a", address],
        "m_replay": ["-a", address, folder],
        "m_split": [address, "tcp://127.0.0.1:9998"],
        "m_merge": ["-o", "tcp://127.0.0.1:9998", address, "tcp://127.0.0.1:9997"],
    }.get(name, [address])
    result = scripts.run(name, *arguments)
    assert result.status in (1, 2)
    (line,) = result.err.splitlines()
    assert line.startswith(f"{name}: ")
    assert "tcp://host:port" in line


# folders


def test_folder_that_is_missing(refused, tmp_path):
    line = refused(1, "m_replay", tmp_path / "missing")
    assert "missing does not exist; check the name" in line


def test_folder_that_is_empty(refused, tmp_path):
    line = refused(1, "m_replay", tmp_path)
    assert f"{tmp_path} holds no recording" in line
    assert "name the folder that m_dump wrote" in line


def test_folder_that_is_a_file(refused, folder):
    file = folder / "000000_000.raw"
    assert f"{file} is a file, but no MCAP file: name one, or" in refused(1, "m_replay", file)
    assert f"{file} is a file; name the folder" in refused(1, "m_dump", SOURCE, file)


def test_folder_with_a_gap(refused, folder):
    (folder / "000000_002.raw").write_bytes(b"")
    assert "000000_001.raw is missing" in refused(1, "m_replay", folder)


# m_split's configuration


@pytest.mark.parametrize(
    "text, words",
    [
        (None, "can't be read"),
        ("", "is not JSON"),
        ('{"source": ', "is not JSON"),
        ("\xff", "is not JSON"),
        ("[]", "can be an object of source, streams"),
        (GOOD | {"sink": 1}, "the keys are source, streams"),
        (GOOD | {"source": {"adress": SOURCE}}, "did you mean address?"),
        (GOOD | {"source": {}}, "source.address is missing"),
        ({"source": {"address": SOURCE}}, "streams is missing"),
        (GOOD | {"streams": []}, "at least one output"),
        (GOOD | {"source": {"address": SOURCE, "mode": "PUSH"}}, "can be PULL or SUB"),
        (GOOD | {"source": {"address": SOURCE, "queue_size": -1}}, "can be a whole number"),
        (GOOD | {"streams": [{"address": "tcp://*:1", "modulo": 0}]}, "from 1 up"),
        (GOOD | {"streams": [{"address": "tcp://*:70000"}]}, "port of 1 to 65535"),
        (GOOD | {"streams": [{"address": "tcp://*:7000"}] * 2}, "only one can bind"),
    ],
)
def test_wrong_configuration(refused, tmp_path, text, words):
    path = tmp_path / "split.json"
    if text is not None:
        text = text if isinstance(text, str) else json.dumps(text)
        path.write_text(text, encoding="latin-1")
    line = refused(2, "m_split", "-c", path)
    assert str(path) in line
    assert words in line


def test_configuration_that_is_a_folder(refused, tmp_path):
    assert "can't be read" in refused(2, "m_split", "-c", tmp_path)


# while it runs


def test_folder_that_can_not_be_made(refused, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert "Not a directory; choose" in refused(1, "m_dump", SOURCE, tmp_path / "file" / "folder")


def test_folder_that_vanishes(scripts, peers, tmp_path):
    address, folder = free_address(), tmp_path / "folder"
    dump = scripts.start("m_dump", address, folder)
    socket = peers.open(zmq.PUSH, address, bind=True)
    socket.send([b"message"])
    until((folder / "000000_000.raw").exists)
    shutil.rmtree(folder)
    folder.write_bytes(b"")
    socket.send([b"message"])
    result = dump.wait()
    assert result.status == 1
    (line,) = result.err.splitlines()
    assert str(folder) in line


@pytest.mark.parametrize("name", ["m_dump", "m_stats"])
def test_a_reader_of_the_output_that_has_enough(scripts, peers, name):
    """As with ``| head -3``."""
    address = free_address()
    script = scripts.start(name, *(["-i", "0"] if name == "m_stats" else []), address, reads=False)
    peers.sender(peers.open(zmq.PUSH, address, bind=True))
    assert script.process.stdout.readline()
    script.process.stdout.close()
    script.process.wait(DEADLINE)
    assert script.process.returncode == 0
    assert "Traceback" not in script.err.text()
