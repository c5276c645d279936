"""What the tests above the green line share: plain pyzmq peers, threads of their own, programs."""

import subprocess
import sys
import threading
from contextlib import contextmanager

import gevent
import zmq
from gevent.hub import get_hub

from gmflow.green.transport.receive import MessageReceiver
from gmflow.green.transport.send import MessageSender
from tests.support import waiting
from tests.support.waiting import DEADLINE


@contextmanager
def peer(kind, address=None, **options):
    """Return a plain pyzmq socket: bound to a free loopback port, or connected to `address`."""
    context = zmq.Context()
    socket = context.socket(kind)
    try:
        socket.set(zmq.LINGER, 0)
        for name, value in options.items():
            socket.set(zmq.SocketOption[name], value)
        if kind == zmq.SUB:
            socket.subscribe(b"")
        if address is None:
            socket.bind("tcp://127.0.0.1:*")
        else:
            socket.connect(address)
        yield socket
    finally:
        socket.close(0)
        context.term()


def endpoint(socket):
    """Return the address a socket is bound to."""
    return zmq.Socket.get(socket, zmq.LAST_ENDPOINT).decode()


@contextmanager
def thread(function, *arguments):
    """Run a function in a native thread; its error is raised at the end of the block."""
    errors = []

    def run():
        try:
            function(*arguments)
        except BaseException as error:
            errors.append(error)

    native = threading.Thread(target=run, daemon=True)
    native.start()
    yield native
    get_hub().threadpool.apply(native.join, (DEADLINE,))
    assert not native.is_alive()
    if errors:
        raise errors[0]


@contextmanager
def ticker(every=0.01):
    """Count the ticks of a greenlet that sleeps for `every` seconds between them."""
    ticks = []

    def tick():
        while True:
            gevent.sleep(every)
            ticks.append(None)

    greenlet = gevent.spawn(tick)
    try:
        yield ticks
    finally:
        greenlet.kill()


def program(text, *arguments, timeout=50):
    """Run a Python program of its own; give what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", text, *arguments], capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def until(condition, seconds=DEADLINE):
    """Let the hub run until a condition holds, and fail if it doesn't in time."""
    return waiting.until(condition, seconds, sleep=gevent.sleep)


def books(snapshot):
    """Validate that each node accounts for all it received; return the nodes by name."""
    for name, node in snapshot["nodes"].items():
        unmatched = sum(sum(causes.values()) for causes in node["unmatched"].values())
        rest = sum(node["dropped"].values()) + node["failed"] + unmatched + node["left_over"]
        assert node["received"] == node["sent"] + rest, (name, node)
    return snapshot["nodes"]


class Ends:
    """A green socket with its two sides, in one object."""

    def __init__(self, socket):
        inbox, outbox = MessageReceiver(socket), MessageSender(socket)
        self.socket = socket
        self.receive = inbox.receive
        self.receive_burst = inbox.receive_burst
        self.send_parts = outbox.send
        self.send_burst = outbox.send_burst

    def __getattr__(self, name):
        return getattr(self.socket, name)
