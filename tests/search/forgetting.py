"""A small cluster in which only forgetting is real: every order of everything, by brute force.

Theory. The rules of `counters.residue` are few, but what they must survive is many: who has
forgotten what, whose disk was lost or is old, who returns late with more. With three replicas, a
few columns and versions up to 2 all of it can be tried. A replica is a *row* of
cells: a small number per column says what it holds (nothing, a column at a version, or a residue at
a version), so a state of the cluster is a tuple that hashes fast, and the real rules are called on
it.

Counts are chosen so that nothing can hide: every increment is a digit of its own. A sum that holds
one twice shows a 2, one that lost it a 0, and a double cannot make up for a loss.
"""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from functools import cache

import attrs

from gcounterd.counters.residue import (
    Holding,
    Plan,
    Shown,
    Step,
    all_agree,
    decide,
    may_forget,
    take,
)
from gcounterd.ids import ColumnId

# The most versions that a column may have here, and the base of the digits: no sum of a few
# replicas' mistakes can carry from one increment to the next.
VERSIONS_MAX = 16
BASE = 16
# The version that a node brings which is no member and returns late.
NEWEST = 2
# Three replicas are quiet after two rounds or three; more would be a loop.
ROUNDS_MAX = 16

Row = tuple[int, ...]
Rows = tuple[Row, ...]
# What a replica has on disk: its row, and whether it knows of the release.
Disk = tuple[Row, bool]


def name(column: int) -> ColumnId:
    return ColumnId(bytes([column]) * 32)


def cell(version: int, *, forgotten: bool = False) -> int:
    return 2 * version + forgotten if version else 0


def version_of(cell: int) -> int:
    return cell >> 1


def is_forgotten(cell: int) -> bool:
    return bool(cell & 1)


@cache
def holding(row: Row) -> Holding:
    cells = list(enumerate(row))
    return Holding(
        {name(c): version_of(cell) for c, cell in cells if cell and not is_forgotten(cell)},
        {name(c): version_of(cell) for c, cell in cells if is_forgotten(cell)},
    )


def row_of(held: Holding, width: int) -> Row:
    return tuple(
        cell(held.version(name(c)), forgotten=name(c) in held.residue) for c in range(width)
    )


def content(column: int, version: int) -> int:
    """Return the counts of a column at a version: a digit for every increment."""
    return sum(BASE ** (VERSIONS_MAX * column + number) for number in range(version))


def value(row: Row) -> int:
    """Return what a replica must show: each column's version that it holds, once."""
    return sum(content(c, version_of(cell)) for c, cell in enumerate(row))


def residue_sum(row: Row) -> int:
    return sum(content(c, version_of(cell)) for c, cell in enumerate(row) if is_forgotten(cell))


def value_after(mine: Row, theirs: Row, plan: Plan) -> int:
    """Add and take away just what the plan says, as whoever carries it out does with real sums."""
    held, given = holding(mine), holding(theirs)
    number = {name(c): c for c in range(len(mine))}
    total = value(mine) + residue_sum(theirs)
    if not plan.keeps:
        total -= residue_sum(mine)
    total += sum(content(number[c], given.columns[c]) for c in plan.along)
    total -= sum(content(number[c], held.columns[c]) for c in plan.covered)
    return total - sum(content(number[c], v) for c, v in plan.aside.items())


@cache
def decided(mine: Row, theirs: Row) -> tuple[Step, Row, Plan]:
    """Return what `mine` does about `theirs`, and what it holds then."""
    plan = decide(holding(mine), holding(theirs))
    if plan.step in (Step.NOTHING, Step.WAIT, Step.REFUSE):
        return plan.step, mine, plan
    after = row_of(take(holding(mine), holding(theirs), plan), len(mine))
    assert value_after(mine, theirs, plan) == value(after), (mine, theirs, plan)
    return plan.step, after, plan


