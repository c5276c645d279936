"""merged-1.0 with more sources than anyone has: what is remembered of them is bounded."""

import gc
import json
from collections import Counter
from typing import Any

import pytest

from gmflow.decoder import Decoder
from gmflow.errors import MessageError
from gmflow.handlers import DEFAULT, eiger
from gmflow.handlers.merged_1_0 import MAX_SOURCES
from gmflow.message import Message
from gmflow.simulate import eiger as simulated

pytest.importorskip("imagecodecs")

SHORT = [b'{"htype": "bsr_m-1.1"}']  # it lacks its part 1


def merged(sources: dict[str, list[bytes]]) -> list[bytes]:
    described = [{"name": name, "parts": len(parts)} for name, parts in sources.items()]
    header = {"htype": "merged-1.0", "key": "k", "value": 1, "sources": described}
    return [json.dumps(header).encode(), *(part for parts in sources.values() for part in parts)]


def within(message: int, sources: int, each: int) -> list[bytes]:
    """Return merged messages merged, with ever new names for what is in them."""
    return merged(
        {
            f"{outer}": merged({f"{message} {outer} {inner}": SHORT for inner in range(each)})
            for outer in range(sources)
        }
    )


def alive() -> Counter[type[Any]]:
    gc.collect()
    return Counter(type(one) for one in gc.get_objects() if type(one) in (Decoder, Message))


def test_a_message_of_too_many_sources_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = merged({f"{number}": [b"x"] for number in range(MAX_SOURCES + 1)})
    with pytest.raises(MessageError, match=f"{MAX_SOURCES} are possible"):
        Decoder().decode(parts)
    monkeypatch.setattr("gmflow.handlers.merged_1_0.MAX_SOURCES", 9)
    raw = {f"{number}": [b'{"htype": "raw-1.0"}', b"x"] for number in range(10)}
    with pytest.raises(MessageError, match="9 are possible"):
        Decoder().decode(merged(raw))
    del raw["9"]
    assert {one.data["data"][0] for one in Decoder().decode(merged(raw)).values()} == {b"x"}


def test_decoders_of_all_sources_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gmflow.handlers.merged_1_0.MAX_SOURCES", 80)
    before, decoder = alive()[Decoder], Decoder()
    said = set()
    for message in range(40):
        value = decoder.decode(within(message, 10, 4))
        said |= {str(one.error) for one in value.values()}
    assert alive()[Decoder] - before <= 81
    assert said == {"None", "more than 80 sources, of all that are merged here"}
    decoder.close()
    assert alive()[Decoder] - before <= 1


def test_failed_messages_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gmflow.handlers.merged_1_0.MAX_SOURCES", 80)
    before, decoder = alive()[Message], Decoder()
    for message in range(40):
        decoder.decode(within(message, 10, 4))
    for message in range(80):
        decoder.decode(merged({f"{message}": SHORT}))
    assert alive()[Message] - before < 3


def test_what_all_sources_decode_to_is_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gmflow.handlers.merged_1_0.MAX_BYTES", 160_000)
    _, image, _ = simulated(1, (200, 200), encoding="bs16-lz4<")
    image = [bytes(part) for part in image]
    decoder, parts = Decoder(DEFAULT | dict(eiger.HANDLERS)), merged({"a": image, "b": image})
    assert {one.data.array.nbytes for one in decoder.decode(parts).values()} == {80_000}
    monkeypatch.setattr("gmflow.handlers.merged_1_0.MAX_BYTES", 159_999)
    value = decoder.decode(parts)
    assert value["a"].data.array.shape == (200, 200)
    assert value["b"].data is None
    assert str(value["b"].error).startswith("it would decode to 80000 bytes; all sources")


def test_messages_may_be_merged_again() -> None:
    parts = merged({"outer": merged({"inner": [b'{"htype": "raw-1.0"}', b"x"]})})
    decoder = Decoder()
    for _ in range(3):
        assert decoder.decode(parts)["outer"].data["inner"].data["data"] == [b"x"]
