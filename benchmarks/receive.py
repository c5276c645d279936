"""How fast array-1.0 is received and decoded, against psi-mflow, asyncio and loops by hand.

python benchmarks/receive.py
"""

import sys

from compare import Plan, Row, contender, flood, measure, program, take_turns

COUNTS = {
    40: 100_000,
    4_096: 80_000,
    262_144: 4_000,
    1_048_576: 1_500,
    8_388_608: 150,
    16_777_216: 80,
}
"""Messages of each size in bytes."""

WIDTHS = {262_144: 512, 16_777_216: 4_096}


def gmflow(address, count):
    import gmflow as mflow

    return by_library(mflow, address, count)


def without_orjson(address, count):
    sys.modules["orjson"] = None
    return gmflow(address, count)


def psi_mflow(address, count):
    import mflow

    return by_library(mflow, address, count)


def by_library(library, address, count):
    stream = library.connect(address)

    def loop(count):
        for _ in range(count):
            stream.receive().data["data"][0]

    return measure(loop, int(count))


def by_hand(address, count, copy=True):
    import json

    import numpy as np
    import zmq

    socket = zmq.Context.instance().socket(zmq.PULL)
    socket.set_hwm(100)
    socket.connect(address)

    def loop(count):
        for _ in range(count):
            first, data = socket.recv_multipart(copy=copy)
            header = json.loads(first if copy else first.bytes)
            np.frombuffer(data, header["type"]).reshape(header["shape"])

    return measure(loop, int(count))


def by_hand_without_copy(address, count):
    return by_hand(address, count, copy=False)


def by_asyncio(address, count):
    import asyncio
    import json

    import numpy as np
    import zmq.asyncio

    socket = zmq.asyncio.Context.instance().socket(zmq.PULL)
    socket.set_hwm(100)
    socket.connect(address)
    events = asyncio.new_event_loop()

    async def several(count):
        for _ in range(count):
            first, data = await socket.recv_multipart()
            header = json.loads(first)
            np.frombuffer(data, header["type"]).reshape(header["shape"])

    return measure(lambda count: events.run_until_complete(several(count)), int(count))


CONTENDERS = {
    "gmflow": without_orjson,
    "gmflow[fast]": gmflow,
    "psi-mflow": psi_mflow,
    "plain": by_hand,
    "plain copy=False": by_hand_without_copy,
    "zmq.asyncio": by_asyncio,
}


def rows(plan: Plan) -> list[Row]:
    for size, count in COUNTS.items():
        small = size < 65_536
        skipped = ("plain copy=False",) if small else ("gmflow[fast]", "zmq.asyncio")
        names = [name for name in CONTENDERS if name not in skipped]
        with flood(size, WIDTHS.get(size, 0)) as address:
            commands = {n: contender(__file__, n, address, plan.count(count)) for n in names}
            taken = take_turns(plan.runs, commands)
        yield from (small_rows if small else large_rows)(f"receive {size} B", size, taken)


def small_rows(case, size, taken):
    us = {"scale": 1e6, "unit": "µs"}
    yield taken.row(case, "thread", "psi-mflow", wanted=1.7, **us)
    yield taken.row(case + ", orjson", "thread", "psi-mflow", ours="gmflow[fast]", wanted=2.3, **us)
    yield taken.row(case, "thread", "plain", wanted=1.25, **us)
    yield taken.row(case + ", orjson", "thread", "plain", ours="gmflow[fast]", **us)
    yield taken.row(case, "thread", "zmq.asyncio", **us)
    for peer in ("psi-mflow", "plain"):
        yield taken.row(case, "wall", peer, **us)
        yield taken.row(case, "process", peer, **us)


def large_rows(case, size, taken):
    us = {"scale": 1e6, "unit": "µs"}
    million = size >= 1 << 20
    yield taken.row(case, "wall", "plain copy=False", wanted=0.95 if million else None, **us)
    yield taken.row(case, "wall", "psi-mflow", wanted=1.0 if million else None, **us)
    yield taken.row(case, "process", "psi-mflow", wanted=1.5 if size >= 8 << 20 else None, **us)
    yield taken.row(case, "process", "plain copy=False", **us)


if __name__ == "__main__":
    program(CONTENDERS, rows)
