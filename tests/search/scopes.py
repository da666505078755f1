"""Scopes: what is searched, from where, and how many of each action.

Theory. What a search cannot reach in its time it does not prove, so the time is spent on several
small questions instead of one large one: each scope has the actions of one subject and begins
where that subject begins, after a schedule that is given (`begin`).
"""

from __future__ import annotations

import attrs


@attrs.frozen
class Scope:
    """One search.

    name, says    what it is called, and what it is about
    begin         the schedule that leads to where it begins, separated by semicolons
    keys, increments, crashes, rewinds, wakes, repeats, links    at most so many in one schedule
    lives         processes of one host, the first included
    checkpoints, finishes    hosts write checkpoints, and stop in good order
    splits        commits and checkpoints are also made in single steps
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
    checkpoints: bool = False
    splits: bool = False
    finishes: bool = False
    syncs: bool = False
    fused: bool = False
    loses: bool = False


# A link to a peer that lacks two counters: what is in two parts, and a third one soon.
BEHIND = "add a x; commit a; add a y; commit a; lose; link a b"

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
    Scope("checkpoints", "and of a checkpoint", crashes=2, checkpoints=True, splits=True),
    Scope(
        "lives",
        "nodes come and go, also on older disks",
        keys=2,
        increments=5,
        crashes=4,
        rewinds=2,
        lives=4,
        syncs=True,
        fused=True,
        checkpoints=True,
    ),
)