def level(mine: Row, theirs: Row) -> Row:
    """Take deltas of columns: both hold them as columns, or I hold nothing of them."""
    return tuple(
        theirs_of
        if not (is_forgotten(mine_of) or is_forgotten(theirs_of)) and theirs_of > mine_of
        else mine_of
        for mine_of, theirs_of in zip(mine, theirs, strict=True)
    )


@cache
def versions(row: Row) -> Row:
    return tuple(version_of(cell) for cell in row)


@attrs.frozen
class Rules:
    """What may happen in a search.

    final     versions after which nothing follows, by column, 0 where unknown
    returns   a node that is no member comes back with every column at its last version
    losses    disks may be lost
    rolled    disks may go back to the state that is kept beside them
    stale     replicas act on what the others showed last, which may be long ago
    early     forget without looking at what the others hold (a bug, to see it found)
    """

    final: Row
    returns: bool = False
    losses: int = 0
    rolled: bool = False
    stale: bool = False
    early: bool = False


@attrs.frozen
class World:
    """The cluster at one moment.

    disks  what each replica holds
    old    an earlier disk of replica 0
    shown  by replica, what each of the others showed it last
    """

    disks: tuple[Disk, ...]
    losses: int = 0
    old: Disk | None = None
    shown: tuple[tuple[Shown | None, ...], ...] = ()

    @property
    def rows(self) -> Rows:
        return tuple(row for row, _ in self.disks)

    def put(self, at: int, row: Row, released: bool | None = None) -> World:
        """Return the world with another disk at `at`."""
        disk = (row, self.disks[at][1] if released is None else released)
        return attrs.evolve(self, disks=(*self.disks[:at], disk, *self.disks[at + 1 :]))


def starts(replicas: int, columns: int, held: tuple[int, ...], rules: Rules) -> Iterator[World]:
    """Yield every way in which the replicas may hold closed columns at versions out of `held`."""
    rows = list(itertools.product(map(cell, held), repeat=columns))
    nothing = ((None,) * replicas,) * replicas if rules.stale else ()
    for chosen in itertools.product(rows, repeat=replicas):
        yield World(tuple((row, False) for row in chosen), shown=nothing)


def next_worlds(world: World, rules: Rules) -> Iterator[tuple[str, World]]:
    """Yield everything that may happen next."""
    everyone = range(len(world.disks))
    for a, b in itertools.permutations(everyone, 2):
        yield from meetings(world, rules, a, b)
    for a in everyone:
        row, released = world.disks[a]
        yield from forgettings(world, rules, a)
        if rules.returns:
            yield "return", world.put(a, returned(row, released, rules))
        if not released and not all(rules.final):
            yield "release", world.put(a, row, True)
        if world.losses < rules.losses:
            yield "loss", lost(world, a)
    if rules.rolled and world.old is None:
        yield "keep", attrs.evolve(world, old=world.disks[0])
    elif world.old is not None:
        yield "roll back", world.put(0, *world.old)


def meetings(world: World, rules: Rules, a: int, b: int) -> Iterator[tuple[str, World]]:
    """Let replica `a` hear of `b`: by deltas, by its residue, by its hashes, by its roster."""
    mine, theirs = world.disks[a][0], world.disks[b][0]
    yield "level", world.put(a, level(mine, theirs))
    step, after, _ = decided(mine, theirs)
    if step not in (Step.NOTHING, Step.WAIT):
        yield step.value, world.put(a, after)
    if world.disks[b][1] and not world.disks[a][1]:
        yield "told", world.put(a, mine, True)
    if rules.stale:
        seen = (*world.shown[a][:b], show(world.disks[b]), *world.shown[a][b + 1 :])
        yield "shown", attrs.evolve(world, shown=(*world.shown[:a], seen, *world.shown[a + 1 :]))


def forgettings(world: World, rules: Rules, a: int) -> Iterator[tuple[str, World]]:
    row, released = world.disks[a]
    shown = world.shown[a] if rules.stale else [show(disk) for disk in world.disks]
    others = [seen for b, seen in enumerate(shown) if b != a]
    if not (rules.early or all_agree(show(world.disks[a]), others)):
        return
    for c, held in enumerate(row):
        version = version_of(held)
        if is_forgotten(held) or not may_forget(version, final=rules.final[c], released=released):
            continue
        yield "forget", world.put(a, (*row[:c], cell(version, forgotten=True), *row[c + 1 :]))


