"""How many Python calls inside gmflow a message takes, and how often its header is parsed.

    python benchmarks/calls.py [quick] [functions]

A profile hook counts the calls of functions of gmflow, also those that a generator or a
comprehension makes (Python inlines comprehensions from 3.12 on), not those into C. Figures are a
message, on five paths; a process of its own sends array-1.0 with a `frame` that counts on. With
`functions` it lists what is called. It exits with 1 if a figure is short of what is wanted.
"""

import sys
import threading
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from compare import flood

import gmflow
from gmflow import Topology, jsonwire
from gmflow.green.threads import NativeThread

SIZE = 40
COUNT, QUICK_COUNT = 20_000, 4_000

PATHS = {
    "receive": (15, 1),
    "source to sink, decoded": (18, 1),
    "source to HDF5 recorder": (25, 1),
    "source to output": (2.5, 0),
    "source to output, of an htype": (None, 1),
}
"""For each path the calls a message at most, and the headers parsed a message."""


class Calls:
    """Counts calls inside gmflow, in the thread that begins and in those of recorders.

    Attributes
    ----------
    functions : Counter
        How often each function was called, by file and name.
    headers : int
        How often a part was parsed that begins as a header does.
    """

    HOME = str(Path(gmflow.__file__).parent)

    def __init__(self) -> None:
        self.functions: Counter[str] = Counter()
        self.headers = 0
        self._loads = getattr(jsonwire.loads, "__code__", None)

    def __enter__(self) -> "Calls":
        native, hook = NativeThread.call, self._note
        self._native = native

        def call(thread, function, *arguments):
            def watched(*arguments):
                sys.setprofile(hook)  # a thread of gevent's pool is none of threading's
                try:
                    return function(*arguments)
                finally:
                    sys.setprofile(None)

            return native(thread, watched, *arguments)

        NativeThread.call = call
        threading.setprofile(hook)
        sys.setprofile(hook)
        return self

    def __exit__(self, *error: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)
        NativeThread.call = self._native

    def _note(self, frame, event, argument):
        if event != "call":
            return
        code = frame.f_code
        if not code.co_filename.startswith(self.HOME):
            return
        self.functions[f"{code.co_filename[len(self.HOME) + 1 :]}:{code.co_name}"] += 1
        if code is self._loads and bytes(frame.f_locals["part"]).startswith(b'{"htype"'):
            self.headers += 1


def receive(address, count):
    with gmflow.connect(address) as stream:
        for _ in range(count):
            stream.receive()


def sink(address, count):
    topology = Topology()
    topology.sink(topology.source(address, count=count), lambda message: message.data["data"][0])
    topology.run()


def record(address, count):
    topology = Topology()
    with TemporaryDirectory() as folder:
        topology.recorder(topology.source(address, count=count), f"{folder}/run.h5")
        topology.run()


def output(address, count, **choice):
    topology = Topology()
    with flood(program="drain.py") as drain:
        topology.output(topology.source(address, count=count), drain, **choice)
        topology.run()


def output_of_htype(address, count):
    output(address, count, htypes=["array-1.0"])


WORK = dict(zip(PATHS, (receive, sink, record, output, output_of_htype), strict=True))


def main(words: list[str]) -> int:
    count, short = QUICK_COUNT if "quick" in words else COUNT, False
    print(f"{'path':<30} {'calls':>7} {'wanted':>7} {'headers':>8} {'wanted':>7}")
    for name, (most, parsed) in PATHS.items():
        with flood("counting", SIZE, program="accounting.py") as address, Calls() as calls:
            WORK[name](address, count)
        total, headers = calls.functions.total() / count, calls.headers / count
        missed = (most is not None and total > most) or round(headers, 1) != parsed
        short |= missed
        wanted = "" if most is None else f"<= {most}"
        note = "  SHORT" if missed else ""
        print(f"{name:<30} {total:7.2f} {wanted:>7} {headers:8.2f} {parsed:7}{note}")
        if "functions" in words:
            for function, number in calls.functions.most_common(40):
                print(f"    {number / count:7.3f} {function}")
    return int(short)


if __name__ == "__main__":
    if set(sys.argv[1:]) - {"quick", "functions"}:
        sys.exit(f"{sys.argv[0]} [quick] [functions]")
    sys.exit(main(sys.argv[1:]))
