"""Native threads beside the hub: order, errors, ends, and what they keep."""

import gc
import sys
import threading
import weakref

import gevent
import pytest

from gmflow.green.threads import NativeThread, SecondThread, in_worker_thread
from tests.support.green import DEADLINE, program, until


def test_a_native_thread_does_one_call_after_the_other():
    native, seen = NativeThread(), []

    def call(number):
        seen.append((number, threading.get_ident()))
        return number

    greenlets = [gevent.spawn(native.call, call, number) for number in range(10)]
    gevent.joinall(greenlets, DEADLINE)
    native.end()
    assert [greenlet.value for greenlet in greenlets] == list(range(10))
    assert [number for number, _ in seen] == list(range(10))
    assert len({ident for _, ident in seen}) == 1
    assert threading.get_ident() not in {ident for _, ident in seen}


def test_a_native_thread_raises_here():
    native = NativeThread()
    with pytest.raises(ZeroDivisionError):
        native.call(lambda: 1 / 0)
    assert native.call(lambda: 7) == 7
    native.end()


def test_what_was_called_goes_on_when_nobody_waits():
    native, go, done = NativeThread(), threading.Event(), threading.Event()

    def call():
        assert go.wait(DEADLINE)
        done.set()

    waiting = gevent.spawn(native.call, call)
    gevent.sleep(0.05)
    waiting.kill()
    native.end()
    go.set()
    until(done.is_set)


def test_a_second_thread_works_meanwhile_and_in_order():
    second, go = SecondThread(), threading.Event()

    def first():
        seen = []
        waits = [
            second(lambda: go.wait(DEADLINE)),
            *(second(lambda n=n: seen.append(n)) for n in "abc"),
        ]
        assert seen == []
        go.set()  # which the second thread waits for: both run
        for wait in waits:
            wait()
        return seen

    assert in_worker_thread(first) == ["a", "b", "c"]
    second.end()


def test_a_second_thread_raises_where_it_is_waited_for():
    second = SecondThread()
    wait = second(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        in_worker_thread(wait)
    assert in_worker_thread(second(lambda: 7)) == 7
    second.end()


def test_a_second_thread_keeps_nothing():
    class Thing:
        pass

    second, thing = SecondThread(), Thing()
    known = weakref.ref(thing)
    assert in_worker_thread(second(lambda thing=thing: thing)) is thing
    in_worker_thread(second(lambda: None))
    del thing
    gc.collect()
    assert known() is None
    second.end()


def test_a_second_thread_ends():
    SecondThread().end()  # one that was never started
    second = SecondThread()
    ident = in_worker_thread(second(threading.get_ident))
    assert ident in sys._current_frames()
    second.end()
    until(lambda: ident not in sys._current_frames())


PATCHED = """
from gevent import monkey
monkey.patch_all()
from gmflow.green.threads import SecondThread, in_worker_thread
import gevent

second = SecondThread()
ticks = []
ticker = gevent.spawn(lambda: [ticks.append(gevent.sleep(0.001)) for _ in range(100_000)])
real_sleep = monkey.get_original("time", "sleep")

def until_the_hub_has_gone_on():
    before = len(ticks)
    for _ in range(20_000):
        if len(ticks) > before + 20:
            return True
        real_sleep(0.001)

assert in_worker_thread(lambda: second(until_the_hub_has_gone_on)()), ticks
second.end()
print("fine")
"""


def test_it_is_native_where_gevent_has_patched_everything():
    assert program(PATCHED) == "fine\n"
