"""Streams between psi-mflow and gmflow, in both directions, read by both at the same time."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.programs import HERE, free_port, running
from tests.support.stream_peer import plain

pytest.importorskip("mflow", reason="psi-mflow is not installed")

LIBRARIES = ["mflow", "gmflow"]
SENDING = {"PUSH": "PULL", "PUB": "SUB"}
"""What is bound, and what connects to it."""

DTYPES = [
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
    "float16", "float32", "float64", "complex64", "complex128",
    ">i2", ">u4", ">f4", ">f8", "<i4", "S4",
]  # fmt: skip


def numbers(dtype: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    count = int(np.prod(shape))
    return (np.arange(count) % 7).astype(dtype).reshape(shape)


def header(htype: str, **entries: Any) -> dict[str, Any]:
    return {"htype": htype, "frame": 7, "tags": {"a": [1, None]}, **entries}


def array_value(dtype: str, shape: tuple[int, ...], segments: int = 1) -> dict[str, Any]:
    head = header("array-1.0", type=dtype, shape=list(shape), endianness="little")
    return {"header": head, "data": [numbers(dtype, shape) for _ in range(segments)]}


def raw_value(*segments: bytes | None) -> dict[str, Any]:
    return {"header": header("raw-1.0", text="süß"), "data": list(segments)}


def parts_of(value: dict[str, Any]) -> list[bytes]:
    """Return the parts of a message; written here so that neither library says what is right."""
    parts = [json.dumps(value["header"]).encode()]
    for segment in value["data"]:
        if segment is None:
            parts.append(b"")
        else:
            parts.append(segment if isinstance(segment, bytes) else segment.tobytes())
    return parts


def frozen(value: dict[str, Any]) -> dict[str, Any]:
    """Return a value as `stream_peer` wants it."""
    data = [
        segment
        if isinstance(segment, bytes)
        else (segment.dtype.str, segment.shape, segment.tobytes())
        for segment in value["data"]
    ]
    return {"header": value["header"], "data": data}


WHOLE = {
    **{f"array of {dtype}": array_value(dtype, (2, 3)) for dtype in DTYPES},
    "array of no dimensions": array_value("int32", ()),
    "array of four dimensions": array_value("uint16", (2, 1, 3, 2)),
    "array of one megabyte": array_value("float64", (256, 512)),
    "array with five segments": array_value(">i4", (4,), 5),
    "raw": raw_value(bytes(range(256))),
    "raw of one megabyte": raw_value(bytes(1 << 20)),
}
"""Values that both libraries can send with forward."""

IN_PARTS = {
    **WHOLE,
    "array of big-endian type": array_value(">i8", (3, 2)),
    "array without data": {"header": array_value("int32", (2,))["header"], "data": []},
    "array with an empty segment": {
        "header": array_value("int16", (2,))["header"],
        "data": [numbers("int16", (2,)), None, numbers("int16", (2,))],
    },
    "raw without data": raw_value(),
    "raw with several segments": raw_value(b"a", b"", b"{}", b"\x00" * 70_000, b"e"),
    "raw with an empty segment": raw_value(None),
}
IN_PARTS["raw with several segments"]["data"][1] = None  # an empty part is read as None


class Exchanges:
    """What both receivers made of what one of the senders sent; each combination runs once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[tuple[str, ...], dict[str, list[Any]]] = {}

    def __call__(self, sender: str, how: str, mode: str) -> dict[str, list[Any]]:
        """Return the lines of each receiver, in the order of the messages."""
        key = (sender, how, mode)
        if key not in self._made:
            values = list(WHOLE.values() if how == "forward" else IN_PARTS.values())
            messages = list(map(frozen if how == "forward" else parts_of, values))
            self._made[key] = exchange(self._folder, messages, *key)
        return self._made[key]


def exchange(
    folder: Path, messages: list[Any], sender: str, how: str, mode: str
) -> dict[str, list[Any]]:
    peer, file = HERE / "stream_peer.py", folder / f"{sender}-{how}-{mode}.pickle"
    file.write_bytes(pickle.dumps(messages))
    addresses = {library: f"tcp://127.0.0.1:{free_port()}" for library in LIBRARIES}
    with running() as programs:
        sending = programs(peer, sender, how, mode, file, *addresses.values())
        receiving = {
            library: programs(peer, library, "receive", SENDING[mode], address)
            for library, address in addresses.items()
        }
        for program in receiving.values():
            assert program.line() == "ready", program.errors
        sending.tell("go")
        lines = {library: program.end()[1:] for library, program in receiving.items()}
        if sender == "mflow":
            sending.tell("all is there")
        sending.end()
    return {library: [json.loads(line) for line in got] for library, got in lines.items()}


