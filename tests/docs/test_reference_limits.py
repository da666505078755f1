"""The page of limits lists every bound that has a name, with the value that it has."""

from __future__ import annotations

import ast
import importlib
from operator import attrgetter
from pathlib import Path

import pytest

from tests.docs.tables import read_tables

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/reference/limits.md").read_text()
SHOWN = {
    row["limit"].strip("`"): row["value"] for table in read_tables(PAGE, "limit") for row in table
}
# Bounds that are no news to anybody: of the tool, which holds nothing for others, and one that is
# part of the cost of an entry.
ELSEWHERE = ("cli.", "sim.", "links.dialling.PORT_MAX", "counters.batches.ENTRY_BYTES_MAX")


def bounds() -> set[str]:
    """Return the public constants of the package whose name ends in MAX, where they are set."""
    package = ROOT / "gcounterd"
    found = set()
    for path in package.rglob("*.py"):
        module = ".".join(path.relative_to(package).with_suffix("").parts)
        for part in ast.parse(path.read_text()).body:
            if isinstance(part, ast.Assign) and isinstance(part.targets[0], ast.Name):
                name = part.targets[0].id
                if name.endswith("_MAX") and not name.startswith("_"):
                    found.add(f"{module}.{name}")
    return {name for name in found if not name.startswith(ELSEWHERE)}


def value_of(limit: str) -> float:
    """Return the value of `room.module.CONSTANT`, or the default of `room.module.Limits.field`."""
    room, module, name = limit.split(".", 2)
    imported = importlib.import_module(f"gcounterd.{room}.{module}")
    holder, _, field = name.partition(".")
    value = attrgetter(field)(getattr(imported, holder)()) if field else getattr(imported, name)
    return float(value)


def test_every_bound_with_a_name_stands_there() -> None:
    assert sorted(bounds() - SHOWN.keys()) == []


@pytest.mark.parametrize("limit", SHOWN)
def test_a_limit_has_the_value_shown(limit: str) -> None:
    assert float(SHOWN[limit].replace(",", "")) == value_of(limit)
