"""Channels: order, bounds, the two ways to end, and greenlets that are killed while they wait."""

import gevent
import pytest

from gmflow.green.channel import Channel
from gmflow.message import Message
from tests.support.waiting import DEADLINE


def numbered(number, size=1):
    return Message(data=number, parts=[b"x" * size])


def numbers(messages):
    return [each.data for each in messages]


def put(channel, message):
    """Put a message as an inlet that blocks does."""
    return channel.wait_for_room() and channel.offer(message)


def waits(function, *arguments):
    """Start a call that has to wait; give its greenlet."""
    greenlet = gevent.spawn(function, *arguments)
    gevent.idle()
    assert not greenlet.ready()
    return greenlet


def test_messages_come_in_order():
    channel = Channel()
    for number in range(5):
        assert put(channel, numbered(number))
    assert len(channel) == 5
    assert numbers(channel.get()) == [0, 1, 2, 3, 4]
    assert len(channel) == 0


def test_order_holds_while_writer_and_reader_wait_for_each_other():
    channel, got = Channel(capacity=3), []

    def write():
        for number in range(1000):
            assert put(channel, numbered(number))
        channel.close()

    gevent.spawn(write)
    while messages := channel.get():
        assert len(messages) <= 3
        got += numbers(messages)
    assert got == list(range(1000))


def test_bound_by_count():
    channel = Channel(capacity=2)
    assert channel.offer(numbered(0)) and channel.offer(numbered(1))
    assert not channel.offer(numbered(2))
    writer = waits(put, channel, numbered(3))
    assert numbers(channel.get()) == [0, 1]
    assert writer.get(timeout=DEADLINE) is True
    assert numbers(channel.get()) == [3]


def test_bound_by_bytes():
    channel = Channel(capacity=100, capacity_bytes=10)
    assert channel.offer(numbered(0, 9)) and channel.offer(numbered(1, 50))  # one always fits
    assert not channel.offer(numbered(2, 1))
    writer = waits(put, channel, numbered(3))
    assert channel.displace().data == 0
    assert not channel.offer(numbered(4))  # 50 bytes are left
    assert numbers(channel.get()) == [1]
    assert writer.get(timeout=DEADLINE) is True
    assert channel.offer(numbered(5, 8))
    assert channel.offer(numbered(6, 8))
    assert not channel.offer(numbered(7, 0))


def test_displace_takes_the_oldest():
    channel = Channel(capacity=2)
    put(channel, numbered(0))
    put(channel, numbered(1))
    assert channel.displace().data == 0
    assert channel.offer(numbered(2))
    assert numbers(channel.get()) == [1, 2]


def test_reader_gets_what_a_closed_channel_holds_then_the_end():
    channel = Channel()
    put(channel, numbered(0))
    assert not channel.closed
    channel.close()
    assert channel.closed
    assert numbers(channel.get()) == [0]
    assert channel.get() == []
    assert channel.get() == []


def test_close_wakes_a_waiting_reader():
    channel = Channel()
    reader = waits(channel.get)
    channel.close()
    assert reader.get(timeout=DEADLINE) == []


def test_break_off_lets_a_waiting_writer_go_on():
    channel = Channel(capacity=1)
    put(channel, numbered(0))
    writer = waits(put, channel, numbered(1))
    channel.break_off()
    assert writer.get(timeout=DEADLINE) is False
    assert put(channel, numbered(2)) is False
    assert channel.offer(numbered(3)) is False
    assert len(channel) == 1


def test_break_off_refuses_where_there_is_room():
    channel = Channel()
    channel.break_off()
    assert put(channel, numbered(0)) is False
    assert len(channel) == 0


@pytest.mark.parametrize("by", ["kill", "timeout"])
def test_reader_ended_while_it_waits_leaves_the_channel_usable(by):
    channel = Channel()
    if by == "kill":
        waits(channel.get).kill()
    else:
        with gevent.Timeout(0.001, False):
            channel.get()
    put(channel, numbered(0))
    assert numbers(channel.get()) == [0]
    reader = waits(channel.get)
    put(channel, numbered(1))
    assert numbers(reader.get(timeout=DEADLINE)) == [1]


