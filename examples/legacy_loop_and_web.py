"""A legacy synchronous receive loop beside a web server, in one process, without threads.

The loop is what mflow programs look like. While it waits for the next message, the server
answers. This example is its own detector and its own browser, and ends after three requests.
"""

import json
from http.client import HTTPConnection

import gevent
import zmq
from gevent.pywsgi import WSGIServer

import gmflow as mflow

latest = {}


def legacy_loop(stream):
    while True:
        message = stream.receive()
        latest["frame"] = message.data["header"]["frame"]
        latest["received"] = message.statistics.messages_received


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(latest).encode()]


def detector(stream):
    frame = 0
    while True:
        header = {"htype": "array-1.0", "type": "int32", "shape": [4], "frame": frame}
        stream.send(header, send_more=True, as_json=True)
        stream.send(bytes(16))
        frame += 1
        gevent.sleep(0.01)  # not time.sleep, which would stop every greenlet


def request(port):
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/")
    return json.loads(connection.getresponse().read())


def main():
    source = mflow.connect("tcp://127.0.0.1:*", conn_type=mflow.BIND, mode=mflow.PUSH)
    stream = mflow.connect(source.socket.get(zmq.LAST_ENDPOINT).decode())
    server = WSGIServer(("127.0.0.1", 0), application, log=None)
    server.start()
    greenlets = [gevent.spawn(detector, source), gevent.spawn(legacy_loop, stream)]

    for _ in range(3):
        gevent.sleep(0.3)
        # http.client blocks: it runs in a thread, so that the hub goes on
        answer = gevent.get_hub().threadpool.apply(request, (server.server_port,))
        print(f"the server says: frame {answer['frame']}, {answer['received']} messages received")

    gevent.killall(greenlets)
    server.stop()
    stream.disconnect()
    source.disconnect()


if __name__ == "__main__":
    main()
