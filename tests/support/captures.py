"""Captures of real traffic, one folder a stream: NNNNNN_PPP.raw is part PPP of message NNNNNN.

They stand beside the repository, in ../shared/data; the environment variable GMFLOW_CAPTURES
names another place. Every test that reads them is skipped where there are none.
"""

import json
import os
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parents[3] / "shared" / "data"
FOLDER = Path(os.environ.get("GMFLOW_CAPTURES") or HERE)

needs_captures = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"no captures in {FOLDER}: set GMFLOW_CAPTURES to their folder"
)


def capture_names() -> list[str]:
    """Return the names of all captures: their folders, relative to the captures' folder."""
    folders = {file.parent for file in FOLDER.rglob("*_*.raw")}
    return sorted(str(folder.relative_to(FOLDER)) for folder in folders)


def read_capture(name: str) -> list[list[bytes]]:
    """Return the messages of a capture, each a list of its parts; skip the test without it."""
    files = sorted((FOLDER / name).glob("*_*.raw"), key=_numbers)
    if not files:
        pytest.skip(f"no capture {name} in {FOLDER}")
    by_message = groupby(files, key=lambda file: _numbers(file)[0])
    return [[file.read_bytes() for file in parts] for _, parts in by_message]


def captures() -> Iterator[tuple[str, list[list[bytes]]]]:
    """Return every capture: its name, and its messages."""
    for name in capture_names():
        yield name, read_capture(name)


def truth(origin: str) -> dict[str, Any]:
    """Return what is known of an origin's captures; skip the test if it's not there."""
    file = FOLDER / origin / "truth.json"
    if not file.is_file():
        pytest.skip(f"no {file}")
    return json.loads(file.read_text())  # type: ignore[no-any-return]


def _numbers(file: Path) -> list[int]:
    return [int(number) for number in file.stem.split("_")]
