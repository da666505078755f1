"""Invitations: what an operator is told who wants to add a node.

Theory. Adding a node should be one line to paste on its host, so the line is put together here,
where all that it needs is known: the cluster's name, members to meet, the token. It stores the
token in a file first, readable by its owner alone, because what stands on a command line can be
read by everyone on that host. Addresses were chosen by other members, so each is quoted.

The token itself is shown once and kept nowhere; members only know its hash.
"""

from __future__ import annotations

import shlex
from datetime import UTC, datetime

from gcounterd.members.approvals import Approval
from gcounterd.members.claims import Liveness
from gcounterd.members.roster import State
from gcounterd.node.node import Node

# Members named to a newcomer: enough that one of them is up, few enough for a line.
JOIN_ADDRESSES_SHOWN_MAX = 4
FILE_NAME = "join-token"


def invite(node: Node, approval: Approval, token: bytes, address: str) -> dict[str, object]:
    """Return what `POST /v1/cluster/nodes` answers; `address` is the newcomer's, "" if unknown."""
    join = meeting_points(node)
    return {
        "name": approval.name,
        "token": token.hex(),
        "expires": write_time(approval.expires_ms),
        "admission": "approved" if node.config.approved_only else "open",
        "command": _command(node, approval.name, token, address, join),
        "join": join,
    }


def meeting_points(node: Node) -> list[str]:
    """Return the addresses of this member and of some others that are alive."""
    others = [
        entry.address
        for entry in node.roster.belonging()
        if entry.node != node.config.node and entry.state is State.ACTIVE
        if (view := node.detector.view(entry.node)) and view.liveness is Liveness.ALIVE
    ]
    return [node.config.address, *others][:JOIN_ADDRESSES_SHOWN_MAX]


def write_time(wall_ms: int) -> str:
    """Write a moment as RFC 3339 has it, in UTC."""
    moment = datetime.fromtimestamp(wall_ms // 1000, UTC)
    return moment.isoformat().replace("+00:00", "Z")


def _command(node: Node, name: str, token: bytes, address: str, join: list[str]) -> str:
    run = ["gcounterd", "run", "--cluster", node.config.cluster, "--name", name]
    run += ["--peer", address] if address else []
    for member in join:
        run += ["--join", member]
    run += ["--join-token-file", FILE_NAME]
    run += ["--admission", "approved"] if node.config.approved_only else []
    return f"(umask 077; echo {token.hex()} > {FILE_NAME}) && {shlex.join(run)}"
