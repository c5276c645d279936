"""Messages of every wire format, as a sender may write them; what they mean stands beside them.

`MAKERS` has a maker for each row of the table of formats, by the row's name. A maker returns the
samples of its format: one or several ways to write the same messages. What is expected of them is
written here, and not read from the table, so that a wrong row is found.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from io import BytesIO
from random import Random
from typing import Any

import cbor2

from gmflow.merging.merged import Joiner
from gmflow.message import Message
from gmflow.simulate import array, eiger, raw, stream2
from tests.support.bsread_wire import stamp, wire

Parts = list[bytes]

IMAGES = 12
"""What the start of a series announces; the messages of a sample have numbers below this."""

SHAPE = 4, 6

TAG = b"\xd9\xd9\xf7"
"""Tag 55799, with which CBOR says what it is."""

LONG_ID = "series of the second detector in the hutch behind the third beamline, run " + "0" * 60


@dataclass(frozen=True)
class Sample:
    """A format's messages, written in one way.

    Attributes
    ----------
    name : str
        The format's, and how it is written.
    message : callable
        Return the parts of the message with a number, of a series.
    start, end : callable or None
        Return the parts of what opens and ends a series, in formats that have such.
    counter : str or None
        The key that counts messages.
    series : str or None
        The key of the series that they are counted in.
    htypes : tuple of str
        What the start, the messages and the end are called; empty where there is none.
    needed_first : str
        What a late viewer must have got: "start" of the series, the latest "message", or nothing.
    keys : mapping of str to str
        What names that users know from other formats stand for.
    handlers : mapping of str to handler
        What reads the messages, where gmflow has no handler.
    in_hdf5 : bool
        Whether HDF5 has a place for them.
    """

    name: str
    message: Callable[[int, int], Parts]
    start: Callable[[int], Parts] | None = None
    end: Callable[[int], Parts] | None = None
    counter: str | None = "frame"
    series: str | None = None
    htypes: tuple[str, str, str] = ("", "", "")
    needed_first: str = ""
    keys: Mapping[str, str] = field(default_factory=dict)
    handlers: Mapping[str, Any] = field(default_factory=dict)
    in_hdf5: bool = True

    def messages(self, numbers: Iterable[int], series: int = 1) -> list[Message]:
        """Return a series of messages with these numbers, and what opens and ends it."""
        found = [self.message(series, number) for number in numbers]
        if self.start and self.end:
            found = [self.start(series), *found, self.end(series)]
        return [Message(parts=parts, source="sample") for parts in found]

    def images(self, numbers: Iterable[int], series: int = 1) -> list[Message]:
        """Return the messages with these numbers alone."""
        return [Message(parts=self.message(series, one), source="sample") for one in numbers]


def header_of(message: Message) -> Any:
    """Return part 0 as an independent parser reads it."""
    part = bytes(message.parts[0])
    return json.loads(part) if part.lstrip()[:1] == b"{" else cbor2.loads(part)


def number_of(sample: Sample, message: Message) -> int | None:
    """Return the number of a message, as an independent parser reads it."""
    header = header_of(message)
    if sample.counter is None:
        header = json.loads(message.parts[1])
    number: int | None = header.get(sample.counter or "frame")
    return number


def with_header(parts: Parts, **values: Any) -> Parts:
    return [json.dumps({**json.loads(parts[0]), **values}).encode(), *parts[1:]]


# DECTRIS stream v1


@lru_cache
def _v1(series: int) -> list[Parts]:
    messages = eiger(IMAGES, SHAPE, series=series, header_detail="basic")
    return [[bytes(part) for part in parts] for parts in messages]


def stream_v1() -> list[Sample]:
    """Return stream v1 as detectors write it, and in Python's style."""
    return [_sample_v1("as sent", list), _sample_v1("spaced", partial(with_header, note="dheader"))]


def _sample_v1(variant: str, write: Callable[[Parts], Parts]) -> Sample:
    return Sample(
        f"DECTRIS stream v1, {variant}",
        message=lambda series, number: write(_v1(series)[1 + number]),
        start=lambda series: write(_v1(series)[0]),
        end=lambda series: write(_v1(series)[-1]),
        series="series",
        htypes=("dheader-1.0", "dimage-1.0", "dseries_end-1.0"),
        needed_first="start",
        keys={"image_id": "frame", "series_id": "series"},
    )


