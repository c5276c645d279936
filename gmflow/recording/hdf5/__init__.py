"""HDF5 for analysis: images, channels and arrays as datasets that grow.

It is written only. `Hdf5Writer` tells messages apart by their htypes.
"""

from .hdf5_writer import Hdf5Writer

__all__ = ["Hdf5Writer"]
