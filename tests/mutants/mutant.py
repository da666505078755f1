"""A mutant, and what can find it."""

from __future__ import annotations

from pathlib import Path

import attrs

# What `tests.mutants.seeds` exits with when it found something; an error of Python is 1.
FOUND_BY_SEED = 10
FOUND_BY_PYTEST = 1


@attrs.frozen
class Finder:
    """A command, without the interpreter, and the exit status that says "found"."""

    says: str
    arguments: tuple[str, ...]
    found: int


def by_tests(*names: str) -> Finder:
    """Return the finder that runs these tests (pytest's node ids, without `tests/`)."""
    paths = [f"tests/{name}" for name in names]
    options = ("-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=1", "--tb=line")
    return Finder(" ".join(names), ("-m", "pytest", *options, *paths), FOUND_BY_PYTEST)


def by_seeds(first: int, last: int, nodes: int = 3) -> Finder:
    """Return the finder that simulates these seeds for a minute each, until one is violated."""
    span = f"{first}-{last}"
    arguments = ("-m", "tests.mutants.seeds", span, str(nodes))
    return Finder(f"simulator, seeds {span}", arguments, FOUND_BY_SEED)


@attrs.frozen
class Mutant:
    """A deliberate bug.

    name      what it is called; bug  which of `catalogue.BUGS` it is one of
    says      what goes wrong, in one sentence
    file      where; old  text that occurs there exactly once; new  what stands there instead
    finders   each of them must find it
    instead   why this and not the bug as it is known elsewhere; "" where it is just that
    """

    name: str
    bug: str
    says: str
    file: str
    old: str
    new: str
    finders: tuple[Finder, ...]
    instead: str = ""

    def change(self, source: str) -> str:
        """Return the mutated source; raise `ValueError` unless the old text occurs once."""
        times = source.count(self.old)
        if times != 1:
            raise ValueError(f"{self.name}: its text occurs {times} times in {self.file}")
        return source.replace(self.old, self.new)

    def apply(self, root: Path) -> None:
        """Change the file under `root`."""
        path = root / self.file
        path.write_text(self.change(path.read_text()))
