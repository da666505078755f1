"""The repository keeps its own rules (see tidy.py), and each rule catches what it is for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import tidy

ROOT = Path(__file__).resolve().parents[1]
FILES = tidy.list_tracked(ROOT)
TEXTS = tidy.read_texts(ROOT, FILES)


def module_of(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


PACKAGE = {
    module_of(path): text
    for path, text in TEXTS.items()
    if path.startswith("gcounterd/") and path.endswith(".py")
}
PURE = {module: text for module, text in PACKAGE.items() if tidy.is_pure(module)}
# Formulas that results are held against decide nothing.
FORMULAS = ("oracles", "statistics")
SIMULATED = {
    module: text
    for module, text in PACKAGE.items()
    if tidy.room_of(module) == "sim" and module.rpartition(".")[2] not in FORMULAS
}
TESTS = {
    module_of(path): text
    for path, text in TEXTS.items()
    if path.startswith("tests/") and path.endswith(".py")
}
DOCUMENTS = {path: text for path, text in TEXTS.items() if path.endswith(".md")}

Rule = Callable[[str, str], list[str]]


@pytest.mark.parametrize(
    ("rule", "sources"),
    [
        (tidy.check_layers, PACKAGE),
        (tidy.check_purity, PURE),
        (tidy.check_set_order, PURE),
        (tidy.check_exactness, PURE | SIMULATED),
        (tidy.check_numpy, PACKAGE),
        (tidy.check_size, PACKAGE | TESTS),
        (tidy.check_docstring, PACKAGE),
        (tidy.check_prints, PACKAGE),
        (tidy.check_sleeps, TESTS),
        (tidy.check_leftovers, TEXTS),
        (tidy.check_title, DOCUMENTS),
    ],
    ids=lambda value: value.__name__ if callable(value) else f"{len(value)}-files",
)
def test_the_repository_keeps_the_rule(rule: Rule, sources: dict[str, str]) -> None:
    assert sources
    complaints = [told for module, source in sources.items() for told in rule(source, module)]
    assert "\n".join(complaints) == ""


def test_gcounterctl_needs_neither_trio_nor_numpy_nor_msgpack() -> None:
    assert tidy.CTL_MODULE in PACKAGE
    assert tidy.check_ctl(PACKAGE) == []


def test_links_between_documents_lead_somewhere() -> None:
    assert tidy.check_links(DOCUMENTS, FILES) == []


def test_no_two_test_modules_have_one_name() -> None:
    names = [path for path in FILES if path.startswith("tests/") and "/test_" in path]
    assert len(names) > 1
    assert tidy.check_test_names(names) == []


def test_every_room_of_the_package_has_its_layer() -> None:
    rooms = {module.split(".")[1] for module in PACKAGE if module.count(".") > 1}
    assert sorted(rooms) == sorted(tidy.ROOMS)


# From here on: that each rule catches a bad example, and lets a good one pass.


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        (
            "gcounterd.counters.columns",
            "from gcounterd.members import roster",
            "gcounterd.counters.columns:1: counters must not import gcounterd.members.roster",
        ),
        (
            "gcounterd.wire.frames",
            "def read():\n    import gcounterd.links.transport",
            "gcounterd.wire.frames:2: wire must not import gcounterd.links.transport",
        ),
        (
            "gcounterd.links.link",
            "from ..storage import journal",
            "gcounterd.links.link:1: links must not import gcounterd.storage.journal",
        ),
        (
            "gcounterd.sim.world",
            "from gcounterd.storage.journal import Journal",
            "gcounterd.sim.world:1: sim must not import gcounterd.storage.journal.Journal",
        ),
        (
            "gcounterd.daemon.run",
            "from gcounterd import cli",
            "gcounterd.daemon.run:1: daemon must not import gcounterd.cli",
        ),
        (
            "gcounterd.ids",
            "import gcounterd.counters",
            "gcounterd.ids:1: ids must not import gcounterd.counters",
        ),
    ],
)
def test_an_import_against_the_layers_is_found(module: str, source: str, complaint: str) -> None:
    assert tidy.check_layers(source, module) == [complaint]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("gcounterd.node.node", "from gcounterd.members import roster"),
        ("gcounterd.sim.disk", "from gcounterd.storage.recovery import recover"),
        ("gcounterd.daemon.run", "from gcounterd.links.transport import Transport"),
        ("gcounterd.cli.gcounterd", "from gcounterd import __version__, errors"),
        ("gcounterd.counters.columns", "import gcounterd.ids\nfrom . import batches"),
    ],
)
def test_an_import_along_the_layers_passes(module: str, source: str) -> None:
    assert tidy.check_layers(source, module) == []


def test_an_impure_import_is_found_also_within_a_function() -> None:
    source = (
        "import hashlib, os.path\nfrom random import Random, randrange\ndef f():\n    import trio"
    )
    assert tidy.check_purity(source, "m") == [
        "m:1: pure code must not import os.path",
        "m:2: pure code must not import random.randrange",
        "m:4: pure code must not import trio",
    ]
    assert tidy.is_pure("gcounterd.storage.recovery")
    assert not tidy.is_pure("gcounterd.storage.journal")


@pytest.mark.parametrize(
    "source",
    [
        "for x in {1, 2}: pass",
        "[x for x in set(y)]",
        "print(*frozenset(y))",
        "list({x for x in y})",
        "for x in set(y) | z: pass",
        "def f(y):\n    seen = set()\n    for x in seen: pass",
        "def f(seen: int):\n    held: set[int] = g()\n    return tuple(held)",
        "class A:\n    def f(self):\n        self.s = set()\n    def g(self):\n        [*self.s]",
        "class A:\n    s: frozenset[int]\n    def f(self):\n        return list(self.s)",
    ],
)
def test_taking_a_set_in_its_order_is_found(source: str) -> None:
    assert [told.split(": ")[1] for told in tidy.check_set_order(source, "m")] == [
        "the order of a set is nobody's; sort it"
    ]


@pytest.mark.parametrize(
    "source",
    [
        "for x in sorted({1, 2}): pass",
        "if x in {1, 2} and len(set(y)) == 2: pass",
        "def f():\n    s = set()\ndef g(s):\n    for x in s: pass",
        "for x in {1: 2}: pass",
    ],
)
def test_sets_that_are_sorted_or_only_asked_pass(source: str) -> None:
    assert tidy.check_set_order(source, "m") == []


@pytest.mark.parametrize(
    "expression",
    [
        "math.log10(n)",
        "log(x + 1)",
        "rng.expovariate(2)",
        "self._rng.gauss(0, 1)",
        "2 ** x",
        "x ** y",
    ],
)
def test_what_machines_do_not_agree_on_is_found_unless_it_is_rounded(expression: str) -> None:
    complaint = f"m:1: {expression} differs between machines; round it"
    assert tidy.check_exactness(f"y = 3 * {expression}", "m") == [complaint]
    assert tidy.check_exactness(f"y = round(3 * {expression}, 6)", "m") == []


@pytest.mark.parametrize(
    "source", ["y = 2**53 - 1", "y = 2 ** (8 * SIZE)", "y = a * b / c", "math.ceil(math.sqrt(x))"]
)
def test_whole_numbers_and_what_is_rounded_by_the_standard_pass(source: str) -> None:
    assert tidy.check_exactness(source, "m") == []


def test_numpy_is_found_outside_counters_only() -> None:
    source = "import numpy as np\nfrom numpy.typing import NDArray"
    assert len(tidy.check_numpy(source, "gcounterd.storage.recovery")) == 2
    assert tidy.check_numpy(source, "gcounterd.counters.columns") == []


def test_a_heavy_import_that_gcounterctl_reaches_is_found_with_its_way() -> None:
    sources = {
        "gcounterd": "",
        "gcounterd.cli": "",
        tidy.CTL_MODULE: "from gcounterd.cli.client import ask\ndef f():\n    import numpy",
        "gcounterd.cli.client": "from gcounterd.ids import show",
        "gcounterd.ids": "import msgpack.exceptions",
        "gcounterd.other": "import trio",
    }
    assert tidy.check_ctl(sources) == [
        f"{tidy.CTL_MODULE} > gcounterd.cli.client > gcounterd.ids imports msgpack.exceptions"
    ]
    sources["gcounterd.ids"] = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import trio"
    )
    assert tidy.check_ctl(sources) == []


def test_a_module_or_a_function_that_is_too_long_is_found() -> None:
    body = "    pass\n" * tidy.FUNCTION_LINES_MAX
    assert tidy.check_size("async def f():\n" + body, "m") == ["m:1: f has 61 lines"]
    assert tidy.check_size("def f():\n" + body.removesuffix("    pass\n"), "m") == []
    assert tidy.check_size("x = 1\n" * 401, "m") == ["m: 401 lines, more than 400"]
    assert tidy.check_size("x = 1\n" * 400, "m") == []


@pytest.mark.parametrize("source", ["x = 1", '"""One line."""', '"""One line.\n\n"""'])
def test_a_module_that_says_too_little_is_found(source: str) -> None:
    assert tidy.check_docstring(source, "m") == ["m: says too little about itself at its top"]


@pytest.mark.parametrize("source", ["", "\n", '"""What it is.\n\nWhat it refuses to know.\n"""'])
def test_an_empty_module_or_one_that_says_what_it_is_passes(source: str) -> None:
    assert tidy.check_docstring(source, "m") == []


def test_print_is_found_where_nobody_reads_it() -> None:
    assert tidy.check_prints("x = 1\nprint(x)", "gcounterd.api.server") == [
        "gcounterd.api.server:2: print()"
    ]
    assert tidy.check_prints("print(x)", "gcounterd.sim.world") != []
    for module in ("gcounterd.cli.output", "gcounterd.sim.__main__"):
        assert tidy.check_prints("print(x)", module) == []


def test_sleeping_in_a_test_is_found_however_it_is_imported() -> None:
    assert tidy.check_sleeps("import time\ntime.sleep(1)", "m") == ["m:2: time.sleep"]
    assert tidy.check_sleeps("from time import sleep\nsleep(1)", "m") == ["m:1: time.sleep"]
    assert tidy.check_sleeps("import trio\nasync def f():\n    await trio.sleep(1)", "m") == []


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("# TO", "DO: later"), True),
        (("FIX", "ME"), True),
        (("see /wo", "rk/main/x"), True),
        (("../sha", "red/DESIGN.md"), True),
        (("/ro", "ot/.cache"), True),
        (("<" * 7, " HEAD"), True),
        (("the method is mastodon", ""), False),
        (("https://example.org/wo", "rk/1"), False),
        (("=" * 7, ""), False),
    ],
)
def test_leftovers_are_found_in_any_text(words: tuple[str, str], found: bool) -> None:
    complaints = tidy.check_leftovers("first line\n" + "".join(words), "docs/a.md")
    assert bool(complaints) is found
    assert all(told.startswith("docs/a.md:2: ") for told in complaints)


@pytest.mark.parametrize(
    ("text", "titles"),
    [("", 0), ("## A", 0), ("# A\n\n# B", 2), ("# A\n```sh\n# no heading\n```\n## B", 1)],
)
def test_a_document_has_one_title(text: str, titles: int) -> None:
    wrong = [] if titles == 1 else [f"a.md: {titles} first-level headings, not 1"]
    assert tidy.check_title(text, "a.md") == wrong


def test_links_that_lead_nowhere_are_found() -> None:
    documents = {
        "README.md": "# A\n[ok](docs/b.md#the-second-heading) [ok](LICENSE) [ok](docs) [ok](#a)\n"
        "[out](https://example.org) [no](docs/c.md) [no](#b)\n```\n[code](nothing)\n```\n",
        "docs/b.md": "# B\n## The *second* heading\n"
        "[ok](../README.md) [no](README.md) [no](../README.md#z)",
    }
    assert tidy.check_links(documents, [*documents, "LICENSE"]) == [
        "README.md: docs/c.md leads nowhere",
        "README.md: #b: no such heading",
        "docs/b.md: README.md leads nowhere",
        "docs/b.md: ../README.md#z: no such heading",
    ]


def test_headings_of_one_name_get_numbered_anchors() -> None:
    assert tidy.anchors("# Run it\n## `gcounterctl get`\n## Exit: 0\n## Run it\n") == [
        "run-it",
        "gcounterctl-get",
        "exit-0",
        "run-it-1",
    ]


def test_two_test_modules_of_one_name_are_found() -> None:
    paths = ["tests/unit/a/test_x.py", "tests/unit/b/test_x.py", "tests/unit/b/test_y.py"]
    assert tidy.check_test_names(paths) == [
        "tests/unit/b/test_x.py has the name of tests/unit/a/test_x.py"
    ]