@pytest.fixture(scope="module")
def exchanges(tmp_path_factory: pytest.TempPathFactory) -> Exchanges:
    return Exchanges(tmp_path_factory.mktemp("streams"))


def check(exchange: dict[str, list[Any]], values: dict[str, Any]) -> None:
    ours, theirs = exchange["gmflow"], exchange["mflow"]
    assert len(ours) == len(theirs) == len(values)
    size = 0
    for number, (name, value) in enumerate(values.items()):
        size += sum(map(len, parts_of(value)))
        expected = json.loads(json.dumps(plain(value)))
        for segment in expected["data"]:
            if segment is not None and segment[0] == "array":
                segment[-1] = False  # what was received is read-only
        assert ours[number] == theirs[number], name
        assert ours[number] == [expected, [number + 1, size, 0]], name


@pytest.mark.parametrize("mode", SENDING)
@pytest.mark.parametrize("sender", LIBRARIES)
def test_messages_sent_in_parts_are_read_the_same(
    exchanges: Exchanges, sender: str, mode: str
) -> None:
    check(exchanges(sender, "send", mode), IN_PARTS)


@pytest.mark.parametrize("mode", SENDING)
@pytest.mark.parametrize("sender", LIBRARIES)
def test_forwarded_values_are_read_the_same(exchanges: Exchanges, sender: str, mode: str) -> None:
    check(exchanges(sender, "forward", mode), WHOLE)


@pytest.mark.parametrize("mode", SENDING)
def test_both_libraries_forward_the_same(exchanges: Exchanges, mode: str) -> None:
    assert exchanges("gmflow", "forward", mode) == exchanges("mflow", "forward", mode)


@pytest.mark.parametrize("sender", LIBRARIES)
def test_messages_that_cant_be_read_are_skipped_alike(tmp_path: Path, sender: str) -> None:
    head = array_value("int32", (2, 2))["header"]
    bad = {
        "no JSON": [b"\xff\xfe", b"body"],
        "no object": [b"[1, 2]"],
        "no htype": [b"{}", b"body"],
        "unknown htype": [b'{"htype": "nobody-1.0"}', b"a", b"b"],
        "too short": [json.dumps(head).encode(), b"short"],
        "too long": [json.dumps(head).encode(), bytes(17)],
        "unknown type": [json.dumps({**head, "type": "int33"}).encode(), bytes(16)],
        "no shape": [b'{"htype": "array-1.0", "type": "int32"}', bytes(16)],
        "second segment short": [json.dumps(head).encode(), bytes(16), bytes(15)],
    }
    good = array_value("int32", (2, 2))
    messages = [parts for broken in bad.values() for parts in (broken, parts_of(good))]
    got = exchange(tmp_path, messages, sender, "send", "PUSH")
    for library in LIBRARIES:
        assert [line is None for line in got[library]] == [True, False] * len(bad), library
    values = {library: [line and line[0] for line in got[library]] for library in LIBRARIES}
    assert values["gmflow"] == values["mflow"]
    counts = {library: [line and line[1][0] for line in got[library]] for library in LIBRARIES}
    assert counts["gmflow"] == counts["mflow"]
    # psi-mflow adds the bytes of a message that failed to the next one's.
    size = sum(map(len, parts_of(good)))
    sizes = [line[1][1] for line in got["gmflow"] if line]
    assert sizes == [size * (number + 1) for number in range(len(bad))]


@pytest.mark.parametrize("sender", LIBRARIES)
def test_an_array_of_no_elements_is_a_value_for_gmflow(tmp_path: Path, sender: str) -> None:
    value = array_value("int32", (0, 3))
    got = exchange(tmp_path, [parts_of(value)], sender, "send", "PUSH")
    ((theirs, _),) = got["mflow"]
    ((ours, _),) = got["gmflow"]
    assert theirs["data"] == [None]  # a deliberate difference
    assert ours["data"] == [["array", "<i4", [0, 3], "", ours["data"][0][-1]]]
