"""The program behind `make mutants`: what it changes, and what it leaves alone."""

from pathlib import Path

import pytest

from tests import mutants


def changed(source: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> set[str]:
    """Return what becomes of a module, mutant by mutant."""
    monkeypatch.setattr(mutants, "ROOT", folder)
    (folder / "one.py").write_text(source)
    places = mutants.mutants_of(folder / "one.py")
    return {source[: m.start] + m.after + source[m.stop :] for place in places for m in place}


@pytest.mark.parametrize(
    ("line", "others"),
    [
        ("return a < b", {"return (a <= b)", "return None"}),
        ("return a is not b", {"return (a is b)", "return None"}),
        ("return a + b", {"return (a - b)", "return None"}),
        ("return a and b", {"return (a or b)", "return None"}),
        ("return not a", {"return (a)", "return None"}),
        ("return 7", {"return (8)", "return (6)", "return None"}),
        ("return True", {"return (False)", "return None"}),
        ("a.b = c", {"pass"}),
        ("a.b += c", {"pass"}),
        ("a.b()", {"pass"}),
        ("raise a", {"pass"}),
        ("a = b", set()),  # a name that is missing proves nothing
        ("return None", set()),
        ("return f'{a:{1}}'", {"return None"}),
        ("x: list[7] = a", set()),
        ("import a", set()),
    ],
)
def test_a_statement(
    line: str, others: set[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    body = "def f(a, b):\n    '''Say.'''\n    {}\n"
    expected = {body.format(other) for other in others}
    assert changed(body.format(line), monkeypatch, tmp_path) == expected


def test_a_condition(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = changed("def f():\n    if a:\n        b()\n", monkeypatch, tmp_path)
    ifs = ("if (not a):\n        b()", "if a:\n        pass")
    assert found == {f"def f():\n    {text}\n" for text in ifs}


def test_the_sample_is_the_same_for_a_seed() -> None:
    first = mutants.sample(20, 5, "merging")
    assert len(first) == 20
    assert first == mutants.sample(20, 5, "merging")
    assert first != mutants.sample(20, 6, "merging")
    assert all((mutants.ROOT / test).exists() for m in first for test in mutants.tests_of(m.path))


def test_equivalents_are_mutants_and_have_reasons() -> None:
    text = mutants.EQUIVALENT.read_text("utf-8")
    named = mutants.equivalents()
    paths = {mutants.ROOT / name.partition(":")[0] for name in named}
    places = [place for path in paths if path.exists() for place in mutants.mutants_of(path)]
    known = {mutant.name for place in places for mutant in place}
    assert not named - known, "these are gone: take them out"
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    for name, reason in zip(lines[::2], lines[1::2], strict=True):
        assert name in known and reason.startswith("    ")
