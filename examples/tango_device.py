"""A Tango device that passes a stream on and tells about it, in PyTango's gevent green mode.

    detector --PUSH--> source --+--> output --PUSH--> the next program
                                +--> sink: remembers the last message

Needs PyTango (pip install pytango), and no Tango database: the properties can be in a file,

    tango_device/test/DEVICE/StreamRelay: lab/stream/1
    lab/stream/1->source: "tcp://detector:9999"
    lab/stream/1->output: "tcp://*:8888"

    python tango_device.py test -file=properties.txt -ORBendPoint giop:tcp:127.0.0.1:10000

which Tango writes again when it ends. A client asks

    tango.DeviceProxy("tango://127.0.0.1:10000/lab/stream/1#dbase=no")

Threads: omniORB takes each request in a thread of its own. In green mode PyTango hands it to the
hub of the thread that its executor belongs to, here the main one, where it runs in a greenlet:
all of StreamRelay, and so the topology, is in one thread, and needs no lock. A method may wait
on the hub; the stream goes on meanwhile, and so do the other requests.
"""

import json

import gevent
from tango import DevState, EnsureOmniThread, GreenMode
from tango.green import get_executor
from tango.server import Device, attribute, command, device_property, run

from gmflow import Topology


class StreamRelay(Device):
    green_mode = GreenMode.Gevent

    source = device_property(dtype=str, mandatory=True, doc="where the stream comes from")
    output = device_property(dtype=str, mandatory=True, doc="where it goes on from")

    def init_device(self):
        super().init_device()  # gets the properties
        self._last = None
        self._rate = 0.0
        self._topology = self._new_topology()
        self._meter = gevent.spawn(self._measure)

    def delete_device(self):  # at the server's end, and before Init
        self._meter.kill()
        self._topology.stop()

    def _new_topology(self):  # a topology runs once: each Start needs another
        topology = Topology()
        source = topology.source(self.source, name="source")
        topology.output(source, self.output, name="output")
        topology.sink(source, self._remember, decode=False, name="sink")
        return topology

    def _remember(self, message):  # called for each message: what can wait is left to the reader
        self._last = message

    def _measure(self):
        before = 0
        while True:
            gevent.sleep(1)
            now = self._node("source")["received"]
            self._rate, before = float(max(now - before, 0)), now  # 0 after a new start

    def _node(self, name):
        return self._topology.statistics()["nodes"][name]

    @command
    def Start(self):
        # Of two clients at once one is refused: from here to the start nothing waits on the hub.
        if self.dev_state() == DevState.RUNNING:
            raise RuntimeError("the stream is running already: Stop it first")
        self._topology = self._new_topology()
        self._topology.start()  # an address that can't be opened: the client gets the ConnectError

    @command
    def Stop(self):
        self._topology.stop()  # waits up to a second for what is under way

    def dev_state(self):
        try:
            return DevState.STANDBY if self._topology.join(timeout=0) else DevState.RUNNING
        except Exception:  # the error of the node that failed
            return DevState.FAULT

    def dev_status(self):
        try:
            self._topology.join(timeout=0)
        except Exception as error:
            return f"The stream broke off: {error}"
        received, sent = self._node("source")["received"], self._node("output")["sent"]
        return f"{received} messages received, {sent} passed on."

    @attribute
    def received(self) -> int:
        return self._node("source")["received"]

    @attribute
    def sent(self) -> int:
        return self._node("output")["sent"]

    @attribute(doc="messages that the detector sent, by their frame numbers, and that did not come")
    def missing(self) -> int:
        upstream = self._node("source")["upstream"]  # None before the first message
        return upstream["missing"] if upstream else 0

    @attribute(doc="of the last message; -1 if it has none")
    def frame(self) -> int:
        return -1 if self._last is None else self._last.header.get("frame", -1)

    @attribute(unit="Hz")
    def rate(self) -> float:
        return self._rate

    @attribute(doc="every counter of every node, as JSON, all of the same moment")
    def statistics(self) -> str:
        return json.dumps(self._topology.statistics())


def serve():
    # omniORB must know the thread that ends it, and does not know those of PyTango's pool
    with EnsureOmniThread():
        run([StreamRelay], raises=True)


if __name__ == "__main__":
    # The executor belongs to this thread's hub, so device code runs here. Tango's own loop, which
    # would block the hub, runs in a thread of the executor's pool until the server ends.
    get_executor(GreenMode.Gevent).run(serve)
