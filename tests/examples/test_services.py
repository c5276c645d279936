"""Services that run a topology answer while the stream is flooded, lose nothing, end in order.

Each runs as a process of its own between a plain sender that never pauses and a plain receiver.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests.support.ports import free_port
from tests.support.waiting import DEADLINE

EXAMPLES = Path(__file__).parents[2] / "examples"

READS = 20

# Sends until its input is closed, every 1000th frame left out; prints how many were sent.
SENDER = """
import sys, threading, zmq

context = zmq.Context()
sender = context.socket(zmq.PUSH)
sender.bind("tcp://127.0.0.1:*")
print(sender.getsockopt_string(zmq.LAST_ENDPOINT), flush=True)
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()

header = b'{"htype": "array-1.0", "type": "uint8", "shape": [8], "frame": %d, "last": %s}'
frame = sent = 0
while not ended.is_set():
    if frame % 1000 != 999:
        sender.send_multipart([header % (frame, b"false"), bytes(8)])
        sent += 1
    frame += 1
sender.send_multipart([header % (frame, b"true"), bytes(8)])
sender.close(-1)
context.term()  # waits until everything is delivered
print(sent + 1, frame, flush=True)
"""
# Takes until the last message, and prints how many came; fails if they are out of order.
TAKER = """
import json, sys, zmq

receiver = zmq.Context().socket(zmq.PULL)
receiver.connect(sys.argv[1])
before, taken, last = -1, 0, False
while not last:
    header = json.loads(receiver.recv_multipart()[0])
    assert header["frame"] > before, (header, before)
    before, last = header["frame"], header["last"]
    taken += 1
print(taken, flush=True)
"""
# Does to a Tango device what each line of its input says, and prints what comes of it as JSON.
CLIENT = """
import json, sys, tango

device = tango.DeviceProxy(sys.argv[1])
for line in sys.stdin:
    action, name = line.split()
    try:
        if action == "read":
            device.set_timeout_millis(int(sys.argv[2]))
            value = device.read_attribute(name).value
            value = str(value) if name == "State" else value
        else:
            device.set_timeout_millis(10_000)
            value = device.command_inout(name)
    except tango.DevFailed as error:
        value = {"error": error.args[0].desc}
    print(json.dumps(value), flush=True)
"""

Process = subprocess.Popen[str]
Start = Callable[..., Process]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start Python programs, none of which outlives the test."""
    started: list[Process] = []

    def start_one(*words: object) -> Process:
        command = [sys.executable, *map(str, words)]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True))
        return started[-1]

    yield start_one
    for process in started:
        with process:  # closes its pipes and waits for it
            process.kill()


def line_of(process: Process) -> str:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], DEADLINE)
    line = process.stdout.readline() if ready else ""
    if not line:
        process.kill()
        pytest.fail(f"{process.args[1:]} said nothing: {process.communicate()}")  # type: ignore
    return line.rstrip("\n")


def end_of_stream(sender: Process) -> tuple[int, int]:
    """End the sender; return how many messages it sent, and its last frame."""
    assert sender.stdin is not None
    sender.stdin.close()
    sent, frame = map(int, line_of(sender).split())
    return sent, frame


def until(read: Callable[[], int], wanted: Callable[[int], bool]) -> int:
    end = monotonic() + DEADLINE
    while not wanted(value := read()):
        if monotonic() > end:
            raise AssertionError(f"still {value} after {DEADLINE} s")
    return value


def read_under_flood(received: Callable[[], int]) -> None:
    """Read a counter until it has grown often enough; it never falls."""
    before = received()
    for _ in range(READS):
        now = until(received, lambda value: value != before)  # noqa: B023 - called at once
        assert now > before
        before = now


def adds_up(node: dict[str, Any]) -> bool:
    dropped = sum(node["dropped"].values())
    return node["received"] == node["sent"] + dropped + node["failed"] + node["left_over"]


def orderly_end(service: Process) -> str:
    """End a service by SIGTERM; return what it prints."""
    service.terminate()
    output, errors = service.communicate(timeout=DEADLINE)
    assert (service.returncode, "Traceback" in errors) == (0, False), errors
    return output


class Web:
    """The web service, and a browser."""

    def __init__(self, start: Start, source: str) -> None:
        self.process = start(EXAMPLES / "web_service.py", source, "tcp://127.0.0.1:*", 0)
        self._port = int(line_of(self.process).rstrip("/").rpartition(":")[2])

    def get(self, path: str = "/") -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body

    def nodes(self) -> dict[str, Any]:
        status, body = self.get()
        assert status == 200
        return dict(json.loads(body)["nodes"])

    def received(self) -> int:
        return int(self.nodes()["source"]["received"])


