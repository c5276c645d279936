"""Sends images (uint8) by gmflow as array-1.0, as fast as they are taken, until it is ended.

    python benchmarks/image_stream.py WIDTH [ADDRESS]

Prints its address.
"""

import sys

import numpy as np

import gmflow as mflow


def main(width: int, address: str = "tcp://127.0.0.1:*") -> None:
    images = [np.full((width, width), number, np.uint8) for number in range(8)]
    header = {"htype": "array-1.0", "type": "uint8", "shape": [width, width], "source": "images"}
    frame = 0
    with mflow.connect(address, mflow.BIND, mflow.PUSH, copy=False) as stream:
        print(stream.address, flush=True)
        while True:
            frame += 1
            image = images[frame % len(images)]
            stream.forward({"header": {**header, "frame": frame}, "data": [image]})


main(int(sys.argv[1]), *sys.argv[2:])
