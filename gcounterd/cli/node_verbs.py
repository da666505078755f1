"""Verbs that look at a node and its cluster: `status`, `members`, `health`.

They show what the node says of itself, also fields that this version has never heard of, so that
an older tool hides nothing of a newer daemon. They draw no conclusions of their own: whether a
node is ready is for the node to say.
"""

from __future__ import annotations

import json
from typing import Any

import click

from gcounterd.cli.failures import EXIT_FAILED
from gcounterd.cli.manners import Call, verb

# As many digits of an id as people can compare; the whole is in the JSON.
ID_DIGITS = 12
_MEMBER_FIELDS = ("name", "id", "roster", "liveness", "address", "epoch", "columns")


@click.command()
@verb
def status(call: Call) -> None:
    """Show this node in figures."""
    answer = call.client.get("/v1/status")
    if call.output.as_json:
        call.output.record(answer.body)
        return
    rows = [(name, _show(value)) for name, value in answer.body.items()]
    call.output.table(("what", "value"), rows)


@click.command()
@verb
def members(call: Call) -> None:
    """Show who belongs to the cluster, and who answers."""
    answer = call.client.get("/v1/cluster")
    nodes = answer.field("nodes", list)
    if call.output.as_json:
        call.output.record(answer.body)
        return
    own = answer.body.get("self")
    rows = [_member_row(node, own) for node in nodes if isinstance(node, dict)]
    call.output.table(_MEMBER_FIELDS, rows)


def _member_row(node: dict[str, Any], own: object) -> list[str]:
    cells = {name: _show(node.get(name)) for name in _MEMBER_FIELDS}
    for name in ("id", "epoch"):
        cells[name] = cells[name][:ID_DIGITS]
    if own is not None and own in (node.get("id"), node.get("name")):
        cells["name"] += " (asked)"
    return list(cells.values())


@click.command()
@verb
@click.pass_context
def health(context: click.Context, call: Call) -> None:
    """Say whether the node is ready: exit status 0 if it is, 1 with the reasons if not."""
    answer = call.client.get("/healthz", accept=(200, 503))
    ready = answer.field("ready", bool)
    if call.output.as_json:
        call.output.record(answer.body)
    else:
        call.output.line("ready" if ready else "not ready")
        for name, title in (("reasons", "reason"), ("warnings", "warning")):
            for text in answer.body.get(name) or ():
                call.output.line(f"{title}: {text}")
    context.exit(0 if ready else EXIT_FAILED)


def _show(value: object) -> str:
    """Write a field for people: lists as their items, objects as JSON, nothing as a dash."""
    match value:
        case None | []:
            return "-"
        case str():
            return value
        case list() if all(isinstance(item, str) for item in value):
            return "; ".join(value)
        case _:
            return json.dumps(value)
