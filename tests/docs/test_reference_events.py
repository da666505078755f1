"""The page of events lists every line of the log, with its level and its fields."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from gcounterd.daemon.events import ALARMS, MEMBERSHIP
from tests.docs.tables import Row, read_tables

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/reference/events.md").read_text()
MEMBERSHIP_TABLE, *OTHER_TABLES = read_tables(PAGE, "event", "level", "fields")
LEVELS = ("debug", "info", "warning", "error")


def name_of(row: Row) -> str:
    return row["event"].strip("`")


def written() -> Iterator[tuple[str, str, str]]:
    """Yield name, level and fields of each line that is logged under a constant name."""
    for path in (ROOT / "gcounterd").rglob("*.py"):
        for part in ast.walk(ast.parse(path.read_text())):
            match part:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="log") | ast.Call(), attr=level),
                    args=[ast.Constant(value=str(name))],
                ) if level in LEVELS:
                    fields = ", ".join(f"`{keyword.arg}`" for keyword in part.keywords)
                    yield name, level, fields


def noticed() -> set[str]:
    """Return the constant names of notices."""
    found = set()
    for path in (ROOT / "gcounterd/node").rglob("*.py"):
        for part in ast.walk(ast.parse(path.read_text())):
            match part:
                case ast.Call(func=ast.Name(id="Notice"), args=[ast.Constant(value=str(name)), *_]):
                    found.add(name)
    return found


def test_every_line_of_the_log_stands_with_its_level_and_fields() -> None:
    rows = [row for table in OTHER_TABLES for row in table]
    shown = {(name_of(row), row["level"], row["fields"]) for row in rows}
    notices = noticed() - {*MEMBERSHIP}
    assert {line for line in shown if line[0] not in notices} == {*written()}
    assert notices <= {name_of(row) for row in rows}


def test_every_membership_event_stands_with_its_level() -> None:
    shown = {name_of(row): row["level"] for row in MEMBERSHIP_TABLE}
    assert shown == {name: "warning" if name in ALARMS else "info" for name in MEMBERSHIP}
