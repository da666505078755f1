"""Removals: what an operator may ask for, and what it is told before it is done.

Theory. Removing a member is a merge of facts and can never make a number wrong, so nothing here
guards numbers. The guards are for people: whoever removes by mistake, from the small side of a
split, or the last member, has a cluster that takes no increments, or a disk with counts that nobody
asks any more. So a removal needs more than half of the members that count, those to be removed
included, to be alive; joining ones never take part. Each refusal says the way out.

What is removed or being removed already is not judged again: a command may be repeated, at any
member, until it is done.

This module refuses to know how a removal proceeds, and what liveness rests on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from gcounterd.ids import NodeId, show
from gcounterd.members.claims import Liveness
from gcounterd.members.roster import Entry, Roster, State

# Members are shown by their ids' first digits, so that many are taken for an id.
ID_DIGITS_MIN = 12

Look = Callable[[NodeId], Liveness]


@attrs.frozen
class Wish:
    """What an operator asks for: members by name or id, and into whom they are removed.

    into    a name or id, or "" for any living member
    dead    the members are said not to answer, and will not come back
    forced  without a majority
    """

    names: tuple[str, ...]
    into: str = ""
    dead: bool = False
    forced: bool = False


@attrs.frozen
class Plan:
    """What may be done.

    targets   the members named, each once; some may be removed, or being removed, already
    heir      into whom the others are removed, None where none is left to remove
    alive, of  how many members that count live, and of how many, the targets counted
    warnings  sentences for the operator
    """

    targets: tuple[Entry, ...]
    heir: Entry | None
    alive: int
    of: int
    warnings: tuple[str, ...]


@attrs.frozen
class Objection:
    """Why it may not: a stable code, and a sentence that ends with the way out."""

    code: str
    text: str


def plan(roster: Roster, look: Look, wish: Wish) -> Plan | Objection:
    """Judge a wish by what this member sees; `look` says who lives, this member included."""
    found = [find(roster, name) for name in wish.names]
    targets: dict[NodeId, Entry] = {}
    for name, entry in zip(wish.names, found, strict=True):
        if entry is None:
            return _unknown(name)
        targets[entry.node] = entry
    fresh = [entry for entry in targets.values() if entry.state < State.REMOVING]
    heir = _choose_heir(roster, look, wish, targets, fresh)
    if isinstance(heir, Objection):
        return heir
    sure = _Sight(roster, look)
    objection = _object(roster, sure, wish, targets, fresh) if fresh else None
    if objection is not None:
        return objection
    warnings = _warn(roster, sure, wish, targets)
    return Plan(tuple(targets.values()), heir, len(sure.alive), len(sure.voters), warnings)


def find(roster: Roster, name: str) -> Entry | None:
    """Return the member shown under a name, or of an id; one that belongs comes first.

    Of removed members of one name the one that lived last is returned.
    """
    for entry in roster.named(name.partition("~")[0]):
        if roster.label(entry.node) == name:
            return entry
    if len(name) >= ID_DIGITS_MIN:
        matching = [entry for entry in roster if show(entry.node).startswith(name)]
        if len(matching) == 1:
            return matching[0]
    removed = [each for each in roster if each.state is State.REMOVED and each.name == name]
    return max(removed, key=lambda entry: (entry.epoch, entry.node), default=None)


def may_start_anew(roster: Roster, node: NodeId) -> bool:
    """Say whether a new node may start on the disk of this one, whose roster it is.

    It is removed; or it is being removed, and nobody is left who could finish that.
    """
    entry = roster.get(node)
    if entry is None or entry.state < State.REMOVING:
        return False
    active = any(each.state is State.ACTIVE for each in roster.belonging())
    return entry.state is State.REMOVED or not active


class _Sight:
    """The members that count, those being removed included, and which of them live."""

    def __init__(self, roster: Roster, look: Look) -> None:
        counting = (State.ACTIVE, State.REMOVING)
        self.voters = [entry for entry in roster.belonging() if entry.state in counting]
        self.liveness = {entry.node: look(entry.node) for entry in roster.belonging()}
        self.alive = [each for each in self.voters if self.is_seen(each, Liveness.ALIVE)]
        self.suspect = [each for each in self.voters if self.is_seen(each, Liveness.SUSPECT)]

    def is_seen(self, entry: Entry, liveness: Liveness) -> bool:
        return self.liveness[entry.node] is liveness


def _choose_heir(
    roster: Roster,
    look: Look,
    wish: Wish,
    targets: dict[NodeId, Entry],
    fresh: Sequence[Entry],
) -> Entry | Objection | None:
    """Return the heir that was named, or the living member of the smallest id."""
    if wish.into:
        heir = find(roster, wish.into)
        if heir is None:
            return _unknown(wish.into)
        if heir.node in targets:
            text = f"{roster.label(heir.node)} is removed itself; name another member with --into"
            return Objection("removal_self_heir", text)
        if heir.state is not State.ACTIVE:
            text = f"{roster.label(heir.node)} is {heir.state.name.lower()}; name an active member"
            return Objection("removal_no_heir", f"{text} with --into")
        return heir
    if not fresh:
        return None
    others = [entry for entry in roster.belonging() if entry.node not in targets]
    active = [entry for entry in others if entry.state is State.ACTIVE]
    living = [entry for entry in active if look(entry.node) is Liveness.ALIVE]
    if living or not active:  # with nobody left there is more to say than that
        return min(living, key=lambda entry: entry.node, default=None)
    text = "no other active member answers; name one with --into, or wait until one is back"
    return Objection("removal_no_heir", text)


def _object(
    roster: Roster,
    sight: _Sight,
    wish: Wish,
    targets: dict[NodeId, Entry],
    fresh: Sequence[Entry],
) -> Objection | None:
    """Return what speaks against removing these members, if anything does."""
    for entry in fresh:
        objection = _object_to(roster.label(entry.node), sight.liveness[entry.node], wish)
        if objection is not None:
            return objection
    left = [entry for entry in roster.belonging() if entry.node not in targets]
    if not any(entry.state is State.ACTIVE for entry in left):
        return _nobody_left(roster, left)
    return None if wish.forced else _object_to_number(sight)


def _object_to(name: str, liveness: Liveness, wish: Wish) -> Objection | None:
    """Return what speaks against removing a member that is seen so."""
    match liveness:
        case Liveness.ALIVE if wish.dead:
            text = f"{name} answers; remove it without --dead, so that it hands over what it has"
            return Objection("removal_is_alive", text)
        case Liveness.SUSPECT:
            text = f"{name} is suspect: whether it lives is known within seconds; repeat it then"
            return Objection("removal_suspect", text)
        case Liveness.DEAD | Liveness.LEFT if not wish.dead:
            text = (
                f"{name} does not answer; start it, or say --dead if it will not come back: what "
                "only its disk holds is missing until that disk is started again"
            )
            return Objection("removal_needs_dead", text)
        case _:
            return None


def _nobody_left(roster: Roster, left: Sequence[Entry]) -> Objection:
    if any(entry.state is State.JOINING for entry in left):
        text = "only joining members would be left, which take nothing over; wait until one is"
        return Objection("removal_joining_only", f"{text} active")
    text = "no active member would be left to hold the counts; add a node first"
    return Objection("removal_last", text)


def _object_to_number(sight: _Sight) -> Objection | None:
    alive, suspect, of = len(sight.alive), len(sight.suspect), len(sight.voters)
    if 2 * alive > of:
        return None
    if 2 * (alive + suspect) > of:
        text = f"{alive} of {of} members are alive and {suspect} suspect: that is known within"
        return Objection("removal_suspect", f"{text} seconds; repeat it then")
    text = (
        f"{alive} of {of} members are alive, more than half must be; ask on the other side of a "
        "split, start some, or say --without-majority: counts of members that are only cut off "
        "are then missing here until they are met again"
    )
    return Objection("removal_no_majority", text)


def _unknown(name: str) -> Objection:
    return Objection("unknown_node", f"no member is named '{name}'; see gcounterctl members")


def _warn(
    roster: Roster, sight: _Sight, wish: Wish, targets: dict[NodeId, Entry]
) -> tuple[str, ...]:
    """Return what an operator should know before it is done."""
    warnings = []
    left = [
        each for each in sight.voters if each.state is State.ACTIVE and each.node not in targets
    ]
    answering = sum(sight.is_seen(entry, Liveness.ALIVE) for entry in left)
    if 2 * answering <= len(left) and not (wish.forced or _is_forced(targets)):
        warnings.append(
            f"of the {len(left)} active members that remain {answering} answer: the removal waits "
            "until more than half do, or until it is repeated with --without-majority"
        )
    if wish.forced:
        warnings.append(
            "without a majority: what members hold that do not answer now is missing until they "
            "are met again, and if they remove this side in turn, all must start anew with "
            "--new-identity"
        )
    for entry in roster.belonging():
        joining = entry.state is State.JOINING and entry.node not in targets
        if joining and not sight.is_seen(entry, Liveness.ALIVE):
            warnings.append(
                f"{roster.label(entry.node)} is joining and does not answer: every consistent read "
                "fails until it is back or removed"
            )
    if any(entry.state is not State.REMOVED for entry in targets.values()):
        warnings.append("a disk may be wiped only when gcounterctl removals shows its node as done")
    return tuple(warnings)


def _is_forced(targets: dict[NodeId, Entry]) -> bool:
    return all(entry.forced for entry in targets.values())
