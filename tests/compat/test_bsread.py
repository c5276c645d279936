"""psi-bsread: its sender to gmflow, gmflow to its source, and all of it on gmflow."""

import json
from collections.abc import Iterator
from typing import Any

import gevent
import numpy as np
import pytest

import gmflow
from gmflow.handlers.bsread.bsread_message import BsreadMessage, Value
from tests.support.programs import PATIENCE, Programs, free_port, running

pytest.importorskip(
    "bsread", reason="psi-bsread is not installed (it doesn't come for Python 3.13)"
)

COMPRESSIONS = [
    ("lz4", "lz4"),
    ("bitshuffle_lz4", "bitshuffle_lz4"),
    ("none", "lz4"),
    ("lz4", "none"),
]
"""Of the values and of the data header."""

TYPES = [
    "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64",
]  # fmt: skip

VALUES = (
    f"TYPES = {TYPES}"
    + """
import numpy as np
def all_values(n):
    values = {}
    for name in TYPES:
        values["scalar-" + name] = getattr(np, name)(n + 1)
        values["waveform-" + name] = (np.arange(5) + n).astype(name)
        values["image-" + name] = (np.arange(6).reshape(2, 3) + n).astype(name)
    values["big-waveform"] = (np.arange(4) + n).astype(">i4")
    values["big-image"] = (np.arange(6).reshape(3, 2) + n).astype(">f8")
    values["int"] = 2 ** 40 + n
    values["float"] = n + 0.25
    values["true"] = True
    values["bools"] = np.array([True, False, n == 1])
    values["text"] = f"pulse {n} s\\u00fc\\u00df"
    values["list"] = [n, 2, 3]
    values["nothing"] = None
    values["large"] = np.arange(40_000, dtype="uint16") + n
    return values
"""
)

SENDING = (
    VALUES
    + """
import sys
from bsread import Sender
how = sys.argv[2:] or ["none", "none"]
sender = Sender(port=int(sys.argv[1]), address="tcp://127.0.0.1", queue_size=100,
                data_compression=how[0], data_header_compression=how[1])
sender.open()
for n in range(3):
    sender.send(data=all_values(n), timestamp=(1_700_000_000 + n, 123_456_789), pulse_id=100 + n)
sender.send(data={"one": 1.5, "new": np.arange(3)}, timestamp=(5, 6), pulse_id=200)
sender.send(data={"one": 2.5, "new": np.arange(3)}, timestamp=(7, 8), pulse_id=201)
sys.stdin.readline()
sender.close()
"""
)

RECEIVING = """
import json, sys
import numpy as np
def plain(value):
    if value is None:
        return None
    if isinstance(value, str):
        return ["str", value]
    array = np.asarray(value)
    return [array.dtype.str, list(array.shape), array.tolist()]
def show(message):
    got = message.data
    values = {name: [plain(value.value), value.timestamp and int(value.timestamp),
                     value.timestamp_offset and int(value.timestamp_offset)]
              for name, value in got.data.items()}
    print(json.dumps([got.pulse_id, int(got.global_timestamp), int(got.global_timestamp_offset),
                      got.hash, got.format_changed, values]))
"""

SOURCE = (
    RECEIVING
    + """
from bsread import Source
with Source(host="127.0.0.1", port=int(sys.argv[1]), receive_timeout=10_000) as source:
    for _ in range(int(sys.argv[2])):
        show(source.receive())
"""
)


@pytest.fixture
def programs() -> Iterator[Programs]:
    with running() as started:
        yield started


