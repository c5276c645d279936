"""Decoding images: gmflow's codecs beside the libraries that could do it, on one thread and two.

    python benchmarks/pixels.py [quick]

An image is 2167 x 2070 pixels of uint16, as large as an EIGER 4M's, with 3 counts in each on
average. All decode the same blob, in memory, into bytes of their own, in a process that keeps
freed memory (`tune_process`), as the scripts do. Libraries that are not installed are left out.
"""

import threading
import time
from importlib.util import find_spec

import numpy as np
from compare import Plan, contender, program, take_turns

ROWS, COLUMNS = 2167, 2070
COUNT = 100
"""Images that a thread decodes in a run."""


def image():
    return np.random.default_rng(1).poisson(3, (ROWS, COLUMNS)).astype("u2")


def gmflow_bslz4(blob, size):
    from gmflow.codecs import bslz4

    return lambda: bslz4.decode(blob, size, 2)


def gmflow_without_dectris(blob, size):
    from gmflow.codecs import bslz4

    bslz4.fast_library = lambda: None
    return gmflow_bslz4(blob, size)


def imagecodecs_bslz4(blob, size):
    """Its two functions, one after the other, on the whole image; nothing is checked."""
    from imagecodecs import bitshuffle_decode, lz4h5_decode

    tail = size % 16
    framed = (size - tail).to_bytes(8, "big") + blob[8 : len(blob) - tail]

    def decode():
        shuffled, out = np.empty(size, "u1"), np.empty(size, "u1")
        lz4h5_decode(framed, out=shuffled.data)
        bitshuffle_decode(shuffled.data, itemsize=2, blocksize=4096, out=out.data)
        out[-tail:] = np.frombuffer(blob[-tail:], "u1")
        return out

    return decode


def dectris_bslz4(blob, _):
    from dectris.compression import decompress

    return lambda: decompress(blob, "bslz4", elem_size=2)


def bitshuffle_bslz4(blob, _):
    """One call has a thread for each core already."""
    from bitshuffle import decompress_lz4

    blocks = np.frombuffer(blob, "u1")[12:]
    return lambda: decompress_lz4(blocks, (ROWS, COLUMNS), np.dtype("u2"), 4096)


def gmflow_lz4(blob, size):
    from gmflow.codecs import lz4

    return lambda: lz4.decode_block(blob, size)


def lz4_lz4(blob, size):
    from lz4.block import decompress

    return lambda: decompress(blob, uncompressed_size=size)


DECODERS = {
    "bs16-lz4<": {
        "gmflow": gmflow_bslz4,
        "gmflow by imagecodecs": gmflow_without_dectris,
        "imagecodecs": imagecodecs_bslz4,
        "dectris-compression": dectris_bslz4,
        "bitshuffle": bitshuffle_bslz4,
    },
    "lz4<": {"gmflow": gmflow_lz4, "lz4": lz4_lz4},
}
MODULES = {
    "imagecodecs": "imagecodecs",
    "dectris-compression": "dectris",
    "bitshuffle": "bitshuffle",
    "lz4": "lz4",
}
"""What the peers are imported as."""
LIBRARIES = ("imagecodecs", "dectris-compression")
"""Those that gmflow takes."""


def rates(encoding, name, count):
    """Return the bytes of pixels a second on one thread, and on two together."""
    from gmflow.codecs import pixels
    from gmflow.tuning import tune_process

    array = image()
    decode = DECODERS[encoding][name](bytes(pixels.encode(array, encoding)), array.nbytes)
    if bytes(decode()) != array.tobytes():
        raise ValueError(f"{name} decodes to something else")
    tune_process()
    return {
        figure: threads * count * array.nbytes / seconds(decode, threads, count)
        for figure, threads in (("rate", 1), ("rate x2", 2))
    }


def seconds(decode, threads, count):
    """Return the time in which each thread decodes so many images, after a few that don't count."""
    ready = threading.Barrier(threads + 1)

    def work():
        for _ in range(count // 10 + 1):
            decode()
        ready.wait()
        for _ in range(count):
            decode()
        ready.wait()

    for _ in range(threads):
        threading.Thread(target=work, daemon=True).start()
    ready.wait()
    began = time.perf_counter()
    ready.wait()
    return time.perf_counter() - began


CONTENDERS = {
    f"{encoding} {name}": lambda count, encoding=encoding, name=name: rates(
        encoding, name, int(count)
    )
    for encoding, decoders in DECODERS.items()
    for name in decoders
}


def rows(plan: Plan):
    if not find_spec("imagecodecs"):
        print("pixels: left out, imagecodecs is not installed", flush=True)
        return
    for encoding, decoders in DECODERS.items():
        there = [name for name in decoders if name not in MODULES or find_spec(MODULES[name])]
        commands = {
            name: contender(__file__, f"{encoding} {name}", plan.count(COUNT)) for name in there
        }
        taken = take_turns(plan.runs, commands)
        rate = {"unit": "MB/s", "more": True, "scale": 1e-6}
        for figure, wanted in (("rate", None), ("rate x2", 0.85)):
            for peer in there:
                case, ours = f"images, {encoding}", "gmflow"
                if peer == "imagecodecs":
                    case, ours = f"{case}, imagecodecs", "gmflow by imagecodecs"
                if peer in MODULES:
                    at_least = wanted if peer in LIBRARIES else None
                    yield taken.row(case, figure, peer, ours=ours, wanted=at_least, **rate)


if __name__ == "__main__":
    program(CONTENDERS, rows)
