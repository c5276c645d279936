"""mflow's streams on green sockets: one socket with its handlers and statistics."""