def names_of(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(text, names)  # what the programs use, too
    return names


def shown(message: gmflow.Message, capsys: pytest.CaptureFixture[str]) -> Any:
    names_of(RECEIVING)["show"](message)
    return json.loads(capsys.readouterr().out)


def test_what_psi_bsread_sends_is_read_as_psi_bsread_reads_it(
    programs: Programs, capsys: pytest.CaptureFixture[str]
) -> None:
    port, other = free_port(), free_port()
    for sender in (programs.text(SENDING, port), programs.text(SENDING, other)):
        assert sender.process.poll() is None
    source = programs.text(SOURCE, other, 5)
    with gmflow.connect(f"tcp://127.0.0.1:{port}", receive_timeout=10_000) as stream:
        messages = [stream.receive() for _ in range(5)]
    assert None not in messages
    assert stream.statistics.messages_received == 5
    theirs = [json.loads(line) for line in source.end()]
    for message, their in zip(messages, theirs, strict=True):
        assert shown(message, capsys) == their
    assert [their[0] for their in theirs] == [100, 101, 102, 200, 201]
    changed = [message.data.format_changed for message in messages]
    assert changed == [True, False, False, True, False]


@pytest.mark.parametrize("how", [(), *COMPRESSIONS], ids="-".join)
def test_the_values_are_those_that_were_sent(programs: Programs, how: tuple[str, ...]) -> None:
    need_libraries(how)
    port = free_port()
    programs.text(SENDING, port, *how)
    all_values = names_of(VALUES)["all_values"]
    address = f"tcp://127.0.0.1:{port}"
    with gmflow.connect(address, receive_timeout=10_000, decode_threads=2) as stream:
        for n in range(3):
            message = stream.receive()
            assert message is not None
            got = message.data
            assert (got.pulse_id, got.global_timestamp) == (100 + n, 1_700_000_000 + n)
            assert got.global_timestamp_offset == 123_456_789
            sent = all_values(n)
            assert list(got.data) == list(sent)
            for name, value in sent.items():
                check_value(got.data[name], value, (1_700_000_000 + n, 123_456_789))


def need_libraries(how: tuple[str, ...]) -> None:
    """Skip the test where one of the libraries is not there that compress for either side."""
    if how:
        for name in ("imagecodecs", "lz4.block", "bitshuffle"):
            pytest.importorskip(name)


def check_value(got: Value, sent: Any, stamp: tuple[int, int]) -> None:
    if sent is None:
        assert (got.value, got.timestamp, got.timestamp_offset) == (None, None, None)
        return
    assert (got.timestamp, got.timestamp_offset) == stamp
    if isinstance(sent, str):
        assert got.value == sent
        return
    expected = np.asarray(sent)
    assert got.value.dtype == expected.dtype
    assert got.value.shape == expected.shape
    assert np.array_equal(got.value, expected)


def test_what_gmflow_sends_psi_bsread_reads(programs: Programs) -> None:
    port = free_port()
    all_values = names_of(VALUES)["all_values"]
    plain = names_of(RECEIVING)["plain"]
    with gmflow.connect(f"tcp://127.0.0.1:{port}", gmflow.BIND, gmflow.PUSH) as stream:
        source = programs.text(SOURCE, port, 4)
        sent = [all_values(n) for n in range(3)]
        sent.append({"one": 1.5, "new": np.arange(3), "gone": None})
        for n, values in enumerate(sent):
            stream.forward(BsreadMessage(100 + n, 1_700_000_000 + n, 42, data=values))
        lines = [json.loads(line) for line in source.end()]
    assert stream.statistics.messages_sent == 4
    for n, (line, values) in enumerate(zip(lines, sent, strict=True)):
        pulse_id, seconds, offset, _, changed, got = line
        assert (pulse_id, seconds, offset) == (100 + n, 1_700_000_000 + n, 42)
        assert changed is (n in (0, 3))
        assert list(got) == list(values)
        for name, value in values.items():
            stamp = [None, None] if value is None else [1_700_000_000 + n, 42]
            assert got[name] == [json.loads(json.dumps(plain(value))), *stamp], name


@pytest.mark.parametrize("how", [("none", "none"), *COMPRESSIONS], ids="-".join)
def test_what_gmflows_sender_makes_psi_bsread_reads(
    programs: Programs, how: tuple[str, str]
) -> None:
    need_libraries(how)
    port = free_port()
    all_values = names_of(VALUES)["all_values"]
    plain = names_of(RECEIVING)["plain"]
    sender = gmflow.bsread_sender(
        {"pulse": lambda pulse_id: float(pulse_id), "odd": lambda pulse_id: "text" * pulse_id},
        start_pulse_id=100,
        data_compression=how[0],
        data_header_compression=how[1],
    )
    sender.add_channel("even", np.arange(12.0).reshape(3, 4), type="float32", modulo=2)
    with gmflow.connect(f"tcp://127.0.0.1:{port}", gmflow.BIND, gmflow.PUSH) as stream:
        source = programs.text(SOURCE, port, 3)
        for n in range(3):
            stream.send_parts(sender.parts(all_values(n), timestamp=(1_700_000_000 + n, 42)))
        lines = [json.loads(line) for line in source.end()]
    even = plain(np.arange(12, dtype="f4").reshape(3, 4))
    for n, (pulse_id, seconds, offset, _, changed, got) in enumerate(lines):
        assert (pulse_id, seconds, offset, changed) == (100 + n, 1_700_000_000 + n, 42, n == 0)
        values = {name: plain(value) for name, value in all_values(n).items()}
        values = {
            "pulse": plain(100.0 + n),
            "odd": ["str", "text" * (100 + n)],
            "even": None if n == 1 else even,
            **values,
        }
        assert list(got) == list(values)
        for name, value in values.items():
            stamp = [None, None] if value is None else [1_700_000_000 + n, 42]
            assert got[name] == [json.loads(json.dumps(value)), *stamp], name


def test_a_topology_takes_a_sender_as_it_is(programs: Programs) -> None:
    port = free_port()
    topology = gmflow.Topology()
    sender = gmflow.bsread_sender({"pulse": lambda pulse_id: pulse_id})
    topology.output(topology.feed(sender), f"tcp://127.0.0.1:{port}", conn_type=gmflow.BIND)
    source = programs.text(SOURCE, port, 3)
    topology.start()
    with gevent.Timeout(PATIENCE):
        while source.process.poll() is None:
            gevent.sleep(0.01)
    topology.stop(0)
    values = [json.loads(line)[5] for line in source.end()]
    assert [value["pulse"][0][2] for value in values] == [0, 1, 2]


@pytest.mark.parametrize("how", [(), *COMPRESSIONS], ids="-".join)
def test_what_gmflow_has_read_goes_on_byte_for_byte(
    programs: Programs, how: tuple[str, ...]
) -> None:
    need_libraries(how)
    port, relay = free_port(), free_port()
    programs.text(SENDING, port, *how)
    with (
        gmflow.connect(f"tcp://127.0.0.1:{port}", receive_timeout=10_000) as stream,
        gmflow.connect(f"tcp://127.0.0.1:{relay}", gmflow.BIND, gmflow.PUSH) as out,
        gmflow.connect(f"tcp://127.0.0.1:{relay}", receive_timeout=10_000) as last,
    ):
        for _ in range(5):
            message = stream.receive()
            assert message is not None
            out.forward(message.data)
            again = last.receive_raw()
            assert again is not None
            assert list(map(bytes, again.parts)) == list(map(bytes, message.parts))


ON_GMFLOW = """
import sys, gmflow
sys.modules["mflow"] = gmflow
"""

BOTH_ENDS = (
    VALUES
    + RECEIVING
    + """
from bsread import PUB, SUB, Sender, Source
port = int(sys.argv[1])
sender = Sender(port=port, address="tcp://127.0.0.1", send_timeout=10_000)
sender.add_channel("counter", lambda pulse_id: pulse_id * 2, metadata={"type": "int32"})
sender.add_channel("sine", lambda pulse_id: [0.5, pulse_id], metadata={"shape": [2]})
with sender, Source(host="127.0.0.1", port=port, receive_timeout=10_000) as source:
    for n in range(3):
        sender.send(timestamp=(10 + n, 20))
        show(source.receive())
    sender.send(data=all_values(1), timestamp=(30, 40), pulse_id=77)
    show(source.receive())
    sender.add_channel("late", lambda pulse_id: "text", metadata={"type": "string"})
    sender.send(data=all_values(2), timestamp=(50, 60))
    sender.send(data=all_values(0), timestamp=(50, 61))
    show(source.receive(filter=lambda message: message.data.global_timestamp_offset == 61))
    print(source.stream.receiver.statistics.messages_received)
with Sender(port=port + 0, address="tcp://127.0.0.1", mode=PUB, copy=False) as sender:
    with Source(host="127.0.0.1", port=port, mode=SUB, receive_timeout=50, copy=False) as source:
        got = None
        for _ in range(100):
            sender.send(data={"one": np.arange(20_000)}, timestamp=(1, 2), pulse_id=5)
            got = got or source.receive()
        show(got)
"""
)


@pytest.mark.parametrize("before", ["", "from gevent import monkey; monkey.patch_all()\n"])
def test_psi_bsread_runs_on_gmflow(programs: Programs, before: str) -> None:
    theirs = programs.text(BOTH_ENDS, free_port()).end()
    ours = programs.text(before + ON_GMFLOW + BOTH_ENDS, free_port()).end()
    assert len(ours) == 7
    assert ours == theirs
