"""Recordings: messages on disk, as they came, and when.

`open_writer` chooses the kind by a path's ending: one file with an index (``.mcap``), HDF5 for
analysis (``.h5``, written only), or mflow's folder; `open_reader` by what is there. Everything
here is plain blocking I/O on lists of messages: callers on a hub do it in a worker thread.
"""

from .base import Reader, Writer
from .endings import open_reader, open_writer

__all__ = ["Reader", "Writer", "open_reader", "open_writer"]
