"""Whether the tests fail when the code is changed: a sample of mutants, each tried by its tests.

    python tests/mutants.py [--count N] [--seed N] [--only PATH] [--jobs N] [--list]

A mutant is gmflow/ with one small change: another comparison or operator, a number that is off
by one, a condition turned round, a statement or a returned value left out. Each is tried in a
copy of the tree by the tests of its module: those that import it, then those of the folder of its
name, then tests/core. Survivors are printed, and the exit status is 1 if more than one in twenty
lives. What changes nothing that anybody could see stands in tests/mutants_equivalent.txt, with
the reason, and is left out.

mutmut, cosmic-ray and mutatest were looked at: none draws a sample with a seed and runs only the
tests of the module that was changed, and mutmut forks a process in which gevent's hub runs.
"""

import argparse
import ast
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from random import Random

ROOT = Path(__file__).parents[1]
EQUIVALENT = ROOT / "tests" / "mutants_equivalent.txt"
ENOUGH = 0.95
MAX_SECONDS = 900
"""What a mutant's tests may take; one that is still undecided then counts as a survivor."""

SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult, ast.Mod: ast.Mult, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip

FOLDERS = {"mflow.py": "compat", "tools.py": "compat", "utils.py": "compat"}
"""The tests of a module whose folder of tests is not called as its own."""


@dataclass(frozen=True)
class Mutant:
    """One change of a module: what stands from `start` to `stop` is replaced."""

    path: str
    line: int
    start: int
    stop: int
    before: str
    after: str

    @property
    def name(self) -> str:
        """What it is known by in the list of equivalents, wherever its line has moved."""
        return f"{self.path}: {' '.join(self.before.split())} -> {' '.join(self.after.split())}"


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """Return the nodes that may stand in a node's place."""
    other = deepcopy(node)
    match other:
        case ast.Compare(ops=[op]) if type(op) in SWAPS:
            other.ops = [SWAPS[type(op)]()]  # type: ignore[list-item]
            yield other
        case ast.BinOp(op=op) | ast.BoolOp(op=op) if type(op) in SWAPS:
            other.op = SWAPS[type(op)]()  # type: ignore[assignment]
            yield other
        case ast.Constant(value=bool()):
            yield ast.Constant(not other.value)
        case ast.Constant(value=int(number)):
            yield ast.Constant(number + 1)
            if number:
                yield ast.Constant(number - 1)
        case ast.UnaryOp(op=ast.Not()):
            yield other.operand
        case ast.IfExp():
            other.test = ast.UnaryOp(ast.Not(), other.test)
            yield other
        case ast.stmt() if can_be_left_out(other):
            yield ast.Pass()
        case ast.Return(value=ast.expr() as value) if not is_none(value):
            yield ast.Return(ast.Constant(None))


def can_be_left_out(node: ast.stmt) -> bool:
    """Return True for a statement that leaves no name undefined, which would prove nothing."""
    if isinstance(node, ast.Assign):
        return not any(isinstance(target, ast.Name) for target in node.targets)
    kinds = (ast.AugAssign, ast.Raise, ast.Delete, ast.Break, ast.Continue)
    return isinstance(node, kinds) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    )


def is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def nodes(node: ast.AST, inside: bool = False) -> Iterator[ast.AST]:
    """Return what may be changed: no annotations, no f-strings, nothing that is only imported."""
    for field, child in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "bases", "type_params"):
            continue
        for one in child if isinstance(child, list) else [child]:
            dull = isinstance(one, (ast.JoinedStr, ast.Import, ast.ImportFrom))
            if isinstance(one, ast.If) and "TYPE_CHECKING" in ast.unparse(one.test):
                dull = True
            if not isinstance(one, ast.AST) or dull:
                continue
            if inside or not isinstance(one, (ast.Assign, ast.Expr)):
                yield one
            is_body = isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from nodes(one, inside or is_body)


def mutants_of(path: Path) -> list[list[Mutant]]:
    """Return a module's mutants, those of one place in one list."""
    source = path.read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []
    for node in nodes(ast.parse(source)):
        if isinstance(node, (ast.If, ast.While)):
            swapped = [(node.test, ast.UnaryOp(ast.Not(), node.test))]
        else:
            swapped = [(node, other) for other in changes(node)]
        places = []
        for old, new in swapped:
            start = starts[old.lineno - 1] + old.col_offset  # type: ignore[attr-defined]
            stop = starts[old.end_lineno - 1] + old.end_col_offset  # type: ignore[attr-defined]
            text = ast.unparse(ast.fix_missing_locations(new))
            after = f"({text})" if isinstance(new, ast.expr) else text
            before = source[start:stop].decode()
            name = str(path.relative_to(ROOT))
            places.append(Mutant(name, old.lineno, start, stop, before, after))  # type: ignore[attr-defined]
        found += [places] if places else []
    return found


