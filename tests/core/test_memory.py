"""Freed memory is kept: the pages of messages are not cleared again and again."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from gmflow import keep_memory
if sys.argv[1] == "keep":
    assert keep_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def messages():
    return [bytes(1 << 20) for _ in range(20)]
messages()
before = faults()
for _ in range(100):
    messages()
print(faults() - before)
"""


def faults(mode):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, mode], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_pages_are_kept():
    assert faults("keep") < faults("by default") / 5
