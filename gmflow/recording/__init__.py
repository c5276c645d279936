"""Recordings: messages on disk, as they came, and when.

`open_writer` and `open_reader` choose the kind by a path's ending: one file with an index
(``.mcap``), HDF5 for analysis (``.h5``, written only), or mflow's folder. Everything here is
plain blocking I/O on lists of messages: callers do it off the hub.
"""

from .kinds import open_reader, open_writer
from .reading import Reader
from .writing import Writer

__all__ = ["Reader", "Writer", "open_reader", "open_writer"]
