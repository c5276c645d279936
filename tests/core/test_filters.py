"""Filters: which messages go to an output, however the stream is cut into bursts."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmflow.filters import (
    MAX_SERIES,
    BySeries,
    Htypes,
    Modulo,
    Share,
    filters_of,
)
from gmflow.formats import is_series_edge
from gmflow.message import Message
from tests.support.messages import cbor_message, message


def choose(filters, bursts):
    """Return what a row of filters leaves of bursts, as an inlet applies them."""
    chosen = []
    for burst in bursts:
        for one in filters:
            burst = one.choose(burst)
        chosen += burst
    return chosen


def cut(messages, lengths):
    """Cut messages into bursts of these lengths, and a last one of what is left."""
    bursts = []
    for length in lengths:
        bursts.append(messages[:length])
        messages = messages[length:]
    return [*bursts, messages]


COUNTS = st.integers(1, 7)
LENGTHS = st.lists(st.integers(0, 9), max_size=8)


@given(COUNTS, COUNTS, st.integers(0, 100), LENGTHS)
def test_shares_together_have_every_message_once_in_order(of, block, total, lengths):
    bursts = cut(list(range(total)), lengths)
    shares = [choose([Share(index, of, block)], bursts) for index in range(of)]
    for index, share in enumerate(shares):
        assert share == [n for n in range(total) if n // block % of == index]
    assert sorted(n for share in shares for n in share) == list(range(total))


@given(st.data(), COUNTS, st.integers(0, 60), LENGTHS)
def test_modulo_with_an_offset_counts_from_one(data, modulo, total, lengths):
    offset = data.draw(st.integers(0, modulo - 1))
    numbers = list(range(1, total + 1))
    chosen = choose([Modulo(modulo, offset)], cut(numbers, lengths))
    assert chosen == [n for n in numbers if n % modulo == offset]


@st.composite
def schedules(draw):
    """Return what one detector sends, or two whose series are merged in any order."""
    one, other = draw(detectors()), draw(st.just([]) | detectors())
    turns = draw(st.permutations([True] * len(one) + [False] * len(other)))
    both = {True: iter(one), False: iter(other)}
    return [next(both[turn]) for turn in turns]


def stream1(kind, **series):
    htypes = {"start": "dheader-1.0", "image": "dimage-1.0", "end": ["dseries_end-1.0"]}
    return message(htype=htypes[kind], **series)


def stream2(kind, series=None):
    own = {} if series is None else {"series_id": series}
    return cbor_message(**own, type=kind, series_unique_id="x" * 80)


MAKERS = st.sampled_from([stream1, stream2])


@st.composite
def detectors(draw):
    """Return messages of a detector's series, of which some starts and ends are missing."""
    messages, make = [], draw(MAKERS)
    for series in draw(st.lists(st.sampled_from([1, 1, 2, 3, None]), max_size=5)):
        also = {} if series is None else {"series": series}
        if draw(st.booleans()):
            messages.append(make("start", **also))
        images = draw(st.integers(0, 12))
        messages += [make("image", **also) for _ in range(images)]
        if draw(st.booleans()):
            messages.append(make("end", **also))
    return messages


def series_by_series(messages, chosen):
    """Return what is chosen where ``chosen(number)`` says so of each series' images."""
    given, numbers, current = [], Counter(), None
    for each in messages:
        header = each.header
        kind = header.get("type") or header["htype"]
        series = header.get("series_id" if "type" in header else "series")
        if kind in ("start", "dheader-1.0"):
            numbers[series], current = 0, series
        if kind not in ("image", "dimage-1.0"):
            given.append(each)
        else:
            current = current if series is None else series
            if chosen(numbers[current]):
                given.append(each)
            numbers[current] += 1
    return given


