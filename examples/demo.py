"""The main job on one machine: a detector's series is split to two consumers, live.

    m_generate --> m_split --+--> every message --> consumer "all"
                             +--> every 10th -----> consumer "tenth"

m_generate and m_split are the real scripts, as processes of their own; the two consumers are
a topology in this one. At the end every node's books are checked: received = sent + dropped.
Exit status 0 if they balance and each consumer got what it should, else 1.
"""

import json
import re
import signal
import socket
import sys
import tempfile
from pathlib import Path

from gevent import subprocess

from gmflow import Topology

IMAGES = 320
RATE = 40  # images a second: 8 s of streaming
SHAPE = "514x1030"  # a detector of 0.5 megapixels, 1.06 MB an image
EVERY = 10
DEADLINE = 13  # seconds after which something is wrong

BIN = Path(sys.executable).parent
ROW = re.compile(r"(\S.*?) +(\d+) +(\d+) +[\d.]+ +(\d+)(?: .*)?")


def main(images=IMAGES):
    messages = images + 2  # the series' header and its end
    expected = {"all": messages, "tenth": messages // EVERY}
    ports = free_ports(3)
    generated, split_all, split_tenth = (f"tcp://127.0.0.1:{port}" for port in ports)
    config = {
        "source": {"address": generated},
        "streams": [
            {"address": split_all, "conn_type": "bind"},
            {"address": split_tenth, "conn_type": "bind", "modulo": EVERY},
        ],
    }
    consumers = Topology()
    for name, address in {"all": split_all, "tenth": split_tenth}.items():
        source = consumers.source(address, name=f"source {name}")
        consumers.sink(source, look_at_images, name=f"consumer {name}")

    print(f"{images} images of {SHAPE} pixels at {RATE} Hz, split to two consumers: all, tenth")
    programs = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "split.json")
        file.write_text(json.dumps(config))
        try:
            consumers.start()
            programs["m_split"] = script("m_split", "-c", file)
            programs["m_generate"] = script(
                *("m_generate", "-a", generated, "--htype", "eiger", "-n", messages),
                *("--rate", RATE, "--shape", SHAPE),
            )
            complete = watch(consumers, programs, expected)
            problems = [] if complete else [f"not done after {DEADLINE} s"]
            tables = {  # senders before receivers: who leaves first may take messages with it
                name: end(name, programs[name], problems) for name in ("m_generate", "m_split")
            }
        finally:
            consumers.stop()
            for program in programs.values():
                if program.poll() is None:
                    program.kill()
                    program.wait()
    return report(consumers.statistics(), expected, tables, problems)


def look_at_images():
    """A sink's generator: it remembers the last frame, so it can tell that they come in order."""
    last = -1
    while True:
        message = yield
        frame = message.data["header"].get("frame")
        if frame is not None:
            if frame <= last:
                raise ValueError(f"image {frame} came after image {last}")
            last = frame


def script(name, *arguments):
    command = [sys.executable, BIN / name, *arguments]
    return subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)


def watch(consumers, programs, expected):
    """Show the rates once a second until both consumers have everything; return True if they do."""
    before = consumers.statistics()
    while True:
        consumers.join(timeout=1)  # it raises the error of a consumer that failed
        now = consumers.statistics()
        show(now, before, expected)
        before = now
        got = {name: now["nodes"][f"consumer {name}"]["sent"] for name in expected}
        complete = all(got[name] >= wanted for name, wanted in expected.items())
        failed = [name for name, program in programs.items() if program.poll()]
        if complete or failed or now["seconds"] > DEADLINE:
            if sys.stdout.isatty():
                print()
            return complete


def show(now, before, expected):
    seconds = max(now["seconds"] - before["seconds"], 1e-3)
    words = [f"{now['seconds']:4.1f} s"]
    for name, wanted in expected.items():
        node, old = (snapshot["nodes"][f"consumer {name}"] for snapshot in (now, before))
        hertz = (node["sent"] - old["sent"]) / seconds
        mega = (node["bytes_sent"] - old["bytes_sent"]) / seconds / 1e6
        words.append(f"{name} {node['sent']:3d}/{wanted} {hertz:4.0f} Hz {mega:4.0f} MB/s")
    line = " | ".join(words)
    if sys.stdout.isatty():  # over the last line
        print(f"\r\x1b[K{line}", end="", flush=True)
    else:
        print(line, flush=True)


def end(name, program, problems):
    """End a script as an operator would, with Ctrl-C; return the rows of the table it prints."""
    if name == "m_split" or problems:
        program.send_signal(signal.SIGINT)
    try:
        output, _ = program.communicate(timeout=2.5)
    except subprocess.TimeoutExpired:
        problems.append(f"{name} did not stop")
        return []
    if program.returncode != 0:
        problems.append(f"{name} ended with status {program.returncode}")
    return rows_of(output)


def rows_of(table):
    found = [ROW.fullmatch(line) for line in table.splitlines()]
    return [(row[1], int(row[2]), int(row[3]), int(row[4])) for row in found if row]


def report(snapshot, expected, tables, problems):
    rows = [
        (name, node["received"], node["sent"], sum(node["dropped"].values()))
        for name, node in snapshot["nodes"].items()
    ]
    tables = {"m_generate": tables["m_generate"], "m_split": tables["m_split"], "demo": rows}
    print(f"\n{'':12}{'node':30}{'received':>10}{'sent':>10}{'dropped':>10}")
    problems += [
        f"{name} printed no table" for name in ("m_generate", "m_split") if not tables[name]
    ]
    for program, nodes in tables.items():
        for name, received, sent, dropped in nodes:
            balanced = received == sent + dropped
            verdict = "" if balanced else "  does not add up"
            print(f"{program:12}{name:30}{received:10d}{sent:10d}{dropped:10d}{verdict}")
            if not balanced:
                problems.append(f"{name}: {received} received, {sent} sent, {dropped} dropped")
    for name, wanted in expected.items():
        got = snapshot["nodes"][f"consumer {name}"]["sent"]
        print(f"consumer {name}: {got} messages of {wanted}")
        if got != wanted:
            problems.append(f"consumer {name} got {got} messages instead of {wanted}")
    for problem in problems:
        print(f"demo: {problem}", file=sys.stderr)
    if not problems:
        print("Every node: received = sent + dropped. Nothing is lost.")
    return 1 if problems else 0


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped")
