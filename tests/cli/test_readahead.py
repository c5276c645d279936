"""Messages are read ahead in a native thread: in order, bounded, and ended without a collision."""

import threading

import gevent
import pytest

from gmflow.cli.readahead import MAX_BATCH, MAX_BATCH_BYTES, ReadAhead
from gmflow.errors import RecordingError
from gmflow.message import Message
from tests.support.green import ticker, until


def numbered(count, size=0):
    for number in range(count):
        yield Message(parts=[b"%d" % number, bytes(size)])


def numbers(batches):
    return [int(message.parts[0]) for batch in batches for message in batch]


@pytest.mark.parametrize("count", [0, 1, MAX_BATCH - 1, MAX_BATCH, MAX_BATCH + 1, 5 * MAX_BATCH])
def test_everything_comes_in_order(count):
    ahead = ReadAhead(numbered(count))
    assert numbers(ahead) == list(range(count))
    assert ahead.ended


def test_a_batch_is_bounded_and_one_ahead():
    read = []

    def messages():
        for message in numbered(20, MAX_BATCH_BYTES // 3 + 1):
            read.append(message)
            yield message

    batches = iter(ReadAhead(messages()))
    assert len(next(batches)) == 3
    until(lambda: len(read) == 6)
    gevent.sleep(0.05)  # in which a third batch would be read
    assert len(read) == 6
    assert numbers(batches) == list(range(3, 20))


def test_an_error_comes_where_the_message_would(capfd):
    def messages():
        yield from numbered(MAX_BATCH + 10)
        raise RecordingError("the rest is lost")

    ahead, got = ReadAhead(messages()), []
    with pytest.raises(RecordingError, match="the rest is lost"):
        for batch in ahead:
            got.append(batch)
    assert numbers(got) == list(range(MAX_BATCH + 10))
    assert not ahead.ended
    assert "Traceback" not in capfd.readouterr().err


def test_the_position_is_of_what_was_read():
    read = 0

    def every_other():
        nonlocal read
        for message in numbered(2 * MAX_BATCH):
            read += 1
            if read % 2:
                yield message

    ahead = ReadAhead(every_other(), lambda: read)
    (batch,) = batches = [next(iter(ahead))]
    assert (len(batch), len(batches), ahead.position) == (MAX_BATCH, 1, 0)
    ahead.used(MAX_BATCH // 2)
    assert ahead.position == pytest.approx(MAX_BATCH, abs=1)
    ahead.used(MAX_BATCH // 2)
    assert ahead.position == pytest.approx(2 * MAX_BATCH, abs=1)


def test_the_end_waits_for_the_thread_and_the_hub_runs():
    began, go_on, closed = threading.Event(), threading.Event(), []

    def messages():
        try:
            began.set()
            go_on.wait(10)
            yield Message(parts=[b"0"])
            yield Message(parts=[b"never asked for"])
        finally:
            closed.append(threading.get_ident())

    ahead = ReadAhead(messages())
    got = []
    reader = gevent.spawn(lambda: got.extend(ahead))
    until(began.is_set)
    reader.kill()
    gevent.spawn_later(0.1, go_on.set)
    with ticker() as ticks:
        assert ahead.close()
    assert len(ticks) > 2
    assert (got, len(closed)) == ([], 1)
    assert not ahead.ended


def test_a_disk_that_hangs_is_not_waited_for():
    began, go_on = threading.Event(), threading.Event()

    def messages():
        began.set()
        go_on.wait(20)
        yield Message(parts=[b"0"])

    ahead = ReadAhead(messages())
    reader = gevent.spawn(list, ahead)
    try:
        until(began.is_set)
        reader.kill()
        assert not ahead.close()
    finally:
        go_on.set()


def test_nothing_is_read_after_the_end():
    ahead = ReadAhead(numbered(10))
    assert ahead.close()
    assert list(ahead) == []
    assert ahead.close()
    assert not ahead.ended
