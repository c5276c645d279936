"""The five scripts as an operator starts them: options, order, whole messages, exit status."""

import hashlib
import json
import re
import time

import numpy as np
import pytest
import zmq

import gmflow
from tests.support.recordings import as_files, files
from tests.support.scripts import NAMES, free_address, port_of, row, rows, until

MESSAGES = [[b'{"htype": "raw-1.0", "frame": %d}' % n, b"data %d" % n, b""] for n in range(100)]


def recording(folder, numbers):
    folder.mkdir(exist_ok=True)
    for number in numbers:
        for part in range(1 + number % 3):
            (folder / f"{number:06d}_{part:03d}.raw").write_bytes(b"%d.%d" % (number, part))
    return folder


def recorded(number):
    return [b"%d.%d" % (number, part) for part in range(1 + number % 3)]


def config(folder, source, *streams):
    path = folder / "split.json"
    path.write_text(json.dumps({"source": source, "streams": list(streams)}))
    return path


def received_after_first(sub):
    while (parts := sub.receive()) == [b"first"]:
        pass
    return parts


def generate_and_dump(scripts, folder, *arguments):
    address = free_address()
    generator = scripts.start("m_generate", "-a", address, *arguments)
    dump = scripts.start("m_dump", address, folder)
    result = generator.wait()
    sent = row(result.out, "output").sent
    assert (result.status, result.err) == (0, "")
    last = folder / f"{sent - 1:06d}_000.raw"
    until(last.exists)
    result = dump.end()
    assert (result.status, result.err) == (0, "")
    assert row(result.out, "folder").sent == sent
    return files(folder)


# what every script has


@pytest.mark.parametrize("name", NAMES)
def test_version(scripts, name):
    result = scripts.run(name, "--version")
    assert (result.status, result.out, result.err) == (0, f"{gmflow.__version__}\n", "")


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("name", NAMES)
def test_help(scripts, name, option):
    result = scripts.run(name, option)
    assert (result.status, result.err) == (0, "")
    assert f"Usage:\n  {name}" in result.out
    assert "Options:" in result.out
    assert max(map(len, result.out.splitlines())) <= 100


# m_generate


@pytest.mark.parametrize(
    "arguments",
    [
        ["--htype", "array-1.0", "-s", "0.01", "-n", "12"],
        ["--htype", "eiger", "--shape", "40x30", "--images", "4", "-n", "9"],
    ],
    ids=["array-1.0", "eiger"],
)
def test_the_same_seed_makes_the_same_dump(scripts, tmp_path, arguments):
    first, again, other = (
        generate_and_dump(scripts, tmp_path / name, *arguments, "--seed", seed)
        for name, seed in [("first", 7), ("again", 7), ("other", 8)]
    )
    assert first == again
    assert first.keys() == other.keys()
    assert first != other


def test_raw_is_mflows_stream(scripts, peers):
    address = free_address()
    generator = scripts.start("m_generate", "-a", address, "-s", "0.01", "-n", "3")
    messages = peers.open(zmq.PULL, address).receive_all(3)
    assert [json.loads(header) for header, _ in messages] == [
        {"htype": "raw-1.0", "type": "int32", "shape": [1, 2621.25], "frame": n} for n in range(3)
    ]
    assert {data for _, data in messages} == {bytes(10485)}
    result = generator.wait()
    assert (result.status, row(result.out, "output").sent) == (0, 3)


def test_rate_and_the_default_type(scripts, peers):
    address = free_address()
    arguments = ["-s", "0.001", "-n", "21", "--rate", "40"]
    generator = scripts.start("m_generate", "-a", address, *arguments)
    pull = peers.open(zmq.PULL, address)
    pull.receive()
    start = time.monotonic()
    pull.receive_all(20)
    assert time.monotonic() - start > 0.6 * 20 / 40
    assert generator.wait().status == 0


def test_publishes(scripts, peers):
    address = free_address()
    generator = scripts.start("m_generate", "-a", address, "-m", "pub", "-s", "0.001")
    sub = peers.open(zmq.SUB, address)
    frames = [json.loads(header)["frame"] for header, _ in sub.receive_all(50)]
    assert frames == sorted(set(frames))
    assert generator.end().status == 0


def test_eiger_decodes_with_plain_means(scripts, peers):
    address = free_address()
    shape = (40, 30)
    generator = scripts.start(
        "m_generate", "-a", address, "--htype", "eiger", "--shape", "40x30", "-n", "6"
    )
    header, *images, end = peers.open(zmq.PULL, address).receive_all(6)
    about = json.loads(header[0])
    assert (about["htype"], about["header_detail"], len(header)) == ("dheader-1.0", "all", 8)
    details = json.loads(header[1])
    assert (details["x_pixels_in_detector"], details["y_pixels_in_detector"]) == shape[::-1]
    assert details["nimages"] == len(images) == 4
    for number, (first, data, blob, times) in enumerate(images):
        first, data, times = json.loads(first), json.loads(data), json.loads(times)
        assert [first["htype"], data["htype"], times["htype"]] == [
            "dimage-1.0",
            "dimage_d-1.0",
            "dconfig-1.0",
        ]
        assert (first["frame"], first["series"]) == (number, about["series"])
        assert first["hash"] == hashlib.md5(blob).hexdigest()
        assert data["encoding"] == "<"
        pixels = np.frombuffer(blob, data["type"]).reshape(data["shape"][::-1])
        assert pixels.shape == shape
        assert len(np.unique(pixels)) > 2
        assert times["stop_time"] > times["start_time"]
    assert json.loads(end[0]) == {"htype": "dseries_end-1.0", "series": about["series"]}
    assert generator.wait().status == 0


