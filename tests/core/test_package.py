"""What is installed: requirements, scripts and the version agree wherever they are written."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import gmflow
from gmflow.version import __version__

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(ROOT.glob("bin/m_*"))

READ_SETUP = """
import json, runpy, setuptools
setuptools.setup = lambda **keywords: print(json.dumps(keywords))
runpy.run_path("setup.py")
"""


@pytest.fixture(scope="module")
def setup() -> dict[str, Any]:
    """What setup.py hands to setuptools."""
    command = [sys.executable, "-c", READ_SETUP]
    text = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    keywords: dict[str, Any] = json.loads(text)
    return keywords


@pytest.fixture(scope="module")
def recipe() -> str:
    return (ROOT / "conda_recipe" / "meta.yaml").read_text("utf-8")


def items(recipe: str, section: str, key: str) -> list[str]:
    """Return the list under a key of one of the recipe's sections."""
    match = re.search(rf"^{section}:\n(?:(?: .*)?\n)*?  {key}:\n((?:    - .+\n)+)", recipe, re.M)
    assert match, f"the recipe has no list {section}/{key}"
    return re.findall(r"- (.+)", match[1])


def test_a_plain_install_brings_four_packages(setup: dict[str, Any]) -> None:
    assert sorted(setup["install_requires"]) == ["docopt", "gevent", "numpy", "pyzmq"]


def test_conda_requires_what_setup_requires(setup: dict[str, Any], recipe: str) -> None:
    python = f"python {setup['python_requires']}"
    assert sorted(items(recipe, "requirements", "run")) == sorted(
        [python, *setup["install_requires"]]
    )
    assert python in items(recipe, "requirements", "host")


def test_conda_runs_every_script(recipe: str) -> None:
    commands = [f"{path.name} --version" for path in SCRIPTS]
    assert sorted(items(recipe, "test", "commands")) == sorted(["pip check", *commands])


def test_the_version_stands_in_one_place(setup: dict[str, Any], recipe: str) -> None:
    assert setup["version"] == gmflow.__version__ == __version__
    pattern = re.search(r"regex_pattern='(.+)'", recipe)
    assert pattern
    found = re.search(pattern[1], (ROOT / "gmflow" / "version.py").read_text("utf-8"))
    assert found and found[1] == __version__
    others = [ROOT / "setup.py", ROOT / "pyproject.toml", *ROOT.glob("gmflow/**/*.py"), *SCRIPTS]
    holders = [path.name for path in others if f'"{__version__}"' in path.read_text("utf-8")]
    assert holders == ["version.py"]
    assert __version__ not in recipe


def test_every_folder_of_modules_is_installed(setup: dict[str, Any]) -> None:
    folders = {path.parent.relative_to(ROOT) for path in ROOT.glob("gmflow/**/*.py")}
    assert {".".join(folder.parts) for folder in folders} == set(setup["packages"])
    assert setup["package_data"] == {"gmflow": ["py.typed"]}
    assert (ROOT / "gmflow" / "py.typed").exists()


def test_every_script_is_installed(setup: dict[str, Any]) -> None:
    names = {"m_stats", "m_generate", "m_dump", "m_replay", "m_split", "m_merge"}
    assert names <= {path.name for path in SCRIPTS}
    assert setup["scripts"] == [f"bin/{path.name}" for path in SCRIPTS]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_can_be_run(path: Path) -> None:
    assert os.access(path, os.X_OK)
    assert path.read_text("utf-8").startswith("#!/usr/bin/env python3\n")


def test_every_extra_an_error_names_exists(setup: dict[str, Any]) -> None:
    sources = [path.read_text("utf-8") for path in ROOT.glob("gmflow/**/*.py")]
    named = {extra for source in sources for extra in re.findall(r"gmflow\[(\w+)\]", source)}
    assert named <= set(setup["extras_require"])
    assert {"bsread", "eiger", "fast", "test"} <= set(setup["extras_require"])


def test_every_public_name_is_there_and_no_other() -> None:
    program = (
        "import gmflow, sys\n"
        "assert 'zmq' not in sys.modules, 'imported before it is used'\n"
        "for name in gmflow.__all__: getattr(gmflow, name)\n"
        "assert gmflow.handlers.array_1_0.encode and gmflow.mflow.connect is gmflow.connect\n"
        "assert not hasattr(gmflow, 'nonsense')\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_type_checkers_see_the_names_that_a_program_finds() -> None:
    tree = ast.parse((ROOT / "gmflow" / "__init__.py").read_text("utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
    seen = {one.asname: node.module for node in imports for one in node.names if one.asname}
    assert seen.pop("__version__") == "version"
    found = {name: home or None for name, home in gmflow._HOME.items() if name != "__version__"}
    assert found.pop("receive_handlers") is None
    assert seen == found


@pytest.mark.parametrize("script", ["split", "merge", "stats", "dump", "replay", "generate"])
def test_scripts_start_without_numpy(script):
    """It takes longer to import than all the rest; who only forwards never needs it."""
    program = f"import sys, gmflow.cli.{script}; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
    assert done.stdout == b"False\n", done.stderr