def test_the_web_service_answers_under_flood_and_loses_nothing(start: Start) -> None:
    sender = start("-c", SENDER)
    web = Web(start, line_of(sender))
    consumer = start("-c", TAKER, web.nodes()["output"]["address"])
    read_under_flood(web.received)
    assert web.get("/favicon.ico")[0] == 404
    sent, frame = end_of_stream(sender)
    assert int(line_of(consumer)) == sent
    last = json.loads(orderly_end(web.process))["nodes"]
    assert last["source"]["received"] == last["output"]["sent"] == sent
    assert last["source"]["upstream"]["missing"] == frame + 1 - sent


def test_the_web_service_ends_in_order_under_flood(start: Start) -> None:
    web = Web(start, line_of(start("-c", SENDER)))
    start("-c", TAKER, web.nodes()["output"]["address"])
    seen = until(web.received, lambda value: value > 1000)
    nodes = json.loads(orderly_end(web.process))["nodes"]
    assert nodes["source"]["received"] >= seen
    assert [name for name, node in nodes.items() if not adds_up(node)] == []


class Tango:
    """The Tango device's server, without a database, and a client."""

    def __init__(self, start: Start, source: str, folder: Path) -> None:
        port = free_port()
        properties = folder / "properties.txt"
        properties.write_text(
            "tango_device/test/DEVICE/StreamRelay: lab/stream/1\n"
            f'lab/stream/1->source: "{source}"\n'
            'lab/stream/1->output: "tcp://127.0.0.1:*"\n'
        )
        options = ("test", f"-file={properties}", "-ORBendPoint", f"giop:tcp:127.0.0.1:{port}")
        self.process = start(EXAMPLES / "tango_device.py", *options)
        assert line_of(self.process) == "Ready to accept request"
        name = f"tango://127.0.0.1:{port}/lab/stream/1#dbase=no"
        self._client = start("-c", CLIENT, name, round(1000 * DEADLINE))

    def read(self, attribute: str) -> Any:
        return self._ask("read", attribute)

    def call(self, command: str) -> Any:
        return self._ask("call", command)

    def _ask(self, action: str, name: str) -> Any:
        assert self._client.stdin is not None
        self._client.stdin.write(f"{action} {name}\n")
        self._client.stdin.flush()
        return json.loads(line_of(self._client))

    def nodes(self) -> dict[str, Any]:
        return dict(json.loads(self.read("statistics"))["nodes"])

    def received(self) -> int:
        return int(self.read("received"))


needs_tango = pytest.mark.skipif(find_spec("tango") is None, reason="PyTango is not installed")


@needs_tango
def test_the_tango_device_answers_under_flood_and_loses_nothing(
    start: Start, tmp_path: Path
) -> None:
    sender = start("-c", SENDER)
    tango = Tango(start, line_of(sender), tmp_path)
    assert (tango.read("State"), tango.received(), tango.read("frame")) == ("STANDBY", 0, -1)
    assert tango.call("Start") is None
    consumer = start("-c", TAKER, tango.nodes()["output"]["address"])
    read_under_flood(tango.received)
    assert tango.read("State") == "RUNNING"
    assert until(lambda: tango.read("rate"), lambda hertz: hertz > 0)
    assert "Stop it first" in tango.call("Start")["error"]
    sent, frame = end_of_stream(sender)
    assert int(line_of(consumer)) == sent
    until(tango.received, lambda value: value == sent)
    found = {name: tango.read(name) for name in ("sent", "frame", "missing")}
    assert found == {"sent": sent, "frame": frame, "missing": frame + 1 - sent}
    orderly_end(tango.process)


@needs_tango
def test_the_tango_device_stops_starts_and_ends_under_flood(start: Start, tmp_path: Path) -> None:
    tango = Tango(start, line_of(start("-c", SENDER)), tmp_path)
    for _ in range(2):
        assert tango.call("Start") is None
        start("-c", TAKER, tango.nodes()["output"]["address"])
        until(tango.received, lambda value: value > 1000)
        assert tango.call("Stop") is None
        assert tango.read("State") == "STANDBY"
        nodes = tango.nodes()
        assert nodes["source"]["received"] > 1000
        assert [name for name, node in nodes.items() if not adds_up(node)] == []
    assert tango.call("Start") is None
    start("-c", TAKER, tango.nodes()["output"]["address"])
    until(tango.received, lambda value: value > 1000)
    orderly_end(tango.process)
