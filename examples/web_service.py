"""A web service that passes a stream on and tells about it: GET / returns every counter as JSON.

    detector --PUSH--> source --> output --PUSH--> the next program

    python web_service.py tcp://detector:9999 'tcp://*:8888' 8080
    curl http://127.0.0.1:8080/

Server and topology live in one process and one thread, on gevent's hub: while the stream comes
at full speed, requests are answered between two bursts of messages. Ctrl-C and SIGTERM end both
in order: the source takes nothing more, what is under way goes out, then the server closes.
"""

import json
import signal
import sys

import gevent
from gevent.pywsgi import WSGIServer

from gmflow import GmflowError, Topology, tune_process


class StreamService:
    """A topology and the web server that tells about it, started and stopped at once."""

    def __init__(self, source, output, port):
        self.topology = Topology()
        node = self.topology.source(source, name="source")
        self.topology.output(node, output, name="output")
        self.server = WSGIServer(("127.0.0.1", port), self.answer, log=None)

    def answer(self, environ, start_response):
        if (environ["REQUEST_METHOD"], environ["PATH_INFO"]) != ("GET", "/"):
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"GET / is all there is\n"]
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(self.topology.statistics()).encode()]

    def run(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            # not signal.signal: its handler could raise in the middle of a message
            gevent.signal_handler(number, self.topology.stop)
        try:
            self.server.start()
            self.topology.start()
            print(f"http://127.0.0.1:{self.server.server_port}/", flush=True)
            self.topology.join()  # until a signal stops it, or a node fails: that error is raised
        finally:
            self.topology.stop()
            self.server.stop(timeout=1)  # seconds for requests that are being answered


def main(source, output, port="8080"):
    tune_process()
    try:
        service = StreamService(source, output, int(port))
        service.run()
    except (GmflowError, OSError, ValueError, OverflowError) as error:  # a wrong address or port
        sys.exit(f"web_service: {error}")
    print(json.dumps(service.topology.statistics()))  # the books at the end


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit("usage: web_service.py SOURCE OUTPUT [PORT]")
    main(*sys.argv[1:])
