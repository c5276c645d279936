"""The images of a compressed Eiger series as arrays: their sum over the good pixels, and losses.

m_generate plays the detector, in a process of its own. The stream's handler remembers the start
of the series and yields its images as NumPy arrays; two native threads decompress them.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import gmflow
from gmflow.handlers import eiger
from gmflow.handlers.series import Image, SeriesEnd, SeriesStart

IMAGES = 30
BIN = Path(sys.executable).parent


def detector(address):
    """Start to send a series: its start, its images, its end."""
    command = [sys.executable, BIN / "m_generate", "-a", address, "--htype", "eiger"]
    command += ["--encoding", "bs16-lz4<", "--shape", "514x1030", "-n", str(IMAGES + 2)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def sum_up(stream):
    """Return the sum of a series' images, and its end."""
    total = good = None
    for message in stream:
        match message.data:
            case SeriesStart() as start:
                print(f"series {start.series}: {start.config['nimages']} images to come")
                good = start.mask == 0
                total = np.zeros(start.mask.shape, "uint64")
            case Image(array=array):
                np.add(total, array, out=total, where=good)
            case SeriesEnd() as end:
                return total, end
    raise SystemExit("the series did not end")


def main():
    with tempfile.TemporaryDirectory() as folder:
        address = f"ipc://{folder}/detector"
        sender = detector(address)
        try:
            with gmflow.connect(address, receive_timeout=5000, decode_threads=2) as stream:
                stream.handlers.update(eiger.HANDLERS)
                total, end = sum_up(stream)
        finally:
            sender.terminate()
            sender.wait()
    row, column = np.unravel_index(total.argmax(), total.shape)
    print(f"{end.seen} images of {end.expected} came, {end.missing} are missing")
    print(f"{total.sum()} photons on {total.shape} pixels, most of them at ({row}, {column})")


if __name__ == "__main__":
    main()
