"""A tuned process keeps the pages of messages, and its collector leaves them alone."""

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
from gmflow import tune_process
if sys.argv[1] == "tuned":
    assert tune_process()
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

COLLECTIONS = """
import gc, sys
from gmflow import Message, tune_process
if sys.argv[1] == "tuned":
    tune_process()
begun = []
gc.callbacks.append(lambda phase, info: begun.append(phase))
in_flight = [Message(None, None, [b"a", b"b"]) for _ in range(40_000)]
print(len(begun))
"""


def ran(program, mode):
    done = subprocess.run(
        [sys.executable, "-c", program, mode], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_pages_are_kept():
    assert ran(FAULTS, "tuned") < ran(FAULTS, "by default") / 5


def test_messages_in_flight_are_left_alone():
    assert ran(COLLECTIONS, "tuned") == 0
    assert ran(COLLECTIONS, "by default") > 20
