"""Programs written for mflow run unchanged on gmflow, wherever they run.

Each program says ``import mflow`` at one place. What it prints with psi-mflow, as a plain
script, is what it must print with ``import gmflow as mflow``: as a plain script, after
gevent's monkey-patching, in a forked child of a process whose streams are open and whose
topology is running, and in a second thread.
"""

import importlib
import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import gmflow
import gmflow.mflow
import gmflow.utils
from tests.support.programs import free_port, running

mflow = pytest.importorskip("mflow", reason="psi-mflow is not installed")
inner: Any = importlib.import_module("mflow.mflow")
utils: Any = importlib.import_module("mflow.utils")

START = '''
import contextlib, io, json, sys, threading, time
import numpy as np
import zmq

import mflow

FOLDER, PORT = sys.argv[1:]
TCP = f"tcp://127.0.0.1:{PORT}"


def place(name):
    return f"ipc://{FOLDER}/{name}"


def show(*things):
    print(*things, flush=True)


def until(true):
    deadline = time.time() + 10
    while not true():
        if time.time() > deadline:
            sys.exit("not within 10 s")
        time.sleep(0.01)


def array(data, **entries):
    header = {"htype": "array-1.0", "type": data.dtype.name, "shape": data.shape, **entries}
    return json.dumps(header).encode(), data.tobytes()


def put(stream, *parts, block=True):
    for part in parts[:-1]:
        stream.send(part, send_more=True, block=block)
    stream.send(parts[-1], block=block)


def greet(sender, receiver):
    """One message tells that they are connected."""
    put(sender, b'{"htype": "raw-1.0"}')
    return receiver.receive().data

'''
"""What all programs begin with."""

