"""HDF5 for analysis: images, channels and arrays as datasets that grow.

It is written only. `Hdf5Writer` finds a message's place by its htype.
"""

from .hdf5_writer import Hdf5Writer

__all__ = ["Hdf5Writer"]
