"""The contract of handlers: one value a message, started, resumed and restarted as promised."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gmflow.message
from gmflow.decoder import MAX_RUNNING, Decoder
from gmflow.deferred import Deferred
from gmflow.errors import (
    ConfigError,
    DecodeError,
    HandlerError,
    HeaderError,
    MessageError,
    UnknownHtype,
)
from gmflow.handlers import DEFAULT, NOT_JSON
from gmflow.message import Message
from gmflow.receiver import Receiver
from tests.support.messages import parts as parts_of

X = [b'{"htype": "x"}']


def named(htype: object = "x-1.0", *more: bytes) -> list[bytes]:
    return parts_of(*more, htype=htype)


def text(receiver):
    receiver.next()
    return receiver.next()


def test_plain_function_is_called_once_a_message():
    decoder = Decoder({"x-1.0": text})
    assert [decoder.decode(named("x-1.0", part)) for part in (b"a", b"b")] == [b"a", b"b"]


def test_generator_remembers_from_message_to_message():
    def total(receiver):
        so_far = 0
        while True:
            receiver.next()
            so_far += int(receiver.next())
            yield so_far

    decoder = Decoder({"x-1.0": total})
    assert [decoder.decode(named("x-1.0", b"%d" % n)) for n in (1, 2, 3)] == [1, 3, 6]


def test_each_decoder_has_a_generator_of_its_own():
    def count(receiver):
        yield from range(1, 100)

    one, other = Decoder({"x-1.0": count}), Decoder({"x-1.0": count})
    assert [one.decode(named()), one.decode(named()), other.decode(named())] == [1, 2, 1]


def test_one_generator_serves_several_htypes():
    def count(receiver):
        number = 0
        while True:
            number += 1
            yield number

    decoder = Decoder({"x-1.0": count, "y-1.0": count})
    assert [decoder.decode(named(htype)) for htype in ("x-1.0", "y-1.0", "x-1.0")] == [1, 2, 3]


def test_generator_without_a_loop_starts_afresh_on_the_same_message():
    starts = []

    def once(receiver):
        starts.append(1)
        receiver.next()
        yield receiver.next()

    decoder = Decoder({"x-1.0": once})
    values = [decoder.decode(named("x-1.0", part)) for part in (b"a", b"b", b"c")]
    assert values == [b"a", b"b", b"c"]
    assert len(starts) == 3


def test_generator_that_returns_twice_for_one_message_is_an_error():
    def moody(receiver):
        if receiver.header().get("htype") == "x-1.0":
            yield 1

    decoder = Decoder({"x-1.0": moody, "y-1.0": moody})
    assert decoder.decode(named("x-1.0")) == 1
    with pytest.raises(HandlerError, match="without a yield"):
        decoder.decode(named("y-1.0"))
    assert decoder.decode(named("x-1.0")) == 1
    assert decoder.statistics.messages_failed == 1


def test_generator_that_raises_starts_afresh_for_the_next_message():
    def fragile(receiver):
        seen = 0
        while True:
            receiver.next()
            seen += 1
            yield seen, int(receiver.next())

    decoder = Decoder({"x-1.0": fragile})
    assert decoder.decode(named("x-1.0", b"1")) == (1, 1)
    with pytest.raises(HandlerError, match="ValueError") as caught:
        decoder.decode(named("x-1.0", b"no number"))
    assert caught.value.parts == named("x-1.0", b"no number")
    assert isinstance(caught.value.__cause__, ValueError)
    assert decoder.decode(named("x-1.0", b"2")) == (1, 2)


def test_close_runs_the_finally_of_running_generators():
    closed = []

    def handler(receiver):
        try:
            while True:
                yield 1
        finally:
            closed.append(1)

    decoder = Decoder({"x-1.0": handler})
    decoder.decode(named())
    decoder.close()
    assert closed == [1]


def test_explicit_handler_reads_any_htype_and_non_json():
    decoder = Decoder()
    assert decoder.decode([b"\xff", b"b"], text) == b"b"
    assert decoder.decode(named("unknown", b"c"), text) == b"c"


def test_bound_generator_method_runs_on():
    class Reader:
        def read(self, receiver):
            number = 0
            while True:
                number += 1
                yield number

    reader, decoder = Reader(), Decoder()
    assert [decoder.decode(named(), reader.read) for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("value", [np.array([]), 0, "", [], {}])
def test_only_none_skips(value):
    decoder = Decoder({"x-1.0": lambda receiver: value})
    assert decoder.decode(named()) is value
    assert decoder.statistics.messages_received == 1


def test_none_skips_and_is_counted():
    decoder = Decoder({"x-1.0": lambda receiver: None})
    assert decoder.decode(named()) is None
    assert decoder.statistics.messages_skipped == 1
    assert decoder.statistics.messages_received == 0
    assert decoder.statistics.total_bytes_received == 0


def test_counting_is_atomic():
    decoder = Decoder({"x-1.0": text})
    good, bad = named("x-1.0", b"abc"), named("x-1.0")
    decoder.decode(good)
    with pytest.raises(MessageError):
        decoder.decode(bad)
    decoder.decode(good)
    assert decoder.statistics.messages_received == 2
    assert decoder.statistics.messages_failed == 1
    assert decoder.statistics.total_bytes_received == 2 * sum(map(len, good))
    assert decoder.statistics.bytes_received == 0


def test_bytes_received_is_what_the_handler_has_read():
    seen = []

    def watch(receiver):
        receiver.next()
        seen.append(receiver.statistics.bytes_received)
        return 1

    parts = named("x-1.0", b"unread")
    decoder = Decoder({"x-1.0": watch})
    decoder.decode(parts)
    assert seen == [len(parts[0])]
    assert decoder.statistics.total_bytes_received == sum(map(len, parts))


def test_htype_may_be_a_list_of_one_name():
    assert Decoder({"x-1.0": text}).decode(named(["x-1.0"], b"a")) == b"a"


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ([b"{bad"], HeaderError),
        ([b""], HeaderError),
        ([], HeaderError),
        ([b"\xff\xfe"], HeaderError),
        ([b"[" * 100_000], HeaderError),
        ([b"1" * 10_000], HeaderError),
        ([b"[]"], HeaderError),
        ([b'"array-1.0"'], HeaderError),
        ([b"null"], HeaderError),
        ([b"{}"], HeaderError),
        (named("nobody's"), UnknownHtype),
        (named(["a", "b"]), UnknownHtype),
        (named([]), UnknownHtype),
        (named({}), UnknownHtype),
        (named(None), UnknownHtype),
    ],
)
def test_bad_header_is_a_typed_error_and_the_next_message_is_read(parts, error):
    decoder = Decoder({"x-1.0": text})
    with pytest.raises(error) as caught:
        decoder.decode(parts)
    assert caught.value.parts == parts
    assert "\n" not in str(caught.value)
    assert decoder.decode(named("x-1.0", b"good")) == b"good"


def test_receiver_never_runs_past_its_message():
    def greedy(receiver):
        while True:
            receiver.next()

    decoder = Decoder({"x-1.0": greedy})
    with pytest.raises(MessageError, match="only 2 parts"):
        decoder.decode(named("x-1.0", b"a"))


def test_parts_as_views_without_a_copy():
    parts = [json.dumps({"htype": "x-1.0"}).encode(), bytearray(b"abc")]
    view = Decoder({"x-1.0": text}, copy=False).decode(parts)
    assert isinstance(view, memoryview)
    assert view.readonly
    parts[1][0] = ord("z")
    assert bytes(view) == b"zbc"


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_random_bytes_give_a_value_or_a_decode_error(parts):
    decoder = Decoder()
    try:
        decoder.decode(parts)
    except DecodeError:
        assert decoder.statistics.messages_failed == 1
    header = json.dumps({"htype": "raw-1.0"}).encode()
    value = decoder.decode([header, *parts])
    assert value["data"] == [part or None for part in parts]
    assert decoder.statistics.messages_received == 1 + (decoder.statistics.messages_failed == 0)


def test_receiver_over_the_parts_of_one_message():
    receiver = Receiver([b'{"htype":"x"}', b"a"])
    assert receiver.header() == {"htype": "x"}
    assert receiver.next(as_json=True) == {"htype": "x"}
    assert receiver.next() == b"a"
    assert not receiver.has_more()
    with pytest.raises(MessageError):
        receiver.next()


def test_a_failed_handler_is_named_in_one_line_with_its_place():
    def careless(receiver):
        raise KeyError("two\nlines " + "and much " * 100)

    with pytest.raises(HandlerError) as caught:
        Decoder({"x-1.0": careless}).decode(named())
    text = str(caught.value)
    assert "careless failed at " in text
    assert "test_decoder.py:" in text
    assert "KeyError" in text
    assert "\n" not in text
    assert len(text) < 600


def test_names_of_any_length_give_a_short_error():
    with pytest.raises(UnknownHtype) as caught:
        Decoder().decode(named("x" * 100_000))
    assert len(str(caught.value)) < 400


def test_running_generators_are_bounded():
    closed = []

    def make():
        def handler(receiver):
            try:
                while True:
                    yield 1
            finally:
                closed.append(1)

        return handler

    decoder = Decoder()
    for _ in range(100):
        decoder.decode(named(), make())
    assert len(closed) == 100 - MAX_RUNNING


class TestLater:
    """A handler may yield work instead of a value."""

    def test_its_result_is_the_value(self):
        decoder = Decoder({"x": lambda receiver: Deferred(pow, 2, 10)})
        assert decoder.decode(X) == 1024
        assert decoder.statistics.messages_received == 1

    def test_none_skips(self):
        decoder = Decoder({"x": lambda receiver: Deferred(lambda: None)})
        assert decoder.decode(X) is None
        assert decoder.statistics.messages_skipped == 1

    def test_what_it_raises_fails_the_message(self):
        decoder = Decoder({"x": lambda receiver: Deferred(int, "no number")})
        with pytest.raises(HandlerError, match="ValueError: invalid literal") as caught:
            decoder.decode(X)
        assert caught.value.parts == X
        assert decoder.statistics.messages_failed == 1
        assert decoder.statistics.messages_received == 0

    def test_the_generator_goes_on_after_work_that_failed(self):
        def count(receiver):
            number = 0
            while True:
                number += 1
                yield Deferred(lambda number: 1 // (number - 2), number)

        decoder = Decoder({"x": count})
        assert decoder.decode(X) == -1
        with pytest.raises(HandlerError, match="ZeroDivisionError"):
            decoder.decode(X)
        assert decoder.decode(X) == 1

    def test_it_can_not_be_left_again(self):
        decoder = Decoder({"x": lambda receiver: Deferred(lambda: Deferred(int))})
        with pytest.raises(HandlerError, match="a Deferred gave another Deferred"):
            decoder.decode(X)

    def test_an_error_that_can_not_be_shown(self):
        class Shy(Exception):
            def __str__(self):
                raise RuntimeError

        def shy(receiver):
            raise Shy

        with pytest.raises(HandlerError, match="Shy: an error that can't be shown"):
            Decoder({"x": shy}).decode(X)

    def test_nothing_is_kept_of_a_message_whose_work_failed(self):
        decoder = Decoder({"x": lambda receiver: Deferred(int, "?")})
        with pytest.raises(HandlerError):
            decoder.decode(X)
        assert decoder.receiver.parts == ()

    def test_messages_within_a_message(self):
        table = {"x": lambda receiver: Deferred(int, "7"), "y": lambda receiver: Deferred(int, "?")}
        decoder = Decoder({**DEFAULT, **table})
        sources = [{"name": name, "parts": 1} for name in ("a", "b", "c")]
        header = {"htype": "merged-1.0", "key": "frame", "value": 1, "sources": sources}
        y = [b'{"htype": "y"}']
        merged = decoder.decode([json.dumps(header).encode(), *X, *y, *X])
        assert (merged["a"].data, merged["b"].data, merged["c"].data) == (7, None, 7)
        assert isinstance(merged["b"].error, HandlerError)


class TestNotJson:
    """Messages without a JSON object have an entry of their own in the table."""

    @pytest.mark.parametrize(
        "first", [b"\xa1", b"\xa1ehtypegraw-1.0", b"", b"17", b'["x"]', b"\xff\xfe"]
    )
    def test_they_go_there(self, first):
        decoder = Decoder({NOT_JSON: lambda receiver: receiver.next()})
        assert decoder.decode([first, b"more"]) == first

    def test_without_an_entry_it_is_a_header_error(self):
        decoder = Decoder()
        del decoder.handlers[NOT_JSON]
        with pytest.raises(HeaderError, match="not JSON"):
            decoder.decode([b"\xa1"])


class TestTable:
    """What is given comes to the built-in table."""

    def test_the_built_in_handlers_stay(self):
        decoder = Decoder({"x": text, "raw-1.0": text})
        assert decoder.handlers == {**DEFAULT, "x": text, "raw-1.0": text}

    @pytest.mark.parametrize("handlers", [[], "text", {"x": "text"}, {1: text}, pytest])
    def test_what_is_no_table_is_refused(self, handlers):
        with pytest.raises(ConfigError, match="handler"):
            Decoder(handlers)


class TestWrongLater:
    """What is not the work of a `Deferred` is said where the handler yields it."""

    @pytest.mark.parametrize("make", [lambda: Deferred(5), lambda: Deferred(int, size="big")])
    def test_the_handler_is_named(self, make):
        def careless(receiver):
            return make()

        with pytest.raises(HandlerError, match=r"careless failed .*TypeError: Deferred"):
            Decoder({"x": careless}).decode(X)


class TestHostileHeaders:
    """What anyone may send costs a `DecodeError` of one short line, and little time."""

    @pytest.mark.parametrize(
        "text", [b"[" * 900 + b"]" * 900, b"9" * 4000, b'"' + b"x" * 4000 + b'"']
    )
    @pytest.mark.parametrize("wrap", [b'{"htype": %s}', b'{"htype": "merged-1.0", "sources": %s}'])
    def test_what_is_shown_is_short(self, text, wrap):
        with pytest.raises(DecodeError) as caught:
            Decoder().decode([wrap % text])
        assert not isinstance(caught.value, HandlerError)
        assert len(str(caught.value)) < 500

    def test_a_header_of_megabytes_is_not_read(self):
        with pytest.raises(HeaderError, match="1048587 bytes; up to 1048576 are read"):
            Decoder().decode([b'{"htype":"' + bytes([120]) * (1 << 20) + b'"'])


class TestHeader:
    """The header belongs to the message: it is parsed once, whoever asks, and nobody changes it."""

    @pytest.fixture
    def parsed(self, monkeypatch):
        """Return a list of the parts that are parsed as headers."""
        parts = []
        loads = gmflow.message.loads
        monkeypatch.setattr(gmflow.message, "loads", lambda part: parts.append(part) or loads(part))
        return parts

    def test_the_decoder_handler_and_message_share_one(self, parsed):
        def handler(receiver):
            header = receiver.header()
            assert receiver.next(as_json=True) is header
            return header, receiver.has_more()

        one = Message(parts=named())
        assert Decoder({"x-1.0": handler}).read(one) == ({"htype": "x-1.0"}, False)
        assert one.header == Decoder({"x-1.0": handler}).read(one)[0]
        assert parsed == named()

    def test_who_reads_it_with_a_handler_of_his_own_choice_shares_it_too(self, parsed):
        one = Message(parts=named())
        assert Decoder().read(one, lambda receiver: receiver.header()) == one.header
        assert len(parsed) == 1

    def test_who_asked_before_the_decoder_has_it_parsed(self, parsed):
        one = Message(parts=named("x-1.0", b"a"))
        assert one.header == {"htype": "x-1.0"}
        assert Decoder({"x-1.0": text}).read(one) == b"a"
        assert len(parsed) == 1

    def test_a_failure_is_kept_too(self, parsed):
        one = Message(parts=[b"{bad"])
        for _ in range(2):
            assert one.header == {}
            with pytest.raises(HeaderError, match="the header is not JSON: Expecting") as caught:
                Decoder({"x-1.0": text}).read(one)
            assert caught.value.parts == one.parts
        assert parsed == [b"{bad"]


@pytest.mark.parametrize("generates", [True, False], ids=["generator", "function"])
def test_handler_that_changes_the_header_it_gets_leaves_the_messages_own(generates):
    def taken(receiver):
        header = receiver.next(as_json=True)
        header.pop("htype")
        header["frame"] += 100
        return header

    def each(receiver):
        while True:
            yield taken(receiver)

    decoder = Decoder({"x-1.0": each if generates else taken})
    for frame in (1, 2):
        one = Message(None, None, [b'{"htype": "x-1.0", "frame": %d}' % frame])
        assert decoder.read(one) == {"frame": frame + 100}
        assert one.header == {"htype": "x-1.0", "frame": frame}


def test_handler_that_changes_the_header_and_fails_leaves_the_messages_own():
    def fails(receiver):
        receiver.next(as_json=True).clear()
        raise ValueError("no")

    one = Message(None, None, [b'{"htype": "x-1.0", "frame": 1}'])
    with pytest.raises(HandlerError):
        Decoder({"x-1.0": fails}).read(one)
    assert one.header == {"htype": "x-1.0", "frame": 1}
    one = Message(None, None, one.parts)
    with pytest.raises(HandlerError):
        Decoder().read(one, fails)
    assert one.header == {"htype": "x-1.0", "frame": 1}