def sample(count: int, seed: int, only: str) -> list[Mutant]:
    """Return so many mutants, the same ones for the same seed and sources."""
    dice = Random(seed)
    known = equivalents()
    paths = sorted(path for path in ROOT.glob("gmflow/**/*.py") if only in str(path))
    places = [place for path in paths for place in mutants_of(path)]
    drawn = [dice.choice(place) for place in dice.sample(places, min(2 * count, len(places)))]
    return [mutant for mutant in drawn if mutant.name not in known][:count]


def equivalents() -> set[str]:
    """Return the names of those that change nothing: the lines before the indented reasons."""
    lines = EQUIVALENT.read_text("utf-8").splitlines()
    return {line for line in lines if line and not line.startswith(("#", " "))}


def tests_of(path: str) -> list[str]:
    """Return what may find a module's mutant, the nearest tests first."""
    name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    parent, _, last = name.rpartition(".")
    wanted = re.compile(rf"{re.escape(name)}\b|from {re.escape(parent)} import .*\b{last}\b")
    files = sorted(ROOT.glob("tests/**/test_*.py"))
    importing = [f for f in files if wanted.search(f.read_text("utf-8"))]
    folder = Path(path).relative_to("gmflow").parent
    own = Path("tests", FOLDERS.get(Path(path).name, str(folder)))
    while not (ROOT / own).is_dir():
        own = own.parent
    found = [str(f.relative_to(ROOT)) for f in importing]
    found += [str(own)] if own != Path("tests") else []
    return [*dict.fromkeys([*found, "tests/core"])]


class Tree:
    """A copy of what the tests need, in which one module at a time is changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        skipped = shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".*_cache", ".hypothesis")
        shutil.copytree(ROOT, folder, ignore=skipped, dirs_exist_ok=True)
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(folder),
            "PYTHONPYCACHEPREFIX": str(folder / "__pycache__"),
            "GMFLOW_CAPTURES": os.environ.get("GMFLOW_CAPTURES") or str(captures()),
        }
        self._changes = 0

    def try_out(self, mutant: Mutant) -> str:
        """Return ``killed by`` and the test, ``survived``, or why neither is known."""
        file = self.folder / mutant.path
        source = file.read_bytes()
        changed = source[: mutant.start] + mutant.after.encode() + source[mutant.stop :]
        try:
            self._write(file, changed)
            result = self.run(tests_of(mutant.path))
        finally:
            self._write(file, source)
        test = result.removeprefix("killed by ").partition("[")[0]
        if test.startswith("tests/") and self.run([test]) != "survived":
            return f"undecided, {test} fails without it"
        return result

    def _write(self, file: Path, source: bytes) -> None:
        file.write_bytes(source)
        self._changes += 1  # or a cached module of the same second and size would be taken
        os.utime(file, (self._changes, self._changes))

    def run(self, tests: list[str]) -> str:
        """Run tests until one fails."""
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
        with tempfile.TemporaryFile("w+") as output:
            running = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            try:
                status = running.wait(MAX_SECONDS)
            except subprocess.TimeoutExpired:
                return "undecided"
            finally:
                with suppress(ProcessLookupError):  # what its tests started too
                    os.killpg(running.pid, signal.SIGKILL)
                running.wait()
            output.seek(0)
            text = output.read()
        if status in (3, 4, 5):  # pytest's own troubles
            raise SystemExit(f"{' '.join(command)}\n{text}")
        failed = re.search(r"^(?:FAILED|ERROR) (\S+)", text, re.M)
        return f"killed by {failed[1] if failed else 'a time-out'}" if status else "survived"


def captures() -> Path:
    return ROOT.parent / "shared" / "data"


def try_all(mutants: list[Mutant], jobs: int) -> dict[Mutant, str]:
    """Try mutants, some at a time, each in a tree that no other one has meanwhile."""
    trees: queue.Queue[Tree] = queue.Queue()
    results = {}
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        for number in range(jobs):
            trees.put(Tree(Path(folder, str(number))))

        def try_one(mutant: Mutant) -> None:
            tree = trees.get()
            results[mutant] = tree.try_out(mutant)
            trees.put(tree)
            print(f"{mutant.path}:{mutant.line} {results[mutant]}", flush=True)

        tree = trees.get()
        if (unchanged := tree.run(["tests/core"])) != "survived":
            raise SystemExit(f"without a change, {unchanged}")
        trees.put(tree)
        try:
            list(pool.map(try_one, mutants))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description="Try a sample of mutants of gmflow/.")
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="part of the paths to take mutants of")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--list", action="store_true", help="show the sample and end")
    asked = parser.parse_args()
    mutants = sample(asked.count, asked.seed, asked.only)
    if asked.list:
        print(*(f"{one.line}: {one.name}" for one in mutants), sep="\n")
        return 0
    results = try_all(mutants, asked.jobs)
    killed = sum(result.startswith("killed") for result in results.values())
    for mutant, result in results.items():
        if not result.startswith("killed"):
            print(f"\n{result}, line {mutant.line}:\n{mutant.name}")
    print(f"\n{killed} of {len(results)} mutants killed, seed {asked.seed}")
    return 0 if killed >= ENOUGH * len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
