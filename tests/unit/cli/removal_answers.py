"""Answers about removals, as a daemon gives them."""

from __future__ import annotations

from typing import Any

from stand_in import Said, error

IDS = {f"n{number}": f"{number:02x}" * 16 for number in range(1, 10)}
STATUS = "GET /v1/status"
LOOK = "GET /v1/removals"
# Asked of n1, which is not removed unless a test says so.
ME: Said = (200, {"node": "n1", "id": IDS["n1"]})


def target(name: str, **fields: object) -> dict[str, Any]:
    """Return a target of a plan: an active member that answers, but for `fields`."""
    return {
        "node": name,
        "id": IDS[name],
        "roster": "active",
        "liveness": "alive",
        "columns": 1,
        "last_heard_s": 0.3,
        **fields,
    }


def plan(*targets: dict[str, Any], **fields: object) -> dict[str, Any]:
    """Return a plan of these targets, into n2."""
    return {
        "targets": list(targets),
        "into": {"node": "n2", "id": IDS["n2"]},
        "alive": 5,
        "of": 5,
        "warnings": [],
        **fields,
    }


def removal(name: str, phase: str, **fields: object) -> dict[str, Any]:
    """Return a removal of a node that answered, in a phase."""
    return {
        "node": name,
        "id": IDS[name],
        "into": "n2",
        "phase": phase,
        "since_s": 1.5,
        "live": True,
        "forced": False,
        "waiting_for": [],
        "columns": [],
        "not_asked": [],
        "last_heard_s": None,
        "late": 0,
        "cold": 0,
        "cold_why": "",
        **fields,
    }


def waiting(name: str, why: str, since_s: float = 2.0) -> dict[str, object]:
    """Return whom a removal waits for."""
    return {"node": name, "since_s": since_s, "why": why}


def planned(*targets: dict[str, Any], **fields: object) -> Said:
    """Return the answer to a dry run."""
    return 200, {"plan": plan(*targets, **fields), "removals": []}


def begun(*removals: dict[str, Any]) -> Said:
    """Return the answer to what was not a dry run."""
    targets = [target(removal["node"]) for removal in removals]
    return 200, {"plan": plan(*targets), "removals": list(removals)}


def seen(*removals: dict[str, Any]) -> Said:
    """Return what `GET /v1/removals` answers."""
    return 200, {"removals": list(removals)}


def asks(*names: str, **parameters: str) -> str:
    """Return the request that asks for a removal of these."""
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    return f"DELETE /v1/cluster/nodes/{','.join(names)}" + (f"?{query}" if query else "")


def begins(*names: str, **parameters: str) -> str:
    """Return the request that begins what the plan above says."""
    return asks(*(IDS[name] for name in names), **parameters, into=IDS["n2"])


def refused(code: str, text: str = "so it is") -> Said:
    """Return the refusal of a safety check."""
    return 409, error(code, text, definite=True)


Answers = dict[str, Said | list[Said]]
# A removal of n3 into n2, asked of n1.
PLAN = asks("n3", dry_run="true")
BEGIN = begins("n3")
CLOSING = "closing: it is removed, which some members have not shown yet"
DELETES: Answers = {
    STATUS: ME,
    PLAN: planned(target("n3")),
    BEGIN: begun(removal("n3", "draining")),
}