# DECTRIS stream v2, with its maps written in every way that CBOR allows

Pair = tuple[bytes, bytes]
"""A key and its value, both in CBOR."""


@lru_cache
def _v2(series: int) -> list[list[Pair]]:
    messages = stream2(IMAGES, SHAPE, series=series, compression="none")
    return [_pairs(bytes(parts[0])) for parts in messages]


def _pairs(part: bytes) -> list[Pair]:
    """Return the keys of a map with their values; without a lookup table of 256 kB."""
    begin = 5 if part[3] == 0xB8 else 4
    file, pairs = BytesIO(part[begin:]), []
    decode = cbor2.CBORDecoder(file).decode
    while file.tell() < len(part) - begin:
        start = file.tell()
        key, middle = decode(), file.tell()
        decode()
        pair = part[begin + start : begin + middle], part[begin + middle : begin + file.tell()]
        if key != "countrate_correction_lookup_table":
            pairs.append(pair)
    return pairs


def map_of(pairs: list[Pair], tag: bytes = TAG, endless: bool = False) -> bytes:
    """Return a map in CBOR, of indefinite length if it is endless."""
    body = b"".join(key + value for key, value in pairs)
    if endless:
        return tag + b"\xbf" + body + b"\xff"
    count = len(pairs)
    return tag + (bytes([0xA0 + count]) if count < 24 else bytes([0xB8, count])) + body


def _by_length(pairs: list[Pair]) -> list[Pair]:
    return sorted(pairs, key=lambda pair: (len(pair[0]), pair[0]))


def shuffled(pairs: list[Pair], seed: int) -> list[Pair]:
    """Return keys with their values in an order of their own."""
    return Random(seed).sample(pairs, len(pairs))


def _with_long_id(pairs: list[Pair]) -> list[Pair]:
    key = cbor2.dumps("series_unique_id")
    return [(one, cbor2.dumps(LONG_ID) if one == key else value) for one, value in pairs]


def _in_pieces(item: bytes) -> bytes:
    """Return a text of CBOR as pieces of up to 5 bytes; another item as it is."""
    if item[0] >> 5 != 3:
        return item
    data = cbor2.loads(item).encode()
    pieces = [data[n : n + 5] for n in range(0, len(data), 5)]
    return b"\x7f" + b"".join(bytes([0x60 + len(piece)]) + piece for piece in pieces) + b"\xff"


def _all_in_pieces(pairs: list[Pair]) -> list[Pair]:
    return [(_in_pieces(key), _in_pieces(value)) for key, value in pairs]


def _with_others_first(pairs: list[Pair]) -> list[Pair]:
    """Put what looks like ids, deep within other values, and unknown keys before the ids."""
    decoy = {"type": "end", "image_id": 99, "series_id": 98, "frame": 97, "series": 96}
    others = {
        "user_data": {**decoy, "inner": [decoy, {"image_id": [decoy]}]},
        "aaa": b"\x68image_id\x18\x63" * 50,
        "note": "image_id",
        "unknown": cbor2.CBORTag(4242, [decoy, None, 1.5, -7]),
    }
    return [(cbor2.dumps(key), cbor2.dumps(value)) for key, value in others.items()] + pairs


def everything(pairs: list[Pair], seed: int) -> list[Pair]:
    """Return a long id, others and decoys, in some order, and each text in pieces."""
    return _all_in_pieces(shuffled(_with_others_first(_with_long_id(pairs)), seed))


WRITTEN: Mapping[str, Callable[[list[Pair]], bytes]] = {
    "as sent": map_of,
    "without its tag": partial(map_of, tag=b""),
    "sorted by length": lambda pairs: map_of(_by_length(pairs)),
    "reversed": lambda pairs: map_of(pairs[::-1]),
    "shuffled": lambda pairs: map_of(shuffled(pairs, 1)),
    "long id": lambda pairs: map_of(_with_long_id(pairs)),
    "long id, sorted": lambda pairs: map_of(_by_length(_with_long_id(pairs))),
    "endless map": partial(map_of, endless=True),
    "texts in pieces": lambda pairs: map_of(_all_in_pieces(pairs)),
    "others first": lambda pairs: map_of(_with_others_first(pairs)),
    "all at once": lambda pairs: map_of(everything(pairs, 2), endless=True),
    "all at once, no tag": lambda pairs: map_of(everything(pairs, 3), b"", endless=True),
}


