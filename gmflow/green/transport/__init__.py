"""Green ZeroMQ sockets: opened, watched, waited for, received from and sent to."""