@pytest.mark.parametrize("by", ["kill", "timeout"])
def test_writer_ended_while_it_waits_leaves_the_channel_usable(by):
    channel = Channel(capacity=1)
    put(channel, numbered(0))
    if by == "kill":
        waits(put, channel, numbered(1)).kill()
    else:
        with gevent.Timeout(0.001, False):
            put(channel, numbered(1))
    assert numbers(channel.get()) == [0]
    put(channel, numbered(2))
    writer = waits(put, channel, numbered(3))
    assert numbers(channel.get()) == [2]
    assert writer.get(timeout=DEADLINE) is True
    assert numbers(channel.get()) == [3]


def test_several_go_in_as_far_as_there_is_room():
    channel = Channel(capacity=4, capacity_bytes=10)
    assert channel.offer_all([numbered(n) for n in range(3)], 3) == 3
    assert channel.offer_all([numbered(n) for n in range(3, 6)], 3) == 1
    assert channel.offer_all([], 0) == 0
    assert numbers(channel.get()) == [0, 1, 2, 3]
    large = [numbered(n, 4) for n in range(4)]
    assert channel.offer_all(large, 16) == 3  # the third fills it: 12 bytes
    assert channel.displace().data == 0
    assert channel.offer(numbered(4))  # 8 bytes were left
    channel.break_off()
    assert channel.offer_all(large, 16) == 0


@pytest.mark.parametrize("close", [True, False])
def test_who_waits_for_room_is_told_of_it_or_of_the_break(close):
    channel = Channel(capacity=1)
    put(channel, numbered(0))
    writer = waits(channel.wait_for_room)
    if close:
        channel.break_off()
    else:
        channel.get()
    assert writer.get(timeout=DEADLINE) is not close


def test_what_is_forced_in_takes_the_place_of_the_oldest():
    channel = Channel(capacity=4, capacity_bytes=10)
    assert channel.force([numbered(n) for n in range(3)], 3) == 0
    assert channel.force([numbered(3), numbered(4)], 2) == 1
    assert channel.force([numbered(5, 7), numbered(6, 7)], 14) == 2
    assert channel.force([numbered(7, 7)], 7) == 3  # one for its place, two for its bytes
    assert numbers(channel.get()) == [6, 7]
    assert channel.force([numbered(n) for n in range(9)], 9) == 5
    assert channel.force([numbered(9, 50)], 50) == 1
    assert numbers(channel.get()) == [6, 7, 8, 9]
    assert channel.offer(numbered(10, 9)) and channel.offer(numbered(11, 1))


def test_what_is_forced_in_wakes_the_reader():
    channel = Channel()
    reader = waits(channel.get)
    assert channel.force([numbered(0)], 1) == 0
    assert channel.reader_is_due
    assert numbers(reader.get(timeout=DEADLINE)) == [0]
    assert not channel.reader_is_due


def test_room_may_be_a_matter_of_number_alone():
    channel = Channel(capacity=2, capacity_bytes=10)
    assert channel.offer(numbered(0, 50))
    assert not channel.offer(numbered(1, 1))
    assert channel.offer(numbered(2, 1), any_bytes=True)
    assert not channel.offer(numbered(3, 1), any_bytes=True)
    channel.break_off()
    assert not channel.offer(numbered(4), any_bytes=True)


def test_images_are_displaced_from_either_side():
    htypes = ["dheader-1.0", "dimage-1.0", "dimage-1.0", "dseries_end-1.0", "dimage-1.0"]
    channel = Channel(capacity_bytes=200)
    for number, htype in enumerate(htypes):
        channel.offer(Message(None, number, [b'{"htype": "%s"}' % htype.encode()]))
    assert channel.displace_image()
    assert channel.displace_image(newest=True)
    assert channel.displace_image()
    assert not channel.displace_image()
    assert numbers(channel.get()) == [0, 3]
