"""How fast whole array-1.0 messages are sent, against psi-mflow, asyncio and loops by hand.

    python benchmarks/send.py

Header and data are bytes that were made before, so that what counts is the sending alone;
`forward` writes them anew from a value. gmflow sends a whole message with `send_parts`, which
psi-mflow does not have, and as psi-mflow does: the header with one call, the data with another.
"""

import json
import sys

from compare import HERE, Plan, Row, beside, contender, measure, program, take_turns

COUNTS = {
    40: 60_000,
    4_096: 40_000,
    262_144: 2_000,
    1_048_576: 800,
    8_388_608: 60,
    16_777_216: 40,
}
"""Messages of each size in bytes."""

QUEUES = {8_388_608: 8, 16_777_216: 4}
"""High-water marks of all senders, by size, 100 by default: a larger one is not full when the
clocks start, and what then counts is how fast a queue fills."""


def gmflow(address, size, count):
    import gmflow

    send_parts = stream_of(gmflow, address, int(size)).send_parts
    header, data = json.dumps(header_of(int(size))).encode(), bytes(int(size))

    def loop(count):
        for _ in range(count):
            send_parts([header, data])

    return measure(loop, int(count))


def gmflow_by_parts(address, size, count):
    import gmflow as mflow

    return by_library(mflow, address, int(size), int(count))


def psi_mflow(address, size, count):
    import mflow

    return by_library(mflow, address, int(size), int(count))


def by_library(library, address, size, count):
    send = stream_of(library, address, size).send
    header, data = json.dumps(header_of(size)).encode(), bytes(size)

    def loop(count):
        for _ in range(count):
            send(header, send_more=True)
            send(data)

    return measure(loop, count)


def gmflow_forward(address, size, count):
    import gmflow as mflow

    return by_forward(mflow, address, int(size), int(count))


def psi_mflow_forward(address, size, count):
    import mflow

    return by_forward(mflow, address, int(size), int(count))


def by_forward(library, address, size, count):
    import numpy as np

    forward = stream_of(library, address, size).forward
    value = {"header": header_of(size), "data": [np.zeros(size, "uint8")]}

    def loop(count):
        for _ in range(count):
            forward(value)

    return measure(loop, count)


def stream_of(library, address, size):
    return library.connect(address, mode=library.PUSH, queue_size=queue_of(size))


def header_of(size):
    return {"htype": "array-1.0", "type": "uint8", "shape": [size], "frame": 0, "source": "send"}


def queue_of(size):
    return QUEUES.get(size, 100)


def by_hand(address, size, count):
    import zmq

    size = int(size)
    copy = size < 65_536  # what is larger is sent faster from where it is
    header, data = json.dumps(header_of(size)).encode(), bytes(size)
    with zmq.Context() as context, context.socket(zmq.PUSH) as socket:
        socket.set_hwm(queue_of(size))
        socket.connect(address)
        send, more = socket.send, int(zmq.SNDMORE)

        def loop(count):
            for _ in range(count):
                send(header, more)
                send(data, 0, copy)

        # the context ends when all is sent: what was not copied must live until then
        return measure(loop, int(count))


def by_asyncio(address, size, count):
    import asyncio

    import zmq.asyncio

    size = int(size)
    socket = zmq.asyncio.Context.instance().socket(zmq.PUSH)
    socket.set_hwm(queue_of(size))
    socket.connect(address)
    parts = [json.dumps(header_of(size)).encode(), bytes(size)]
    events = asyncio.new_event_loop()

    async def several(count):
        for _ in range(count):
            await socket.send_multipart(parts)

    return measure(lambda count: events.run_until_complete(several(count)), int(count))


CONTENDERS = {
    "gmflow": gmflow,
    "gmflow by parts": gmflow_by_parts,
    "psi-mflow": psi_mflow,
    "plain": by_hand,
    "zmq.asyncio": by_asyncio,
    "gmflow forward": gmflow_forward,
    "psi-mflow forward": psi_mflow_forward,
}

FORWARDED = (4_096, 1_048_576)
"""The sizes that are also sent with `forward`."""


def rows(plan: Plan) -> list[Row]:
    for size, count in COUNTS.items():
        names = ["gmflow", "psi-mflow", "plain"]
        names += ["gmflow by parts", "zmq.asyncio"] if size < 65_536 else []
        names += ["gmflow forward", "psi-mflow forward"] if size in FORWARDED else []
        with beside([sys.executable, str(HERE / "drain.py")]) as address:
            commands = {n: contender(__file__, n, address, size, plan.count(count)) for n in names}
            taken = take_turns(plan.runs, commands)
        yield from (small_rows if size < 65_536 else large_rows)(f"send {size} B", taken)
        if size in FORWARDED:
            yield from forward_rows(f"forward {size} B", taken)


def small_rows(case, taken):
    us = {"scale": 1e6, "unit": "µs"}
    yield taken.row(case, "thread", "psi-mflow", wanted=1.3, **us)
    yield taken.row(case + " by parts", "thread", "psi-mflow", ours="gmflow by parts", **us)
    yield taken.row(case + " by parts", "wall", "psi-mflow", ours="gmflow by parts", **us)
    yield taken.row(case, "thread", "plain", **us)
    yield taken.row(case, "thread", "zmq.asyncio", **us)
    for peer in ("psi-mflow", "plain"):
        yield taken.row(case, "wall", peer, **us)
        yield taken.row(case, "process", peer, **us)


def large_rows(case, taken):
    us = {"scale": 1e6, "unit": "µs"}
    for peer in ("psi-mflow", "plain"):
        yield taken.row(case, "wall", peer, **us)
        yield taken.row(case, "process", peer, **us)


def forward_rows(case, taken):
    us = {"scale": 1e6, "unit": "µs"}
    for figure in ("wall", "thread", "process"):
        yield taken.row(case, figure, "psi-mflow forward", ours="gmflow forward", **us)


if __name__ == "__main__":
    program(CONTENDERS, rows)