PROGRAMS = {
    "round_trip": """
out = mflow.connect(TCP, mflow.BIND, mflow.PUSH, 50)
stream = mflow.connect(TCP, mflow.CONNECT, mflow.PULL, 50, 8000, 500)
for frame in range(4):
    put(out, *array(np.arange(6, dtype="int32").reshape(2, 3) + frame, frame=frame))
    message = stream.receive()
    (data,) = message.data["data"]
    counted = message.statistics
    show(message.data["header"], data.dtype, data.shape, data.tolist())
    show(counted.messages_received, counted.total_bytes_received, counted.bytes_received)
    show(counted is stream.receiver.statistics)
show(stream.address == TCP, stream.socket.closed, mflow.CONNECT, mflow.BIND)
show(*(int(kind) for kind in (mflow.PUB, mflow.SUB, mflow.PUSH, mflow.PULL)))
stream.disconnect()
stream.disconnect()
show(stream.socket.closed)
mflow.disconnect(out)
show(out.socket.closed)
""",
    "examples_of_mflow": """
from collections import Counter
sender = mflow.connect(
    TCP, conn_type=mflow.BIND, mode=mflow.PUSH, receive_timeout=1, queue_size=1
)
clients = Counter()
monitor = mflow.utils.ConnectionCountMonitor(lambda number: clients.update([number]))
sender.register_socket_monitor(monitor)
stream = mflow.connect(
    TCP, conn_type=mflow.CONNECT, mode=mflow.PULL, receive_timeout=10000, queue_size=1
)
until(lambda: clients[1])
for frame in range(16):
    header = json.dumps({"htype": "array-1.0", "type": "int32", "shape": [10], "frame": frame})
    sender.send(header.encode(), send_more=True, block=True)
    sender.send((np.zeros(10, dtype=np.int32) + frame).tobytes(), block=False)
    message = stream.receive()
    show(message.data["header"]["frame"], message.data["data"][0].tolist())
    show(message.statistics.messages_received)
stream.disconnect()
until(lambda: clients[0] > 1)
sender.disconnect()
show(sorted(clients))
""",
    "receive_timeout": """
stream = mflow.connect(place("a"), receive_timeout=150)
start = time.time()
show(stream.receive(), stream.receive_raw())
show(0.28 < time.time() - start < 5)
stream.disconnect()
patient = mflow.connect(place("b"), receive_timeout=5000)
start = time.time()
show(patient.receive(block=False), patient.receive_raw(False), patient.receive(None, False))
show(time.time() - start < 2)
out = mflow.connect(place("b"), mflow.BIND, mflow.PUSH)
put(out, b'{"htype": "raw-1.0"}', b"late")
show(patient.receive().data, patient.receive(block=False))
show(patient.receiver.statistics.messages_received)
put(out, b'{"htype": "raw-1.0"}', b"polled")
message = None
deadline = time.time() + 10
while message is None and time.time() < deadline:
    message = patient.receive(block=False)
show(message.data)
patient.disconnect()
out.disconnect()
""",
    "send_timeout": """
out = mflow.connect(TCP, conn_type=mflow.BIND, mode=mflow.PUSH, send_timeout=100)
for how in ({"message": {"valid": True}, "as_json": True}, {"message": b"x", "block": True}):
    start = time.time()
    try:
        out.send(**how)
    except zmq.Again as error:
        show("Again", error.errno == zmq.EAGAIN, 0.09 < time.time() - start < 5)
start = time.time()
out.send(b"dropped", block=False)
put(out, b"header", b"body", block=False)
show("not blocked", time.time() - start < 2)
stream = mflow.connect(TCP, receive_timeout=8000)
for _ in range(80):
    with contextlib.suppress(zmq.Again):
        out.send({"htype": "raw-1.0", "valid": True}, block=True, as_json=True)
        break
show(stream.receive().data)
out.disconnect()
stream.disconnect()
""",
    "handlers": """
class Summing:
    def __init__(self):
        self.total = 0

    def receive(self, receiver):
        header = receiver.next(as_json=True)
        self.total += header["n"]
        seen = []
        while receiver.has_more():
            seen.append(receiver.next())
        return {"total": self.total, "parts": seen}


def first_only(receiver):
    return receiver.header()["n"], receiver.next(), receiver.next(), bool(receiver.has_more())


def nothing(receiver):
    receiver.next()


def fails(receiver):
    receiver.next()  # psi-mflow hands on a message that its handler didn't touch
    raise ValueError("on purpose")


out = mflow.connect(place("h"), mflow.BIND, mflow.PUSH)
stream = mflow.connect(place("h"), receive_timeout=8000)
summing = Summing()


def message(n):
    put(out, json.dumps({"htype": "own-1.0", "n": n}).encode(), b"a", b"", b"c")


for n in range(3):
    message(n)
    show(stream.receive(handler=summing.receive).data)
message(3)
show(stream.receive(first_only).data)
message(4)
show(stream.receive(handler=nothing))
message(5)
show(stream.receive(handler=fails))
message(6)
show(stream.receive())
put(out, b'{"htype": "raw-1.0"}', b"after one of an unknown htype")
show(stream.receive().data)
message(7)
show(stream.receive_raw().data)
message(8)
show(stream.receive(handler=summing.receive, block=True).data)
show(stream.receiver.statistics.messages_received)
stream.disconnect()
out.disconnect()
""",
    "monitor": """
counts, idents = [], set()


def changed(number):
    if not counts or counts[-1] != number:
        counts.append(number)
        if number:
            idents.add(threading.get_ident())


out = mflow.Stream()
out.register_socket_monitor(mflow.utils.ConnectionCountMonitor(changed))
show(counts)
out.connect(address=TCP, conn_type=mflow.BIND, mode=mflow.PUSH)
one = mflow.connect(TCP)
until(lambda: counts[-1] == 1)
two = mflow.Stream()
two.connect(address=TCP, conn_type=mflow.CONNECT, mode=mflow.PULL)
until(lambda: counts[-1] == 2)
two.disconnect()
until(lambda: counts[-1] == 1)
one.disconnect()
until(lambda: counts[-1] == 0)
out.disconnect()
show(counts, len(idents), threading.get_ident() in idents)
""",
    "monitor_late": """
mflow.SocketEventListener.DEFAULT_SOCKET_RECEIVE_TIMEOUT = 0.05
counts, calls = [], []


def changed(number):
    calls.append(number)
    if not counts or counts[-1] != number:
        counts.append(number)


out = mflow.connect(TCP, mflow.BIND, mflow.PUSH)
one = mflow.connect(TCP, receive_timeout=8000)
show(greet(out, one))
monitor = mflow.ConnectionCountMonitor(changed)
out.register_socket_monitor(monitor)
out.register_socket_monitor(monitor)
two = mflow.connect(TCP)
until(lambda: counts[-1] == 1)
one.disconnect()
until(lambda: counts[-1] == 0)
two.disconnect()
until(lambda: counts[-1] == -1)
calls.clear()
until(lambda: len(calls) > 2)
show("heartbeats while nothing happens", set(calls))
out.remove_socket_monitor(monitor)
out.remove_socket_monitor(monitor)
calls.clear()
three = mflow.connect(TCP, receive_timeout=8000)
show(greet(out, three))
show(counts, calls)
three.disconnect()
out.disconnect()
""",
    "no_clients": """
mflow.SocketEventListener.DEFAULT_SOCKET_RECEIVE_TIMEOUT = 0.02
alone, counts = [], [0]
start = time.time()
out = mflow.connect(
    TCP,
    conn_type=mflow.BIND,
    mode=mflow.PUSH,
    no_client_action=lambda: alone.append(time.time() - start),
    no_client_timeout=0.3,
)
until(lambda: alone)
show(0.29 < alone[0] < 5)
out.register_socket_monitor(mflow.ConnectionCountMonitor(counts.append))
one = mflow.connect(TCP)
until(lambda: counts[-1] == 1)
alone.clear()
time.sleep(0.6)
show(alone)
one.disconnect()
until(lambda: len(alone) > 1)
show("and again")
out.disconnect()
""",
    "merge": """
import warnings
warnings.simplefilter("ignore")  # psi-mflow warns of mflow.tools


def gather(merged, streams, number):
    for _ in range(number):
        for stream in streams:
            stream.socket.poll(8000)
        with contextlib.redirect_stdout(io.StringIO()):  # psi-mflow prints
            message = merged.receive(block=False)
        show(message.data["header"]["source"], message.data["header"]["n"])


for home in (mflow.utils, mflow.tools):
    names = "ab" if home is mflow.utils else "cde"
    outs = [mflow.connect(place(name), mflow.BIND, mflow.PUSH) for name in names]
    streams = [mflow.connect(place(name), receive_timeout=8000) for name in names]
    merged = home.Merge(*streams, receive_strategy=home.RoundRobinStrategy())
    for n in range(3):
        for name, out in zip(names, outs):
            put(out, json.dumps({"htype": "raw-1.0", "source": name, "n": n}).encode(), b"x")
    gather(merged, streams[:0], 0)
    for n in range(2):
        gather(merged, streams, len(names))
    for stream in streams:
        stream.socket.poll(8000)
    with contextlib.redirect_stdout(io.StringIO()):
        got = [merged.receive(handler=lambda receiver: receiver.next(), block=False)
               for _ in range(len(names) + 1)]
    show([message and message.data for message in got])
    show(len(merged.streams), merged.receive_strategy.last_stream_read)
    merged.disconnect()
    show([stream.socket.closed for stream in streams])
    for out in outs:
        out.disconnect()
""",
    "no_copies": """
out = mflow.connect(place("z"), mflow.BIND, mflow.PUSH, copy=False)
stream = mflow.connect(place("z"), receive_timeout=8000, copy=False)
for count in (10, 50_000):
    data = np.arange(count, dtype="uint16")
    header, body = array(data, frame=count)
    put(out, header, body)
    message = stream.receive()
    (got,) = message.data["data"]
    show(message.data["header"]["frame"], bool((got == data).all()))
    put(out, b'{"htype": "raw-1.0"}', body, b"", body)
    message = stream.receive()
    for part in message.data["data"]:
        show(type(part).__name__, part is None or (len(part), bytes(part) == body))
    out.send(header, send_more=True)
    out.send(data)
    show(stream.receive().data["data"][0].tolist() == data.tolist())
    show(message.statistics.messages_received, message.statistics.total_bytes_received)
    put(out, header, memoryview(body))
    parts = stream.receive_raw().data
    show(parts["header"]["frame"], bytes(parts["data"][0]) == body)
stream.disconnect()
out.disconnect()
""",
    "forward": """
out = mflow.connect(place("f"), mflow.BIND, mflow.PUSH)
stream = mflow.connect(place("f"), receive_timeout=8000)
relay = mflow.connect(place("g"), mflow.BIND, mflow.PUSH)
last = mflow.connect(place("g"), receive_timeout=8000)
put(out, *array(np.arange(4, dtype="float32"), frame=1))
relay.forward(stream.receive().data)
show(last.receive().data)
put(out, b'{"htype":"raw-1.0","frame":2}', b"body")
relay.forward(stream.receive().data, None, True)
message = last.receive()
show(message.data, message.statistics.messages_received, message.statistics.total_bytes_received)


def own(message, send, block=True):
    send(json.dumps(message["header"]).encode(), send_more=True, block=block)
    for index, part in enumerate(message["parts"]):
        send(part, block=block, send_more=index + 1 < len(message["parts"]))


relay.forward({"header": {"htype": "raw-1.0"}, "parts": [b"1", b"2", b"3"]}, handler=own)
show(last.receive().data)
for bad in ({"header": {}}, {}, None):
    try:
        relay.forward(bad)
    except Exception:
        show("raised")
relay.forward({"header": {"htype": "nobody-1.0"}})
relay.forward({"header": {"htype": "raw-1.0"}, "data": [b"after the unknown one"]})
show(last.receive().data)
for one in (out, stream, relay, last):
    one.disconnect()
""",
    "stream_class": """
context = zmq.Context()
out, stream = mflow.Stream(), mflow.Stream()
out.connect(TCP, mflow.BIND, mflow.PUB, None, 20, 100, context, True, 500)
stream.connect(TCP, mflow.CONNECT, mflow.SUB, 50, 20, 100, context)
got = None
for _ in range(100):  # until the subscription has come
    put(out, b'{"htype": "raw-1.0"}', b"x")
    got = got or stream.receive()
show(got.data)
out.disconnect()
stream.disconnect()
show(context.closed)
context.term()
show(context.closed)
try:
    mflow.connect("tcp://no.such.host.invalid.:port")
except RuntimeError:
    show("RuntimeError")
taken = mflow.connect(TCP, mflow.BIND)
try:
    mflow.connect(TCP, mflow.BIND)
except RuntimeError as error:
    show("RuntimeError", isinstance(error.__cause__, zmq.ZMQError))
taken.disconnect()
""",
}

