"""Handlers that change who belongs to the cluster: a newcomer is approved.

They are the operator's, so they are offered where the verbs of `admin` are. This module refuses to
know what approving a newcomer takes.
"""

from __future__ import annotations

from gcounterd.api.backend import Backend
from gcounterd.api.bodies import check_address, read_object
from gcounterd.api.limits import TTL_DEFAULT_S, TTL_MAX_S, TTL_MIN_S
from gcounterd.api.responses import Response, answer
from gcounterd.api.routing import Call
from gcounterd.errors import ClientError
from gcounterd.members.roster import NAME_PATTERN


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
