"""Each example ends by itself and shows what it says."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gmflow.cli.report import table
from gmflow.simulate import eiger
from gmflow.statistics import NodeStatistics
from tests.support.full import times

EXAMPLES = Path(__file__).parents[2] / "examples"
DEADLINE = 40.0

SHORT_DEMO = """
import sys
sys.path.insert(0, sys.argv[1])
import demo
demo.DEADLINE = 35
{change}
sys.exit(demo.main(images={images}))
"""
# A generator that ends too soon: the series lacks its last messages.
LOSS = """
COMES = {"all": 30, "tenth": 3}
script, watch = demo.script, demo.watch
demo.watch = lambda topology, programs, _: watch(topology, programs, COMES) and False
demo.script = lambda name, *words: script(name, *[30 if word == 62 else word for word in words])
"""


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)


def output_of(name: str) -> list[str]:
    done = run(EXAMPLES / name)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_every_example_is_tested() -> None:
    tested = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert [path.name for path in EXAMPLES.glob("*.py") if f'"{path.name}"' not in tested] == []


def test_merging_takes_turns() -> None:
    order = " ".join(f"L{number} R{number}" for number in range(5))
    assert output_of("merge_two.py") == [f"by_merge: {order}", f"by_topology: {order}"]


def test_the_handler_remembers_what_is_missing() -> None:
    lines = output_of("remembering_handler.py")
    assert lines[2:4] == [
        "image 2, missing so far: []",
        "image 5, missing so far: [3, 4]",
    ]
    assert lines[-1] == "series 1 ended, missing images: [3, 4, 7]"
    assert len(lines) == 8


def test_the_images_of_a_series_add_up() -> None:
    begin, *images, _ = eiger(30, (514, 1030))
    mask = np.frombuffer(begin[5], "u4")
    total = sum(np.frombuffer(parts[2], "u2").astype("u8") * (mask == 0) for parts in images)
    place = divmod(int(total.argmax()), 1030)
    assert output_of("eiger_series.py") == [
        "series 1: 30 images to come",
        "30 images of 30 came, 0 are missing",
        f"{total.sum()} photons on (514, 1030) pixels, most of them at {place}",
    ]


def test_the_server_answers_while_the_loop_receives() -> None:
    lines = output_of("legacy_loop_and_web.py")
    found = [re.search(r"frame (\d+), (\d+) messages received", line) for line in lines]
    counts = [int(match[2]) for match in found if match]
    assert len(counts) == len(lines) == 3
    assert 0 < counts[0] < counts[1] < counts[2]
    assert [int(match[1]) for match in found if match] == [count - 1 for count in counts]


def test_the_demo_adds_up() -> None:
    images = times(320, 90)
    count = images + 2
    if images == 320:
        done = run(EXAMPLES / "demo.py")
    else:
        done = run("-c", SHORT_DEMO.format(change="", images=images), EXAMPLES)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("MB/s") >= images // 40, "a line a second while it runs"
    assert "\r" not in done.stdout
    assert f"consumer all: {count} messages of {count}\n" in done.stdout
    assert f"consumer tenth: {count // 10} messages of {count // 10}\n" in done.stdout
    rows = re.findall(r"^(m_\w+|demo) +\S.*? +(\d+) +(\d+) +(\d+)$", done.stdout, re.M)
    assert [row[0] for row in rows] == ["m_generate"] * 2 + ["m_split"] * 3 + ["demo"] * 4
    assert all(int(got) == int(sent) + int(dropped) for _, got, sent, dropped in rows)
    kept = count // 10
    assert rows[4][1:] == (str(count), str(kept), str(count - kept))


def test_the_demo_draws_one_line_on_a_terminal() -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", SHORT_DEMO.format(change="", images=60), str(EXAMPLES)]
    with subprocess.Popen(command, stdout=theirs) as demo:
        os.close(theirs)
        shown = read_to_end(ours)
        assert demo.wait(DEADLINE) == 0
    live, _, summary = shown.partition("\r\n\r\n")
    assert live.count("\r\x1b[K") >= 2
    assert live.count("\r\n") == 1, "only the first line ends"
    assert all(len(line) < 80 for line in live.split("\r\x1b[K")[1:])
    assert "consumer all: 62 messages of 62" in summary


def read_to_end(terminal: int) -> str:
    read = b""
    try:
        while piece := os.read(terminal, 4096):
            read += piece
    except OSError:  # so Linux says that the other side is closed
        pass
    os.close(terminal)
    return read.decode()


def test_the_demo_fails_if_messages_are_missing() -> None:
    done = run("-c", SHORT_DEMO.format(change=LOSS, images=60), EXAMPLES)
    assert done.returncode == 1
    assert "consumer all got 30 messages instead of 62" in done.stderr
    assert "Nothing is lost" not in done.stdout


@pytest.mark.parametrize(
    ("sent", "dropped", "status"),
    [(90, {"modulo": 10}, 0), (90, {"modulo": 4, "full": 5}, 1), (91, {"full": 10}, 1)],
)
def test_the_demo_reads_the_tables_of_the_scripts(
    sent: int, dropped: dict[str, int], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    import demo

    node = {**NodeStatistics().snapshot(), "received": 100, "sent": sent, "dropped": dropped}
    snapshot = {"seconds": 1.0, "nodes": {"output tcp://127.0.0.1:1": node}}
    rows = demo.rows_of(table(snapshot))
    assert rows == [("output tcp://127.0.0.1:1", 100, sent, sum(dropped.values()))]
    assert demo.report({"nodes": {}}, {}, {"m_split": rows, "m_generate": rows}, []) == status
