"""How the tests are written: what a busy machine makes fail is not in them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
CLOCKS = {"monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "time"}
"""Those that go on while others have the processor; a process's own time does not."""


def reads_clock(node: ast.AST, times: set[str]) -> bool:
    """Return True if an expression reads a clock, or a name that holds what one has shown."""
    for one in ast.walk(node):
        if isinstance(one, ast.Call):
            name = getattr(one.func, "attr", getattr(one.func, "id", ""))
            if name in CLOCKS and not one.args:
                return True
        if isinstance(one, ast.Name) and one.id in times:
            return True
        if isinstance(one, ast.Attribute) and one.attr in ("seconds", "took"):
            return True
    return False


def smaller(node: ast.Compare) -> Iterator[ast.AST]:
    """Return what is to be less than something else."""
    values = [node.left, *node.comparators]
    for left, operator, right in zip(values, node.ops, values[1:], strict=False):
        if isinstance(operator, (ast.Lt, ast.LtE)):
            yield left
        elif isinstance(operator, (ast.Gt, ast.GtE)):
            yield right


def timed(source: str) -> Iterator[int]:
    """Return the lines that assert that something took no longer than so.

    That it took as long at least, as a pace does, holds on a busy machine too.
    """
    tree = ast.parse(source)
    for scope in ast.walk(tree):
        if isinstance(scope, (ast.Module, ast.FunctionDef)):
            yield from timed_in(scope)


def timed_in(scope: ast.Module | ast.FunctionDef) -> Iterator[int]:
    """Return those of one function, or of what stands in none."""
    inside = [*of_scope(scope)]
    times: set[str] = set()
    for _ in range(3):  # a name that is taken from one that is taken from a clock
        for node in inside:
            if isinstance(node, (ast.Assign, ast.AugAssign, ast.NamedExpr)):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names = {one.id for one in targets if isinstance(one, ast.Name)}
                times |= names if reads_clock(node.value, times) else set()
            elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "append":
                base = getattr(node.func, "value", None)
                kept = isinstance(base, ast.Name) and reads_clock(node.args[0], times)
                times |= {base.id} if kept else set()
    for node in inside:
        if isinstance(node, ast.Assert):
            compared = [one for one in ast.walk(node.test) if isinstance(one, ast.Compare)]
            if any(reads_clock(small, times) for one in compared for small in smaller(one)):
                yield node.lineno


def of_scope(node: ast.AST) -> Iterator[ast.AST]:
    """Return what is in a function, but for the functions in it."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, ast.FunctionDef):
            yield from of_scope(child)


def test_no_test_asserts_that_something_was_fast() -> None:
    found = [
        f"{path.relative_to(TESTS)}:{line}"
        for path in sorted(TESTS.rglob("*.py"))
        for line in timed(path.read_text("utf-8"))
    ]
    assert not found, "wait for an event with a time-out instead: " + ", ".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "began = monotonic()\nassert monotonic() - began < 1",
        "began = time.time()\ntook = time.time() - began\nassert 0 < took <= 1",
        "longest = 0\nlongest = max(longest, perf_counter() - began)\nassert longest < 1",
        "assert end > monotonic()",
        "took.append(monotonic() - began)\nassert min(took) < 1",
        "assert scripts.run('m_stats').seconds < 3",
        "assert result.status == 0 and result.seconds < 3",
    ],
)
def test_a_timed_assertion_is_found(source: str) -> None:
    assert [*timed(source)]


@pytest.mark.parametrize(
    "source",
    [
        "end = monotonic() + 5\nwhile monotonic() < end:\n    assert count < 5",
        "began = monotonic()\nassert monotonic() - began > 0.3",
        "began = process_time()\nassert process_time() - began < 0.05",
        "received_ns = time_ns()\nassert message.received_ns == received_ns",
        "assert statistics['seconds_since_last'] >= 0",
    ],
)
def test_another_assertion_is_not(source: str) -> None:
    assert not [*timed(source)]
