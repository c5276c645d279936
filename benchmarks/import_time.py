"""How long `import gmflow` takes, against what it can't do without: zmq.green, gevent and numpy.

Each figure is a whole process; the two take turns, and the ratio is taken pair by pair.

    python benchmarks/import_time.py [PAIRS]
"""

import subprocess
import sys
from statistics import median
from time import perf_counter

NEEDED = "import zmq.green, gevent, numpy"
WHOLE = "import gmflow; gmflow.connect"  # the import alone brings nothing until it is used


def seconds(program):
    start = perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)
    return perf_counter() - start


def main(pairs=21):
    for program in (NEEDED, WHOLE):
        seconds(program)  # the first reads from disk, and may compile
    taken = [(seconds(NEEDED), seconds(WHOLE)) for _ in range(pairs)]
    ratios = sorted(whole / needed for needed, whole in taken)
    print(f"{NEEDED}: {median(needed for needed, _ in taken):.3f} s")
    print(f"{WHOLE}: {median(whole for _, whole in taken):.3f} s")
    print(f"ratio: median {median(ratios):.2f}, from {ratios[0]:.2f} to {ratios[-1]:.2f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
