"""What it costs that every source tells what is missing upstream, against one that doesn't look.

    python benchmarks/accounting.py

A topology of one source and one output, between a plain sender and a receiver that throws all
away. The headers count on from message to message, but for those of the sender `same`, which
are all alike, so that each message is a duplicate. `thread` is the CPU time a message of the
thread that moves them.
"""

import json
import sys
from collections import deque
from itertools import chain, cycle, repeat
from time import thread_time

import zmq
from compare import HERE, Plan, Row, beside, contender, flood, program, take_turns

from gmflow import Topology, tune_process
from gmflow.green.topology import source as origins

SENDERS = {"counting": 10_000, "same": 1}
"""How many headers each sender has, one after the other, again and again."""

CASES = {("counting", 40): 200_000, ("counting", 4096): 150_000, ("same", 40): 200_000}
"""Messages for each sender and size in bytes."""

LIMIT = 0.9
"""What the speed with accounting should be at least of that without."""


class Nothing:
    """What follows no counter."""

    def __init__(self, step):
        pass

    def follow(self, messages, now):
        pass

    def snapshot(self, now):
        pass


def send(headers, size):
    """Send array-1.0 messages until ended; no Python between the parts, as in flood.py."""
    header = {"htype": "array-1.0", "type": "uint8", "shape": [size], "source": "flood"}
    texts = [json.dumps({**header, "frame": number}).encode() for number in range(headers)]
    parts = list(chain.from_iterable(zip(texts, repeat(bytes(size)))))
    socket = zmq.Context().socket(zmq.PUSH)
    socket.set_hwm(100)
    print(f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}", flush=True)
    deque(map(socket.send, cycle(parts), cycle((int(zmq.SNDMORE), 0))), 0)


def move(address, count):
    count = int(count)
    tune_process()
    with beside([sys.executable, str(HERE / "drain.py")]) as drain:
        for number in (count // 10, count):
            topology = Topology()
            source = topology.source(address, count=number)
            topology.output(source, drain)
            began = thread_time()
            topology.run()
            used = thread_time() - began
    return {"thread": used / count}


def without(address, count):
    origins.SequenceTracker = Nothing
    return move(address, count)


CONTENDERS = {"gmflow": move, "unwatched": without}


def rows(plan: Plan) -> list[Row]:
    for (sender, size), count in CASES.items():
        with flood(sender, size, program="accounting.py") as address:
            commands = {
                name: contender(__file__, name, address, plan.count(count)) for name in CONTENDERS
            }
            taken = take_turns(plan.runs, commands)
        case = f"accounting, {sender}, {size} B"
        wanted = LIMIT if sender == "counting" else None
        yield taken.row(case, "thread", "unwatched", scale=1e6, wanted=wanted)


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in SENDERS:
        send(SENDERS[sys.argv[1]], int(sys.argv[2]))
    else:
        program(CONTENDERS, rows)
