"""The house: imports go downward only, those inside functions too, and never in a circle.

Every import of every module is read, what only a type checker sees among them. The order of the
folders is all there is to keep; modules at the root may stand anywhere below the green line, as
long as no circle comes of it.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

DOORS = {"", "mflow", "tools", "utils"}
"""They hand names on; nothing inside imports them."""

GREEN = ["cli", "web", "cluster", "green.topology", "green.stream", "green.transport", "green"]
"""The folders above the green line, the highest first: they alone may import gevent."""

PLAIN = [
    *("render", "replay", "recording", "sequence", "simulate"),
    *("handlers", "merging", "config", "codecs"),
]
"""Those below it, the highest first."""

ORDER = [*GREEN, *PLAIN]

BASIC = {"numpy", "zmq"}
EXTRAS = {
    *("cbor2", "dectris", "h5py", "hdf5plugin", "imagecodecs", "lz4", "mcap", "orjson", "tqdm"),
    "zstandard",  # with lz4, mcap brings it
}
"""Imported where they are used, inside a function."""

MAX_LINES = 600
MAX_ROOT = 17


@dataclass(frozen=True)
class Module:
    """A module of gmflow by its name below it, or a script as ``bin.NAME``."""

    name: str
    source: str
    is_package: bool = False

    @property
    def folder(self) -> str:
        """Its folder as it stands in the order; empty for a module at the root."""
        package = self.name if self.is_package else self.name.rpartition(".")[0]
        return folder_of(package)


@dataclass(frozen=True)
class Import:
    """One imported module, `gmflow.message` or `numpy`; lazy if inside a function."""

    target: str
    line: int
    lazy: bool


def folder_of(package: str) -> str:
    """Return the place in the order that a package is in: its own, or that of what it is in."""
    while package and package not in ORDER:
        package = package.rpartition(".")[0]
    return package


def house() -> list[Module]:
    """Return every module of gmflow and every script of bin."""
    modules = []
    for path in sorted(ROOT.glob("gmflow/**/*.py")):
        is_package = path.name == "__init__.py"
        parts = (path.parent if is_package else path.with_suffix("")).relative_to(ROOT).parts
        modules.append(Module(".".join(parts[1:]), path.read_text("utf-8"), is_package))
    for path in sorted(ROOT.glob("bin/m_*")):
        modules.append(Module(f"bin.{path.name}", path.read_text("utf-8")))
    return modules


def imports_of(module: Module, known: set[str]) -> Iterator[Import]:
    """Return what a module imports, at its top, in functions and for type checkers."""
    for node, lazy in nodes_of(ast.parse(module.source)):
        if isinstance(node, ast.Import):
            targets = {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = origin(module, node)
            names = {f"{base}.{alias.name}" for alias in node.names}
            is_ours = base.split(".")[0] == "gmflow"
            ours = {name if name[7:] in known else base for name in names}
            targets = ours if is_ours else names
        else:
            continue
        yield from (Import(target, node.lineno, lazy) for target in sorted(targets))


def nodes_of(node: ast.AST, lazy: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    for child in ast.iter_child_nodes(node):
        yield child, lazy
        function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
        yield from nodes_of(child, lazy or function)


def origin(module: Module, node: ast.ImportFrom) -> str:
    """Return the absolute name of what a `from … import` imports from."""
    if not node.level:
        return node.module or ""
    parts = ["gmflow", *filter(None, module.name.split("."))]
    parts = parts[: len(parts) - node.level + module.is_package]
    return ".".join([*parts, node.module] if node.module else parts)


def complaints(modules: list[Module]) -> list[str]:
    """Return what is wrong with the imports of a house, a line each."""
    known = {module.name for module in modules}
    found = circles(modules, known)
    for module in modules:
        if "." in module.name and not module.folder and not module.name.startswith("bin."):
            found.append(f"{module.name} is in no folder of the order")
        for one in imports_of(module, known):
            ours = one.target.split(".")[0] == "gmflow"
            reason = check_ours(module, one) if ours else check_foreign(module, one)
            if reason:
                found.append(f"{module.name}, line {one.line}, imports {one.target}: {reason}")
    return found


def check_ours(module: Module, one: Import) -> str | None:
    target = one.target[7:]
    is_script = module.name.startswith("bin.")
    if is_script:
        return None if target.startswith("cli.") else "a script imports from gmflow.cli alone"
    if module.name in DOORS:
        return None if target or module.name else "a door; import it from where it is made"
    if target in DOORS:
        return "a door; import it from where it is made"
    there = folder_of(target if target in ORDER else target.rpartition(".")[0])
    if not there or there == module.folder:
        return None
    if not module.folder:
        return "this is above the green line" if there in GREEN else None
    if (module.folder, there) == ("green.topology", "green.stream"):
        return "a topology knows nothing of streams"
    if ORDER.index(there) < ORDER.index(module.folder):
        return "it is of a higher folder"
    return None


def check_foreign(module: Module, one: Import) -> str | None:
    package = one.target.split(".")[0]
    is_green = module.folder in GREEN
    if not is_green and (package == "gevent" or f"{one.target}.".startswith("zmq.green.")):
        return "this is below the green line"
    allowed = {*BASIC, *({"gevent"} if is_green else ()), *({"docopt"} if is_cli(module) else ())}
    if package in sys.stdlib_module_names or package in allowed:
        return None
    if package in EXTRAS:
        return None if one.lazy else "an extra is imported where it is used, inside a function"
    return "this package is not for here"


def is_cli(module: Module) -> bool:
    return module.folder == "cli"


def circles(modules: list[Module], known: set[str]) -> list[str]:
    """Return a circle of imports, those inside functions too, if there is one."""
    graph = {
        module.name: {one.target[7:] for one in imports_of(module, known)} & known - DOORS
        for module in modules
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return ["imports go in a circle: " + " <- ".join(error.args[1])]
    return []


def test_imports_go_downward() -> None:
    found = complaints(house())
    assert not found, "\n".join(found)


def test_every_module_is_read() -> None:
    names = {module.name for module in house()}
    assert {"decoder", "handlers.raw_1_0", "green.topology.topology", "bin.m_stats"} <= names
    assert len(names) == len(house())


@pytest.mark.parametrize(
    ("name", "source", "reason"),
    [
        ("decoder", "import gevent", "green line"),
        ("decoder", "from gevent.event import Event", "green line"),
        ("decoder", "def f():\n    import gevent", "green line"),
        ("render.words", "import gevent", "green line"),
        ("errors", "from zmq import green", "green line"),
        ("errors", "import zmq.green as zmq", "green line"),
        ("errors", "def f():\n    from .green.channel import Channel", "green line"),
        ("handlers.raw_1_0", "from ..green.transport.socket import Socket", "higher folder"),
        ("handlers.raw_1_0", "from ..green.transport import socket", "higher folder"),
        ("codecs.lz4", "def f():\n    from ..handlers import raw_1_0", "higher folder"),
        ("green.channel", "from .transport.monitor import Monitor", "higher folder"),
        ("green.transport.socket", "from ..stream.stream import Stream", "higher folder"),
        ("green.topology.node", "from ..stream.stream import Stream", "knows nothing of streams"),
        ("green.topology.node", "import gmflow.cli.stats", "higher folder"),
        (
            "green.topology.node",
            "if TYPE_CHECKING:\n    pass\nelse:\n    from ... import cli",
            "higher folder",
        ),
        ("cli.stats", "from ..tools import Merge", "a door"),
        ("cli.stats", "from gmflow import Stream", "a door"),
        ("green.stream.stream", "import docopt", "not for here"),
        ("cli.stats", "import requests", "not for here"),
        ("codecs.lz4", "import imagecodecs", "inside a function"),
        ("surprise.module", "", "in no folder"),
    ],
)
def test_a_wrong_import_is_found(name: str, source: str, reason: str) -> None:
    rest = [Module(folder, "", is_package=True) for folder in ORDER]
    others = "green.channel green.transport.monitor green.transport.socket handlers.raw_1_0"
    rest += [Module(one, "") for one in others.split() if one != name]
    (found,) = complaints([*rest, Module(name, source)])
    assert name in found
    assert reason in found


def test_a_script_imports_from_cli_alone() -> None:
    modules = [Module("cli", "", is_package=True), Module("cli.stats", "")]
    assert not complaints([*modules, Module("bin.m_stats", "from gmflow.cli.stats import main")])
    assert complaints([*modules, Module("bin.m_stats", "from gmflow.errors import GmflowError")])


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("errors", "import zmq"),
        ("message", "if TYPE_CHECKING:\n    from .decoder import Decoder"),
        ("handlers.raw_1_0", "from ..receiver import Receiver\nimport numpy as np"),
        ("codecs.lz4", "def f():\n    import imagecodecs"),
        ("green.transport.socket", "import gevent, zmq.green, json\nfrom ..channel import Channel"),
        ("cli.stats", "from docopt import docopt\nfrom ..green.topology.node import Node"),
        ("tools", "from .green.stream.stream import Stream\nfrom .utils import Merge"),
        ("", "from . import tools\nfrom .green.stream.stream import connect"),
    ],
)
def test_a_right_import_passes(name: str, source: str) -> None:
    rest = [Module(folder, "", is_package=True) for folder in ORDER]
    others = "green.channel green.stream.stream green.topology.node message utils tools decoder"
    rest += [Module(one, "") for one in others.split() if one != name]
    assert not complaints([*rest, Module(name, source, is_package=not name)])


@pytest.mark.parametrize("source", ["{}", "def f():\n    {}"])
def test_a_circle_is_found_wherever_the_import_stands(source: str) -> None:
    one = Module("decoder", "from .receiver import Receiver")
    other = Module("receiver", source.format("from .decoder import Decoder"))
    (found,) = complaints([one, other])
    assert "circle" in found


def test_no_module_is_too_long() -> None:
    lengths = {module.name: len(module.source.splitlines()) for module in house()}
    assert {name: n for name, n in lengths.items() if n > MAX_LINES} == {}


def test_the_root_has_few_modules() -> None:
    root = [module.name for module in house() if "." not in module.name and not module.is_package]
    assert len(root) <= MAX_ROOT, root


def test_every_module_opens_with_its_contract() -> None:
    assert [m.name for m in house() if not ast.get_docstring(ast.parse(m.source))] == []


def twice(named: Iterator[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the names that stand in more than one place, and the places."""
    places = defaultdict(list)
    for name, place in named:
        places[name].append(place)
    return {name: found for name, found in places.items() if len(found) > 1}


def test_every_module_has_a_name_of_its_own() -> None:
    """The modules of scripts are called as the scripts are."""
    modules = [m for m in house() if not m.is_package and not m.name.startswith(("cli.", "bin."))]
    assert not twice((module.name.rpartition(".")[2], module.name) for module in modules)


def test_every_class_has_a_name_of_its_own() -> None:
    """A leading underscore makes no other name."""
    assert not twice(
        (node.name.lstrip("_"), module.name)
        for module in house()
        for node in ast.walk(ast.parse(module.source))
        if isinstance(node, ast.ClassDef)
    )
