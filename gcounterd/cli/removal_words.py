"""Removals in words: what a plan, a removal under way and its report say to people.

Theory. A removal goes through phases, one after the other, at its own node and at the members: what
is shown is always the phase, who is waited for, since when, and why. `closing` and `done` both mean
that the node is removed; between them lies only that not every member has shown it yet.

Answers are read leniently: only what the tool decides by must be there. This module refuses to know
how answers are got.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gcounterd.cli.client import Answer
from gcounterd.cli.failures import EXIT_FAILED, CallError
from gcounterd.cli.words import ID_DIGITS, lasting, show

Plan = Mapping[str, Any]
Removal = Mapping[str, Any]

DONE = "done"
_REMOVED = ("closing", DONE)
_PHASES = {
    "draining": "it takes no more increments and hands over what it holds",
    "saving": "the members bring their copies of what it counted to one level",
    "closing": "it is removed, which some members have not shown yet",
    DONE: "it is removed",
}
# Members that are waited for, in one line.
_NAMED_MAX = 4
_COLUMN_DIGITS = 64


def read_removals(answer: Answer) -> list[Removal]:
    """Return the removals of an answer; raise `CallError` where it has no proper ones."""
    removals: list[Removal] = answer.field("removals", list)
    if not all(is_removal(removal) for removal in removals):
        message = "the answer has no proper removals: is this a gcounterd of this version?"
        raise CallError(EXIT_FAILED, "bad_answer", message)
    return removals


def is_removal(value: object) -> bool:
    """Say whether this has what the tool decides by."""
    names = ("id", "node", "phase")
    return isinstance(value, dict) and all(isinstance(value.get(name), str) for name in names)


def read_plan(answer: Answer) -> Plan:
    """Return the plan of an answer; raise `CallError` where it has no proper one."""
    plan: Plan = answer.field("plan", dict)
    targets = plan.get("targets")
    if not isinstance(targets, list) or not all(
        isinstance(target, dict) and isinstance(target.get("id"), str) for target in targets
    ):
        message = "the answer has no proper plan: is this a gcounterd of this version?"
        raise CallError(EXIT_FAILED, "bad_answer", message)
    return plan


def is_done(removal: Removal) -> bool:
    """Say whether nothing is left to be done."""
    return bool(removal["phase"] == DONE)


def is_removed(removal: Removal) -> bool:
    """Say whether the node is removed, though perhaps not everybody has shown that."""
    return removal["phase"] in _REMOVED


def describe_plan(plan: Plan, asked: object) -> Iterator[str]:
    """Say what would be done; `asked` is the id of the node that is asked, if it is known."""
    for target in plan["targets"]:
        heard = target.get("last_heard_s")
        ago = "" if heard is None else f", last heard {lasting(heard)} ago"
        state = f"{show(target.get('roster'))}, {show(target.get('liveness'))}"
        columns = _number(target.get("columns"), "column", "columns")
        yield f"{_intent(target)} {_named(target)}: {state}, {columns}{ago}"
        if target["id"] == asked and target.get("roster") != "removed":
            yield "    it is the node that is asked, and stops answering when it is removed"
    into = plan.get("into")
    if isinstance(into, dict):
        yield f"what was counted there stays, and is shown as counted by {_named(into)}"
    yield f"{show(plan.get('alive'))} of {show(plan.get('of'))} members that decide on it are alive"
    for warning in _texts(plan.get("warnings")):
        yield f"warning: {warning}"


def _intent(target: Mapping[str, Any]) -> str:
    decided = {"removing": "go on removing", "removed": "removed already:"}
    return decided.get(str(target.get("roster")), "remove")


def _named(node: Mapping[str, Any]) -> str:
    return f"{show(node.get('node'))} ({show(node.get('id'))[:ID_DIGITS]})"


def _number(count: object, one: str, many: str) -> str:
    return f"{show(count)} {one if count == 1 else many}"


def _texts(value: object) -> list[str]:
    return [str(text) for text in value] if isinstance(value, list) else []


def describe_phase(removal: Removal) -> str:
    """Say in which phase a removal is."""
    phase = removal["phase"]
    meaning = _PHASES.get(phase)
    return phase if meaning is None else f"{phase}: {meaning}"


def waited_for(removal: Removal) -> list[Mapping[str, Any]]:
    """Return who is waited for: objects with `node`, `why` and `since_s`, where they are known."""
    waiting = removal.get("waiting_for")
    return [each for each in waiting if isinstance(each, dict)] if isinstance(waiting, list) else []


def describe_waiting(removal: Removal) -> str:
    """Say who is waited for, since when and why; empty where nobody is."""
    waiting = waited_for(removal)
    shown = [
        f"{show(each.get('node'))} for {lasting(each.get('since_s'))} ({show(each.get('why'))})"
        for each in waiting[:_NAMED_MAX]
    ]
    more = len(waiting) - _NAMED_MAX
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def describe_progress(removal: Removal) -> str:
    """Say in one line how far a removal is."""
    waiting = describe_waiting(removal)
    line = f"{removal['node']} {describe_phase(removal)}"
    return f"{line}; waits for {waiting}" if waiting else line


def describe_report(removal: Removal) -> Iterator[str]:
    """Say what came of a removal, as far as it is."""
    into = removal.get("into")
    heir = "" if into is None else f"; what it counted is shown as counted by {show(into)}"
    yield f"{_named(removal)} {describe_phase(removal)}{heir}"
    waiting = describe_waiting(removal)
    if waiting:
        yield f"    waits for {waiting}"
    if removal.get("forced") is True:
        yield "    it was removed without a majority"
    columns = removal.get("columns")
    for column in columns if isinstance(columns, list) else ():
        if isinstance(column, dict):
            yield f"    {_describe_column(column)}"
    missed = _texts(removal.get("not_asked"))
    if missed:
        yield f"    could not be asked: {', '.join(missed)}"
    if removal.get("live") is False:
        yield f"    last heard {_ago(removal.get('last_heard_s'))}"
    yield from _describe_after(removal)


def _describe_column(column: Mapping[str, Any]) -> str:
    # A column's id is its node's, which is said already, and the epoch of one life.
    name = show(column.get("column"))
    life = name[_COLUMN_DIGITS // 2 :] if len(name) == _COLUMN_DIGITS else name
    holders = _texts(column.get("from"))
    source = f" from {', '.join(holders)}" if holders else ""
    final = ", after which nothing follows" if column.get("final") is True else ""
    version = show(column.get("version"))
    return f"life {life[:ID_DIGITS]} saved up to version {version}{source}{final}"


def _ago(seconds: object) -> str:
    return "never" if seconds is None else f"{lasting(seconds)} ago"


def _describe_after(removal: Removal) -> Iterator[str]:
    late, cold, refused = (removal.get(name) for name in ("late", "cold", "refused"))
    if late:
        yield f"    {_number(late, 'late increment', 'late increments')} taken in since"
    if refused:
        versions = _number(refused, "version of its columns", "versions of its columns")
        yield f"    {versions} came too late to be counted: see files under refused/"
    if cold:
        copies = _number(cold, "cold copy", "cold copies")
        yield f"    {copies} kept: {show(removal.get('cold_why'))}"


def describe_conflict(conflict: Mapping[str, Any]) -> Iterator[str]:
    """Say whose sums two members cannot join, and what each has forgotten."""
    peer = show(conflict.get("peer"))
    yield f"{show(conflict.get('node'))}: what this node and {peer} have forgotten cannot be joined"
    for side, name in (("ours", "this node"), ("theirs", peer)):
        versions = conflict.get(side)
        shown = [
            f"{show(each.get('column'))[_COLUMN_DIGITS // 2 :][:ID_DIGITS]}@{each.get('version')}"
            for each in (versions if isinstance(versions, list) else [])
            if isinstance(each, dict)
        ]
        more = _number(conflict.get(f"{side}_all"), "column", "columns")
        yield f"    {more} forgotten at {name}: {' '.join(shown[:_NAMED_MAX])}"
    yield "    remove one of the two: what only it has is then in a file under refused/"


def find(removals: Sequence[Removal], ids: Sequence[str]) -> dict[str, Removal]:
    """Return the removals of these node ids, by id and in the order of `ids`."""
    known = {removal["id"]: removal for removal in removals}
    return {node: known[node] for node in ids if node in known}