@cache
def show(disk: Disk) -> Shown:
    return Shown(bytes([disk[1]]), bytes(versions(disk[0])))


def returned(row: Row, released: bool, rules: Rules) -> Row:
    """Take what a node that is no member hands over; refused where forgotten or released."""
    return tuple(
        held if is_forgotten(held) or (released and not final) else cell(NEWEST)
        for held, final in zip(row, rules.final, strict=True)
    )


def lost(world: World, at: int) -> World:
    """Put an empty disk in: a new node, of which nobody has seen anything."""
    empty = world.put(at, (0,) * len(world.disks[at][0]), False)
    shown = tuple(
        (None,) * len(seen) if a == at else (*seen[:at], None, *seen[at + 1 :])
        for a, seen in enumerate(world.shown)
    )
    return attrs.evolve(empty, losses=world.losses + 1, shown=shown)


Links = tuple[tuple[int, int], ...]


def healed(rows: Rows, links: Links | None = None) -> tuple[Rows, dict[Step, None]]:
    """Let all meet until nothing changes; return what they hold then, and which steps it took.

    `links` are the pairs that meet, all if None.
    """
    taken: dict[Step, None] = {}
    held = list(rows)
    pairs = [
        (a, b)
        for a, b in itertools.permutations(range(len(rows)), 2)
        if links is None or (a, b) in links or (b, a) in links
    ]
    for _ in range(ROUNDS_MAX):
        changed = False
        for a, b in pairs:
            step, after, _ = decided(level(held[a], held[b]), held[b])
            if step not in (Step.NOTHING, Step.WAIT):
                taken[step] = None
            changed |= after != held[a]
            held[a] = after
        if not changed:
            return tuple(held), taken
    raise AssertionError(f"never quiet: {rows}")


@attrs.define
class Found:
    """What a search met: how many worlds, how deep, what happened and what it came to."""

    worlds: int = 0
    depth: int = 0
    acts: Counter[str] = attrs.Factory(Counter)
    outcomes: Counter[str] = attrs.Factory(Counter)


# What may lower a version: a disk that is gone or old, and what is set aside in a file.
LOWERING = ("loss", "roll back", Step.YIELD.value)


def search(begin: Iterable[World], rules: Rules, until: str = "") -> Found:
    """Try everything from each beginning; check every step, and see how every world heals.

    Ends early at a world that heals to `until`.
    """
    found = Found()
    depths = dict.fromkeys(begin, 0)
    todo = deque(depths)
    while todo and not found.outcomes[until]:
        world = todo.popleft()
        found.outcomes[outcome(world.rows)] += 1
        for act, after in next_worlds(world, rules):
            found.acts[act] += 1
            assert act in LOWERING or never_lower(world, after), (act, world)
            if after not in depths:
                depths[after] = depths[world] + 1
                todo.append(after)
    found.worlds, found.depth = len(depths), max(depths.values())
    return found


def never_lower(before: World, after: World) -> bool:
    return all(
        version_of(new) >= version_of(old)
        for old_row, new_row in zip(before.rows, after.rows, strict=True)
        for old, new in zip(old_row, new_row, strict=True)
    )


@cache
def outcome(rows: Rows) -> str:
    """Say how a cluster ends once all meet.

    "agree": all hold the newest version of everything; "yield": all agree, and something was set
    aside for it; "refuse": two residues that cannot be joined; "differ", "lose": a bug.
    """
    end, steps = healed(rows)
    if len({versions(row) for row in end}) > 1:
        return "refuse" if Step.REFUSE in steps else "differ"
    if Step.YIELD in steps:
        return "yield"
    newest = tuple(max(cells) for cells in zip(*map(versions, rows), strict=True))
    return "agree" if versions(end[0]) == newest else "lose"
