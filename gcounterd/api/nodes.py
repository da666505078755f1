"""Handlers that change who belongs to the cluster: nodes are approved, removed, forgotten.

A node that is there already is given by its name as the members show it, or by its id; which node
that is, and whether it may be done, is for the backend to say. They are the operator's, so they are
offered where the verbs of `admin` are. This module refuses to know what any of it takes.
"""

from __future__ import annotations

import re

from gcounterd.api.backend import Backend
from gcounterd.api.bodies import check_address, read_object
from gcounterd.api.limits import TARGETS_MAX, TTL_DEFAULT_S, TTL_MAX_S, TTL_MIN_S
from gcounterd.api.requests import Query, read_choice, read_text
from gcounterd.api.responses import Response, answer
from gcounterd.api.routing import Call
from gcounterd.errors import ClientError
from gcounterd.members.roster import NAME_PATTERN

# A name, the larger id of two that share one, or an id, which looks like a name.
_LABEL = re.compile(rf"{NAME_PATTERN.pattern}(~[0-9a-f]{{6}})?")


async def add_node(call: Call, backend: Backend) -> Response:
    """`POST /v1/cluster/nodes {"name", "address", "ttl_s"}`: approve a newcomer of that name."""
    body = read_object(call.request.body, ["name"], ["address", "ttl_s"])
    name, address, ttl_s = body["name"], body.get("address"), body.get("ttl_s", TTL_DEFAULT_S)
    if not isinstance(name, str) or not NAME_PATTERN.fullmatch(name):
        text = "a name is 1 to 64 of A-Z a-z 0-9 . _ - and starts with a letter or digit"
        raise ClientError(400, "bad_name", text)
    where = "" if address is None else check_address(address, "bad_address")
    if type(ttl_s) is not int or not TTL_MIN_S <= ttl_s <= TTL_MAX_S:
        text = f"ttl_s is a whole number of seconds from {TTL_MIN_S} to {TTL_MAX_S}"
        raise ClientError(400, "bad_ttl", text)
    return answer(await backend.approve(name, where, ttl_s))


async def remove_nodes(call: Call, backend: Backend) -> Response:
    """`DELETE /v1/cluster/nodes/{names}`: remove them for good, or only say what that would do."""
    names = dict.fromkeys(call.keys["names"].decode().split(","))
    if len(names) > TARGETS_MAX:
        text = f"at most {TARGETS_MAX} nodes are removed at once; repeat it for the rest"
        raise ClientError(400, "too_many_nodes", text)
    into = read_text(call.query, "into", "")
    plan = await backend.remove(
        [_check_label(name) for name in names],
        _check_label(into) if "into" in call.query else "",
        dead=_is_true(call.query, "dead"),
        dry_run=_is_true(call.query, "dry_run"),
        forced=_is_true(call.query, "without_majority"),
    )
    return answer(plan)


async def forget_node(call: Call, backend: Backend) -> Response:
    """`POST /v1/cluster/nodes/{name}/forget`: release the columns of a removed node."""
    return answer(await backend.forget(_check_label(call.keys["name"].decode())))


def _check_label(label: str) -> str:
    if not _LABEL.fullmatch(label):
        raise ClientError(400, "bad_name", "a node is given by its name or its id")
    return label


def _is_true(query: Query, name: str) -> bool:
    return read_choice(query, name, ("false", "true")) == "true"
