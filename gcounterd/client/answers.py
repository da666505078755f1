"""What an answer means: a value, or a refusal that says whether it is certain.

Theory. Only an answer that is plainly of a gcounterd is believed: a value that is a whole number,
or an error that says `definite`. Whatever else comes back may be a balancer's own page, sent after
the node had counted, so it is read as *indefinite*: when unsure, that is always right.

This module refuses to know what is done about it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# These are said of the node or the moment, not of the request: another node may well take it.
_ELSEWHERE_STATUSES = (408, 421, 429, 503, 507)
# The code of a node that has no record of what is said to be a repeat.
RETRY_ELSEWHERE = "retry_elsewhere"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `headers` by their names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def node(self) -> str:
        """Return the name of the node that answered, if it says one."""
        return self.headers.get("gcounter-node", "")

    def fields(self) -> dict[str, Any]:
        """Return the JSON object of the body; what is none is empty."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error, as a node or somebody between us told it.

    elsewhere  another node, or the same one later, may do what was asked
    missing    members that a consistent read did not hear from
    best       the best value known, 0 if none is told
    """

    code: str
    message: str
    definite: bool
    elsewhere: bool
    node: str
    missing: tuple[str, ...] = ()
    best: int = 0


def read_refusal(answer: Answer) -> Refusal:
    """Return what an answer refuses; one that is none of ours is indefinite."""
    fields = answer.fields()
    error = fields.get("error")
    if not isinstance(error, dict) or not isinstance(error.get("code"), str):
        message = f"an answer with status {answer.status} that is none of a gcounterd"
        return Refusal("bad_answer", message, definite=False, elsewhere=True, node=answer.node)
    missing = fields.get("missing")
    names = missing if isinstance(missing, list) else []
    return Refusal(
        error["code"],
        str(error.get("message", "")),
        definite=error.get("definite") is True,
        elsewhere=answer.status in _ELSEWHERE_STATUSES,
        node=answer.node,
        missing=tuple(name for name in names if isinstance(name, str)),
        best=_whole(fields.get("best")) or 0,
    )


def read_value(answer: Answer) -> int | None:
    """Return the value of an answer to a read, None if it holds none."""
    return _whole(answer.fields().get("value")) if answer.status == 200 else None


def read_values(answer: Answer, keys: Iterable[str]) -> dict[str, int] | None:
    """Return the values of an answer to an increment of these keys, None if one is missing."""
    if answer.status not in (200, 202):
        return None
    fields = answer.fields()
    told = fields.get("values", {fields.get("key"): fields.get("value")})
    if not isinstance(told, dict):
        return None
    values = {key: _whole(told.get(key)) for key in keys}
    known = {key: value for key, value in values.items() if value is not None}
    return known if len(known) == len(values) else None


def read_holders(answer: Answer) -> tuple[str, ...]:
    """Return who holds an increment that was not acknowledged as asked; empty if it was."""
    held_by = answer.fields().get("held_by") if answer.status == 202 else None
    names = held_by if isinstance(held_by, list) else []
    return tuple(name for name in names if isinstance(name, str))


def _whole(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None
