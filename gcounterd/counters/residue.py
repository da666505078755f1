"""Residues: what is left of forgotten columns, and how one replica takes another's.

Theory. A *forgotten* column has no content of its own any more: its counts are in a sum, the
*residue*, and of itself only its version remains, in the *residue map*. A sum cannot be taken
apart, so a delta can never raise a forgotten column, and a sum must never be added to what it
already holds. Where two replicas differ in columns that one of them has forgotten, one takes the
other's residue, and there are only two ways in which that keeps every column counted once:

- *replace* mine by the giver's: for every column of my residue the giver has at least my version,
  forgotten or as a column, and for every column of its residue I have at most its version. What my
  residue holds and its residue does not, comes along as columns.
- *unite* both: the giver's residue is over other columns than mine, and I hold none of them at a
  higher version.

Copies of mine that the new residue covers are dropped in the same step. No version goes down in
either way, so no value does. Where neither is possible in either direction, one side may *yield*:
it could take the other's residue but for columns that it holds at higher versions; those are
written to a file, reported and dropped. All of them were released by an operator, since nothing is
above a final version. What is left is two residues that nobody can join: they *refuse* each other.

Comparing residues with residues only would be too strict: a replica that still holds as a column
what another has forgotten could then never level with it.

This module decides on versions. It refuses to know counts, links, disks and who is a member.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping

import attrs

from gcounterd.ids import ColumnId

Versions = Mapping[ColumnId, int]


class Step(enum.Enum):
    """What a replica does about a peer's residue."""

    NOTHING = "nothing"  # neither lacks what only the other's residue or columns could bring
    UNITE = "unite"
    REPLACE = "replace"
    YIELD = "yield"  # unite or replace, after setting columns aside
    WAIT = "wait"  # the peer takes ours first, or yields
    REFUSE = "refuse"  # no way in either direction


@attrs.frozen
class Holding:
    """What one replica holds: versions of what it has as columns, and its residue map.

    A column stands in one of them at most; one that stands in neither is held at version 0.
    """

    columns: Versions
    residue: Versions

    def version(self, column: ColumnId) -> int:
        """Return the version of `column` that is held, in whatever way."""
        return self.residue.get(column) or self.columns.get(column, 0)


@attrs.frozen
class Plan:
    """One step, with all that has to happen in it at once.

    keeps    my residue stays, the giver's is added to it; else the giver's is put in its place
    along    columns that must come from the giver as columns, with the least version of each
    covered  columns of mine that the new residue covers: their copies are dropped
    aside    columns of mine, with their versions, above those of the new residue: to be written
             to a file before they are dropped
    """

    step: Step
    keeps: bool = True
    along: Versions = attrs.Factory(dict)
    covered: tuple[ColumnId, ...] = ()
    aside: Versions = attrs.Factory(dict)


def decide(mine: Holding, theirs: Holding) -> Plan:
    """Say what I do about a peer's residue; the peer decides by the same rules.

    Where both could yield, the larger residue map does. Not the larger node id: a node between two
    others would then take the one's residue and the other's in turn, for ever.
    """
    if not is_lacking(mine, theirs) and not is_lacking(theirs, mine):
        return Plan(Step.NOTHING)
    if (plan := plan_taking(mine, theirs)) is not None:
        return plan
    if plan_taking(theirs, mine) is not None:
        return Plan(Step.WAIT)
    plan = plan_taking(mine, theirs, yielding=True)
    peer_could = plan_taking(theirs, mine, yielding=True) is not None
    if plan is not None and (not peer_could or _is_larger(mine, theirs)):
        return plan
    return Plan(Step.WAIT if peer_could else Step.REFUSE)


def is_lacking(mine: Holding, theirs: Holding) -> bool:
    """Say whether a peer holds what no delta can bring me: forgotten there, or forgotten here."""
    return _is_below(mine, theirs) or _is_behind(mine, theirs)


def _is_below(mine: Holding, theirs: Holding) -> bool:
    return any(version > mine.version(c) for c, version in theirs.residue.items())


def _is_behind(mine: Holding, theirs: Holding) -> bool:
    return any(theirs.version(c) > version for c, version in mine.residue.items())


def _is_larger(mine: Holding, theirs: Holding) -> bool:
    return sorted(mine.residue.items()) > sorted(theirs.residue.items())


def plan_taking(mine: Holding, given: Holding, *, yielding: bool = False) -> Plan | None:
    """Return how `given`'s residue is taken; None if it cannot be, or would bring nothing.

    `given.columns` are those that can come along. Whoever takes asks again with what has really
    arrived, at the moment of taking: both sides may have gone on since they compared.
    """
    above = {
        column: held
        for column, version in given.residue.items()
        if (held := mine.columns.get(column, 0)) > version
    }
    if above and not yielding:
        return None
    keeps = not any(column in mine.residue for column in given.residue)
    below = bool(above) or _is_below(mine, given)
    along = _along(mine, given) if below or _is_behind(mine, given) else None
    if along is not None and (not keeps or _is_behind(mine, given)):
        keeps = False
    elif keeps and below:
        along = {}
    else:
        return None
    step = Step.YIELD if above else Step.UNITE if keeps else Step.REPLACE
    covered = tuple(c for c in given.residue if c in mine.columns and c not in above)
    return Plan(step, keeps, along, covered, above)


def _along(mine: Holding, given: Holding) -> Versions | None:
    """Return what has to come along if my residue is replaced, None if it must not be."""
    for column, version in mine.residue.items():
        if given.version(column) < version:
            return None
    return {column: v for column, v in mine.residue.items() if column not in given.residue}


def take(mine: Holding, given: Holding, plan: Plan) -> Holding:
    """Return what I hold after a plan was carried out with what was given."""
    residue = {**mine.residue, **given.residue} if plan.keeps else dict(given.residue)
    columns = {c: v for c, v in mine.columns.items() if c not in residue}
    arrived = {column: given.columns[column] for column in plan.along}
    return Holding({**columns, **arrived}, residue)


@attrs.frozen
class Shown:
    """What a member showed last: the hashes of its roster and of its settled map."""

    roster: bytes
    settled: bytes


def all_agree(mine: Shown, others: Iterable[Shown | None]) -> bool:
    """Say whether every other member has shown just what I hold; None is one that showed nothing.

    Equal hashes of the settled maps mean that everybody holds exactly my version of each column,
    and equal rosters that everybody knows the same members and the same releases.
    """
    return all(shown == mine for shown in others)


def may_forget(version: int, *, final: int, released: bool) -> bool:
    """Say whether a closed column held at `version` may be forgotten once all agree on it.

    `final` is the version after which nothing follows, 0 if unknown.
    """
    return version > 0 and (released or version == final)
