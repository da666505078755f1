"""Scopes: what is searched, from where, and how many of each action.

Theory. What a search cannot reach in its time it does not prove, so the time is spent on several
small questions instead of one large one: each scope has the actions of one subject and begins
where that subject begins, after a schedule that is given (`begin`).
"""

from __future__ import annotations

import attrs

from tests.search.ground import HOSTS


@attrs.frozen
class Scope:
    """One search.

    name, says    what it is called, and what it is about
    begin         the schedule that leads to where it begins, separated by semicolons
    keys, increments, crashes, rewinds, checkpoints, wakes, repeats, links    at most so many
                  in one schedule
    lives         processes of one host, the first included
    counting, mortal    hosts that count; hosts that crash, stop, go back and write checkpoints
    finishes      hosts stop in good order
    splits        commits and checkpoints are also made in single steps
    removed       hosts that may be removed; forces  also without a majority
    syncs, fused  see `actions`; a fused scope syncs
    loses         for schedules only: to leave a message where it is comes to the same
    """

    name: str
    says: str
    begin: str = ""
    keys: int = 1
    increments: int = 2
    crashes: int = 0
    rewinds: int = 0
    wakes: int = 0
    repeats: int = 0
    links: int = 0
    lives: int = 3
    counting: str = HOSTS
    mortal: str = HOSTS
    checkpoints: int = 0
    splits: bool = False
    finishes: bool = False
    removed: str = ""
    forces: bool = False
    syncs: bool = False
    fused: bool = False
    loses: bool = False


# A link to a peer that lacks two counters: what is in two parts, and a third one soon.
BEHIND = "add a x; commit a; add a y; commit a; lose; link a b"
# A life of a that ended; b has one of its two versions, c none.
ENDED = "add a x; commit a; a>b push:a1@1; commit b; add a y; commit a; lose; crash a"
# The next life has closed it, and b, too, at what it has, and that lies on b's disk only. Now a
# link is made, b has told its line, and a answers with more.
COLD = (
    f"{ENDED}; start a; commit a; a>b settled*a1@2; commit b; checkpoint b; wake b 0; wake b 1;"
    "lose; link a b; a>b hash?"
)

# A life of a that ended in good order, and the next one, when all three hold the column.
FINISHED = "add a x; commit a; finish a; commit a; sync a b; sync a c; crash a; start a; commit a"

SCOPES = (
    Scope("spreading", "three nodes count and tell each other", increments=3, wakes=1, repeats=1),
    Scope(
        "deltas",
        "a delta in parts, while its column grows",
        begin=BEHIND,
        keys=2,
        increments=4,
        wakes=1,
        repeats=1,
        crashes=1,
    ),
    Scope("crashes", "nodes crash at any moment of a commit", crashes=2, splits=True),
    Scope("checkpoints", "and of a checkpoint", crashes=2, checkpoints=2, splits=True),
    Scope(
        "closing",
        "a column that others have in part is closed by the next life, maybe on an older disk",
        begin=ENDED,
        increments=3,
        crashes=2,
        rewinds=1,
        wakes=1,
    ),
    Scope(
        "cold",
        "a closed column on disk is raised and given out",
        begin=COLD,
        increments=3,
        crashes=2,
        wakes=2,
        checkpoints=2,
        splits=True,
    ),
    Scope(
        "lives",
        "a node comes and goes, also on older disks",
        increments=3,
        crashes=4,
        rewinds=2,
        lives=5,
        checkpoints=1,
        counting="ab",
        mortal="a",
        finishes=True,
        syncs=True,
        fused=True,
    ),
    Scope(
        "two lives",
        "two nodes do, and a third one has what it has",
        increments=2,
        crashes=4,
        rewinds=2,
        lives=3,
        counting="ab",
        mortal="ab",
        syncs=True,
        fused=True,
    ),
    Scope(
        "forgetting",
        "a finished column is forgotten, on some disks before others, which may be older",
        begin="add a x; finish a; sync a b; sync a c; crash a; start a;"
        "sync a b; sync a c; sync b c",
        increments=2,
        crashes=2,
        rewinds=1,
        wakes=4,
        counting="b",
        mortal="ab",
        syncs=True,
        fused=True,
    ),
    Scope(
        "turns",
        "the step in which it is, and what crashes leave of it",
        begin=f"{FINISHED}; sync a b; sync a c; sync b c; sync a b",
        increments=2,
        crashes=2,
        checkpoints=1,
        wakes=3,
        counting="b",
        mortal="ab",
        splits=True,
    ),
    Scope(
        "removal",
        "a node is removed, alive, dead or only cut off, and comes back",
        begin="add c x; commit c; lose",
        increments=2,
        crashes=1,
        wakes=3,
        links=2,
        counting="ac",
        mortal="c",
        removed="c",
    ),
    Scope(
        "removals",
        "several are, also one by the other",
        increments=2,
        crashes=2,
        rewinds=1,
        links=2,
        wakes=4,
        removed="abc",
        forces=True,
        mortal="bc",
        counting="bc",
        syncs=True,
        fused=True,
    ),
)