def stream_v2() -> list[Sample]:
    """Return stream v2 as `WRITTEN` has it."""
    return [sample_v2(variant, write) for variant, write in WRITTEN.items()]


def sample_v2(variant: str, write: Callable[[list[Pair]], bytes]) -> Sample:
    """Return stream v2 whose maps are written by a function of their keys and values."""
    return Sample(
        f"DECTRIS stream v2, {variant}",
        message=lambda series, number: [write(_v2(series)[1 + number])],
        start=lambda series: [write(_v2(series)[0])],
        end=lambda series: [write(_v2(series)[-1])],
        counter="image_id",
        series="series_id",
        htypes=("start", "image", "end"),
        needed_first="start",
        keys={"frame": "image_id", "series": "series_id"},
    )


# the others


def _bsread(version: str, series: int, number: int) -> Parts:
    stamps = {"1.0": {"epoch": 1_700_000_000, "ns": 5}, "1.1": {"sec": 1_700_000_000, "ns": 5}}
    channel = {"name": "X1", "type": "float64", "shape": [1]}
    return wire(
        [channel],
        bytes(8),
        stamp(),
        version=version,
        pulse_id=number,
        global_timestamp=stamps[version],
    )


def bsread(version: str) -> list[Sample]:
    """Return bsread messages of a version."""
    sample = Sample(
        f"bsread {version}",
        message=partial(_bsread, version),
        counter="pulse_id",
        htypes=("", f"bsr_m-{version}", ""),
        needed_first="message",
    )
    return [sample]


@lru_cache
def _buffers(htype: str) -> list[Parts]:
    make = array if htype == "array-1.0" else raw
    return [[bytes(part) for part in parts] for parts in make(24, IMAGES)]


def buffers(htype: str) -> list[Sample]:
    """Return messages of mflow's generator, with the htype as a text, or in a list as old ones."""
    named = Sample(
        htype,
        message=lambda series, number: _buffers(htype)[number],
        htypes=("", htype, ""),
        in_hdf5=htype == "array-1.0",
    )
    listed = Sample(
        f"{htype}, in a list",
        message=lambda series, number: with_header(_buffers(htype)[number], htype=[htype]),
        htypes=("", htype, ""),
        in_hdf5=htype == "array-1.0",
    )
    return [named, listed]


def _merged(series: int, number: int) -> Parts:
    both = {place: Message(parts=_buffers("array-1.0")[number]) for place in range(2)}
    return [bytes(part) for part in Joiner("frame", ["left", "right"]).join(number, both).parts]


def merged() -> list[Sample]:
    """Return messages that a merger by key has made of two streams."""
    sample = Sample(
        "merged-1.0", message=_merged, counter=None, htypes=("", "merged-1.0", ""), in_hdf5=False
    )
    return [sample]


def _of_user(header: dict[str, Any], counter: str, series: int, number: int) -> Parts:
    numbers = {"series": series, counter: number}
    return [json.dumps({**header, **numbers, "note": {"frame": 99}}).encode(), b"pixels"]


def users() -> list[Sample]:
    """Return a user's formats: with a handler of his own, counted by either key, without htype."""
    read = {"camera-3.2": lambda receiver: receiver.next(as_json=True)}
    camera = Sample(
        "a user's",
        message=partial(_of_user, {"htype": "camera-3.2"}, "frame"),
        series="series",
        htypes=("", "camera-3.2", ""),
        handlers=read,
        in_hdf5=False,
    )
    pulses = Sample(
        "a user's, by pulse_id",
        message=partial(_of_user, {"htype": "camera-3.2"}, "pulse_id"),
        counter="pulse_id",
        series="series",
        htypes=("", "camera-3.2", ""),
        handlers=read,
        in_hdf5=False,
    )
    nameless = Sample(
        "a user's, without htype",
        message=partial(_of_user, {}, "frame"),
        series="series",
        in_hdf5=False,
    )
    return [camera, pulses, nameless]


MAKERS: Mapping[str, Callable[[], list[Sample]]] = {
    "DECTRIS stream v1": stream_v1,
    "DECTRIS stream v2": stream_v2,
    "bsread 1.0": partial(bsread, "1.0"),
    "bsread 1.1": partial(bsread, "1.1"),
    "array-1.0": partial(buffers, "array-1.0"),
    "raw-1.0": partial(buffers, "raw-1.0"),
    "merged-1.0": merged,
    "generic": users,
}
