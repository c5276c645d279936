"""docs/architecture.md names folders, modules and classes that are there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text("utf-8")
NAMES = set(re.findall(r"`([^`\n]+)`", TEXT))
MODULES = sorted((ROOT / "gmflow").rglob("*.py"))


def test_every_path_is_there() -> None:
    paths = {name for name in NAMES if re.fullmatch(r"[\w/.]+(/|\.py)", name)}
    assert len(paths) > 40
    missing = [p for p in paths if not any((base / p).exists() for base in (ROOT / "gmflow", ROOT))]
    assert not missing


def test_every_class_is_there() -> None:
    trees = [ast.parse(path.read_text("utf-8")) for path in MODULES]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    classes = {node.name for node in nodes if isinstance(node, ast.ClassDef)}
    named = {name.partition(".")[0] for name in NAMES if re.match(r"[A-Z][a-z]+[A-Za-z.]*$", name)}
    assert len(named) > 15
    assert not named - classes


def test_every_folder_of_the_package_is_named() -> None:
    folders = {f"{path.parent.relative_to(ROOT / 'gmflow')}/" for path in MODULES}
    assert not folders - {"./"} - NAMES
