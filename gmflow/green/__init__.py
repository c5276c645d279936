"""Everything that imports gevent or zmq.green: sockets, streams and topologies on green threads."""
