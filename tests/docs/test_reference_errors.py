"""The page of exit codes and errors lists what the package can answer, neither less nor more."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from gcounterd.cli import failures, gcounterd
from tests.docs.tables import read_tables

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/reference/exit-codes-and-errors.md").read_text()

Error = tuple[int, str, str]

# Calls whose status or code is no constant: what they can be. A new one must be added here.
COMPUTED: dict[str, set[Error]] = {
    # What is no key has codes that stand elsewhere too; what is no address has this one.
    "ClientError(400, code, message)": {(400, "bad_address", "yes")},
    "ClientError(status, code, str(error), definite=error.definite)": {
        (507, "disk_full", "either"),
        (503, "storage", "either"),
    },
    "ClientError(status, 'backup_failed', str(error))": {
        (507, "backup_failed", "yes"),
        (409, "backup_failed", "yes"),
    },
    "ClientError(409, found.code, found.text)": {
        (409, f"removal_{why}", "yes")
        for why in (
            "is_alive",
            "joining_only",
            "last",
            "needs_dead",
            "no_heir",
            "no_majority",
            "self_heir",
            "suspect",
        )
    },
    # What the process that splits texts says; it raises these itself.
    "ClientError(said['status'], said['code'], said['error'])": set(),
    # An error that was raised before, told with its place in a file.
    "ClientError(error.status, error.code, text, definite=True)": set(),
    # An error that was raised before, told to one more of those who wait.
    "ClientError(error.status, error.code, error.message, definite=error.definite)": set(),
}


def calls_of(name: str) -> Iterator[ast.Call]:
    for path in sorted((ROOT / "gcounterd").rglob("*.py")):
        if path.parent.name == "sim":
            continue
        for part in ast.walk(ast.parse(path.read_text())):
            if isinstance(part, ast.Call) and getattr(part.func, "id", "") == name:
                yield part


def definite_of(call: ast.Call) -> str:
    for keyword in call.keywords:
        if keyword.arg == "definite":
            if not isinstance(keyword.value, ast.Constant):
                return "either"
            return "yes" if keyword.value.value else "no"
    return "yes"


def raised() -> set[Error]:
    found: set[Error] = set()
    for call in calls_of("ClientError"):
        match call.args[:2]:
            case [ast.Constant(value=int(status)), ast.Constant(value=str(code))]:
                found.add((status, code, definite_of(call)))
            case _:
                found |= COMPUTED[ast.unparse(call)]
    # A full disk that refuses a commit is definite; one that refuses something else may not be.
    return found - {(507, "disk_full", "yes")}


def test_every_error_of_the_api_stands_with_its_status_and_whether_it_is_definite() -> None:
    (table,) = read_tables(PAGE, "status", "code", "definite")
    shown = [(int(row["status"]), row["code"].strip("`"), row["definite"]) for row in table]
    assert shown == sorted(raised())


def test_every_error_of_the_tool_stands_with_its_exit_status() -> None:
    (table,) = read_tables(PAGE, "code", "status")
    shown = {(row["code"].strip("`"), int(row["status"])) for row in table}
    own = {
        (call.args[1].value, getattr(failures, call.args[0].id))
        for call in calls_of("CallError")
        if isinstance(call.args[1], ast.Constant) and isinstance(call.args[0], ast.Name)
    }
    assert shown == own


def test_the_exit_statuses_are_those_of_the_commands() -> None:
    daemon, tool = read_tables(PAGE, "status", "means")
    of_daemon = [0, *sorted(v for k, v in vars(gcounterd).items() if k.startswith("EXIT_"))]
    of_tool = [value for name, value in vars(failures).items() if name.startswith("EXIT_")]
    assert [int(row["status"]) for row in daemon] == of_daemon
    assert [int(row["status"]) for row in tool] == [0, *sorted(of_tool)]