# m_stats and m_dump


def test_stats_ends_after_enough_messages(scripts, peers):
    address = free_address()
    stats = scripts.start("m_stats", "-n", "60", address)
    peers.open(zmq.PUSH, address, bind=True).until_met().send(*MESSAGES)
    result = stats.wait()
    assert (result.status, result.err) == (0, "")
    assert re.search(r"^Messages received: +60 messages$", result.out, re.M)
    size = sum(len(part) for parts in MESSAGES[:60] for part in parts) / 1e6
    assert re.search(rf"^Total bytes received: +{size:.3f} MB$", result.out, re.M)


def test_stats_shows_every_message(scripts, peers):
    address = free_address()
    stats = scripts.start("m_stats", "-i", "0", "-n", "7", address)
    peers.open(zmq.PUSH, address, bind=True).until_met().send(*MESSAGES[:7])
    result = stats.wait()
    assert result.status == 0
    assert result.out.count("Data rate:") == 7


def test_stats_subscribes(scripts, peers):
    address = free_address()
    stats = scripts.start("m_stats", "-m", "sub", "-n", "5", address)
    peers.sender(peers.open(zmq.PUB, address, bind=True))
    result = stats.wait()
    assert result.status == 0
    assert re.search(r"^Messages received: +5 messages$", result.out, re.M)


def test_dump_ends_after_enough_messages(scripts, peers, tmp_path):
    address = free_address()
    dump = scripts.start("m_dump", "-n", "60", address, tmp_path / "new" / "folder")
    peers.open(zmq.PUSH, address, bind=True).until_met().send(*MESSAGES)
    result = dump.wait()
    assert (result.status, result.err) == (0, "")
    assert files(tmp_path / "new" / "folder") == as_files(MESSAGES[:60])
    assert row(result.out, "folder").sent == 60


@pytest.mark.parametrize("skip, kept", [(0, 3), (1, 0), (2, 1), (3, 2), (9, 3)])
def test_dump_leaves_out_parts(scripts, peers, tmp_path, skip, kept):
    address = free_address()
    dump = scripts.start("m_dump", "-s", skip, "-n", "4", address, tmp_path)
    peers.open(zmq.PUSH, address, bind=True).until_met().send(*MESSAGES[:4])
    assert dump.wait().status == 0
    wanted = {f"{number:06d}_{part:03d}.raw" for number in range(4) for part in range(kept)}
    assert files(tmp_path).keys() == wanted


def test_dump_warns_of_a_folder_that_is_not_empty(scripts, peers, tmp_path):
    address = free_address()
    recording(tmp_path, [3])
    dump = scripts.start("m_dump", "-n", "1", address, tmp_path)
    peers.open(zmq.PUSH, address, bind=True).until_met().send(*MESSAGES[:1])
    result = dump.wait()
    assert result.status == 0
    (line,) = result.err.splitlines()
    assert str(tmp_path) in line and "not empty" in line


def test_dump_to_the_screen(scripts, peers):
    address = free_address()
    dump = scripts.start("m_dump", "--raw", "-n", "3", "-s", "3", address)
    peers.open(zmq.PUSH, address, bind=True).until_met().send(*MESSAGES[:3])
    result = dump.wait()
    assert result.status == 0
    assert result.out.splitlines() == [repr(part) for parts in MESSAGES[:3] for part in parts[:2]]
    assert row(result.err, "screen").sent == 3


# m_replay


def test_replay_is_in_numeric_order_and_whole(scripts, peers, tmp_path):
    numbers = [7, 8, 999_998, 999_999, 1_000_000, 1_000_001, 10_000_000]
    address = free_address()
    replay = scripts.start("m_replay", "-a", address, recording(tmp_path / "rec", numbers))
    messages = peers.open(zmq.PULL, address).receive_all(len(numbers))
    assert messages == [recorded(number) for number in numbers]
    result = replay.wait()
    assert (result.status, result.err) == (0, "")
    assert row(result.out, "output").sent == row(result.out, "folder").sent == len(numbers)


def test_replay_gives_every_message_to_a_late_and_slow_reader(scripts, peers, tmp_path):
    address = free_address()
    replay = scripts.start("m_replay", "-a", address, recording(tmp_path / "rec", range(700)))
    reader = peers.reader(peers.open(zmq.PULL, address, RCVHWM=1), pause=0.001)
    assert replay.wait().status == 0
    assert reader.rest() == [recorded(number) for number in range(700)]


