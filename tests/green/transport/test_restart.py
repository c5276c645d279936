"""A receiver is killed and started again: the output goes on, and says what was lost."""

import logging
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import gevent
import pytest
import zmq

from gmflow import Topology
from gmflow.green.transport.receive import MessageReceiver
from gmflow.green.transport.socket import Context
from tests.support.green import endpoint, until

HERE = "output to the writer"
QUEUE = 10  # messages, of each side
SIZE = 1 << 20
BUFFERS = 64 << 10  # bytes that each side asks of the kernel, which takes at most four times that

RECEIVER = """
import sys, zmq
bind, address, report, queue, buffers, hold = sys.argv[1:]
context = zmq.Context()
taken = context.socket(zmq.PUSH)
taken.connect(report)
socket = context.socket(zmq.PULL)
socket.set_hwm(int(queue))
socket.set(zmq.RCVBUF, int(buffers))
getattr(socket, "bind" if int(bind) else "connect")(address)
while True:
    number = socket.recv_multipart()[0]
    taken.send(number)
    if number == hold.encode():
        taken.send(b"holds")
        sys.stdin.read()
"""


@contextmanager
def receiver(bind, address, report, hold=-1):
    """Run a plain receiver that reports the number of each message it takes."""
    arguments = (int(bind), address, report, QUEUE, BUFFERS, hold)
    command = [sys.executable, "-c", RECEIVER, *map(str, arguments)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()


@contextmanager
def reports():
    """Return a list that fills with what receivers report, and where they report to."""
    context, taken = Context(), []
    inbox = context.socket(zmq.PULL)
    inbox.set_hwm(0)
    inbox.bind("tcp://127.0.0.1:*")

    def listen():
        reader = MessageReceiver(inbox)
        while True:
            taken.append(bytes(reader.receive()[0]))

    greenlet = gevent.spawn(listen)
    try:
        yield taken, endpoint(inbox)
    finally:
        greenlet.kill()
        inbox.close(0)
        context.term()


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


class Sender:
    """A topology with one output, fed with numbered messages for as long as it is to be."""

    def __init__(self, address, bind):
        self.given = 0
        self.ends = False
        topology = self.topology = Topology()
        self.output = topology.output(
            topology.feed(self._messages()),
            address,
            queue_size=QUEUE,
            conn_type="bind" if bind else "connect",
            linger=20000,
            options={"SNDBUF": BUFFERS, "RECONNECT_IVL": 10},
            name=HERE,
        )

    def _messages(self):
        body = bytes(SIZE)
        while not self.ends:
            yield [b"%d" % self.given, body]
            self.given += 1
            gevent.sleep(0.0005)

    def node(self):
        return self.topology.statistics()["nodes"][HERE]

    def stalls(self):
        """Wait until everything on the way is full."""
        sent = -1
        while sent != self.node()["sent"]:
            sent = self.node()["sent"]
            gevent.sleep(0.3)


@pytest.mark.parametrize("bind", [True, False], ids=["bound", "connected"])
def test_killed_receiver(bind, caplog):
    address = free_address()
    sender = Sender(address, bind)
    with reports() as (taken, report):
        with receiver(not bind, address, report, hold=20) as first:
            sender.topology.start()
            until(lambda: b"holds" in taken, 20)
            taken.remove(b"holds")
            sender.stalls()
            first.send_signal(signal.SIGKILL)
            first.wait()
        until(lambda: sender.node()["connection"]["disconnected"] == 1)
        before = [int(number) for number in taken]
        with receiver(not bind, address, report):
            until(lambda: len(taken) >= len(before) + 50, 20)
            sender.ends = True
            assert gevent.spawn(sender.topology.join).get(timeout=20)
            node = sender.node()
            until(lambda: taken[-1] == b"%d" % (sender.given - 1), 20)
    numbers = [int(number) for number in taken]
    assert before == list(range(21))
    assert numbers == sorted(set(numbers)), "doubled or out of order"
    lost = sender.given - len(numbers)
    kernel = 8 * BUFFERS // SIZE + 2  # what fits, and a message begun on either side
    assert 0 < lost <= (QUEUE if bind else 0) + QUEUE + kernel
    check_said(caplog, bind)
    check_node(node, sender.given)


def check_said(caplog, bind):
    (line,) = [
        record.getMessage()
        for record in caplog.records
        if record.levelno == logging.WARNING and "a peer has gone" in record.getMessage()
    ]
    assert line.startswith(f"{HERE}: a peer has gone, 0 left; lost are at most ")
    assert (f" {QUEUE} messages queued for it here, " in line) == bind
    assert " what was on its way to it " in line


def check_node(node, given):
    assert node["received"] == given == node["sent"]
    assert not node["dropped"] and not node["failed"] and not node["left_over"]
    connection = node["connection"]
    assert connection["connected"] == 2
    assert connection["disconnected"] == 1
