"""Two streams become one, message 1 of the first, message 1 of the second, message 2 of ...

Once with mflow's Merge in a loop of one's own, once as a topology whose nodes are greenlets.
The example sends both streams itself.
"""

import gevent
import zmq

import gmflow
from gmflow import BIND, PUSH, Topology
from gmflow.utils import Merge

COUNT = 5  # messages of each stream


def start_camera(name):
    """Send a few messages from a greenlet; return the address and the greenlet."""
    stream = gmflow.connect("tcp://127.0.0.1:*", conn_type=BIND, mode=PUSH)

    def send():
        with stream:
            for frame in range(COUNT):
                header = {"htype": "raw-1.0", "camera": name, "frame": frame}
                stream.forward({"header": header, "data": [b"pixels"]})

    address = stream.socket.get(zmq.LAST_ENDPOINT).decode()
    return address, gevent.spawn(send)


def by_merge(left, right):
    merged = Merge(gmflow.connect(left), gmflow.connect(right))
    names = []
    while len(names) < 2 * COUNT:
        message = merged.receive()
        names.append(name_of(message))
    merged.disconnect()
    return names


def by_topology(left, right):
    names = []
    topology = Topology()
    sources = [topology.source(address, count=COUNT) for address in (left, right)]
    merger = topology.merge(*sources)
    topology.sink(merger, lambda message: names.append(name_of(message)))
    topology.run()
    return names


def name_of(message):
    header = message.data["header"]
    return f"{header['camera']}{header['frame']}"


def main():
    for merge in (by_merge, by_topology):
        (left, sending_left), (right, sending_right) = start_camera("L"), start_camera("R")
        names = merge(left, right)
        gevent.joinall([sending_left, sending_right])
        print(f"{merge.__name__}: {' '.join(names)}")


if __name__ == "__main__":
    main()