INNER = """
out = mflow.connect(place("i"), mflow.BIND, mflow.PUSH)
stream = mflow.Stream()
stream.connect(place("i"), mflow.CONNECT, mflow.PULL, 8000)
put(out, *array(np.arange(3, dtype="int8")))
message = stream.receive()
show(message.data, isinstance(message, mflow.Message))
show(isinstance(message.statistics, mflow.Statistics), sorted(mflow.receive_handlers)[:1])
mflow.disconnect(stream)
mflow.disconnect(out)
"""

OWN_HANDLERS = """
def double(receiver):
    return receiver.next(as_json=True)["n"] * 2


def running_sum(receiver):
    total = 0
    while True:
        total += receiver.next(as_json=True)["n"]
        yield total


out = mflow.connect(place("o"), mflow.BIND, mflow.PUSH)
stream = mflow.connect(place("o"), receive_timeout=8000)
stream.handlers["double-1.0"] = double
stream.handlers["sum-1.0"] = running_sum
for n in (1, 2, 3):
    for htype in ("double-1.0", "sum-1.0"):
        put(out, json.dumps({"htype": htype, "n": n}).encode(), b"rest")
show([stream.receive().data for _ in range(6)])
stream.handlers = {"only-1.0": double}
put(out, b'{"htype": "raw-1.0"}')
put(out, b'{"htype": "only-1.0", "n": 21}')
show(stream.receive(), stream.receive().data)
stream.disconnect()
out.disconnect()
out = mflow.connect(place("p"), mflow.BIND, mflow.PUSH)
other = mflow.connect(place("p"), receive_timeout=8000)
show(greet(out, other), "double-1.0" in other.handlers)
other.disconnect()
out.disconnect()
"""
"""What mflow's readme promises of ``stream.handlers``; psi-mflow's streams have none."""

