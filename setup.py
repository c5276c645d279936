"""Packaging of gmflow: what it is called, what it brings, what it needs."""

import re
from glob import glob
from pathlib import Path

from setuptools import find_packages, setup

VERSION = re.search(r'__version__ = "(.+)"', Path("gmflow/version.py").read_text("utf-8"))[1]

CODECS = ["imagecodecs"]  # LZ4 and bitshuffle, with wheels for every Python we support

HDF5 = ["h5py>=3.8", "hdf5plugin"]  # what hdf5plugin has reads DECTRIS's compressed images

setup(
    name="gmflow",
    version=VERSION,
    description="ZeroMQ detector streams on green threads: receive, merge, split, record, replay",
    long_description=Path("README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    author="the gmflow developers",
    license="BSD-3-Clause",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering",
        "Typing :: Typed",
    ],
    keywords="zeromq gevent detector stream mflow eiger bsread",
    packages=find_packages(include=["gmflow", "gmflow.*"]),
    package_data={"gmflow": ["py.typed"]},
    scripts=sorted(glob("bin/m_*")),
    python_requires=">=3.10",
    install_requires=["pyzmq", "numpy", "gevent", "docopt"],
    extras_require={
        "bsread": CODECS,
        "eiger": CODECS,
        "stream2": [*CODECS, "cbor2>=6.2"],
        "mcap": ["mcap>=1.2"],
        "hdf5": [*HDF5, *CODECS, "cbor2>=6.2"],
        "progress": ["tqdm"],
        "dectris": ["dectris-compression"],  # is compiled where it is installed
        "fast": ["orjson"],
        "test": [
            *CODECS,
            "cbor2>=6.2",
            # Readers of others, which read what is written here; gmflow[dectris] is one more.
            *HDF5,
            "mcap>=1.2",
            "tqdm",
            "pytest",
            "pytest-timeout",
            "pytest-xdist",
            "hypothesis",
            "orjson",  # both ways of reading JSON are tested
            "setuptools",  # a test reads this file with it
            "psi-mflow==1.0.0",
            # psi-bsread needs bitshuffle, which has wheels for these only.
            "psi-bsread==2.0.1; python_version < '3.13' and sys_platform == 'linux'"
            " and platform_machine == 'x86_64'",
            # For an example. PyTango has wheels for these only.
            "pytango>=10.3; sys_platform == 'darwin' or (sys_platform == 'linux'"
            " and (platform_machine == 'x86_64' or platform_machine == 'aarch64'))",
        ],
        "bench": [
            *CODECS,
            "mcap>=1.2",
            "psi-mflow==1.0.0",
            "orjson",
            # PvaPy has wheels for these only.
            "pvapy; sys_platform == 'linux' and platform_machine == 'x86_64'",
        ],
        "dev": ["ruff", "mypy", "pre-commit", "pytest-cov>=7"],
    },
    zip_safe=False,
)
