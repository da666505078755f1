"""Convergence in words: whether the members hold the same, and whose counts may be missing.

Theory. Nobody sees all members at once. What this node knows is what each said that it holds, when
it was asked last, and who cannot be asked. So there are four things to say of a member, and no
more: it held what this node held then, it lacked some of it for so long, it has not said, or it is
not heard and what it counts is unknown. "Equal" is said only where nothing was counted since.

This module refuses to know how members are asked and judged.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

# Members named in a sentence.
NAMED_MAX = 4


@attrs.frozen
class Standing:
    """What is known of a member other than this node.

    liveness  alive, suspect, dead or left
    behind_s  for how long it has lacked something that this node holds; 0.0 for nothing, None if
              it has not said, or was not asked
    silent_s  since it said anything; None if it has not in this process's life
    """

    name: str
    liveness: str
    behind_s: float | None
    silent_s: float | None


@attrs.frozen
class Verdict:
    """What to say, and how good that is: `equal`, `moving`, `behind`, `unknown`."""

    level: str
    text: str


def describe(own: str, others: Sequence[Standing], *, moving: bool, lacking: bool) -> Verdict:
    """Say how the members stand to each other, as node `own` knows it.

    moving   something was counted since they were asked
    lacking  members hold something that this node is still fetching
    """
    if not others:
        return Verdict("equal", "One node, so there is nothing to compare.")
    lost = [each for each in others if each.liveness in ("suspect", "dead")]
    gone = [each for each in others if each.liveness == "left"]
    heard = [each for each in others if each.liveness == "alive"]
    behind = [each for each in heard if each.behind_s]
    unsaid = [each for each in heard if each.behind_s is None]
    level = [each for each in heard if each.behind_s == 0.0]
    sentences = [
        *[_lost(each) for each in lost[:NAMED_MAX]],
        *_many(lost, "more are not heard: their counts are unknown as well."),
        *_behind(behind),
        *_unsaid(unsaid),
        *([f"{own} itself is still fetching what others hold."] if lacking else []),
        *[_gone(each) for each in gone[:NAMED_MAX]],
        *_many(gone, "more are stopped."),
    ]
    is_whole = not (lost or behind or unsaid or lacking or gone)
    sentences += _level(own, level, moving=moving, whole=is_whole)
    found = "moving" if moving else "equal"
    found = "behind" if behind or lacking else found
    return Verdict("unknown" if lost or unsaid else found, " ".join(sentences))


def _lost(each: Standing) -> str:
    if each.silent_s is None:
        return f"{each.name} was not heard since this node started: its counts are unknown."
    return f"{each.name} not heard for {lasting(each.silent_s)}: its counts are unknown since."


def _gone(each: Standing) -> str:
    since = "" if each.silent_s is None else f" {lasting(each.silent_s)} ago"
    return f"{each.name} stopped{since} and counts nothing until it starts."


def _many(found: Sequence[Standing], words: str) -> list[str]:
    more = len(found) - NAMED_MAX
    return [f"{more} {words}"] if more > 0 else []


def _behind(behind: Sequence[Standing]) -> list[str]:
    if not behind:
        return []
    oldest = max(each.behind_s or 0.0 for each in behind)
    nodes = "1 node" if len(behind) == 1 else f"{len(behind)} nodes"
    which = lasting(oldest) if len(behind) == 1 else f"oldest {lasting(oldest)}"
    return [f"{nodes} behind, {which}: {_names(behind)}."]


def _unsaid(unsaid: Sequence[Standing]) -> list[str]:
    if not unsaid:
        return []
    one = "has not said yet what it holds"
    words = one if len(unsaid) == 1 else "have not said yet what they hold"
    return [f"{_names(unsaid)} {words}."]


def _level(own: str, level: Sequence[Standing], *, moving: bool, whole: bool) -> list[str]:
    number = len(level) + 1
    if not level:
        return []
    if whole and not moving:
        return [f"All {number} nodes are equal."]
    if whole:
        return [f"All {number} nodes keep up: each holds what {own} held a second ago."]
    are = f"level with what {own} held a second ago" if moving else f"equal to {own}"
    return [f"{'1 other is' if len(level) == 1 else f'{len(level)} others are'} {are}."]


def _names(found: Sequence[Standing]) -> str:
    names = ", ".join(each.name for each in found[:NAMED_MAX])
    more = len(found) - NAMED_MAX
    return f"{names} and {more} more" if more > 0 else names


def lasting(seconds: float) -> str:
    """Write a duration as people say it: 1.8 s, 12 s, 3 min, 2 h, 4 d."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    for most, unit, name in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < most:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 86_400:.0f} d"
