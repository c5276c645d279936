"""A handler that remembers from message to message: images that are missing in a series.

One generator function reads all three htypes of a DECTRIS series. It is started once for the
stream, so `series`, `expected` and `missing` stay as they were at its last yield. The example
sends the series itself and leaves three images out.
"""

import gevent
import zmq

import gmflow
from gmflow.simulate import eiger

LEFT_OUT = (3, 4, 7)


def missing_images(receiver):
    series, expected, missing = None, 0, []
    while True:
        header = receiver.next(as_json=True)
        if header["htype"] == "dheader-1.0":
            series, expected, missing = header["series"], 0, []
            yield None  # nothing to tell yet: receive() returns None
        elif header["htype"] == "dimage-1.0":
            missing += range(expected, header["frame"])
            expected = header["frame"] + 1
            yield {"series": series, "frame": header["frame"], "missing": list(missing)}
        else:
            yield {"series": series, "frame": None, "missing": list(missing)}


def send_series(stream):
    for number, parts in enumerate(eiger(images=10, shape=(64, 64))):
        if number - 1 in LEFT_OUT:  # message 0 is the series' header
            continue
        for part in parts[:-1]:
            stream.send(part, send_more=True)
        stream.send(parts[-1])


def main():
    source = gmflow.connect("tcp://127.0.0.1:*", conn_type=gmflow.BIND, mode=gmflow.PUSH)
    stream = gmflow.connect(source.socket.get(zmq.LAST_ENDPOINT).decode())
    for htype in ("dheader-1.0", "dimage-1.0", "dseries_end-1.0"):
        stream.handlers[htype] = missing_images

    sending = gevent.spawn(send_series, source)
    for message in stream:
        value = message.data
        if value["frame"] is None:
            print(f"series {value['series']} ended, missing images: {value['missing']}")
            break
        print(f"image {value['frame']}, missing so far: {value['missing']}")

    sending.get()
    stream.disconnect()
    source.disconnect()


if __name__ == "__main__":
    main()