MONITOR_AGAIN = """
counts = [0]
monitor = mflow.ConnectionCountMonitor(counts.append)
out = mflow.connect(TCP, mflow.BIND, mflow.PUSH)
for _ in range(50):
    out.register_socket_monitor(monitor)
    out.remove_socket_monitor(monitor)
out.register_socket_monitor(monitor)
one = mflow.connect(TCP)
until(lambda: counts[-1] == 1)
one.disconnect()
until(lambda: counts[-1] == 0)
out.disconnect()
show("done")
"""
"""psi-mflow may find the address of its last listener still in use."""

THREAD = """
import sys, threading
failed = []
def run():
    try:
        exec(compile(TEXT, "program", "exec"), {"__name__": "__main__"})
    except BaseException as error:
        failed.append(error)
        raise
thread = threading.Thread(target=run)
thread.start()
thread.join(14)
sys.exit(bool(failed) or thread.is_alive())
"""

CHILD = """
import multiprocessing, sys
import gevent
from gevent.hub import get_hub
import gmflow

FOLDER, PORT = sys.argv[1:]
place = f"ipc://{FOLDER}/parent"


def endless():
    while True:
        yield [b'{"htype": "raw-1.0"}', b"x"]
        gevent.sleep(0.001)


def child():
    exec(compile(TEXT, "program", "exec"), {"__name__": "__main__"})


topology = gmflow.Topology()
topology.output(topology.feed(endless()), place + "1", conn_type="bind")
seen = []
topology.sink(topology.source(place + "1"), seen.append)
topology.start()
out = gmflow.connect(place + "2", gmflow.BIND, gmflow.PUSH)
stream = gmflow.connect(place + "2", receive_timeout=8000)
waiting = gevent.spawn(stream.receive)
while len(seen) < 10:
    gevent.sleep(0.01)

process = multiprocessing.get_context("fork").Process(target=child)
process.start()
before = len(seen)
get_hub().threadpool.apply(process.join, (14,))
assert process.exitcode == 0, process.exitcode

while len(seen) < before + 10:
    gevent.sleep(0.01)
counts = [message.statistics.messages_received for message in seen]
assert counts == sorted(counts)
out.send(b'{"htype": "raw-1.0", "for": "the parent"}')
waiting.join(8)
assert waiting.value.data["header"]["for"] == "the parent", waiting
topology.stop()
assert topology.join(8)
for node in topology.statistics()["nodes"].values():
    lost = node["failed"] + node["left_over"] + sum(node["dropped"].values())
    assert node["received"] == node["sent"] + lost, topology.statistics()
stream.disconnect()
out.disconnect()
"""

