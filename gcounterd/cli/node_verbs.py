"""Verbs that look at a node and its cluster: `status`, `members`, `health`.

They show what the node says of itself, also fields that this version has never heard of, so that
an older tool hides nothing of a newer daemon. They draw no conclusions of their own: whether a
node is ready is for the node to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import click

from gcounterd.cli.failures import EXIT_FAILED
from gcounterd.cli.manners import Call, verb
from gcounterd.cli.removal_words import describe_progress, is_removal
from gcounterd.cli.words import ID_DIGITS, lasting, show

_MEMBER_FIELDS = ("name", "id", "roster", "liveness", "since", "address", "epoch", "columns")


@click.command()
@verb
def status(call: Call) -> None:
    """Show this node in figures."""
    answer = call.client.get("/v1/status")
    if call.output.as_json:
        call.output.record(answer.body)
        return
    rows = [(name, show(value)) for name, value in answer.body.items()]
    call.output.table(("what", "value"), rows)


@click.command()
@verb
def members(call: Call) -> None:
    """Show who belongs to the cluster, who answers, and who says so of those that do not.

    Below stand the removals under way, and the names that are approved and have not joined yet. All
    of it is the view of the node that is asked; so is how much that node doubts itself.
    """
    answer = call.client.get("/v1/cluster")
    nodes = [node for node in answer.field("nodes", list) if isinstance(node, dict)]
    nodes.sort(key=_by_name)
    if call.output.as_json:
        call.output.record(answer.body)
        return
    own = answer.body.get("self")
    call.output.table(_MEMBER_FIELDS, [_member_row(node, own) for node in nodes])
    body = answer.body
    for line in (*_explain(body, nodes), *_go(body), *_expect(body), *_secured(body)):
        call.output.line(line)


def _by_name(node: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return what sorts members as people do: n2 before n10."""
    pieces = re.findall(r"(\D*)(\d{0,18})", str(node.get("name")))
    return [(text, int(digits or 0)) for text, digits in pieces]


def _member_row(node: dict[str, Any], own: object) -> list[str]:
    cells = {name: show(node.get(name)) for name in _MEMBER_FIELDS}
    cells["since"] = lasting(node.get("since_s"))
    for name in ("id", "epoch"):
        cells[name] = cells[name][:ID_DIGITS]
    if own is not None and own in (node.get("id"), node.get("name")):
        cells["name"] += " (asked)"
    return list(cells.values())


def _explain(body: Mapping[str, Any], nodes: list[dict[str, Any]]) -> Iterator[str]:
    """Say who accuses whom of what, and how far the node that says so trusts itself."""
    doubted = [node for node in nodes if node.get("liveness") in ("suspect", "dead")]
    for node in doubted:
        name, liveness = show(node.get("name")), node["liveness"]
        accusations = [each for each in node.get("accusations") or () if isinstance(each, dict)]
        accused = ", accused by" if accusations else ""
        yield f"{name} has been {liveness} for {lasting(node.get('since_s'))}{accused}"
        for accusation in accusations:
            yield f"    {_describe_accusation(accusation)}"
    health, alone = body.get("health"), body.get("alone") is True
    if not doubted and not health and not alone:
        return
    yield f"the node asked, {show(body.get('self'))}, has local health {show(health)} (0 is well)"
    if alone:
        yield "it is alone: no other member answers it"


def _go(body: Mapping[str, Any]) -> Iterator[str]:
    """Say who is being removed, and who is waited for."""
    for removal in body.get("removals") or ():
        if is_removal(removal):
            yield describe_progress(removal)


def _expect(body: Mapping[str, Any]) -> Iterator[str]:
    """Say who is approved and has not joined yet."""
    for approval in body.get("approvals") or ():
        if isinstance(approval, dict):
            name, expires = show(approval.get("name")), show(approval.get("expires"))
            yield f"{name} is approved and has not joined; its token is good until {expires}"


def _secured(body: Mapping[str, Any]) -> Iterator[str]:
    """Say what links of the node asked are secured with, where they are."""
    if body.get("security") not in (None, "none"):
        ends = body.get("certificate_ends")
        until = f", its own is good until {show(ends)}" if ends else ""
        yield f"links are secured by {show(body['security'])}{until}"


def _describe_accusation(accusation: Mapping[str, Any]) -> str:
    by, why, path = (show(accusation.get(name)) for name in ("by", "why", "path"))
    return f"{by}, {lasting(accusation.get('ago_s'))} ago: {why} ({path})"


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
