"""One end of a stream as a program, for mflow and for gmflow alike; it is not a test.

``stream_peer.py LIBRARY send|forward MODE FILE ADDRESS...`` binds to each address and sends
what the pickle FILE holds: lists of parts, or values, in which an array is a tuple of its
dtype, shape and bytes (NumPy 2.4 doesn't pickle byte orders). It sends beacons until a line comes
in, so that nothing is lost to a receiver that is not there yet.

``stream_peer.py LIBRARY receive MODE ADDRESS`` connects, says ``ready`` at the first beacon,
then prints for each message a line of JSON: its value, and what the stream has counted since
the last beacon.
"""

import faulthandler
import importlib
import json
import pickle
import select
import sys

import numpy as np

BEACON = b'{"htype": "raw-1.0", "beacon": true}'
END = b'{"htype": "raw-1.0", "end": true}'


def send(library, how, mode, file, *addresses):
    with open(file, "rb") as opened:
        messages = pickle.load(opened)
    streams = [
        library.connect(address, library.BIND, getattr(library, mode), 1000, linger=20_000)
        for address in addresses
    ]
    while not select.select([sys.stdin], [], [], 0.01)[0]:
        for stream in streams:
            stream.send(BEACON, block=False)
    sys.stdin.readline()
    for stream in streams:
        for message in messages:
            if how == "forward":
                stream.forward(
                    {"header": message["header"], "data": [*map(revived, message["data"])]}
                )
                continue
            for part in message[:-1]:
                stream.send(part, send_more=True)
            stream.send(message[-1])
        stream.send(END)
    if library.__name__ == "mflow":
        sys.stdin.readline()  # its disconnect loses what is still on the way
    for stream in streams:
        stream.disconnect()


def receive(library, mode, address):
    stream = library.connect(address, mode=getattr(library, mode), queue_size=1000)
    began = (0, 0)
    ready = False
    while True:
        message = stream.receive()
        if message is None:
            print("null")
            continue
        header = message.data["header"]
        counted = message.statistics
        if header.get("end"):
            break
        if header.get("beacon"):
            began = (counted.messages_received, counted.total_bytes_received)
            if not ready:
                ready = True
                print("ready", flush=True)
            continue
        counts = [
            counted.messages_received - began[0],
            counted.total_bytes_received - began[1],
            counted.bytes_received,
        ]
        print(json.dumps([plain(message.data), counts]))
    stream.disconnect()


def revived(segment):
    if isinstance(segment, bytes):
        return segment
    dtype, shape, data = segment
    return np.frombuffer(data, dtype).reshape(shape)


def plain(value):
    """Return a value as JSON that tells apart whatever Python tells apart."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, (bytes, memoryview)):
        return [type(value).__name__, bytes(value).hex()]
    if hasattr(value, "dtype"):
        writeable = value.flags.writeable
        return ["array", value.dtype.str, list(value.shape), value.tobytes().hex(), writeable]
    return value


def main():
    faulthandler.dump_traceback_later(45, exit=True)
    library = importlib.import_module(sys.argv[1])
    if sys.argv[2] == "receive":
        receive(library, *sys.argv[3:])
    else:
        send(library, *sys.argv[2:])


if __name__ == "__main__":
    main()
