"""What README and docs say is so: their programs run, their usage texts and links are right."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gmflow.config import parse
from tests.support.scripts import free_address, port_of

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
README = PAGES[0].read_text("utf-8")
SCRIPTS = sorted(path.name for path in ROOT.glob("bin/m_*"))
ADDRESS = re.compile(r"tcp://([\w*]+):(\d+)")
PUBLISHED = re.compile(r'\.tap\(|mode="PUB"')  # on the same line as the address

# Runs a program beside native threads with plain sockets: each sends a finite stream to one of
# its sources, or takes what one of its outputs sends.
HARNESS = """
import json, logging, sys, threading, zmq
from gmflow import bsread_sender
from gmflow.simulate import array, eiger

logging.basicConfig(level=logging.WARNING)
program, sources, outputs = json.load(sys.stdin)
context = zmq.Context()

def send(host, port):
    sender = context.socket(zmq.PUSH)
    sender.bind(f"tcp://127.0.0.1:{port}")
    for parts in messages(host):
        sender.send_multipart(parts)

def messages(host):
    if host == "bsread":
        return bsread_sender({"NUMBER": float, "IMAGE": [[1, 2], [3, 4]]}).messages(6)
    return eiger(6, (64, 64)) if host.startswith("eiger") else array(4096, 8)

def take(port, published):
    receiver = context.socket(zmq.SUB if published else zmq.PULL)
    if published:
        receiver.subscribe("")
    receiver.connect(f"tcp://127.0.0.1:{port}")
    while True:
        receiver.recv_multipart()

for source in sources:
    threading.Thread(target=send, args=source, daemon=True).start()
for output in outputs:
    threading.Thread(target=take, args=output, daemon=True).start()
exec(compile(program, "the block", "exec"), {"__name__": "__main__"})
sys.stdout.flush()
import os
os._exit(0)  # the plain sockets need no good-bye
"""


def blocks(language: str) -> list[object]:
    """Return each block of a language on every page, named by page and line."""
    found = []
    for page in PAGES:
        text = page.read_text("utf-8")
        for match in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.M | re.S):
            line = text[: match.start()].count("\n") + 1
            found.append(pytest.param(match[1], id=f"{page.name}:{line}"))
    return found


def on_free_ports(program: str) -> tuple[str, list[tuple[str, int]], list[tuple[int, bool]]]:
    """Return a program with other addresses, the hosts and ports it reads from, and its outputs.

    Of each output its port, and whether it publishes.
    """
    code = re.sub(r"  # .*", "", program)
    ports = {match[0]: port_of(free_address()) for match in ADDRESS.finditer(code)}
    sources, outputs = [], []
    for address, port in ports.items():
        host = address.split("/")[2].split(":")[0]
        program = program.replace(address, f"tcp://{'*' if host == '*' else '127.0.0.1'}:{port}")
        if host == "*":
            (line,) = [line for line in code.splitlines() if address in line]
            outputs.append((port, bool(PUBLISHED.search(line))))
        else:
            sources.append((host, port))
    return program, sources, outputs


@pytest.mark.parametrize("program", blocks("python"))
def test_programs_run(program: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HARNESS],
        input=json.dumps(on_free_ports(program)),
        capture_output=True,
        text=True,
        timeout=20,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_readme_has_the_usage_of_each_script(script: str) -> None:
    usage = importlib.import_module(f"gmflow.cli.{script[2:]}").__doc__
    assert f"### {script}\n\n```text\n{usage.strip()}\n```\n" in README
    assert f"`{script}`" in README.split("## Receive")[0], "named under Install"


@pytest.mark.parametrize("config", blocks("json"))
def test_configurations_are_right(config: str) -> None:
    parse(json.loads(config))


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)
    links = re.findall(r"\]\(([^)#]+)", prose)
    here = [link for link in links if not link.startswith("http")]
    assert [link for link in here if not (page.parent / link).exists()] == []


def test_every_error_is_in_readme() -> None:
    import gmflow

    kinds = [name for name in gmflow.__all__ if is_error(getattr(gmflow, name))]
    assert len(kinds) >= 11
    assert [name for name in kinds if name not in README.split("## Errors")[1]] == []


def is_error(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Exception)


def test_every_htype_is_in_the_docs() -> None:
    import gmflow

    handlers = (ROOT / "docs" / "handlers.md").read_text("utf-8")
    for htype in gmflow.receive_handlers:
        assert f"`{htype}`" in README
        assert htype in handlers
