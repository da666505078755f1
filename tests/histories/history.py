"""A history: operations of clients, each with its two moments, and the disks that were lost.

Theory. All moments are of one clock, that of whoever recorded. An operation took effect, if it did,
somewhere between them, or later where its outcome is not known. So one operation certainly came
before another only where it had returned before the other was invoked.

A place is where a client sent something: one data directory, whatever process ran on it.

This module refuses to know rules.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any

import attrs


class Outcome(Enum):
    """What a client knows: it was done, certainly not done, or nobody can say."""

    OK = "ok"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class BadHistory(ValueError):
    """The record contradicts itself, whatever was recorded. For people to read."""


@attrs.frozen
class Operation:
    """One request.

    amount      what it adds; 0 for a read
    invoked, returned  seconds; returned is when the client gave up, where it did
    value       what was shown: of a read, of an increment, or the best of a read that was refused
    least       `min=` of a read
    consistent  of a read: it asked all members
    covers      places whose members a consistent read asks, or `ack=all` waits for; None: all
    holders     members that hold an increment durably when it is answered, its own included
    to_all      it was answered when all members of `covers` held it
    token       the Idempotency-Key: operations with one token are one increment; "" for none
    repeated    the answer says that it is of an earlier one with that token
    bundle      one request of several counters: its operations have this in common; "" for none
    final       the number of an audit in which everything was at rest; 0 for none
    """

    client: str
    place: str
    key: str
    invoked: float
    returned: float
    outcome: Outcome
    amount: int = 0
    value: int | None = None
    least: int = 0
    consistent: bool = False
    covers: tuple[str, ...] | None = None
    holders: int = 1
    to_all: bool = False
    token: str = ""
    repeated: bool = False
    bundle: str = ""
    final: int = 0

    def check(self) -> None:
        """Raise `BadHistory` where this cannot have been."""
        wrong = {
            "ends before it begins": self.returned < self.invoked,
            "adds less than nothing": self.amount < 0,
            "is done and shows nothing": self.outcome is Outcome.OK and self.value is None,
            "shows what nobody told": self.outcome is Outcome.UNKNOWN and self.value is not None,
            "counts, and asks for what only reads do": self.amount > 0
            and (self.consistent or self.least > 0 or self.final > 0),
            "reads, and asks for what only increments do": self.amount == 0
            and (self.to_all or self.token != ""),
        }
        for text, holds in wrong.items():
            if holds:
                raise BadHistory(f"an operation {text}: {self}")


@attrs.frozen
class Loss:
    """A disk was lost, or replaced by an older one; or it is out of reach."""

    place: str
    at: float


@attrs.define
class History:
    """What was recorded, in any order."""

    operations: list[Operation] = attrs.Factory(list)
    losses: list[Loss] = attrs.Factory(list)

    def check(self) -> None:
        """Raise `BadHistory` where this cannot have been."""
        for operation in self.operations:
            operation.check()
        for client in self.by_client().values():
            for one, next_one in itertools.pairwise(client):
                if next_one.invoked < one.returned:
                    raise BadHistory(f"a client does two things at a time: {one}, {next_one}")

    def by_client(self) -> dict[str, list[Operation]]:
        """Return what each client did, in order."""
        found: dict[str, list[Operation]] = {}
        for operation in sorted(self.operations, key=lambda each: each.invoked):
            found.setdefault(operation.client, []).append(operation)
        return found

    def by_key(self) -> dict[str, list[Operation]]:
        """Return what was done to each key, in the order of invocation."""
        found: dict[str, list[Operation]] = {}
        for operation in sorted(self.operations, key=lambda each: each.invoked):
            found.setdefault(operation.key, []).append(operation)
        return found

    def lines(self) -> Iterator[str]:
        """Yield the history as lines of JSON: losses, then operations without what is usual."""
        for loss in self.losses:
            yield json.dumps(attrs.asdict(loss))
        for operation in self.operations:
            yield json.dumps(attrs.asdict(operation, filter=_is_unusual, value_serializer=_plain))


def read_lines(lines: Iterable[str]) -> History:
    """Return the history that was written as these lines; raise `BadHistory`."""
    history = History()
    for line in lines:
        try:
            told = json.loads(line)
            if "at" in told:
                history.losses.append(Loss(**told))
                continue
            told["outcome"] = Outcome(told["outcome"])
            if "covers" in told:
                told["covers"] = tuple(told["covers"])
            history.operations.append(Operation(**told))
        except (ValueError, TypeError, KeyError) as error:
            raise BadHistory(f"{line!r}: {error}") from error
    return history


def _is_unusual(attribute: attrs.Attribute[Any], value: Any) -> bool:
    return bool(value != attribute.default)


def _plain(_: Any, __: Any, value: Any) -> Any:
    return value.value if isinstance(value, Outcome) else value