PLACES: dict[str, Callable[[str], str]] = {
    "plain": lambda text: text,
    "patched": lambda text: f"from gevent import monkey; monkey.patch_all()\n{text}",
    "child": lambda text: f"TEXT = {text!r}\n{CHILD}",
    "thread": lambda text: f"TEXT = {text!r}\n{THREAD}",
}
"""Where a program runs."""


def run(text: str, folder: Path) -> list[str]:
    """Run a program; return the lines it prints."""
    with running() as programs:
        return programs.text(text, folder, free_port()).end()


@cache
def printed_with_mflow(text: str, folder: Path) -> list[str]:
    folder.mkdir()
    return run(text, folder)


def on_gmflow(text: str, line: str, replaced: str) -> str:
    assert text.count(line) == 1
    return text.replace(line, replaced)


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("m")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_prints_the_same(name: str, place: str, tmp_path: Path, references: Path) -> None:
    text = START + PROGRAMS[name]
    expected = printed_with_mflow(text, references / name)
    assert expected
    ours = on_gmflow(text, "import mflow\n", "import gmflow as mflow\n")
    assert run(PLACES[place](ours), tmp_path) == expected


@pytest.mark.parametrize("place", PLACES)
def test_the_inner_module_works_the_same(place: str, tmp_path: Path, references: Path) -> None:
    line = "import mflow\n"
    theirs = on_gmflow(START + INNER, line, "from mflow import mflow as mflow\n")
    ours = on_gmflow(START + INNER, line, "from gmflow import mflow as mflow\n")
    expected = printed_with_mflow(theirs, references / "inner")
    assert expected
    assert run(PLACES[place](ours), tmp_path) == expected


@pytest.mark.parametrize("place", PLACES)
def test_a_stream_has_handlers_of_its_own(place: str, tmp_path: Path) -> None:
    text = on_gmflow(START + OWN_HANDLERS, "import mflow\n", "import gmflow as mflow\n")
    assert run(PLACES[place](text), tmp_path) == [
        "[2, 1, 4, 3, 6, 6]",
        "None 42",
        "{'header': {'htype': 'raw-1.0'}, 'data': []} False",
    ]


@pytest.mark.parametrize("place", PLACES)
def test_a_monitor_can_be_registered_again_at_once(place: str, tmp_path: Path) -> None:
    text = on_gmflow(START + MONITOR_AGAIN, "import mflow\n", "import gmflow as mflow\n")
    assert run(PLACES[place](text), tmp_path) == ["done"]


# names and signatures

NOT_TAKEN_OVER = {
    "ch": "mflow's log handler: importing gmflow configures no logging",
    "formatter": "as ch",
    "logger": "as ch",
    "main": "a left-over demo that connects to a host at PSI",
    "handler_modules": "handler tables are global in mflow; each gmflow stream has its own",
    "handlers": "as handler_modules; gmflow.handlers is the package of the handlers",
    "send_handlers": "as handler_modules; forward writes with a handler's encode",
    "ReceiveHandler": "reads a socket part by part; gmflow's Receiver reads one whole message",
}
"""The names of mflow that gmflow leaves out, or uses otherwise, and why."""


