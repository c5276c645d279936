"""Faults that are put into a stream: as many as asked for, and the same for the same seed."""

from collections import Counter

import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from gmflow.errors import ConfigError
from gmflow.message import Message
from gmflow.replay.faults import MAX_GARBAGE, Faults

MANY = 4000


def messages_of(count, parts=3):
    return [
        Message(
            parts=[b"%d-%d" % (n, part) for part in range(parts)], source="a", received_ns=n + 1
        )
        for n in range(count)
    ]


def numbers(messages):
    return [message.received_ns - 1 for message in messages]


def contents(messages):
    return [[bytes(part) for part in message.parts] for message in messages]


def expected_of(probability):
    """Return the bounds of what a count of `MANY` can be: five deviations around the mean."""
    spread = 5 * (MANY * probability * (1 - probability)) ** 0.5
    return MANY * probability - spread, MANY * probability + spread


@pytest.mark.parametrize("value", [-0.1, 1.1, 100, float("nan"), float("inf"), "0.5", None, True])
@pytest.mark.parametrize("name", ["drop", "duplicate", "reorder", "corrupt"])
def test_what_is_no_probability_is_refused(name, value):
    with pytest.raises(ConfigError, match=f"^{name} is .*; it can be a probability from 0 to 1$"):
        Faults(**{name: value})


@pytest.mark.parametrize("seed", ["1", 1.0, True])
def test_what_is_no_seed_is_refused(seed):
    with pytest.raises(ConfigError, match=r"^seed is .*; it can be a whole number$"):
        Faults(seed=seed)


def test_without_faults_it_is_the_same_iterator():
    messages = iter(messages_of(3))
    assert Faults(seed=1).apply(messages) is messages


@pytest.mark.parametrize("probability", [0.01, 0.3, 0.9, 1, 1.0])
def test_drop(probability):
    faults, messages = Faults(drop=probability, seed=2), messages_of(MANY)
    left = list(faults.apply(messages))
    assert left == [message for message in messages if message in set(left)]
    assert faults.dropped == MANY - len(left)
    least, most = expected_of(probability)
    assert least <= faults.dropped <= most


@pytest.mark.parametrize("probability", [0.01, 0.3, 1])
def test_duplicate(probability):
    faults, messages = Faults(duplicate=probability, seed=3), messages_of(MANY)
    sent = list(faults.apply(messages))
    assert numbers(sent) == sorted(numbers(sent))
    counts = Counter(numbers(sent))
    assert set(counts) == set(range(MANY))
    assert Counter(counts.values())[2] == faults.duplicated == len(sent) - MANY
    least, most = expected_of(probability)
    assert least <= faults.duplicated <= most


@pytest.mark.parametrize("probability", [0.01, 0.3])
def test_reorder_swaps_neighbours(probability):
    faults = Faults(reorder=probability, seed=4)
    sent = numbers(faults.apply(messages_of(MANY)))
    assert sorted(sent) == list(range(MANY))
    moved = [place for place, number in enumerate(sent) if number > place]
    assert all(sent[place : place + 2] == [place + 1, place] for place in moved)
    assert sum(number != place for place, number in enumerate(sent)) == 2 * len(moved)
    assert faults.reordered == len(moved)
    assert (
        expected_of(probability / (1 + probability))[0] <= len(moved) <= expected_of(probability)[1]
    )


def test_reorder_of_all_and_of_the_last():
    faults = Faults(reorder=1)
    assert numbers(faults.apply(messages_of(5))) == [1, 0, 3, 2, 4]
    assert faults.reordered == 2


def test_a_message_and_its_duplicate_change_places_together():
    faults = Faults(reorder=1, duplicate=1)
    assert numbers(faults.apply(messages_of(3))) == [1, 1, 0, 0, 2, 2]


def test_corrupt_damages_one_thing():
    faults, messages = Faults(corrupt=0.5, seed=5), messages_of(MANY)
    before = contents(messages)
    sent = list(faults.apply(messages))
    assert contents(messages) == before
    assert numbers(sent) == list(range(MANY))
    assert {message.source for message in sent} == {"a"}
    found = Counter(
        damage_of(list(one.parts), list(other.parts))
        for one, other in zip(messages, sent, strict=True)
    )
    assert found.pop("none") == MANY - faults.corrupted
    least, most = expected_of(0.5)
    assert least <= faults.corrupted <= most
    assert set(found) == {"changed", "cut", "lost", "added"}
    assert min(found.values()) > MANY / 2 / 4 * 0.75