@given(schedules(), COUNTS, COUNTS, LENGTHS)
def test_shares_by_series_have_every_header_and_every_image_once(messages, of, block, lengths):
    shares = []
    for index in range(of):
        filters = filters_of(share=(index, of), block=block, series=True)
        got = choose(filters, cut(messages, lengths))
        assert got == series_by_series(messages, lambda n, i=index: n // block % of == i)
        shares.append(got)
    edges = [each for each in messages if is_series_edge(each)]
    assert all([each for each in share if is_series_edge(each)] == edges for share in shares)
    images = [each for share in shares for each in share if not is_series_edge(each)]
    assert sorted(map(id, images)) == sorted(id(m) for m in messages if not is_series_edge(m))


@given(schedules(), st.data(), LENGTHS)
def test_modulo_by_series_restarts_with_each(messages, data, lengths):
    modulo = data.draw(COUNTS)
    offset = data.draw(st.integers(0, modulo - 1))
    filters = filters_of(modulo, offset, series=True)
    got = choose(filters, cut(messages, lengths))
    assert got == series_by_series(messages, lambda n: (n + 1) % modulo == offset)


@given(schedules(), LENGTHS)
def test_how_a_stream_is_cut_makes_no_difference_to_a_row_of_filters(messages, lengths):
    def options():
        htypes = ["dimage-1.0", "dheader-1.0", "image", "start"]
        return filters_of(2, 1, htypes, (1, 3), 2, series=True)

    one_by_one = choose(options(), [[each] for each in messages])
    assert choose(options(), cut(messages, lengths)) == one_by_one


@pytest.mark.parametrize("make", [stream1, stream2])
def test_a_start_of_the_same_series_restarts_it(make):
    header, image = make("start", series=4), make("image", series=4)
    first = BySeries(Share(0, 2))
    assert first.choose([header, image, image]) == [header, image]
    assert first.choose([image, header, image]) == [image, header, image]


@pytest.mark.parametrize("detectors", [2, 3, MAX_SERIES])
@pytest.mark.parametrize("block", [1, 2])
def test_interleaved_series_are_each_shared_out_evenly(detectors, block):
    numbers = range(5, 5 + detectors)
    headers = [message(htype="dheader-1.0", series=n) for n in numbers]
    images = [
        message(htype="dimage-1.0", series=n, frame=frame) for frame in range(12) for n in numbers
    ]
    for index in range(3):
        (one,) = filters_of(share=(index, 3), block=block, series=True)
        got = one.choose([*headers, *images])
        assert got[:detectors] == headers
        frames = [frame for frame in range(12) if frame // block % 3 == index]
        for n in numbers:
            own = [each.header for each in got[detectors:] if each.header["series"] == n]
            assert [header["frame"] for header in own] == frames


def test_series_that_are_counted_are_bounded_and_the_one_without_images_for_longest_goes():
    def image(series):
        return message(htype="dimage-1.0", series=series)

    every_other = BySeries(Share(0, 2))
    for series in range(MAX_SERIES):
        assert len(every_other.choose([image(series)])) == 1
    assert every_other.choose([image(0)]) == []
    assert len(every_other.choose([image("new")])) == 1  # in the place of series 1
    assert every_other.choose([image(2)]) == []
    assert len(every_other.choose([image(1)])) == 1


@pytest.mark.parametrize("series", [[1], {"a": 1}, 1.5, float("nan")])
def test_what_is_no_number_of_a_series_is_none(series):
    images = [message(htype="dimage-1.0", series=series) for _ in range(4)]
    assert BySeries(Share(0, 2)).choose(images) == images[::2]


def test_htypes_are_chosen_by_name():
    image = message(htype="dimage-1.0")
    old = message(htype=["array-1.0"])
    others = [message(htype=["array-1.0", "x"]), message(), message(htype=1), Message(parts=[b"?"])]
    one = Htypes(["dimage-1.0", "array-1.0"])
    assert one.choose([others[0], image, *others, old]) == [image, old]
    assert Htypes(["x"]).choose([image, old]) == []
    second = [stream2(kind) for kind in ("start", "image", "end")]
    assert Htypes(["image", "end"]).choose([*second, message(type="image")]) == second[1:]


@pytest.mark.parametrize(
    "one",
    [Htypes(["a"]), Modulo(1), Share(0, 1, 3), BySeries(Share(0, 2))],
    ids=lambda one: type(one).__name__,
)
def test_the_same_object_is_given_if_all_are_chosen(one):
    burst = [message(htype="a")]
    assert one.choose(burst) is burst


def test_only_the_filters_that_are_needed_are_made():
    assert filters_of() == filters_of(series=True) == filters_of(share=(0, 1), block=5) == ()
    causes = [each.cause for each in filters_of(3, 1, ["a"], [0, 2])]
    assert causes == ["htype", "share", "modulo"]
    causes = [each.cause for each in filters_of(3, 1, ["a"], [0, 2], series=True)]
    assert causes == ["htype", "share", "modulo"]