def test_what_was_replayed_is_dumped_the_same(scripts, tmp_path):
    address = free_address()
    folder = recording(tmp_path / "rec", range(50))
    dump = scripts.start("m_dump", "-n", "50", address, tmp_path / "again")
    assert scripts.run("m_replay", "-a", address, folder).status == 0
    assert dump.wait().status == 0
    assert files(tmp_path / "again") == files(folder)


# m_split


def test_split_from_the_command_line(scripts, peers):
    source, *outputs = (free_address() for _ in range(4))
    split = scripts.start("m_split", source, *outputs)
    push = peers.open(zmq.PUSH, source, bind=True)
    pulls = [peers.open(zmq.PULL, address).until_met() for address in outputs]
    push.until_met().send(*MESSAGES)
    assert [pull.receive_all(100) for pull in pulls] == [MESSAGES] * 3
    result = split.end()
    assert (result.status, result.err) == (0, "")
    table = rows(result.out)
    assert len(table) == 4
    assert {(row.received, row.sent, row.dropped) for row in table.values()} == {(100, 100, 0)}


def test_split_by_modulo_counts_messages(scripts, peers, tmp_path):
    source, every, tenth = (free_address() for _ in range(3))
    path = config(
        tmp_path,
        {"address": source, "conn_type": "bind"},
        {"address": every, "conn_type": "bind"},
        {"address": tenth, "conn_type": "bind", "modulo": "10"},
    )
    split = scripts.start("m_split", "-c", path)
    first, second = (peers.open(zmq.PULL, address).until_met() for address in (every, tenth))
    peers.open(zmq.PUSH, source).send(*MESSAGES)
    assert first.receive_all(100) == MESSAGES
    assert second.receive_all(10) == MESSAGES[9::10]
    result = split.end()
    assert result.status == 0
    last = rows(result.out)[f"output {tenth}"]
    assert (last.received, last.sent, last.dropped) == (100, 10, 90)
    assert "modulo 90" in result.out


def test_split_publishes(scripts, peers, tmp_path):
    source, output = free_address(), free_address()
    path = config(
        tmp_path, {"address": source}, {"address": output, "mode": "PUB", "conn_type": "bind"}
    )
    split = scripts.start("m_split", "--config", path)
    push = peers.open(zmq.PUSH, source, bind=True).until_met()
    sub = peers.open(zmq.SUB, output)
    while not sub.socket.poll(20):  # until the subscription is there
        push.send([b"first"])
    for parts in MESSAGES:
        push.send(parts)
        assert received_after_first(sub) == parts
    assert split.end().status == 0


def test_split_connects_to_a_reader_that_binds(scripts, peers, tmp_path):
    source, output = free_address(), free_address()
    pull = peers.open(zmq.PULL, output, bind=True)
    push = peers.open(zmq.PUSH, source, bind=True)
    path = config(tmp_path, {"address": source}, {"address": output})
    split = scripts.start("m_split", "-c", path)
    pull.until_met()
    push.send(*MESSAGES)
    assert pull.receive_all(100) == MESSAGES
    assert split.end().status == 0


def test_split_with_mflows_first_example(scripts, peers, tmp_path):
    source, one, two = (port_of(free_address()) for _ in range(3))
    path = config(
        tmp_path,
        {"address": f"tcp://localhost:{source}", "mode": "PULL", "queue_size": 10},
        {"address": f"tcp://*:{one}", "mode": "PUSH"},
        {"address": f"tcp://*:{two}", "mode": "PUB"},
    )
    split = scripts.start("m_split", "-c", path)
    push = peers.open(zmq.PUSH, f"tcp://127.0.0.1:{source}", bind=True)
    pull = peers.open(zmq.PULL, f"tcp://127.0.0.1:{one}").until_met()
    sub = peers.open(zmq.SUB, f"tcp://127.0.0.1:{two}").until_met()
    push.until_met().send([b"first"])
    while not sub.socket.poll(20):  # until the subscription is there
        assert pull.receive() == [b"first"]
        push.send([b"first"])
    assert pull.receive() == [b"first"]
    for parts in MESSAGES:
        push.send(parts)
        assert pull.receive() == parts
        assert received_after_first(sub) == parts
    assert split.end().status == 0


def test_split_with_mflows_example_of_modulo(scripts, peers, tmp_path):
    source, one, two = (port_of(free_address()) for _ in range(3))
    path = config(
        tmp_path,
        {"address": f"tcp://localhost:{source}", "mode": "PULL", "queue_size": 10},
        {"address": f"tcp://*:{one}", "mode": "PUSH"},
        {"address": f"tcp://*:{two}", "mode": "PUSH", "modulo": 10000},
    )
    split = scripts.start("m_split", "-c", path)
    push = peers.open(zmq.PUSH, f"tcp://127.0.0.1:{source}", bind=True)
    all_of_them = peers.reader(peers.open(zmq.PULL, f"tcp://127.0.0.1:{one}"))
    few = peers.open(zmq.PULL, f"tcp://127.0.0.1:{two}")
    sent = [[b"%d" % number] for number in range(20_000)]
    peers.sender(push, sent)
    assert few.receive_all(2) == [[b"9999"], [b"19999"]]
    all_of_them.until(20_000)
    assert split.end().status == 0
    assert all_of_them.rest() == sent