def damage_of(before, after):
    if before == after:
        return "none"
    if after == before[:-1]:
        return "lost"
    if after[:-1] == before:
        assert 1 <= len(after[-1]) <= MAX_GARBAGE
        return "added"
    ((one, other),) = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
    if len(other) < len(one):
        assert one.startswith(other)
        return "cut"
    assert sum(a != b for a, b in zip(one, other, strict=True)) == 1
    return "changed"


@pytest.mark.parametrize("parts", [[], [b""], [b"", b""], [b"x"], [zmq.Frame(b"abc")]])
def test_every_message_can_be_damaged_and_still_be_sent(parts):
    faults = Faults(corrupt=1, seed=6)
    before = [bytes(part) for part in parts]
    sent = contents(faults.apply(Message(parts=parts) for _ in range(100)))
    assert len(sent) == faults.corrupted == 100
    assert [] not in sent
    assert before not in sent


def test_a_damaged_message_shares_what_is_whole():
    large = bytes(10_000)
    message = Message(parts=[b"{}", large], data="decoded")
    sent = list(Faults(corrupt=1, seed=7).apply([message] * 50))
    whole = [part for one in sent for part in one.parts if bytes(part) == large]
    assert len(sent) == 50
    assert 20 < len(whole) < 50
    assert all(part is large for part in whole)
    for one in sent:
        assert one.data is None
        assert one.size == sum(map(len, one.parts))


PROBABILITIES = st.fixed_dictionaries(
    {
        name: st.sampled_from([0, 0.2, 0.7, 1])
        for name in ("drop", "duplicate", "reorder", "corrupt")
    }
)


@given(PROBABILITIES, st.integers(0, 2**64))
def test_the_same_seed_gives_the_same_faults(probabilities, seed):
    one, other = Faults(**probabilities, seed=seed), Faults(**probabilities, seed=seed)
    sent = contents(one.apply(messages_of(50)))
    assert sent == contents(other.apply(messages_of(50)))
    assert len(sent) == 50 - one.dropped + one.duplicated
    for name, count in (
        ("drop", "dropped"),
        ("duplicate", "duplicated"),
        ("reorder", "reordered"),
        ("corrupt", "corrupted"),
    ):
        assert getattr(one, count) == getattr(other, count)
        if probabilities[name] in (0, 1) and probabilities["drop"] < 1 and name != "reorder":
            of = 50 if name == "drop" else 50 - one.dropped
            assert getattr(one, count) == of * probabilities[name]


def test_another_seed_gives_others():
    sent = {tuple(numbers(Faults(drop=0.5, seed=s).apply(messages_of(60)))) for s in range(20)}
    unseeded = {tuple(numbers(Faults(drop=0.5).apply(messages_of(60)))) for _ in range(20)}
    assert len(sent) == len(unseeded) == 20


@given(PROBABILITIES, st.integers(0, 1000))
def test_no_fault_changes_which_messages_another_one_is_for(probabilities, seed):
    faults = Faults(drop=probabilities["drop"], seed=seed)
    alone = set(numbers(faults.apply(messages_of(50))))
    assert len(alone) == 50 - faults.dropped
    assert set(numbers(Faults(**probabilities, seed=seed).apply(messages_of(50)))) == alone


@given(PROBABILITIES, st.integers(0, 1000))
def test_the_counts_explain_what_comes_out(probabilities, seed):
    faults = Faults(**probabilities, seed=seed)
    sent = numbers(faults.apply(messages_of(50)))
    assert len(sent) == 50 - faults.dropped + faults.duplicated
    assert len(set(sent)) == 50 - faults.dropped


def test_one_message_is_held_back_at_most():
    taken = []

    def counted():
        for message in messages_of(1000):
            taken.append(message)
            yield message

    sent = set()
    for message in Faults(reorder=0.5, duplicate=0.5, seed=8).apply(counted()):
        sent.add(message)
        assert len(taken) <= len(sent) + 1
    assert len(sent) == 1000
