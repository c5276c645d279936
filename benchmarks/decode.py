"""How fast pixels are decoded off the hub, beside the bare library in as many threads.

    python benchmarks/decode.py

Images like an EIGER 4M's (2167 x 2070, uint16, bslz4) are decoded through a `Stream` by
`gmflow.handlers.eiger`, while a greenlet on the same hub sleeps for 10 ms again and again: of 100
ticks in a second it should have 95. The bare library is imagecodecs, called for the same blobs by
native threads, with nothing received. The messages come over inproc from a thread, or over ipc or
TCP from a process, which takes its part of the processors.
"""

import struct
import sys
import threading
import time
from importlib.util import find_spec
from tempfile import TemporaryDirectory

import numpy as np
from compare import HERE, Plan, Row, beside, contender, program, take_turns

SHAPE = (2167, 2070)
THREADS = 2
BATCH = 1500
TICK = 0.01


def messages(count):
    """Return the messages of a series' images, 8 different ones."""
    from gmflow.simulate import eiger

    series = list(eiger(8, SHAPE, encoding="bs16-lz4<"))
    return [series[1 + number % 8] for number in range(count)]


def image(parts):
    """Decode one message as gmflow does it, without a stream."""
    import gmflow
    from gmflow.handlers import eiger

    return gmflow.Decoder(eiger.HANDLERS).decode(parts).array


def bare(count, decode=None):
    """Decode in plain threads; each image's pixels are bytes of their own."""
    decode = decode or (by_dectris if find_spec("dectris") else by_imagecodecs)
    blobs = [bytes(parts[2]) for parts in messages(8)]
    assert bytes(decode(blobs[0])) == image(messages(1)[0]).tobytes()
    count = int(count)

    def work(first):
        for number in range(first, count, THREADS):
            decode(blobs[number % 8])

    threads = [threading.Thread(target=work, args=(first,)) for first in range(THREADS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"rate": count / (time.perf_counter() - began), "ticks": 0}


def by_dectris(blob):
    from dectris.compression import decompress

    return decompress(blob, "bslz4", elem_size=2)


def by_imagecodecs(blob):
    """Call the library once for all of LZ4 and once for the shuffle."""
    from imagecodecs import bitshuffle_decode, lz4h5_decode

    size, block = struct.unpack_from(">QI", blob)
    rest = size % 16  # fewer than 8 pixels, as they are, at the end
    framed = struct.pack(">QI", size - rest, block) + blob[12 : len(blob) - rest]
    shuffled, pixels = np.empty(size - rest, np.uint8).data, np.empty(size, np.uint8).data
    lz4h5_decode(framed, out=shuffled)
    bitshuffle_decode(shuffled, itemsize=2, blocksize=block // 2, out=pixels[: size - rest])
    pixels[size - rest :] = blob[len(blob) - rest :]
    return pixels


def bare_imagecodecs(count):
    return bare(count, by_imagecodecs)


def gmflow_imagecodecs(address, count):
    from gmflow.codecs import bslz4

    bslz4.fast_library = lambda: None
    return gmflow(address, count)


def gmflow(address, count):
    return streamed(address, count, THREADS)


def one_thread(address, count):
    return streamed(address, count, 1)


def inline(address, count):
    return streamed(address, count, 0)


def streamed(address, count, threads):
    import gmflow as mflow
    from gmflow.handlers import eiger

    count = int(count)
    if address == "inproc":
        context, address = sender_here()
    else:
        context = None
    stream = mflow.connect(
        address,
        copy=False,
        context=context,
        handlers=eiger.HANDLERS,
        decode_threads=threads,
        queue_size=8,
        receive_timeout=10_000,
    )
    for _ in range(20):
        assert stream.receive().data.array.shape == SHAPE
    ticks, lost = Ticks(), 0
    began = time.perf_counter()
    for _ in range(count):
        lost += stream.receive().data.array.shape != SHAPE
    taken = time.perf_counter() - began
    assert not lost
    return {"rate": count / taken, "ticks": ticks.end() / (taken / TICK) * 100}


def sender_here():
    """Send from a thread of this process, over inproc."""
    import zmq

    context = zmq.Context()
    socket = context.socket(zmq.PUSH)
    socket.set_hwm(8)
    socket.bind("inproc://images")

    def send():
        images = messages(8)
        number = 0
        while True:
            socket.send_multipart(images[number % 8], copy=False)
            number += 1

    threading.Thread(target=send, daemon=True).start()
    return context, "inproc://images"


class Ticks:
    """A greenlet that sleeps for `TICK` again and again."""

    def __init__(self):
        import gevent

        self._count = 0
        self._greenlet = gevent.spawn(self._tick)
        gevent.sleep(0)

    def _tick(self):
        import gevent

        while True:
            gevent.sleep(TICK)
            self._count += 1

    def end(self):
        self._greenlet.kill()
        return self._count


def send(address):
    """Send images until ended."""
    import zmq

    socket = zmq.Context.instance().socket(zmq.PUSH)
    socket.set_hwm(8)
    socket.bind(address)
    print(socket.get_string(zmq.LAST_ENDPOINT), flush=True)
    images = messages(8)
    while True:
        for parts in images:
            socket.send_multipart(parts, copy=False)


CONTENDERS = {
    "bare": bare,
    "bare imagecodecs": bare_imagecodecs,
    "gmflow imagecodecs": gmflow_imagecodecs,
    "gmflow": gmflow,
    "gmflow, one": one_thread,
    "gmflow, inline": inline,
    "gmflow, ipc": gmflow,
    "gmflow, tcp": gmflow,
    "send": send,
}


def rows(plan: Plan) -> list[Row]:
    if not find_spec("imagecodecs"):
        print("decode: left out, imagecodecs is not installed", flush=True)
        return
    count = plan.count(BATCH)
    sender = [sys.executable, str(HERE / "decode.py"), "send"]
    with (
        TemporaryDirectory() as folder,
        beside([*sender, f"ipc://{folder}/images"]) as ipc,
        beside([*sender, "tcp://127.0.0.1:*"]) as tcp,
    ):
        commands = {name: contender(__file__, name, count) for name in ("bare", "bare imagecodecs")}
        for name in ("gmflow", "gmflow imagecodecs", "gmflow, one", "gmflow, inline"):
            commands[name] = contender(__file__, name, "inproc", count)
        commands["gmflow, ipc"] = contender(__file__, "gmflow, ipc", ipc, count)
        commands["gmflow, tcp"] = contender(__file__, "gmflow, tcp", tcp, count)
        taken = take_turns(plan.runs, commands)
    rate = {"more": True, "unit": "1/s"}
    case = "4M images, 2 threads"
    yield taken.row(case, "rate", "bare", wanted=0.85, **rate)
    ours = "gmflow imagecodecs"
    yield taken.row(case, "rate", "bare imagecodecs", ours=ours, wanted=0.85, **rate)
    yield taken.row("4M images, ipc", "rate", "bare", ours="gmflow, ipc", **rate)
    yield taken.row("4M images, tcp", "rate", "bare", ours="gmflow, tcp", **rate)
    yield taken.row("4M images, 1 thread", "rate", "bare", ours="gmflow, one", **rate)
    yield taken.row("4M images, inline", "rate", "bare", ours="gmflow, inline", **rate)
    for name in ("gmflow", ours, "gmflow, one", "gmflow, inline"):
        ticks = taken.middle(name, "ticks")
        wanted = None if "inline" in name else 0.95
        yield Row(f"4M images, {name}", "ticks", "100", ticks / 100, ticks, 100, "", wanted)


if __name__ == "__main__":
    program(CONTENDERS, rows)
