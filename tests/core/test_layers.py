"""The house: imports go downward only, and gevent stays above the green line."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# The rooms of gmflow, by the first name below it; the lowest layer first. Modules of one layer
# may import one another, but not in a circle.
BELOW = [
    "version errors addresses checking tuning message burst later jsontext codecs",
    "receiver handlers decoder statistics continuity throughput recording merging splitting config"
    " simulate summary",
]
# The green line.
ABOVE = [
    "breathing offhub decoding channel readiness sockets connections",
    "inbox outbox",
    "monitor health watching opening receiving sending",
    "stream connecting stream_merge",
    "topology",
    "cli web",
]
DOORS = "tools utils mflow"  # they and the package hand names on; nothing inside imports them
PACKAGE, SCRIPTS = "", "bin"

LAYERS = [set(layer.split()) for layer in [*BELOW, *ABOVE, DOORS]] + [{PACKAGE}, {SCRIPTS}]
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}

PACKAGES = {"numpy"}
PACKAGES_ABOVE = {"numpy", "zmq", "gevent"}
ALSO = {"errors": {"zmq"}, "cli": {"docopt"}}
EXTRAS = {
    *("cbor2", "dectris", "h5py", "hdf5plugin", "imagecodecs", "lz4", "mcap", "orjson", "tqdm"),
    "zstandard",  # with lz4, mcap brings it
}  # where they are used, inside a function

MOST_LINES = 300


@dataclass(frozen=True)
class Module:
    """A module of gmflow or a script of bin, by its dotted name."""

    name: str
    source: str
    is_package: bool = False

    @property
    def room(self) -> str:
        return room_of(self.name)


@dataclass(frozen=True)
class Import:
    """One imported name, `gmflow.message` or `numpy.dtype`; lazy if inside a function."""

    target: str
    line: int
    lazy: bool


def room_of(name: str) -> str:
    first, _, rest = name.partition(".")
    return rest.split(".")[0] if first == "gmflow" else first


def house() -> list[Module]:
    """Every module of gmflow and every script of bin."""
    modules = []
    for path in sorted(ROOT.glob("gmflow/**/*.py")):
        is_package = path.name == "__init__.py"
        parts = (path.parent if is_package else path.with_suffix("")).relative_to(ROOT).parts
        modules.append(Module(".".join(parts), path.read_text("utf-8"), is_package))
    for path in sorted(ROOT.glob("bin/m_*")):
        modules.append(Module(f"bin.{path.name}", path.read_text("utf-8")))
    return modules


def imports_of(module: Module, known: set[str]) -> Iterator[Import]:
    """Give what a module imports, without what only a type checker sees."""
    for node, lazy in nodes_of(ast.parse(module.source)):
        if isinstance(node, ast.Import):
            targets = {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = origin(module, node)
            names = {f"{base}.{alias.name}" for alias in node.names}
            is_ours = base.split(".")[0] == "gmflow"
            targets = {base if is_ours and name not in known else name for name in names}
        else:
            continue
        yield from (Import(target, node.lineno, lazy) for target in sorted(targets))


def nodes_of(node: ast.AST, lazy: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    for child in ast.iter_child_nodes(node):
        yield child, lazy
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            child = ast.Module(child.orelse, [])
        function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
        yield from nodes_of(child, lazy or function)


def origin(module: Module, node: ast.ImportFrom) -> str:
    """Give the absolute name of what a `from … import` imports from."""
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    parts = parts[: len(parts) - node.level + module.is_package]
    return ".".join([*parts, node.module] if node.module else parts)


def complaints(modules: list[Module]) -> list[str]:
    """Give what is wrong with the imports of a house, a line each."""
    known = {module.name for module in modules}
    found = circles(modules, known)
    for module in modules:
        if module.room not in LEVEL:
            found.append(
                f"{module.name} has no place yet: put it into a layer in {Path(__file__).name}"
            )
            continue
        for one in imports_of(module, known):
            check = check_ours if one.target.split(".")[0] == "gmflow" else check_foreign
            reason = check(module.room, one)
            if reason:
                found.append(f"{module.name}, line {one.line}, imports {one.target}: {reason}")
    return found


def check_ours(room: str, one: Import) -> str | None:
    target = room_of(one.target)
    if room == SCRIPTS and target != "cli":
        return "a script imports from gmflow.cli alone"
    if target == PACKAGE or (target in DOORS.split() and room not in [PACKAGE, *DOORS.split()]):
        return "a door; import it from where it is made"
    if LEVEL.get(target, -1) > LEVEL[room]:
        return "it is of a higher layer"
    return None


def check_foreign(room: str, one: Import) -> str | None:
    package = one.target.split(".")[0]
    is_above = LEVEL[room] >= len(BELOW)
    if not is_above and (package == "gevent" or f"{one.target}.".startswith("zmq.green.")):
        return "this is below the green line"
    allowed = (PACKAGES_ABOVE if is_above else PACKAGES) | ALSO.get(room, set())
    if package in sys.stdlib_module_names or package in allowed:
        return None
    if package in EXTRAS:
        return None if one.lazy else "an extra is imported where it is used, inside a function"
    return "this package is not for here"


def circles(modules: list[Module], known: set[str]) -> list[str]:
    """Give a circle of imports that run when modules are loaded, if there is one."""
    graph = {
        module.name: {one.target for one in imports_of(module, known) if not one.lazy} & known
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
    assert {"gmflow.decoder", "gmflow.handlers.raw_1_0"} <= names


@pytest.mark.parametrize(
    ("name", "source", "reason"),
    [
        ("decoder", "import gevent", "green line"),
        ("decoder", "from gevent.event import Event", "green line"),
        ("decoder", "def f():\n    import gevent", "green line"),
        ("errors", "from zmq import green", "green line"),
        ("errors", "import zmq.green as zmq", "green line"),
        ("decoder", "import zmq", "not for here"),
        ("decoder", "from .stream import Stream", "higher layer"),
        ("errors", "from .decoder import Decoder", "higher layer"),
        ("handlers.raw_1_0", "from ..sockets import Socket", "higher layer"),
        ("handlers.raw_1_0", "from .. import sockets", "higher layer"),
        ("decoder", "def f():\n    from . import sockets", "higher layer"),
        ("channel", "from .monitor import Monitor", "higher layer"),
        ("topology.nodes", "import gmflow.cli.stats", "higher layer"),
        ("topology.nodes", "if TYPE_CHECKING:\n    pass\nelse:\n    from .. import cli", "higher"),
        ("cli.stats", "from ..tools import Merge", "a door"),
        ("cli.stats", "from gmflow import Stream", "a door"),
        ("utils", "from . import Stream", "a door"),
        ("stream", "import docopt", "not for here"),
        ("stream", "import requests", "not for here"),
        ("codecs", "import imagecodecs", "inside a function"),
        ("surprise", "", "no place yet"),
    ],
)
def test_a_wrong_import_is_found(name: str, source: str, reason: str) -> None:
    rest = [Module(f"gmflow.{room}", "") for room in LEVEL if room and room != name]
    (found,) = complaints([*rest, Module(f"gmflow.{name}", source)])
    assert f"gmflow.{name}" in found
    assert reason in found


def test_a_script_imports_from_cli_alone() -> None:
    assert not complaints([Module("bin.m_stats", "from gmflow.cli.stats import main")])
    assert complaints([Module("bin.m_stats", "from gmflow.green.stream.stream import connect")])


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("errors", "import zmq"),
        ("message", "if TYPE_CHECKING:\n    from .decoder import Decoder"),
        ("handlers", "from . import raw_1_0\nfrom ..receiver import Receiver\nimport numpy as np"),
        ("codecs", "def f():\n    import imagecodecs"),
        ("sockets", "import gevent, zmq.green, json"),
        ("cli.stats", "from docopt import docopt\nfrom ..topology.nodes import Source"),
        ("tools", "from .stream import Stream\nfrom .utils import Merge"),
    ],
)
def test_a_right_import_passes(name: str, source: str) -> None:
    rest = [Module(f"gmflow.{room}", "") for room in LEVEL if room and room != name]
    rest.append(Module("gmflow.handlers.raw_1_0", ""))
    module = Module(f"gmflow.{name}", source, is_package=name == "handlers")
    assert not complaints([*rest, module])


def test_the_package_opens_onto_its_doors() -> None:
    front = Module("gmflow", "from . import tools\nfrom .stream import connect", is_package=True)
    assert not complaints(
        [front, Module("gmflow.tools", ""), Module("gmflow.green.stream.stream", "")]
    )


def test_a_circle_is_found() -> None:
    one = Module("gmflow.decoder", "from .handlers import DEFAULT")
    other = Module("gmflow.handlers", "from .raw_1_0 import receive", is_package=True)
    raw = "from ..decoder import Decoder"
    (found,) = complaints([one, other, Module("gmflow.handlers.raw_1_0", raw)])
    assert "circle" in found
    lazy = f"def f():\n    {raw}"
    assert not complaints([one, other, Module("gmflow.handlers.raw_1_0", lazy)])


def test_no_module_is_too_long() -> None:
    lengths = {module.name: len(module.source.splitlines()) for module in house()}
    assert {name: n for name, n in lengths.items() if n > MOST_LINES} == {}


def test_every_module_opens_with_its_contract() -> None:
    assert [m.name for m in house() if not ast.get_docstring(ast.parse(m.source))] == []
