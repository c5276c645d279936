"""A PvaServer with images (uint8) in an NtNdArray, until its standard input ends.

    python benchmarks/image_server.py NAME WIDTH

Prints a line when it can be connected to. Then each line that it reads, COUNT RATE WINDOW, has
it publish so many images: by the clock, RATE a second, or where RATE is 0 as fast as a reader
allows, who writes a byte for each image it has, so that WINDOW are under way at most. Each time
it prints how many a second it published. Images are numbered on and on.
"""

import os
import select
import sys
import time

import numpy as np
import pvaccess
from pvapy.utility.adImageUtility import AdImageUtility


def main(name: str, width: int) -> None:
    server = pvaccess.PvaServer(name, pvaccess.NtNdArray())
    shape = (width, width)
    images = [AdImageUtility.generateNtNdArray2D(0, np.full(shape, n, np.uint8)) for n in range(8)]
    publish = publisher(server, name, images)
    print("ready", flush=True)
    while order := os.read(0, 64):  # not buffered: the bytes that follow are not an order's
        count, rate, window = map(int, order.split())
        began = time.perf_counter()
        if rate:
            by_clock(publish, count, rate)
        else:
            as_taken(publish, count, window)
        print(count / (time.perf_counter() - began), flush=True)


def publisher(server, name, images):
    number = 0

    def publish():
        nonlocal number
        number += 1
        image = images[number % len(images)]
        image["uniqueId"] = number
        server.updateUnchecked(name, image)

    return publish


def by_clock(publish, count, rate):
    began = time.perf_counter()
    for number in range(count):
        while (left := began + number / rate - time.perf_counter()) > 0:
            if left > 0.0001:  # the rest is spun: sleeping takes longer than it is told
                time.sleep(left - 0.00005)
        publish()


def as_taken(publish, count, window):
    taken = 0
    for number in range(count):
        while number - taken >= window:
            taken += told() or window
        publish()
    while taken < count:
        taken += told() or window


def told():
    """Wait for bytes, a second at most: images that were missed are not told of; count them."""
    if not select.select([0], [], [], 1)[0]:
        return 0
    return len(os.read(0, 4096)) or sys.exit()


main(sys.argv[1], int(sys.argv[2]))
