"""The verb `add-node`: a newcomer is approved, started elsewhere, and watched until it is in.

The line to run goes to stdout and everything else to stderr, so that it can be piped to another
host. Waiting asks the node that approved for its members, as `members` does; a node that goes away
meanwhile may come back. Whatever ends the waiting, the approval stays until it is used or expires.
"""

from __future__ import annotations

import re
import time
from typing import Any

import click

from gcounterd.cli.failures import EXIT_REFUSED, EXIT_UNFINISHED, CallError
from gcounterd.cli.manners import Call, verb

WAIT_POLL_S = 0.5
_DURATION = re.compile(r"([0-9]{1,9})([smhd]?)")
_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def read_duration(context: click.Context, parameter: click.Parameter, value: str) -> int:
    """Read a length of time, such as 90s, 15m, 24h or 7d, as seconds."""
    match = _DURATION.fullmatch(value)
    if match is None:
        raise click.BadParameter("give a length of time such as 90s, 15m, 24h or 7d")
    return int(match[1]) * _UNITS_S[match[2]]


@click.command("add-node")
@verb
@click.argument("name", metavar="NAME")
@click.argument("where", metavar="[ADDRESS]", required=False)
@click.option(
    "--ttl",
    "ttl_s",
    metavar="TIME",
    default="24h",
    callback=read_duration,
    help="How long its token is good, from 60s to 30d. [default: 24h]",
)
@click.option("--wait", is_flag=True, help="Wait until the new node is an active member.")
@click.pass_context
def add_node(
    context: click.Context, call: Call, name: str, where: str | None, ttl_s: int, wait: bool
) -> None:
    """Approve a node called NAME, and print the line to run on its host.

    The line holds a one-time token that lets in one node of that name. ADDRESS is where its peers
    will reach it, as host or host:port. Refused with exit status 5 if a member has that name.

    With --wait: exit status 3 if the node is not in when its token expires. Ctrl-C ends the
    waiting, also with 3, and takes nothing back.
    """
    wanted: dict[str, object] = {"name": name, "ttl_s": ttl_s}
    if where is not None:
        wanted["address"] = where
    began = time.monotonic()
    try:
        answer = call.client.post("/v1/cluster/nodes", wanted)
    except CallError as error:
        if error.code == "name_in_use":
            error.exit = EXIT_REFUSED
        raise
    command, expires = answer.field("command", str), answer.field("expires", str)
    if call.output.as_json:
        call.output.record(answer.body)
    else:
        anybody = answer.body.get("admission") == "open"
        needless = " (also without its token: --admission is open)" if anybody else ""
        call.output.say(f"{name} may join once, until {expires}{needless}; run this on its host:")
        call.output.line(command)
    if wait:
        try:
            _wait(call, name, began + ttl_s)
        except KeyboardInterrupt:
            call.output.say(f"not waiting any more; the approval of {name} stays until {expires}")
            context.exit(EXIT_UNFINISHED)


def _wait(call: Call, name: str, deadline: float) -> None:
    said = ""
    while True:
        node, state = _look(call, name)
        if state != said:
            call.output.say(f"{name}: {state}")
            said = state
        if node is not None and (node.get("roster"), node.get("liveness")) == ("active", "alive"):
            if call.output.as_json:
                call.output.record({"joined": node})
            return
        if time.monotonic() >= deadline:
            message = f"{name} was not an active member when its token expired: {state}"
            raise CallError(EXIT_UNFINISHED, "not_joined", message)
        time.sleep(WAIT_POLL_S)


def _look(call: Call, name: str) -> tuple[dict[str, Any] | None, str]:
    """Return the member of that name, if there is one, and how it stands, in words."""
    try:
        nodes = call.client.get("/v1/cluster").field("nodes", list)
    except CallError as error:
        if not error.may_pass:
            raise
        return None, f"the node that approved it does not answer: {error.message}"
    for node in nodes:
        if isinstance(node, dict) and node.get("name") == name and node.get("roster") != "removed":
            return node, f"{node.get('roster')}, {node.get('liveness')}"
    return None, "not seen yet"