def public_names(module: Any) -> list[str]:
    """Return the names a module offers, without the modules and classes it imported for itself."""
    names = []
    for name, value in vars(module).items():
        home = "mflow" if isinstance(value, int) else getattr(value, "__module__", "mflow")
        if not name.startswith("_") and not isinstance(value, ModuleType) and "mflow" in home:
            names.append(name)
    return names


def test_names_of_utils_exist() -> None:
    names = set(public_names(utils)) - set(NOT_TAKEN_OVER)
    assert {"Merge", "ThroughputStatistics", "SocketEventListener"} <= names
    assert names <= set(gmflow.utils.__all__)
    assert names <= set(gmflow.tools.__all__)
    assert names <= set(dir(gmflow.tools))


@pytest.mark.parametrize(("theirs", "ours"), [(mflow, gmflow), (inner, gmflow.mflow)])
def test_names_of_the_package_exist(theirs: Any, ours: Any) -> None:
    names = set(public_names(theirs)) - set(NOT_TAKEN_OVER)
    assert {
        "connect",
        "Stream",
        "PUSH",
        "Message",
        "SocketEventListener",
        "ConnectionCountMonitor",
    } <= names
    assert {name for name in names if not hasattr(ours, name)} == set()


@pytest.mark.parametrize("name", NOT_TAKEN_OVER)
def test_a_name_that_is_left_out_is_one_of_mflows(name: str) -> None:
    assert hasattr(inner, name)
    assert not hasattr(gmflow, name) or isinstance(getattr(gmflow, name), ModuleType)


CALLABLES = [
    "connect",
    "disconnect",
    "Stream",
    "Stream.connect",
    "Stream.disconnect",
    "Stream.receive",
    "Stream.receive_raw",
    "Stream.send",
    "Stream.forward",
    "Stream.register_socket_monitor",
    "Stream.remove_socket_monitor",
    "Message",
    "Statistics",
    "utils.Merge",
    "utils.Merge.receive",
    "utils.Merge.disconnect",
    "utils.RoundRobinStrategy",
    "utils.RoundRobinStrategy.next",
    "utils.ThroughputStatistics",
    "utils.ThroughputStatistics.save_statistics",
    "utils.ThroughputStatistics.get_last_sampled_statistics",
    "utils.ThroughputStatistics.get_statistics",
    "utils.ThroughputStatistics.get_statistics_raw",
    "utils.ThroughputStatistics.flush",
    "utils.ThroughputStatisticsPrinter",
    "utils.ThroughputStatisticsPrinter.save_statistics",
    "utils.ThroughputStatisticsPrinter.print_statistics",
    "utils.ThroughputStatisticsPrinter.print_summary",
    "utils.ThroughputStatisticsPrinter.close",
    "utils.SocketEventListener",
    "utils.SocketEventListener.start",
    "utils.SocketEventListener.stop",
    "utils.ConnectionCountMonitor",
    "utils.ConnectionCountMonitor.__call__",
    "utils.no_clients_timeout_notifier",
]


def parameters_of(package: Any, name: str) -> list[inspect.Parameter]:
    found = package
    for word in name.split("."):
        found = getattr(found, word)
    return list(inspect.signature(found).parameters.values())


@pytest.mark.parametrize("name", CALLABLES)
def test_parameters_stand_at_the_same_position_with_the_same_default(name: str) -> None:
    theirs, ours = parameters_of(mflow, name), parameters_of(gmflow, name)
    assert len(ours) >= len(theirs)
    for their, our in zip(theirs, ours, strict=False):
        assert our.kind == their.kind
        if their.kind == inspect.Parameter.VAR_POSITIONAL:
            continue
        assert our.name == their.name
        if their.name == "receive_strategy":  # mflow's default is shared by all merges
            continue
        required = their.default is inspect.Parameter.empty
        assert our.default == their.default or (required and name == "Message")
    for own in ours[len(theirs) :]:
        assert own.default is not inspect.Parameter.empty, own


def test_every_method_of_mflows_classes_is_compared() -> None:
    for name in public_names(mflow) + [f"utils.{name}" for name in public_names(utils)]:
        *_, word = name.split(".")
        found = getattr(utils if name.startswith("utils.") else mflow, word)
        if word in NOT_TAKEN_OVER or not inspect.isclass(found):
            continue
        for method, value in vars(found).items():
            if inspect.isfunction(value) and not method.startswith("_"):
                assert {f"{word}.{method}", f"utils.{word}.{method}"} & set(CALLABLES), method
