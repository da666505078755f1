"""The catalogue does not rot, and a trial tells what was found from what could not run."""

from __future__ import annotations

import ast
from pathlib import Path

import attrs
import pytest

from tests.mutants import trial
from tests.mutants.catalogue import BUGS, MUTANTS
from tests.mutants.command import line
from tests.mutants.mutant import Finder, Mutant, by_seeds, by_tests
from tests.mutants.trial import ROOT, Verdict, judge, try_mutant

over_mutants = pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)


def functions(path: Path) -> list[str]:
    tree = ast.parse(path.read_text())
    return [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


@over_mutants
def test_its_text_occurs_once_and_is_still_a_program_when_it_is_changed(mutant: Mutant) -> None:
    source = (ROOT / mutant.file).read_text()
    changed = mutant.change(source)
    assert changed != source
    compile(changed, mutant.file, "exec")


@over_mutants
def test_its_finders_are_there(mutant: Mutant) -> None:
    assert mutant.finders
    names = [each for f in mutant.finders for each in f.arguments if each.startswith("tests/")]
    for path, _, test in [name.partition("::") for name in names]:
        assert (ROOT / path).exists()
        assert not test or test in functions(ROOT / path)


def test_each_has_a_name_and_one_of_the_bugs_and_no_bug_has_none() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert {mutant.bug for mutant in MUTANTS} == set(BUGS)


@pytest.mark.parametrize("source", ["", "one one"])
def test_a_change_without_its_one_place_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match="occurs"):
        A_MUTANT.change(source)


A_MUTANT = Mutant(
    "m", "late", "Says.", "gcounterd/small.py", "one", "two", (by_tests("test_x.py"),)
)


@pytest.mark.parametrize(
    ("finder", "status", "output", "outcome", "by"),
    [
        (by_tests("a.py"), 0, "1 passed", "survived", "a.py"),
        (
            by_tests("a.py"),
            1,
            "F\nFAILED tests/a.py::test_b - assert 1 == 2",
            "found",
            "a.py::test_b",
        ),
        (by_tests("a.py"), 2, "ERROR tests/a.py\nno module", "broken", "no module"),
        (by_tests("a.py"), 4, "ERROR: not found", "broken", "ERROR: not found"),
        (by_seeds(1, 2), 10, "FAILED seed 1: I5", "found", "seed 1: I5"),
        (by_seeds(1, 2), 1, "Traceback\nImportError: x", "broken", "ImportError: x"),
        (by_seeds(1, 2), -9, "", "broken", "no output"),
    ],
)
def test_only_a_test_that_failed_has_found_something(
    finder: Finder, status: int, output: str, outcome: str, by: str
) -> None:
    verdict = judge(finder, status, output, 1.0)
    assert (verdict.outcome, verdict.by) == (outcome, by)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A package with one number, and a test of it."""
    (tmp_path / "gcounterd").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\npythonpath = ['.']\n")
    (tmp_path / "gcounterd" / "__init__.py").write_text("one = 1\n")
    test = "import gcounterd\ndef test_one(): assert gcounterd.one == 1\n"
    (tmp_path / "tests" / "test_x.py").write_text(test)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("new", "outcome"), [("1 + 1", "found"), ("2 - 1", "survived"), ("while", "broken")]
)
def test_a_mutant_is_tried_in_a_copy(tree: Path, new: str, outcome: str) -> None:
    mutant = attrs.evolve(A_MUTANT, file="gcounterd/__init__.py", old="= 1", new=f"= {new}")
    (verdict,) = try_mutant(mutant, 60.0, tree)
    assert verdict.outcome == outcome
    assert (tree / "gcounterd" / "__init__.py").read_text() == "one = 1\n"


def test_a_finder_that_takes_too_long_has_found_nothing(tree: Path) -> None:
    slow = Finder("slow", ("-c", "while True: pass"), 1)
    assert trial.run_finder(slow, tree, 0.2).outcome == "late"


def test_a_line_says_who_found_it_and_what_did_not() -> None:
    told = line(A_MUTANT, [Verdict("found", "a.py::b", 1.0), Verdict("late", "seeds 1-2", 2.0)])
    assert told == "| m | Says. | `a.py::b`; late: seeds 1-2 | 3.0 |"
